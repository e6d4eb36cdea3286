"""Prelabels of a first queue: a coarse rule points, the general clicker answers."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from nibabel.nifti1 import Nifti1Image

from lesslabel.adaptation.coarse_prelabels import CoarsePrompt, coarse_prelabels, coarse_region
from lesslabel.cli import main
from lesslabel.data.queue import read_queue
from lesslabel.data.sources.folder import Folder
from lesslabel.data.store import Store
from lesslabel.data.store.prepare import prepare

SQUARE = np.zeros((40, 40), np.bool_)
SQUARE[10:22, 15:30] = True


@pytest.mark.parametrize("object_value", [0.9, 0.1])
def test_the_region_is_the_object_bright_or_dark(object_value: float) -> None:
    plane = np.where(SQUARE, object_value, 0.5).astype(np.float32)
    np.testing.assert_array_equal(coarse_region(plane), SQUARE)


def test_of_both_sides_the_one_with_less_of_the_border_is_meant() -> None:
    corner = np.zeros_like(SQUARE)
    corner[:12, :12] = True
    np.testing.assert_array_equal(coarse_region(np.where(corner, 0.1, 0.9).astype(np.float32)), corner)


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_a_slice_of_equal_values_has_no_region(value: float) -> None:
    assert not coarse_region(np.full((8, 8), value, np.float32)).any()


def test_of_many_channels_the_first_three_are_seen(tmp_path: Path) -> None:
    image = np.random.default_rng(0).random((5, 1, 40, 40), dtype=np.float32)
    image[:, 0][:, SQUARE] += 2
    labels = SQUARE[None].astype(np.uint8)
    for index, channel in enumerate(image):
        nib.save(nib.Nifti1Image(channel.transpose(2, 1, 0), np.eye(4)), tmp_path / f"{index}.nii.gz")
    nib.save(nib.Nifti1Image(labels.transpose(2, 1, 0), np.eye(4)), tmp_path / "label.nii.gz")
    channels = ";".join(f"{index}.nii.gz" for index in range(5))
    (tmp_path / "table.csv").write_text(f"image,label,patient\n{channels},label.nii.gz,a\n")
    prepare(Folder(tmp_path / "table.csv"), tmp_path / "store")
    store = Store(tmp_path / "store")
    (uid,) = store.records
    assert coarse_prelabels(store, {uid: None}, "centre", 1)[uid].any()


@pytest.mark.parametrize("prompt", ["box", "centre"])
def test_only_the_slices_of_the_queue_are_segmented(unlabelled_store: Path, prompt: CoarsePrompt) -> None:
    store = Store(unlabelled_store)
    first, second = sorted(store.records)[:2]
    made = coarse_prelabels(store, {first: (1,), second: None}, prompt, 2)
    assert set(np.unique(made[first])) <= {0, 2}
    assert made[first][1].any()
    assert not made[first][[0, 2]].any()
    assert made[second].any(axis=(1, 2)).all()
    again = coarse_prelabels(store, {first: (1,)}, prompt, 2)
    np.testing.assert_array_equal(made[first], again[first])


def test_the_command_writes_them_beside_the_images(unlabelled_store: Path, tmp_path: Path) -> None:
    name = Store(unlabelled_store).labels[1]
    given = ["--store", str(unlabelled_store), "--budget", "2", "--out", str(tmp_path / "q.csv")]
    given += ["--images", str(tmp_path / "images"), "--prelabels", "centre", "--prelabel-label", name]
    assert main(["select", *given]) == 0
    rows = read_queue(tmp_path / "images" / "queue.csv").rows
    for row in rows:
        labels = np.asarray(Nifti1Image.from_filename(tmp_path / "images" / row.prelabel).dataobj)
        assert set(np.unique(labels)) == {0, 1}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--prelabels", "box"], "they are written beside the images; add --images"),
        (["--prelabel-label", "LV"], "goes with --prelabels box"),
        (["--images", "I", "--prelabels", "box"], "name one by --prelabel-label"),
        (
            ["--images", "I", "--prelabels", "box", "--prelabel-label", "spleen"],
            "--prelabel-label spleen: the store has",
        ),
        (["--images", "I", "--prelabels", "box", "--run", "R"], "makes the prelabels; leave it out"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(
    unlabelled_store: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    given = ["--store", str(unlabelled_store), "--budget", "2", "--out", "q.csv"]
    assert main(["select", *given, *words]) == 1
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert message in line
    assert not list(tmp_path.iterdir())
