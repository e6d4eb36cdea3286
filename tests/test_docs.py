"""What the pages say is true: their commands run as printed, their files exist, their tables are complete.

A fenced block of a page carries a marker, a comment on the line before it:

- ``run SCENE``: every line is a `lesslabel` command; they run in order in a generated workspace.
- ``file SCENE PATH``: the block is written to PATH in that workspace first.
- ``python``, ``view``, ``split``: executed, or parsed as the library would.
- ``method-…``, ``adaptation-…``: two worked examples of CONTRIBUTING.md.
- ``example NAME …``: another worked example, tried in a copy of the repository by `test_worked_examples.py`.
- ``shown: …``: not run, and why.
"""

import csv
import importlib
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import replicas
import replicas_public
import yaml

import lesslabel.methods
from lesslabel.adaptation.without_labels import ADAPTATIONS, Adaptation
from lesslabel.cli import main
from lesslabel.command_words import read_settings
from lesslabel.data.exchange.queue_images import file_stem
from lesslabel.data.formats.nifti import write_label_map
from lesslabel.data.patient_lists import load_order, load_split
from lesslabel.data.sources.phantom import Phantom
from lesslabel.data.view import View
from lesslabel.methods import SegmentationMethod
from lesslabel.runs.parsing import parse_run

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
MARKED_LANGUAGES = ("sh", "yaml", "python", "csv")
MARKERS = ("run", "file", "python", "view", "split", "example", "shown:")
MARKERS += tuple(f"{example}-{part}" for example in ("method", "adaptation") for part in ("file", "export", "row"))

# What shrinks every training of the pages to a moment: two iterations, for `fit` of a narrow network on small slices.
SHORT = shlex.split(
    "--data.steps_per_epoch 1 --data.workers 0 --trainer.max_steps 2 --trainer.log_every_n_steps 1 "
    "--trainer.accelerator cpu"
)
SMALL = {
    "fit": shlex.split(
        "--data.size_voxel '[32, 32]' --data.batch_size 2 "
        "--model.network.channels '[4, 8]' --model.network.encoder_dropout '[0, 0]'"
    )
    + SHORT,
    "adapt": SHORT,
}
# A model that is handed to another hospital has to find something.
LONG = dict.fromkeys(
    ("hospitals", "adaptation", "trust"),
    shlex.split(
        "--trainer.max_steps 80 --data.steps_per_epoch 80 --data.batch_size 8 "
        "--model.optimiser.name adam --model.optimiser.learning_rate 0.03"
    ),
)


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: Path
    line: int
    language: str
    marker: tuple[str, ...]
    text: str

    @property
    def name(self) -> str:
        return f"{self.page.name}:{self.line}"


