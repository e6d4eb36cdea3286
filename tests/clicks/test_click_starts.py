"""Click protocols that begin otherwise: from the predictions of another run, and from other robots."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from clicking import fit_grey_value
from running import one_line

from lesslabel.cli import main
from lesslabel.clicks.folder import ClickFolder
from lesslabel.clicks.measures import OBJECT, revision
from lesslabel.clicks.protocol import run_clicks
from lesslabel.clicks.simulator import PREDICTIONS, ClickProtocol
from lesslabel.data.formats.nifti import read_label_map, write_label_map
from lesslabel.data.store import Store
from lesslabel.errors import ConfigError, DataError
from lesslabel.interaction import CentreEdgePoints, Click
from lesslabel.runs.recorder import prediction_path


@pytest.fixture(scope="module")
def run(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the method that goes by grey value."""
    return fit_grey_value(store, tmp_path_factory.mktemp("starting") / "grey")


def write_predictions(store: Path, folder: Path, wrong: bool) -> Path:
    """The reference of every case as if predicted: exact, or without the first label and with the others shifted."""
    folder.mkdir()
    opened = Store(store)
    for uid in opened.records:
        case = opened.read(uid)
        labels = case.annotations["dense"].labels.copy()
        if wrong:
            labels = np.roll(np.where(labels == 1, 0, labels), 1, axis=2)
        write_label_map(prediction_path(folder, uid), labels, case.spacing_mm, case.affine, case.qform)
    return folder


PREDICTED = ClickProtocol(cap=4, min_voxels=10, slices=1, start=PREDICTIONS)


def test_a_protocol_starts_from_predictions(run: Path, store: Path, tmp_path: Path) -> None:
    start = write_predictions(store, tmp_path / "unet", wrong=True)
    summary = run_clicks(run, PREDICTED, tmp_path / "out", predictions=start)
    folder = ClickFolder(tmp_path / "out")
    begun = folder.frame[folder.frame["turn"] == 0]
    assert (begun["clicks"] == 0).all()
    assert (begun[begun["label"] == "RV"]["dice"] == 0).all()
    assert (begun[begun["label"] != "RV"]["dice"] > 0.3).all()
    for (_, _, label), turns in folder.turns().items():
        assert isinstance(turns[0][0], Click) == (label != "RV")  # what was not predicted is pointed at first
    assert summary["without_start"] == (begun["label"] == "RV").sum()
    assert (summary["protocol"]["start"], summary["predictions"]) == (PREDICTIONS, "unet")
    assert summary["revision"] == revision(folder.frame)
    assert str(tmp_path) not in (tmp_path / "out" / "summary.json").read_text()


def test_a_perfect_start_needs_no_turn(run: Path, store: Path, tmp_path: Path) -> None:
    start = write_predictions(store, tmp_path / "exact", wrong=False)
    arguments = ["--run", str(run), "--start", str(start), "--min-voxels", "10", "--slices", "1", "--cap", "4"]
    assert main(["clicks", *arguments, "--out", str(tmp_path / "out")]) == 0
    folder = ClickFolder(tmp_path / "out")
    assert set(folder.frame["turn"]) == {0}
    assert folder.summary["revision"] == {"before": 0, "after": 0, "turns": 0, "clicks": 0, "seconds": 0}


def test_predictions_and_the_start_that_names_them_go_together(run: Path, tmp_path: Path) -> None:
    for protocol, folder in ((ClickProtocol(), tmp_path), (ClickProtocol(start=PREDICTIONS), None)):
        with pytest.raises(ConfigError, match="predictions goes with a folder"):
            run_clicks(run, protocol, tmp_path / "out", predictions=folder)


