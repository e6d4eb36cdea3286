"""The pages of docs/ are written for a code host; here what they point at outside of docs/ becomes part of the site.

- A linked file of the repository becomes a page, or is copied where it is no text. A link to what is not there stays as
  it is, and the strict build fails on it.
- A full name, ``lesslabel.…``, or the path of a module in backticks becomes a link to the reference.
- ``<!-- include PATH -->`` shows a file, ``<!-- reference NAME -->`` a docstring. Other comments are left out.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from posixpath import normpath, relpath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
REPOSITORY = "repository"
TOP = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")
"""Pages of the repository's top that are in the menu, linked or not."""

LANGUAGES = {".yaml": "yaml", ".cff": "yaml", ".py": "python", ".csv": "text", ".json": "json", "": "text"}
FENCED = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(\]\()(?!\w+:|#)([^)\s#]+)((?:#[^)\s]*)?\))")
COMMENT = re.compile(r"^<!-- (.*?) -->\n?", re.MULTILINE)
FULL_NAME = re.compile(r"(?<![`\[])`(lesslabel(?:\.\w+)+)`(?![`\]])")
FILE_NAME = re.compile(r"(?<![`\[])`((?:lesslabel|configs|docs|experiments)/[\w./-]+)`(?![`\]])")


def on_config(config: MkDocsConfig) -> None:
    """Give headings the anchors that a code host gives them, so that one link serves both."""
    config.mdx_configs["toc"]["slugify"] = anchor


def anchor(heading: str, separator: str) -> str:
    """Lower case, words joined by the separator, other signs left out."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", separator)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add what the pages link to, and what those pages link to, until nothing new is found."""
    pages = {f"docs/{file.src_uri}": Path(file.abs_src_path or "") for file in files.documentation_pages()}
    waiting, seen = [*pages.items(), *((name, ROOT / name) for name in TOP)], set(pages)
    while waiting:
        origin, path = waiting.pop()
        if origin not in pages:
            files.append(made_page(origin, path, config))
        if path.suffix == ".md":
            found = {target for target in targets(origin, path.read_text(encoding="utf-8")) if target not in seen}
            seen |= found
            waiting += [(target, ROOT / target) for target in sorted(found)]
    return files


def targets(origin: str, markdown: str) -> Iterator[str]:
    """The files of the repository, outside of docs/, that a page links to or names."""
    for text in FENCED.split(markdown)[::2]:
        linked = [path_of(origin, match[2]) for match in LINK.finditer(text)]
        named = [match[1] for match in FILE_NAME.finditer(text) if not match[1].startswith("lesslabel/")]
        yield from (path for path in [*linked, *named] if (ROOT / path).is_file() and not path.startswith("docs/"))


def path_of(origin: str, link: str) -> str:
    """The path in the repository that a link of a page leads to."""
    return normpath(PurePosixPath(origin).parent / link)


def made_page(origin: str, path: Path, config: MkDocsConfig) -> File:
    """Make the site's file of a file of the repository."""
    where = in_site(origin)
    if path.suffix == ".md":
        made = File.generated(config, where, content=path.read_text(encoding="utf-8"))
    elif where.endswith(".md"):
        made = File.generated(config, where, content=f"# {origin}\n\n{shown(path)}\n")
    else:
        made = File.generated(config, where, abs_src_path=str(path))
    made.inclusion = InclusionLevel.INCLUDED if origin in TOP else InclusionLevel.NOT_IN_NAV
    return made


def in_site(path: str) -> str:
    """Where the site has a file of the repository."""
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    is_shown = PurePosixPath(path).suffix in LANGUAGES
    return f"{REPOSITORY}/{path}.md" if is_shown else f"{REPOSITORY}/{path}"


def shown(path: Path) -> str:
    """A file as a fenced block."""
    return f"````{LANGUAGES[path.suffix]}\n{path.read_text(encoding='utf-8').rstrip()}\n````"


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Rewrite a page for the site; what is in fenced blocks stays as it is."""
    here = page.file.src_uri
    if here.startswith("reference/"):
        return markdown
    outside = here.startswith(f"{REPOSITORY}/")
    origin = here.removeprefix(f"{REPOSITORY}/") if outside else f"docs/{here}"
    parts = FENCED.split(markdown)
    parts[::2] = [rewritten(text, here, origin) for text in parts[::2]]
    return "".join(parts)


def rewritten(text: str, here: str, origin: str) -> str:
    """Rewrite a piece of a page that is no fenced block."""

    def relinked(match: re.Match[str]) -> str:
        path = path_of(origin, match[2])
        return match[1] + relative(path) + match[3] if (ROOT / path).is_file() else match[0]

    def relative(path: str) -> str:
        return relpath(in_site(path), PurePosixPath(here).parent)

    text = FULL_NAME.sub(r"[`\1`][\1]", LINK.sub(relinked, text))
    return COMMENT.sub(commanded, FILE_NAME.sub(lambda match: linked_file(match[1], relative), text))


def linked_file(name: str, relative: Callable[[str], str]) -> str:
    """Link the name of a file: a module to the reference, another file to its page; code where there is none."""
    path = ROOT / name
    if name.startswith("lesslabel/"):
        is_module = path.suffix == ".py" and path.is_file() and not path.stem.startswith("_")
        is_package = (path / "__init__.py").is_file()
        module = name.removesuffix(".py").strip("/").replace("/", ".")
        return f"[`{name}`][{module}]" if is_module or is_package else f"`{name}`"
    return f"[`{name}`]({relative(name)})" if path.is_file() else f"`{name}`"


def commanded(comment: re.Match[str]) -> str:
    """Do what a comment says, or leave it out."""
    command, _, argument = comment[1].partition(" ")
    if command == "include":
        return f"{shown(ROOT / argument)}\n"
    if command == "reference":
        return f"::: {argument}\n    options: {{skip_local_inventory: true, heading_level: 3}}\n"
    return ""
