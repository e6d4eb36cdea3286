"""The hash of the sources changes with what can change a number of a job, and with nothing else."""

import re
import shutil
import sys
from pathlib import Path
from types import FrameType

import pytest

from lesslabel.cli import main
from lesslabel.command_words import read_settings
from lesslabel.runs import testing
from lesslabel.runs.fitting import fit
from lesslabel.studies.sources import PACKAGE, SILENT, Sources

FILES = {
    "__init__.py": '"""A package."""\n__version__ = "1"\n',
    "errors.py": "class Problem(Exception):\n    pass\n",
    "work.py": """
from lesslabel.methods import Base
from lesslabel.reports import draw
from lesslabel.errors import Problem

def work(count: int = 3) -> int:
    \"\"\"Add up.\"\"\"
    if count < 0:
        raise Problem("few")
    return count + 1
""",
    "methods/__init__.py": "from lesslabel.methods.base import Base\nfrom lesslabel.methods.one import One\n",
    "methods/base.py": "class Base:\n    pass\n",
    "methods/one.py": """
from lesslabel.methods.base import Base
import torch
from scipy import ndimage

class One(Base):
    A = 1
""",
    "reports/__init__.py": "def draw():\n    return 1\n",
    "lists/__init__.py": "",
    "named.py": "PLACE = 'lesslabel.far.thing'\n",
    "far/__init__.py": "",
    "far/thing.py": "B = 1\n",
    "acting/__init__.py": "import warnings\nwarnings.simplefilter('ignore')\n",
    "acting/inside.py": "C = 1\n",
}
NAMES = ("lesslabel.work", "lesslabel.methods.One")


@pytest.fixture
def package(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / "lesslabel" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    folder = tmp_path / "lesslabel" / "data" / "lists" / "set"
    folder.mkdir(parents=True)
    (folder / "split.yaml").write_text("folds: {}")
    (folder / "order.txt").write_text("a\nb\n")
    return tmp_path / "lesslabel"


def edit(package: Path, name: str, old: str, new: str) -> None:
    text = (package / name).read_text()
    assert old in text
    (package / name).write_text(text.replace(old, new))


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("work.py", "Add up.", "Count."),
        ("work.py", '    """Add up."""\n', ""),
        ("work.py", "    return count + 1", "    # one more\n\n    return (count\n            + 1)"),
        ("work.py", '"few"', 'f"{count} are few"'),
        ("__init__.py", '"1"', '"2"'),
        ("__init__.py", '"""A package."""\n', ""),
        ("reports/__init__.py", "return 1", "return 2"),
        ("named.py", "far", "near"),
        ("far/thing.py", "1", "2"),
        ("acting/__init__.py", "ignore", "error"),
    ],
)
def test_what_computes_nothing_does_not_count(name: str, old: str, new: str, package: Path) -> None:
    before = Sources(package).hash(NAMES)
    edit(package, name, old, new)
    assert Sources(package).hash(NAMES) == before


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("work.py", "count + 1", "count + 2"),
        ("work.py", "= 3", "= 4"),
        ("work.py", "count < 0", "count < 1"),
        ("work.py", ": int = 3", ": float = 3"),
        ("methods/base.py", "pass", "B = 1"),
        ("methods/one.py", "A = 1", "A = 2"),
    ],
)
def test_what_computes_counts(name: str, old: str, new: str, package: Path) -> None:
    before = Sources(package).hash(NAMES)
    edit(package, name, old, new)
    assert Sources(package).hash(NAMES) != before


def test_another_method_does_not_count(package: Path) -> None:
    before = Sources(package).hash(["lesslabel.work"])
    assert Sources(package).reached(["lesslabel.work"]) == [
        "lesslabel.errors",
        "lesslabel.methods.base",
        "lesslabel.work",
    ]
    edit(package, "methods/one.py", "A = 1", "A = 2")
    (package / "methods" / "two.py").write_text("D = 1\n")
    edit(package, "methods/__init__.py", "import One\n", "import One\nfrom lesslabel.methods.two import D\n")
    assert Sources(package).hash(["lesslabel.work"]) == before
    assert "lesslabel.methods.two" in Sources(package).reached(["lesslabel.methods"])


def test_texts_that_name_a_module_and_packages_that_do_something_count(package: Path) -> None:
    assert Sources(package).reached(["lesslabel.named"]) == ["lesslabel.far.thing", "lesslabel.named"]
    assert Sources(package).reached(["lesslabel.acting.inside"]) == ["lesslabel.acting", "lesslabel.acting.inside"]


def test_only_lists_that_are_named_count(package: Path) -> None:
    names = Sources(package).named_in(['{"split": "set/split", "class_path": "lesslabel.methods.One"}'])
    assert names == ["lesslabel.methods.One", "set/split"]
    before = Sources(package).hash(names)
    (package / "data" / "lists" / "set" / "order.txt").write_text("b\na\n")
    assert Sources(package).hash(names) == before
    (package / "data" / "lists" / "set" / "split.yaml").write_text("folds: {0: {}}")
    assert Sources(package).hash(names) != before


def test_a_renamed_or_moved_boundary_is_another_package(package: Path) -> None:
    before = Sources(package).hash(["lesslabel.far"])
    (package / "far" / "__init__.py").write_text((package / "far" / "thing.py").read_text())
    assert Sources(package).hash(["lesslabel.far"]) != before


