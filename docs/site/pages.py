"""The pages that nobody writes: the reference, a page for each package, and the menu."""

import ast
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "lesslabel"
REFERENCE = "reference"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the reference and order the menu."""
    reference = {package: f"{REFERENCE}/{package}.md" for package in packages()}
    for package, page in reference.items():
        files.append(File.generated(config, page, content=reference_page(package)))
    written = [file.src_uri for file in files.documentation_pages() if file.inclusion.is_in_nav()]
    written = [page for page in written if page not in reference.values()]
    config.nav = [*menu(written, config.extra["menu"]), {"Reference": reference_menu(reference)}]
    return files


def packages() -> list[str]:
    """The dotted names of all packages, in the order of the folders."""
    folders = sorted(path.parent.relative_to(ROOT) for path in PACKAGE.rglob("__init__.py"))
    return [".".join(folder.parts) for folder in folders]


def reference_page(package: str) -> str:
    """Make the page of a package: what it is, what to import from it, and everything public of each module."""
    folder = ROOT.joinpath(*package.split("."))
    defined, offered = names_of(folder / "__init__.py")
    modules = sorted(path.stem for path in folder.glob("*.py") if not path.stem.startswith("_"))
    page = [f"::: {package}", f"    options: {{members: {defined or 'false'}, heading_level: 1}}"]
    if offered:
        # optional: a constant without a docstring has no entry of its own
        name_of = '<autoref identifier="{0}.{1}" optional><code>{1}</code></autoref>'
        links = ", ".join(name_of.format(package, name) for name in offered)
        page += ["", f"**Import from `{package}`:** {links}"]
    for module in modules:
        page += ["", f"::: {package}.{module}", "    options: {heading_level: 2}"]
    return "\n".join(page) + "\n"


def names_of(path: Path) -> tuple[list[str], list[str]]:
    """The public names that a package's own file defines, and those that its ``__all__`` offers."""
    defined: list[str] = []
    offered: list[str] = []
    for statement in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(statement, ast.FunctionDef | ast.ClassDef):
            defined.append(statement.name)
        if isinstance(statement, ast.Assign | ast.AnnAssign):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            names = [target.id for target in targets if isinstance(target, ast.Name)]
            defined += names
            if names == ["__all__"] and statement.value is not None:
                offered = ast.literal_eval(statement.value)
    return [name for name in defined if not name.startswith("_")], offered


def reference_menu(reference: dict[str, str]) -> list[Any]:
    """Nest the pages of the packages: a room with rooms of its own is a section."""
    top = [package for package in reference if package.count(".") == 1]
    entries: list[Any] = [{"lesslabel": reference["lesslabel"]}]
    for package in top:
        room = package.removeprefix("lesslabel.")
        inside = [name for name in reference if name == package or name.startswith(f"{package}.")]
        pages = [{name.removeprefix("lesslabel."): reference[name]} for name in inside]
        entries.append({room: pages} if len(pages) > 1 else pages[0])
    return entries


def menu(pages: list[str], sections: dict[str, list[str]]) -> list[dict[str, list[str | dict[str, str]]]]:
    """Put every page into the first section with a pattern that it matches, or else into the last section.

    Args:
        pages: paths below the folder of the pages.
        sections: patterns of each section; ``*`` does not match a slash.
    """
    left = sorted(pages)
    entries: dict[str, list[str]] = {title: [] for title in sections}
    for title, patterns in sections.items():
        for pattern in patterns:
            matched = [page for page in left if matches(page, pattern)]
            entries[title] += matched
            left = [page for page in left if page not in matched]
    entries[next(reversed(entries))] += left
    return [{title: [entry(page) for page in inside]} for title, inside in entries.items() if inside]


def entry(page: str) -> str | dict[str, str]:
    """A page in the menu: by its heading, but the README's is the name of the library."""
    return {"README": page} if PurePosixPath(page).stem == "README" else page


def matches(page: str, pattern: str) -> bool:
    """Whether a page, or a page of the repository's own top, is meant by a pattern."""
    name = page.removeprefix("repository/")
    return name.count("/") == pattern.count("/") and fnmatchcase(name, pattern)
