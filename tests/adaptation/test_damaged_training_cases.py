"""Cases of the target in which verify finds an error: select and adapt name the case, select can leave it out."""

import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from lesslabel.bundle import Bundle
from lesslabel.cli import main
from lesslabel.data.loading.module import SegmentationDataModule
from lesslabel.data.queue import read_queue
from lesslabel.data.store import Store


@pytest.fixture
def sick(store: Path, target: SegmentationDataModule, tmp_path: Path) -> tuple[Path, str]:
    """A copy of the store, and a training case of the east that has a voxel which is no number."""
    path = Path(shutil.copytree(store, tmp_path / "store"))
    uid = target.records("train")[0].uid
    with h5py.File(path / "cases" / f"{uid}.h5", "r+") as file:
        image = file["image"][()].astype(np.float32)
        image[0, 1, 2, 3] = np.nan
        file["image"][...] = image
    return path, uid


def test_select_names_the_case_or_leaves_it_out(
    bundle: Bundle, sick: tuple[Path, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, uid = sick
    arguments = ["select", "--bundle", str(bundle.path), "--store", str(path), "--split", "random_by_centre"]
    arguments += ["--centres", "east", "--unit", "case", "--budget", "100%", "--out", str(tmp_path / "queue.csv")]
    capsys.readouterr()
    assert main(arguments) == 1
    refused = capsys.readouterr().err
    assert f"{uid}.h5: " in refused
    assert "--skip-damaged" in refused
    assert not (tmp_path / "queue.csv").exists()
    assert main([*arguments, "--skip-damaged"]) == 0
    shown = capsys.readouterr()
    assert f"left out {uid}: " in shown.err
    assert "; 1 cases left out" in shown.out
    assert uid not in read_queue(tmp_path / "queue.csv", Store(path)).slices


def test_adapt_names_the_case(
    bundle: Bundle, sick: tuple[Path, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, uid = sick
    arguments = ["adapt", "--bundle", str(bundle.path), "--store", str(path), "--without-labels", "adami"]
    settings = ["--data.split", "random_by_centre", "--data.centres", "[east]", "--trainer.max_steps", "1"]
    capsys.readouterr()
    assert main([*arguments, "--out", str(tmp_path / "out"), *settings]) == 1
    assert f"{uid}.h5: " in capsys.readouterr().err