def test_the_packages_that_are_imported(package: Path) -> None:
    assert Sources(package).packages(["lesslabel.methods.One"]) == {"torch", "scipy"}
    assert Sources(package).packages(["lesslabel.work"]) == set()


LAZY = """
from lesslabel.lazy import lazy_names
__getattr__, __dir__ = lazy_names(__name__, {"draw": "lesslabel.reports", "thing": "lesslabel.far.thing"})
find_moved_modules()
"""


def test_a_package_that_exports_lazily_is_seen_through(package: Path) -> None:
    """Although it does something: what it offers is not what it needs."""
    (package / "lazy.py").write_text("def lazy_names(package, homes):\n    return package, homes\n")
    (package / "__init__.py").write_text(LAZY)
    reached = Sources(package).reached(["lesslabel.work"])
    assert {"lesslabel", "lesslabel.lazy"} <= set(reached)
    assert "lesslabel.far.thing" not in reached
    before = Sources(package).hash(NAMES)
    edit(package, "__init__.py", "far.thing", "named")
    assert Sources(package).hash(NAMES) == before


def test_what_the_library_offers_at_its_top_is_no_source_of_a_fit() -> None:
    reached = Sources().reached(DMPLS)
    assert "lesslabel" in reached
    assert not {name for name in reached if name.startswith(("lesslabel.adaptation", "lesslabel.bundle"))}
    assert "lesslabel.data.preparing" not in reached


def test_the_library_imports_by_full_names() -> None:
    """A relative import would be overlooked."""
    assert not [path for path in PACKAGE.rglob("*.py") if re.search(r"^\s*from \.", path.read_text(), re.MULTILINE)]


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sources") / "lesslabel"
    return Path(shutil.copytree(PACKAGE, path, ignore=shutil.ignore_patterns("__pycache__")))


DMPLS = (
    "lesslabel.runs.fitting",
    "lesslabel.runs.testing",
    "lesslabel.methods.DMPLS",
    "lesslabel.data.ACDCDataModule",
    "acdc/five_fold",
)


def test_the_sources_of_a_fit_in_the_library_itself(copied: Path) -> None:
    before, computing = Sources(copied).hash(DMPLS), Sources(copied).hash(["lesslabel.verbs.clicks"])
    assert Sources().hash(DMPLS) == before  # wherever it lies
    for path in (copied / "reports").glob("*.py"):
        path.write_text("A = 1\n")
    for name in ("demo.py", "printing.py", "verbs/report.py", "studies/results.py", "runs/messages.py"):
        (copied / name).write_text("A = 1\n")
    for name in ("adaptation/stages.py", "selection/coreset.py", "data/lists/acdc/order_seed0.txt"):
        (copied / name).write_text("A = 1\n")
    edit(copied, "methods/weak/dmpls.py", '"""Dynamically mixed', '"""Well mixed')
    assert Sources(copied).hash(["lesslabel.verbs.clicks"]) == computing
    (copied / "methods/semi/dtc.py").write_text("A = 1\n")
    assert Sources(copied).hash(["lesslabel.verbs.clicks"]) != computing  # it opens bundles, of any method
    assert Sources(copied).hash(DMPLS) == before
    for name, old, new in (
        ("methods/weak/dmpls.py", "pseudo_label_weight: float = 0.5", "pseudo_label_weight: float = 0.4"),
        ("losses/rules.py", "return merged", "return merged + 1"),
        ("data/loading/sampling.py", "(rank + 1) * count", "(rank + 2) * count"),
        ("kernels/distances.py", "return distances", "return 2 * distances"),
        ("data/lists/acdc/five_fold.yaml", "patient001", "patient002"),
    ):
        text = (copied / name).read_text()
        edit(copied, name, old, new)
        assert Sources(copied).hash(DMPLS) != before, name
        (copied / name).write_text(text)
    assert Sources(copied).hash(DMPLS) == before


def called_while(act) -> set[str]:
    """The modules of the library whose functions are called meanwhile; importing one calls its own body only."""
    called: set[str] = set()

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and not frame.f_code.co_name.startswith("<"):
            called.add(str(frame.f_globals.get("__name__")))

    sys.setprofile(note)
    try:
        act()
    finally:
        sys.setprofile(None)
    return {name for name in called if name.startswith("lesslabel.")}


def test_a_fit_and_its_test_call_nothing_else(config: Path, store: Path, tmp_path: Path) -> None:
    arguments = ["--config", str(config), "--data.store", str(store), "--data.unlabelled_batch_size", "0"]
    assert main(["fit", *arguments, "--run", str(tmp_path / "before")]) == 0  # everything is imported

    settings = read_settings(arguments)

    def act() -> None:
        fit(settings, run=tmp_path / "run")
        testing.test(tmp_path / "run")

    names = [
        "lesslabel.runs.fitting",
        "lesslabel.runs.testing",
        "lesslabel.methods.MeanTeacher",
        "lesslabel.data.PhantomDataModule",
    ]
    called, reached = called_while(act), set(Sources().reached(names))
    assert {"lesslabel.methods.semi.mean_teacher", "lesslabel.losses.dice", "lesslabel.evaluation.metrics"} <= called
    assert not {name for name in called - reached if not name.startswith(SILENT)}
