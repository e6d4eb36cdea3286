"""Cases in which verify finds an error: every command names the case, and leaves it out where it is told to."""

import json
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from clicking import fit_grey_value
from running import fit, one_line

from lesslabel.cli import main
from lesslabel.data.case import Case
from lesslabel.data.sources.base import RawCase
from lesslabel.data.sources.phantom import Phantom
from lesslabel.data.store.prepare import prepare
from lesslabel.methods import SegmentationMethod

NOT_FINITE = "channel 'image' has 1 voxels that are NaN or infinite"


class SickPhantom(Phantom):
    """Phantom cases, of which some have a voxel that is no number."""

    def __init__(self, sick: tuple[str, ...], value: float = np.nan) -> None:
        super().__init__(cases=16, size=32, depth=3)
        self.sick = sick
        self.value = value

    def read(self, raw: RawCase) -> Case:
        case = super().read(raw)
        if raw.uid in self.sick:
            case.image[0, 1, 2, 3] = self.value
        return case


def parts(run: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = json.loads((run / "data.json").read_text())["parts"]
    return found


@pytest.fixture
def run(config: Path, store: Path, tmp_path: Path) -> Path:
    """A run of two iterations on a store of its own."""
    shutil.copytree(store, tmp_path / "own")
    path = tmp_path / "run"
    settings = ["--data.store", str(tmp_path / "own"), "--trainer.max_steps", "2", "--data.steps_per_epoch", "1"]
    assert fit(config, path, *settings) == 0
    return path


def spoil(store: Path, uid: str) -> None:
    """Make a voxel of a case no number, after it was prepared."""
    with h5py.File(store / "cases" / f"{uid}.h5", "r+") as file:
        image = file["image"][()].astype(np.float32)
        image[0, 1, 2, 3] = np.nan
        file["image"][...] = image


@pytest.mark.parametrize("part", ["train", "validation"])
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_fit_names_a_case_that_it_would_train_on_or_validate(
    part: str, config: Path, plain_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sick = parts(plain_run)[part][0]
    prepare(SickPhantom((sick,)), tmp_path / "sick")
    capsys.readouterr()
    assert fit(config, tmp_path / "run", "--data.store", str(tmp_path / "sick")) == 1
    line = one_line(capsys)
    assert f"{sick}.h5: {NOT_FINITE}" in line
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_predict_names_the_case_or_leaves_it_out(
    value: float, plain_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sick, sound = parts(plain_run)["test"][0], parts(plain_run)["test"][1:]
    prepare(SickPhantom((sick,), value), tmp_path / "sick")
    arguments = ["predict", "--run", str(plain_run), "--data.store", str(tmp_path / "sick")]
    capsys.readouterr()
    assert main([*arguments, "--output", str(tmp_path / "refused")]) == 1
    assert f"{sick}.h5: {NOT_FINITE}" in one_line(capsys)
    assert not (tmp_path / "refused").exists()
    assert main([*arguments, "--output", str(tmp_path / "out"), "--skip-damaged"]) == 0
    shown = capsys.readouterr()
    assert f"left out {sick}: {NOT_FINITE}" in shown.err
    assert f"predicted {len(sound)} cases" in shown.out
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        *(f"{uid}.nii.gz" for uid in sound),
        "left_out.json",
    }
    left_out = json.loads((tmp_path / "out" / "left_out.json").read_text())
    assert list(left_out) == [sick]
    assert left_out[sick].startswith(NOT_FINITE)


def test_test_names_the_case_or_leaves_it_out(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sick, sound = parts(run)["test"][0], parts(run)["test"][1:]
    spoil(tmp_path / "own", sick)
    capsys.readouterr()
    assert main(["test", "--run", str(run)]) == 1
    assert f"{sick}.h5: " in one_line(capsys)
    assert not (run / "test").exists()
    assert main(["test", "--run", str(run), "--skip-damaged"]) == 0
    assert f"left out {sick}: " in capsys.readouterr().err
    rows = (run / "test" / "metrics.csv").read_text().splitlines()[1:]
    assert {row.partition(",")[0] for row in rows} == set(sound)
    assert list(json.loads((run / "test" / "summary.json").read_text())["left_out"]) == [sick]


def test_validate_names_the_case_or_leaves_it_out(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sick = parts(run)["validation"][0]
    spoil(tmp_path / "own", sick)
    capsys.readouterr()
    assert main(["validate", "--run", str(run)]) == 1
    assert f"{sick}.h5: " in one_line(capsys)
    assert main(["validate", "--run", str(run), "--skip-damaged"]) == 0
    shown = capsys.readouterr()
    assert f"left out {sick}: " in shown.err
    assert "validation/dice" in shown.out


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_clicks_names_the_case_or_leaves_it_out(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = fit_grey_value(store, tmp_path / "grey")
    sick = parts(run)["test"][0]
    prepare(SickPhantom((sick,)), tmp_path / "sick")
    arguments = ["clicks", "--run", str(run), "--store", str(tmp_path / "sick"), "--cap", "3", "--slices", "1"]
    capsys.readouterr()
    assert main([*arguments, "--out", str(tmp_path / "refused")]) == 1
    assert f"{sick}.h5: {NOT_FINITE}" in one_line(capsys)
    assert not (tmp_path / "refused").exists()
    assert main([*arguments, "--out", str(tmp_path / "out"), "--skip-damaged"]) == 0
    assert f"left out {sick}: {NOT_FINITE}" in capsys.readouterr().err
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert list(summary["left_out"]) == [sick]


def test_a_network_whose_output_is_no_number_names_the_case(
    plain_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    not_finite = torch.full((3, 4, 32, 32), torch.nan)
    monkeypatch.setattr(SegmentationMethod, "probabilities", lambda _, image: not_finite[: len(image)])
    capsys.readouterr()
    assert main(["predict", "--run", str(plain_run), "--output", str(tmp_path / "out")]) == 1
    assert f"case {parts(plain_run)['test'][0]}: the network's output is NaN or infinite" in one_line(capsys)


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_prepare_warns_of_a_case_that_no_network_takes(tmp_path: Path) -> None:
    warned: list[str] = []
    prepare(SickPhantom(("phantom002_es",)), tmp_path / "sick", warn=warned.append)
    assert len(warned) == 1
    assert "case 'phantom002_es': 1 voxels of the image are NaN or infinite" in warned[0]


@pytest.mark.parametrize("command", [["spread", "--annotation", "dense"], ["clicker", "--out", "clicker"]])
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_what_reads_images_besides_names_the_case(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    store, _ = prepare(SickPhantom(("phantom002_ed",)), tmp_path / "sick")
    capsys.readouterr()
    assert "phantom002_ed" in store.records
    assert main([command[0], "sick", *command[1:]]) == 1
    assert "phantom002_ed.h5: image has 1 voxels that are NaN or infinite" in one_line(capsys)
    assert [path.name for path in tmp_path.iterdir()] == ["sick"]