def test_predictions_that_do_not_fit_are_refused(
    run: Path, store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    start = write_predictions(store, tmp_path / "damaged", wrong=False)
    for path in start.iterdir():
        write_label_map(path, np.zeros((3, 4, 5), np.uint8), (1.0, 1.0, 1.0), None, None)
    with pytest.raises(DataError, match=r"the case has .*; predict on the same store"):
        run_clicks(run, ClickProtocol(start=PREDICTIONS), tmp_path / "out", predictions=start)
    empty = tmp_path / "nothing"
    empty.mkdir()
    assert main(["clicks", "--run", str(run), "--start", str(empty), "--out", str(tmp_path / "out")]) == 1
    assert "--start wants a prediction of every case" in one_line(capsys)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("dimensions", [2, 3])
def test_the_last_masks_are_kept_for_another_protocol(store: Path, tmp_path: Path, dimensions: int) -> None:
    run = fit_grey_value(store, tmp_path / "grey", dimensions)
    common = ["clicks", "--run", str(run), "--min-voxels", "10", "--cap", "9"]
    assert main([*common, "--turns", "1", "--keep-masks", "--out", str(tmp_path / "first")]) == 0
    start = tmp_path / "first" / "predictions"
    assert main([*common, "--turns", "1", "--start", str(start), "--out", str(tmp_path / "second")]) == 0
    ended = ClickFolder(tmp_path / "first").frame.query("turn == 1").set_index(OBJECT)["dice"]
    begun = ClickFolder(tmp_path / "second").frame.query("turn == 0").set_index(OBJECT)["dice"]
    last = begun.index.get_level_values("label") == "LV"  # no later class lies over it
    assert begun[last].to_list() == ended[begun.index][last].to_list()
    assert last.any()
    assert {path.name.removesuffix(".nii.gz") for path in start.iterdir()} == set(ended.index.get_level_values("uid"))


def test_kept_masks_are_on_the_grid_of_the_case(run: Path, store: Path, tmp_path: Path) -> None:
    arguments = ["--run", str(run), "--min-voxels", "4", "--cap", "9", "--data.size_voxel", "[16, 16]", "--keep-masks"]
    assert main(["clicks", *arguments, "--out", str(tmp_path / "small")]) == 0
    for path in (tmp_path / "small" / "predictions").iterdir():
        case = Store(store).read(path.name.removesuffix(".nii.gz"))
        kept = read_label_map(path)
        assert kept.array.shape == case.shape
        np.testing.assert_allclose(kept.affine, case.affine)
        assert kept.array.any()


def test_another_robot_may_point_first(run: Path, tmp_path: Path) -> None:
    protocol = ClickProtocol(first="centre-edge-points", robot="scribble", cap=6, min_voxels=10, slices=1)
    summary = run_clicks(run, protocol, tmp_path / "out")
    assert summary["first_robot"] == "centre-edge-points"
    for first, *later in ClickFolder(tmp_path / "out").turns().values():
        assert [type(prompt) for prompt in first] == [CentreEdgePoints]
        assert {prompt.name for given in later for prompt in given} <= {"scribble"}
    with pytest.raises(ConfigError, match="--first error-centre: say robot, annotation:NAME, or one of"):
        ClickProtocol(first="error-centre")


def test_the_revision_is_a_mean_over_patients() -> None:
    rows = [
        ("a1", "anna", 0, "LV", 0, 0, 0.6, 1.0, np.nan),
        ("a1", "anna", 0, "LV", 1, 1, 0.8, 1.0, 0.5),
        ("a1", "anna", 0, "LV", 2, 3, 0.9, 1.0, 0.25),
        ("a1", "anna", 1, "LV", 0, 0, 1.0, 0.0, np.nan),
        ("b1", "bert", 0, "LV", 0, 0, 0.5, 1.0, np.nan),
        ("b1", "bert", 0, "LV", 1, 2, 0.7, 1.0, 1.0),
    ]
    columns = [*OBJECT, "turn", "clicks", "dice", "assd_mm", "seconds"]
    frame = pd.DataFrame(rows, columns=["uid", "patient", "slice", "label", *columns[4:]])
    assert revision(frame) == pytest.approx(
        {"before": (20 + 50) / 2, "after": (5 + 30) / 2, "turns": 1, "clicks": 1.75, "seconds": (0.375 + 1) / 2}
    )