def blocks_of(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    found = re.finditer(r"^(?:<!-- ([^\n]+?) -->\n)?```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [
        Block(page, text.count("\n", 0, match.start()) + 1, match[2], words_of(match[1] or ""), match[3])
        for match in found
    ]


def words_of(marker: str) -> tuple[str, ...]:
    """The words of a marker; lines of files stand in quotes."""
    return tuple(shlex.split(marker) if marker.startswith("example") else marker.split())


BLOCKS = [block for page in PAGES for block in blocks_of(page)]


def marked(word: str) -> list[Block]:
    return [block for block in BLOCKS if block.marker[:1] == (word,)]


def only(word: str) -> str:
    (block,) = marked(word)
    return block.text


SCENES = sorted({(block.page, block.marker[1]) for block in marked("run")})


def make_acdc(workspace: Path) -> None:
    replicas.acdc_h5(workspace / "data" / "acdc")


def make_mscmr(workspace: Path) -> None:
    replicas.mscmr(workspace / "data" / "mscmr")


def make_la(workspace: Path) -> None:
    replicas.la_h5(workspace / "data" / "la")


def make_pancreas(workspace: Path) -> None:
    replicas.pancreas_dicom(workspace / "data" / "pancreas")


def make_msd(workspace: Path) -> None:
    replicas.msd(workspace / "data" / "hippocampus")


def make_npc(workspace: Path) -> None:
    replicas.npc(workspace / "data" / "npc")


def make_own_data(workspace: Path) -> None:
    rows = []
    for case in replicas.hearts(12, seed=3):
        name = f"{case.uid}.nii.gz"
        labels = case.annotations["dense"].labels
        replicas.write_nifti(workspace / "mydata" / "images" / name, case.image[0])
        replicas.write_nifti(workspace / "mydata" / "labels" / name, np.where(labels < 3, labels, 0))
        rows.append(f"images/{name},labels/{name}")
    (workspace / "mydata" / "table.csv").write_text("\n".join(["image,label", *rows]))
    replicas.folder(workspace / "hearts")
    table = replicas.folder(workspace / "new", patients=1)
    images = [row["image"] for row in csv.DictReader(table.open())]
    table.write_text("\n".join(["image", *images]))


def make_evaluation(workspace: Path) -> None:
    labels = np.zeros((3, 16, 12), dtype=np.uint8)
    labels[1:, 4:9, 3:8] = 1
    replicas.write_nifti(workspace / "references" / "a1.nii.gz", labels)
    replicas.write_nifti(workspace / "predictions" / "a1.nii.gz", np.roll(labels, 1, axis=1))


def make_drawings(workspace: Path) -> None:
    """What an annotator of docs/adaptation.md would draw, for every case that could be asked for."""
    hearts = Phantom(cases=32, centres=2)
    for raw in hearts.list_cases():
        if raw.centre == "east":
            case = hearts.read(raw)
            path = workspace / "drawn" / f"{file_stem(raw.uid)}.nii.gz"
            write_label_map(path, case.annotations["dense"].labels, case.spacing_mm, case.affine)


def make_nothing(_: Path) -> None:
    """The scene's own commands generate its data."""


def make_public(name: str) -> Callable[[Path], None]:
    """What generates the replica of that name where its page expects the data."""
    return lambda workspace: getattr(replicas_public, name)(workspace / "data" / name)


WORKSPACES: dict[str, Callable[[Path], None]] = {
    "acdc": make_acdc,
    "mscmr": make_mscmr,
    "la": make_la,
    "pancreas": make_pancreas,
    "msd": make_msd,
    "npc": make_npc,
    "own-data": make_own_data,
    "evaluation": make_evaluation,
    "hospitals": make_drawings,
    "phantom": make_nothing,
    "first_cases": make_nothing,
    "trust": make_nothing,
    "method": make_nothing,
    "adaptation": make_nothing,
    **{name: make_public(name) for name in ("word", "btcv", "chaos", "kits", "brats", "hc18")},
    **{name: make_public(name) for name in ("promise12", "medscribble")},
}


@pytest.fixture
def example_method(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> type[SegmentationMethod]:
    """The method of CONTRIBUTING.md, exported as it says."""
    path = tmp_path / "pi_model.py"
    path.write_text(only("method-file"))
    name = "lesslabel.methods.weak.pi_model"
    monkeypatch.setitem(sys.modules, name, load_module(name, path))
    namespace: dict[str, type[SegmentationMethod]] = {}
    exec(only("method-export"), namespace)
    method = namespace["PiModel"]
    monkeypatch.setattr(lesslabel.methods, "PiModel", method, raising=False)
    return method


@pytest.fixture
def example_adaptation(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The adaptation of CONTRIBUTING.md, exported as it says."""
    path = tmp_path / "minimum_entropy.py"
    path.write_text(only("adaptation-file"))
    name = "lesslabel.adaptation.without_labels.minimum_entropy"
    monkeypatch.setitem(sys.modules, name, load_module(name, path))
    namespace: dict[str, type[Adaptation]] = {}
    exec(only("adaptation-export"), namespace)
    monkeypatch.setitem(ADAPTATIONS, "min-entropy", namespace["MinimumEntropy"])


def load_module(name: str, path: Path) -> ModuleType:
    specification = importlib.util.spec_from_file_location(name, path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.mark.parametrize("block", [b for b in BLOCKS if b.language in MARKED_LANGUAGES], ids=lambda block: block.name)
def test_a_block_says_what_a_test_does_with_it(block: Block) -> None:
    assert block.marker[:1], f"{block.name}: put one of {', '.join(MARKERS)} into a comment on the line before"
    assert block.marker[0] in MARKERS


@pytest.mark.parametrize(("page", "scene"), SCENES, ids=[f"{page.name}-{scene}" for page, scene in SCENES])
def test_commands_run_as_printed(
    page: Path, scene: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    if scene in ("method", "adaptation"):
        request.getfixturevalue(f"example_{scene}")
    workspace = tmp_path / "workspace"
    for folder in ("configs", "experiments"):
        shutil.copytree(ROOT / folder, workspace / folder)
    WORKSPACES[scene](workspace)
    monkeypatch.chdir(workspace)
    for block in BLOCKS:
        if block.page == page and block.marker[:2] == ("file", scene):
            target = workspace / block.marker[2]
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(block.text)
        if block.page == page and block.marker[:2] == ("run", scene):
            for line in block.text.splitlines():
                program, command, *arguments = shlex.split(line)
                assert program == "lesslabel", line
                longer = LONG.get(scene, []) if command == "fit" else []
                assert main([command, *arguments, *SMALL.get(command, []), *longer]) == 0, line


PHANTOM_STORE = """

@pytest.fixture(scope="session")
def phantom_store(tmp_path_factory):
    return PhantomStores(tmp_path_factory.mktemp)
"""
"""The fixture of tests/conftest.py, for a contract that is tried in a folder of its own."""


@pytest.mark.parametrize("block", marked("python"), ids=lambda block: block.name)
def test_python_runs(block: Block) -> None:
    exec(compile(block.text, block.name, "exec"), {})


@pytest.mark.parametrize("block", marked("view"), ids=lambda block: block.name)
def test_a_view_is_one(block: Block, tmp_path: Path) -> None:
    written = yaml.safe_load(block.text)
    config = {
        "model": {"class_path": "lesslabel.methods.Supervised", "init_args": {"num_classes": 4}},
        "data": {
            "class_path": "lesslabel.data.ACDCDataModule",
            "init_args": {"store": "stores/acdc", "view": written},
        },
    }
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(config))
    view = parse_run(read_settings(["--config", str(path)])).datamodule.view
    assert isinstance(view, View)
    assert [entry.annotation for entry in view.supervision] == [entry["annotation"] for entry in written["supervision"]]
    for entry in view.supervision:
        assert not entry.order or load_order(entry.order)


@pytest.mark.parametrize("block", marked("split"), ids=lambda block: block.name)
def test_a_split_is_one(block: Block, tmp_path: Path) -> None:
    path = tmp_path / "split.yaml"
    path.write_text(block.text)
    assert all(load_split(str(path)).values())


def test_the_example_method_keeps_the_contract(tmp_path: Path) -> None:
    contract = (ROOT / "tests" / "methods" / "test_methods_contract.py").read_text()
    head, rows = contract.split("ROWS = [\n")
    imported = "from pi_model import PiModel\n\n"
    (tmp_path / "pi_model.py").write_text(only("method-file"))
    (tmp_path / "test_with_the_row.py").write_text(f"{head}{imported}ROWS = [\n{only('method-row').strip()},\n{rows}")
    shutil.copy(ROOT / "tests" / "methods" / "batches.py", tmp_path)
    command = [sys.executable, "-m", "pytest", "-q", "-k", "pi-model", "-p", "no:cacheprovider", tmp_path]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    assert int(re.findall(r"(\d+) passed", result.stdout)[-1]) >= 8


def test_the_example_adaptation_keeps_the_contract(tmp_path: Path) -> None:
    contract = (ROOT / "tests" / "adaptation" / "test_without_labels_contract.py").read_text()
    head, rows = contract.split("ROWS = [\n")
    added = "from minimum_entropy import MinimumEntropy\n\nADAPTATIONS[MinimumEntropy.name] = MinimumEntropy\n\n"
    (tmp_path / "minimum_entropy.py").write_text(only("adaptation-file"))
    rest, row = rows.split("\n]\n", 1), only("adaptation-row").strip()
    (tmp_path / "test_with_the_row.py").write_text(f"{head}{added}ROWS = [\n{rest[0]}\n    {row},\n]\n{rest[1]}")
    shutil.copy(ROOT / "tests" / "adaptation" / "hospitals.py", tmp_path)
    shutil.copy(ROOT / "tests" / "phantom_stores.py", tmp_path)
    fixtures = (ROOT / "tests" / "adaptation" / "conftest.py").read_text()
    (tmp_path / "conftest.py").write_text(fixtures + PHANTOM_STORE)
    command = [sys.executable, "-m", "pytest", "-q", "-k", "min-entropy", "-p", "no:cacheprovider", tmp_path]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    assert int(re.findall(r"(\d+) passed", result.stdout)[-1]) >= 7


@pytest.mark.parametrize(
    ("name", "marker"),
    [
        ("lesslabel/methods/weak/pi_model.py", "method-file"),
        ("lesslabel/adaptation/without_labels/minimum_entropy.py", "adaptation-file"),
    ],
)
def test_the_examples_keep_the_style(name: str, marker: str) -> None:
    for command in (["check"], ["format", "--check"]):
        subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--stdin-filename", name, "-"],
            input=only(marker),
            text=True,
            cwd=ROOT,
            check=True,
        )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_named_files_and_classes_exist(page: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    example = ("pi_model", "PiModel", "minimum_entropy", *(block.marker[1] for block in marked("example")))
    for name in re.findall(r"`([\w./-]+)`", text):
        if re.match(r"(lesslabel|configs|docs|experiments|tests|notebooks|benchmarks)/", name):
            assert (ROOT / name).exists() or any(part in name for part in example), name
        elif name.startswith("lesslabel."):
            module, _, member = name.rpartition(".")
            assert hasattr(importlib.import_module(module), member), name


def test_the_catalogue_lists_every_method() -> None:
    catalogue = (ROOT / "docs" / "catalogue.md").read_text(encoding="utf-8")
    for config in (ROOT / "configs" / "acdc").glob("*.yaml"):
        assert f"`configs/acdc/{config.name}`" in catalogue
    for page in (ROOT / "docs" / "methods").glob("*.md"):
        assert f"](methods/{page.name})" in catalogue


def test_the_readme_lists_every_command_and_room(capsys: pytest.CaptureFixture[str]) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    with pytest.raises(SystemExit):
        main(["--help"])
    commands = re.findall(r"^  (\w+) {2,}", capsys.readouterr().out.partition("commands:")[2], re.MULTILINE)
    rows = readme.partition("## Commands")[2].partition("\n## ")[0]
    assert re.findall(r"^\| `(\w+)`", rows, re.MULTILINE) == commands
    rooms = readme.partition("## Rooms")[2]
    for package in (ROOT / "lesslabel").glob("*/__init__.py"):
        assert f"\n  {package.parent.name}/ " in rooms


def test_the_readme_shows_the_table_of_the_experiment() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = readme.partition("<!-- dmpls-acdc -->")[2].partition("<!-- /dmpls-acdc -->")[0]
    table = ROOT / "experiments" / "dmpls-acdc" / "table.md"
    assert "<!-- /dmpls-acdc -->" in readme
    expected = table_lines(table.read_text(encoding="utf-8").partition("\n## Results")[2]) if table.exists() else []
    assert table_lines(shown) == expected


def table_lines(text: str) -> list[str]:
    """The lines of the first table."""
    match = re.search(r"(^\|.*\n)+", text, re.MULTILINE)
    return match[0].splitlines() if match else []


def test_the_makefile_has_the_targets_that_the_pages_name() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {
        name for page in PAGES for name in re.findall(r"^(?:make|.*`make) ([a-z]+)", page.read_text(), re.MULTILINE)
    }
    assert named
    assert named <= targets
