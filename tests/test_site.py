"""The site of docs/ and of the docstrings builds without a warning, and what only the site needs is right."""

import ast
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]
SITE = ROOT / "docs" / "site"
QUESTIONS = (
    "batch holds", "augmentation", "sliding window", "teacher", "HD95", "learning-rate schedule", "label budget",
    "safe loading of a checkpoint", "NoC", "simulation of scribbles",
)  # fmt: skip


def load(name: str) -> ModuleType:
    """A hook of the site as a module."""
    specification = importlib.util.spec_from_file_location(f"site_{name}", SITE / f"{name}.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def build(*, to: Path, config: Path = SITE / "mkdocs.yml", where: Path = ROOT) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--config-file", config]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    return subprocess.run(
        [*command, "--site-dir", to], cwd=where, env=environment, capture_output=True, text=True, timeout=1200
    )


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    result = build(to=tmp_path / "site")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "WARNING" not in result.stdout + result.stderr
    pages = {path.relative_to(tmp_path / "site"): path.read_text() for path in (tmp_path / "site").rglob("*.html")}
    fetched = re.compile(
        r'<(?:script|img|iframe)[^>]+src="?https?:|<link[^>]+rel="?(?:stylesheet|preconnect)"?[^>]+https?:'
    )
    assert not [page for page, text in pages.items() if fetched.search(text)]
    assert (tmp_path / "site" / "site" / "site.css").is_file()
    page = pages[Path("methods/dmpls.html")]
    assert "class_path" in page.partition('id="configuration"')[2].partition("<h2")[0]
    assert "pseudo_label_weight" in page.partition('id="reference"')[2]
    batch = pages[Path("reference/lesslabel.data.html")]
    assert 'id="lesslabel.data.batch.Batch"' in batch


GOOD = {"page": "[data](data.md)", "docstring": "See `lesslabel.Known`."}
BROKEN = [
    ({}, None),
    ({"page": "[data](nothing.md)"}, "nothing.md"),
    ({"page": "[configuration](../configs/nothing.yaml)"}, "configs/nothing.yaml"),
    ({"page": "[data](data.md#nothing)"}, "nothing"),
    ({"page": "It is `lesslabel.Unknown`."}, "lesslabel.Unknown"),
    ({"docstring": "See `lesslabel.Unknown`."}, "lesslabel.Unknown"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("changed", "named"), BROKEN, ids=lambda value: str(value)[:40])
def test_a_broken_reference_fails_the_build(changed: dict[str, str], named: str | None, tmp_path: Path) -> None:
    texts = GOOD | changed
    shutil.copytree(SITE, tmp_path / "docs" / "site", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "docs" / "index.md").write_text(f"# Small\n\n{texts['page']}\n")
    (tmp_path / "docs" / "data.md").write_text("# Data\n")
    for name in ("README", "CONTRIBUTING", "SECURITY", "CHANGELOG"):
        (tmp_path / f"{name}.md").write_text(f"# {name}\n")
    (tmp_path / "lesslabel").mkdir()
    module = f'"""A package. {texts["docstring"]}"""\n\n\nclass Known:\n    """Known."""\n'
    (tmp_path / "lesslabel" / "__init__.py").write_text(module)
    result = build(to=tmp_path / "site", config=tmp_path / "docs" / "site" / "mkdocs.yml", where=tmp_path)
    assert (result.returncode == 0) is (named is None), result.stdout + result.stderr
    assert named is None or named in result.stdout + result.stderr


def rows_of_where() -> list[tuple[str, str, list[str]]]:
    """Question, file and names of each row of docs/where.md."""
    text = (ROOT / "docs" / "where.md").read_text(encoding="utf-8")
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ") and "`" in line]
    return [(row[0], row[1].strip("`"), re.findall(r"`([\w.]+)`", row[2])) for row in rows]


@pytest.mark.parametrize(("question", "file", "names"), rows_of_where(), ids=lambda value: str(value)[:30])
def test_what_is_asked_for_is_where_the_page_says(question: str, file: str, names: list[str]) -> None:
    defined: set[str] = set()
    for statement in ast.parse((ROOT / file).read_text(encoding="utf-8")).body:
        if isinstance(statement, ast.FunctionDef | ast.ClassDef):
            defined.add(statement.name)
        if isinstance(statement, ast.ClassDef):
            inner = (member for member in statement.body if isinstance(member, ast.FunctionDef))
            defined |= {f"{statement.name}.{member.name}" for member in inner}
        if isinstance(statement, ast.Assign):
            defined |= {target.id for target in statement.targets if isinstance(target, ast.Name)}
    assert names, question
    assert set(names) <= defined, question


@pytest.mark.parametrize("question", QUESTIONS)
def test_ten_questions_are_answered_in_at_most_two_files(question: str) -> None:
    assert 1 <= len([row for row in rows_of_where() if question in row[0]]) <= 2


def test_the_menu_takes_every_page_and_needs_no_line_for_a_new_one() -> None:
    sections = {"Start": ["index.md", "where.md"], "Methods": ["methods.md", "methods/*.md"], "More": ["CHANGELOG.md"]}
    pages = [
        "where.md",
        "methods/dmpls.md",
        "index.md",
        "repository/CHANGELOG.md",
        "methods.md",
        "new.md",
        "a/b.md",
        "repository/README.md",
    ]
    assert load("pages").menu(pages, sections) == [
        {"Start": ["index.md", "where.md"]},
        {"Methods": ["methods.md", "methods/dmpls.md"]},
        {"More": ["repository/CHANGELOG.md", "a/b.md", "new.md", {"README": "repository/README.md"}]},
    ]


def test_links_that_leave_the_pages_lead_to_the_site_s_own_copy() -> None:
    links = load("links")
    text = (
        "[a](../../README.md#x) [b](../data.md#budgets) [c](https://a.b/c.md) [d](#x) [e](../../configs/acdc/pce.yaml)"
    )
    assert links.rewritten(text, "methods/pce.md", "docs/methods/pce.md") == (
        "[a](../repository/README.md#x) [b](../data.md#budgets) [c](https://a.b/c.md) [d](#x) "
        "[e](../repository/configs/acdc/pce.yaml.md)"
    )
    assert links.rewritten("[a](docs/data.md)", "repository/README.md", "README.md") == "[a](../data.md)"


def test_a_link_to_nothing_stays_as_it_is_so_that_the_build_fails() -> None:
    assert load("links").rewritten("[a](../nothing.md)", "data.md", "docs/data.md") == "[a](../nothing.md)"


def test_full_names_and_paths_of_modules_become_links() -> None:
    links = load("links")
    assert links.rewritten(
        "`lesslabel.methods.DMPLS` in `lesslabel/data/batch.py`, `pce`", "data.md", "docs/data.md"
    ) == (
        "[`lesslabel.methods.DMPLS`][lesslabel.methods.DMPLS] in "
        "[`lesslabel/data/batch.py`][lesslabel.data.batch], `pce`"
    )
    assert links.rewritten("[`lesslabel.a.b`](x.html)", "data.md", "docs/data.md") == "[`lesslabel.a.b`](x.html)"


def test_docstrings_link_full_names_and_keep_optional_axes() -> None:
    names = load("dotted_names")
    assert names.link_full_names("See `lesslabel.data.Case`, `Case`.") == (
        "See [`lesslabel.data.Case`][lesslabel.data.Case], `Case`."
    )
    assert names.escape_optional_axes("([C,] [D,] H, W) or `[D,]`") == "(\\[C,\\] \\[D,\\] H, W) or `[D,]`"
