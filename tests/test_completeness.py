"""Whatever is shipped has a row in its contract suite, a configuration where it is a method, and a page."""

import importlib
import re
from pathlib import Path
from types import ModuleType

import pytest
import test_interactive_contract
import test_methods_contract

import lesslabel.methods
from lesslabel.adaptation.without_labels import ADAPTATIONS
from lesslabel.data.sources import SOURCES
from lesslabel.methods import SegmentationMethod
from lesslabel.runs.config_files import read_config
from lesslabel.selection import STRATEGIES

ROOT = Path(__file__).parents[1]
CONFIGS = sorted(path for path in (ROOT / "configs").rglob("*.yaml") if path.parent.name != "_data")

SECTIONS = ("Idea", "Equations", "Key parts", "Good to know", "Configuration", "Run it", "Reference")
"""What the page of a method has, in this order; other sections may stand between."""


def is_concrete(kind: type) -> bool:
    return not any(getattr(getattr(kind, name), "__isabstractmethod__", False) for name in dir(kind))


SHIPPED = [vars(lesslabel.methods)[name] for name in lesslabel.methods.__all__]
METHODS = [kind for kind in SHIPPED if issubclass(kind, SegmentationMethod) and is_concrete(kind)]

every_method = pytest.mark.parametrize("method", METHODS, ids=lambda kind: kind.__name__)


def page_of(method: type) -> str:
    """The text of a method's page."""
    pages = [page.read_text(encoding="utf-8") for page in (ROOT / "docs" / "methods").glob("*.md")]
    (own,) = [page for page in pages if f"\n`lesslabel.methods.{method.__name__}` · " in page]
    return own


def suite(folder: str, name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "tests" / folder))
    return importlib.import_module(name)


def configs_of(method: type) -> list[str]:
    name = f"lesslabel.methods.{method.__name__}"
    found = [path for path in CONFIGS if read_config(path)["model"]["class_path"] == name]
    return [path.relative_to(ROOT).as_posix() for path in found]


def test_methods_are_found() -> None:
    assert {"Supervised", "DMPLS", "Tent", "AdaMI", "MIDeepSeg"} <= {method.__name__ for method in METHODS}
    assert not {"SegmentationMethod", "InteractiveMethod"} & {method.__name__ for method in METHODS}


def test_every_method_has_a_row() -> None:
    made = {type(test_methods_contract.make(row)) for row in test_methods_contract.ROWS}
    made |= {type(test_interactive_contract.make(row, 2)) for row in test_interactive_contract.ROWS}
    assert made == set(METHODS)


@every_method
def test_every_method_has_a_configuration(method: type) -> None:
    assert configs_of(method)


@every_method
def test_every_method_has_a_page_that_names_its_configurations(method: type) -> None:
    page = page_of(method)
    assert any(f"`{config}`" in page for config in configs_of(method))
    headings = re.findall(r"^## (.+)$", page, re.MULTILINE)
    assert [name for name in headings if name in SECTIONS] == list(SECTIONS)


@every_method
def test_the_page_of_a_method_shows_a_configuration_the_command_and_the_docstring(method: type) -> None:
    page = page_of(method)
    shown = re.findall(r"^<!-- include (.+) -->$", page, re.MULTILINE)
    assert set(configs_of(method)) & set(shown)
    assert all((ROOT / path).is_file() for path in shown)
    commands = page.partition("\n## Run it\n")[2]
    assert re.search(r"^lesslabel (fit|adapt) ", commands, re.MULTILINE)
    assert all((ROOT / path).is_file() for path in re.findall(r"--config (configs/\S+)", commands))
    assert f"\n<!-- reference lesslabel.methods.{method.__name__} -->\n" in page


@pytest.mark.parametrize("row", test_interactive_contract.ROWS, ids=lambda row: row.name)
def test_the_page_of_an_interactive_method_lists_the_prompts_that_it_uses(row: test_interactive_contract.Row) -> None:
    """The default of its class; a row may use more or fewer maps."""
    made = test_interactive_contract.make(row, 2)
    (line,) = re.findall(r"^Prompts: (.+)\.$", page_of(type(made)), re.MULTILINE)
    assert line == ", ".join(f"`{kind}`" for kind in made.kinds)


def test_every_strategy_has_a_row_and_a_page(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = suite("selection", "test_selection_contract", monkeypatch).NAMES
    page = (ROOT / "docs" / "adaptation.md").read_text(encoding="utf-8")
    choosing = page.partition("\n## Choosing\n")[2].partition("\n## ")[0]
    for name in STRATEGIES:
        assert name in rows
        assert re.search(rf"`(--strategy )?{name}`", choosing)


def test_every_adaptation_without_labels_has_a_row_and_a_page(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [row.name for row in suite("adaptation", "test_without_labels_contract", monkeypatch).ROWS]
    page = (ROOT / "docs" / "adaptation.md").read_text(encoding="utf-8")
    sections = re.split(r"^### ", page.partition("\n## Adapting without labels\n")[2], flags=re.MULTILINE)[1:]
    for name, adaptation in ADAPTATIONS.items():
        assert name in rows
        (section,) = [text for text in sections if re.match(rf"[^\n]+\n\n(`[\w./]+`, |`[\w./]+` · )*`{name}`", text)]
        if adaptation.method:
            assert f"`lesslabel.methods.{adaptation.method}`" in section


def test_every_source_has_a_row_and_a_page() -> None:
    suite_of_sources = (ROOT / "tests" / "data" / "sources" / "test_sources_contract.py").read_text(encoding="utf-8")
    pages = [*(ROOT / "docs" / "datasets").glob("*.md"), ROOT / "docs" / "own_data.md"]
    texts = [page.read_text(encoding="utf-8") for page in pages]
    for name, source in SOURCES.items():
        assert re.search(rf"lambda \w+: {source.__name__}\(", suite_of_sources)
        assert any(re.search(rf"lesslabel prepare {name}\b", text) for text in texts), name
