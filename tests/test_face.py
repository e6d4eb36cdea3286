"""`import lesslabel` offers what people use, and imports it when it is used."""

import ast
import inspect
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import lesslabel
from lesslabel.errors import ConfigError

PACKAGE = Path(lesslabel.__file__).parent
HEAVY = ("torch", "pytorch_lightning", "monai", "pandas", "numpy", "jsonargparse")
NAMES = (
    *("prepare", "verify", "fit", "test", "predict", "select", "adapt", "annotate", "evaluate", "report", "load_model"),
    *("expect", "load_bundle", "Store", "Case", "InteractiveSession", "segmentation_metrics"),
)


def python(program: str) -> str:
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def lazy_faces() -> list[Path]:
    return [path for path in sorted(PACKAGE.rglob("__init__.py")) if "lazy_names(" in path.read_text(encoding="utf-8")]


def homes_of(tree: ast.Module) -> dict[str, str]:
    """Where a lazy package finds its names, ``module:name``."""
    (call,) = (node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "lazy_names")
    homes = ast.literal_eval(call.args[1])
    return {name: home if ":" in home else f"{home}:{name}" for name, home in homes.items()}


def imports_for_types(tree: ast.Module) -> dict[str, str]:
    """Where type checkers find its names, ``module:name``."""
    (branch,) = (node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    return {
        alias.asname or alias.name: f"{node.module}:{alias.name}"
        for node in branch.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def test_nothing_heavy_is_imported_with_the_package() -> None:
    heavy = f"[name for name in {HEAVY} if name in sys.modules]"
    assert python(f"import sys, lesslabel, lesslabel.data; print({heavy})") == "[]"


def test_the_package_is_imported_at_once() -> None:
    """0.3 s are promised; of the processor's time, which others that compute do not lengthen much."""
    program = "import time; since = time.process_time(); import lesslabel; print(time.process_time() - since)"
    assert min(float(python(program)) for _ in range(3)) < 0.3


def test_it_offers_what_people_use() -> None:
    assert sorted(lesslabel.__all__) == sorted(NAMES) == dir(lesslabel)
    for name in NAMES:
        assert inspect.getdoc(getattr(lesslabel, name)), name
    with pytest.raises(AttributeError, match="'lesslabel' has no attribute 'train'"):
        lesslabel.train  # noqa: B018


def test_the_faces_are_found() -> None:
    assert {path.parent.name for path in lazy_faces()} >= {"lesslabel", "data"}


@pytest.mark.parametrize("path", lazy_faces(), ids=lambda path: path.parent.name)
def test_a_lazy_face_says_three_times_the_same(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    package = import_module(".".join(path.parent.relative_to(PACKAGE.parent).parts))
    assert sorted(package.__all__) == sorted(homes_of(tree))
    for name, home in homes_of(tree).items():
        module, _, own = imports_for_types(tree)[name].partition(":")
        found = getattr(import_module(module), own)
        assert found is getattr(package, name) is getattr(import_module(home.partition(":")[0]), home.partition(":")[2])
    assert imports_for_types(tree).keys() == homes_of(tree).keys()


def test_the_commands_take_typed_arguments_and_no_words() -> None:
    """No function of the face takes a list of words or a bag of arguments, and each says what it gives back."""
    for name in NAMES:
        entry = getattr(lesslabel, name)
        if not inspect.isfunction(entry):
            continue
        signature = inspect.signature(entry)
        assert signature.return_annotation is not inspect.Parameter.empty, name
        for parameter in signature.parameters.values():
            assert parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD), name
            assert parameter.annotation is not parameter.empty, name


def test_nothing_below_the_commands_takes_the_words_of_a_command_line() -> None:
    own_processes = {PACKAGE / "cli.py", PACKAGE / "studies" / "work.py"}
    for path in PACKAGE.rglob("*.py"):
        if path.parent.name != "verbs" and path not in own_processes:
            text = path.read_text(encoding="utf-8")
            assert "argparse" not in text.replace("jsonargparse", ""), path


def test_a_room_of_the_same_name_does_not_hide_the_function() -> None:
    program = (
        "import lesslabel, lesslabel.reports.drawing.svg; print(lesslabel.report.__name__, lesslabel.test.__name__)"
    )
    assert python(program) == "report test"


def test_the_old_name_of_the_reports_is_the_function_too() -> None:
    program = (
        "import sys, warnings; warnings.simplefilter('ignore'); import lesslabel\n"
        "from lesslabel.moved import _Alias, find_moved_modules\n"
        "from importlib.machinery import ModuleSpec\n"
        "from importlib.util import module_from_spec\n"
        "old = module_from_spec(ModuleSpec('lesslabel.report', _Alias(), is_package=True))\n"
        "lesslabel.report = old\n"
        "print(old.write_report.__name__)\n"
        "try:\n    lesslabel.report('nowhere')\n"
        "except lesslabel.errors.RunError as error:\n    print('nowhere' in str(error))"
    )
    assert python(program).split() == ["write_report", "True"]


def test_an_old_name_still_works_with_a_warning() -> None:
    program = (
        "import warnings\nwith warnings.catch_warnings(record=True) as said:\n    warnings.simplefilter('always')\n"
        "    from lesslabel.report.budget import draw_budgets\n"
        "    from lesslabel.data.scribble_maker import make_weak_labels\n"
        "print([str(each.message) for each in said if 'old name' in str(each.message)])"
    )
    said = python(program)
    assert "lesslabel.report.budget is now lesslabel.reports.runs.budget" in said
    assert "lesslabel.data.scribble_maker is now lesslabel.data.store.weak_labels" in said


def test_prepare_and_verify(tmp_path: Path) -> None:
    store = lesslabel.prepare("phantom", "-", tmp_path / "store", options={"cases": 2, "size": 32, "depth": 2})
    assert len(store.records) == 2
    assert lesslabel.verify(store.path) == []
    assert lesslabel.Store(str(store.path)).data_hash == store.data_hash


def test_prepare_refuses_a_source_or_option_that_there_is_not(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="source: 'acdcd' is not one of acdc"):
        lesslabel.prepare("acdcd", tmp_path, tmp_path / "store")
    with pytest.raises(ConfigError, match="options: 'case' is none of the source 'phantom'; it has cases"):
        lesslabel.prepare("phantom", "-", tmp_path / "store", options={"case": 2})
    assert not (tmp_path / "store").exists()
