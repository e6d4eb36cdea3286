"""Label maps of annotators come back where they belong, or not at all; SimpleITK stands for their program."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import SimpleITK
from handmade_store import make_case, make_store
from replicas import OBLIQUE_AFFINE

from lesslabel.cli import main
from lesslabel.data.case import IGNORE, Kind
from lesslabel.data.exchange.annotation_import import ReturnedCase, import_annotations
from lesslabel.data.exchange.queue_images import export_queue_images, file_stem
from lesslabel.data.queue import Queue, QueueRow
from lesslabel.data.store import Store
from lesslabel.data.verify.store_check import verify_store
from lesslabel.errors import DataError

QUEUE = Queue((QueueRow("case0", 3), QueueRow("case0", 1), QueueRow("case2")))
NOW = "2026-01-31T12:00:00+00:00"
AFFINES = [None, np.diag([3.0, 3.25, 10.0, 1.0]), np.diag([-3.0, -3.25, 10.0, 1.0])]
ENDINGS = [".nii.gz", ".nii", ".nrrd", ".seg.nrrd", ".mha", ".mhd", ".nhdr", "_prelabel.nii.gz", "_reader2.seg.nrrd"]


class Desk:
    """A store, the images of a queue as they left it, and the folder for what was drawn."""

    def __init__(self, folder: Path, affine: np.ndarray | None = OBLIQUE_AFFINE) -> None:
        cases = [replace(make_case(n), affine=affine, spacing_mm=(10.0, 3.25, 3.0)) for n in range(3)]
        self.store = make_store(folder / "store", cases)
        export_queue_images(self.store, QUEUE, folder / "queue")
        self.images, self.drawn = folder / "queue", folder / "drawn"
        self.drawn.mkdir()

    def truth(self, uid: str) -> np.ndarray:
        return self.store.read(uid).annotations["dense"].labels

    def draw(self, uid: str, labels: np.ndarray | None = None, ending: str = ".nii.gz", **metadata: str) -> Path:
        """Open the image of a case in SimpleITK and save labels on it."""
        image = SimpleITK.ReadImage(str(self.images / f"{file_stem(uid)}.nii.gz"))
        label_map = SimpleITK.GetImageFromArray(self.truth(uid) if labels is None else labels)
        label_map.CopyInformation(image)
        for key, value in metadata.items():
            label_map.SetMetaData(key, value)
        path = self.drawn / f"{file_stem(uid)}{ending}"
        SimpleITK.WriteImage(label_map, str(path))
        return path

    def bring_back(self, **settings: Any) -> dict[str, ReturnedCase]:
        defaults = {"name": "expert", "author": "expert 1", "time": NOW}
        returned = import_annotations(self.store, QUEUE, self.drawn, **{**defaults, **settings})
        return {case.uid: case for case in returned}


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.mark.parametrize(
    ("ending", "affine"),
    [
        *((ending, OBLIQUE_AFFINE) for ending in ENDINGS),
        *((ending, affine) for affine in AFFINES for ending in (".nii.gz", ".nrrd")),
    ],
)
def test_what_was_drawn_lies_where_it_was_drawn(tmp_path: Path, ending: str, affine: np.ndarray | None) -> None:
    desk = Desk(tmp_path, affine)
    for uid in ("case0", "case2"):
        desk.draw(uid, ending=ending)
    returned = desk.bring_back()
    assert [(case.file, case.problem) for case in returned.values()] == [
        (f"{file_stem(uid)}{ending}", "") for uid in ("case0", "case2")
    ]
    part, whole = (desk.store.read(uid).annotations["expert"] for uid in ("case0", "case2"))
    np.testing.assert_array_equal(whole.labels, desk.truth("case2"))
    np.testing.assert_array_equal(part.labels[[1, 3]], desk.truth("case0")[[1, 3]])
    assert (part.labels[[0, 2]] == IGNORE).all()
    assert (part.covered_slices, whole.covered_slices) == ((1, 3), None)
    for annotation in (part, whole):
        assert (annotation.kind, annotation.author, annotation.time) == (Kind.DENSE, "expert 1", NOW)
    assert "expert" not in desk.store.records["case1"].annotation_names
    assert verify_store(desk.store.path) == []


def test_the_report_counts_what_was_queued(desk: Desk) -> None:
    desk.draw("case0")
    desk.draw("case2")
    returned = desk.bring_back()
    # a slice holds 3 × 6, 3 × 6 and 2 × 6 voxels; two were queued of case0, three hold labels in case2
    assert returned["case0"].voxels == {"RV": 36, "Myo": 36, "LV": 24}
    assert returned["case2"].voxels == {"RV": 54, "Myo": 54, "LV": 36}
    assert (returned["case0"].slices, returned["case2"].slices) == ((1, 3), None)


def test_a_voxel_left_unknown_stays_unknown(desk: Desk) -> None:
    labels = desk.truth("case0").copy()
    labels[1, 0] = IGNORE
    desk.draw("case0", labels)
    desk.draw("case2")
    desk.bring_back()
    np.testing.assert_array_equal(desk.store.read("case0").annotations["expert"].labels[1], labels[1])


def test_nrrd_axes_to_the_right_are_turned(desk: Desk) -> None:
    """A header in RAS, as other programs write it, means the same place as ITK's in LPS."""
    desk.draw("case2")
    labels, affine = desk.truth("case0"), desk.store.read("case0").affine
    directions = " ".join("({})".format(",".join(f"{value:.9g}" for value in axis)) for axis in affine[:3, :3].T)
    origin = ",".join(f"{value:.9g}" for value in affine[:3, 3])
    header = (
        "NRRD0004\ntype: uint8\ndimension: 3\nspace: right-anterior-superior\nsizes: 10 12 4\n"
        f"space directions: {directions}\nkinds: domain domain domain\nencoding: raw\nspace origin: ({origin})\n\n"
    )
    path = desk.drawn / f"{file_stem('case0')}.nrrd"
    path.write_bytes(header.encode() + labels.tobytes())
    assert not desk.bring_back()["case0"].problem
    np.testing.assert_array_equal(desk.store.read("case0").annotations["expert"].labels[[1, 3]], labels[[1, 3]])
    path.write_bytes(header.replace("right-anterior", "left-posterior").encode() + labels.tobytes())
    assert "affine differs from that of case0.h5" in desk.bring_back(name="again")["case0"].problem


def test_segments_are_taken_by_name(desk: Desk) -> None:
    """Slicer numbers segments as they were made: here LV first, the right ventricle last."""
    desk.draw("case2")
    labels = np.array([0, 3, 2, 1], np.uint8)[desk.truth("case0")]
    names = {f"Segment{index}_Name": name for index, name in enumerate(("LV", "Myo", "RV"))}
    values = {f"Segment{index}_LabelValue": str(index + 1) for index in range(3)}
    desk.draw("case0", labels, ".seg.nrrd", **names, **values)
    assert desk.bring_back()["case0"].voxels == {"RV": 36, "Myo": 36, "LV": 24}
    annotation = desk.store.read("case0").annotations["expert"]
    np.testing.assert_array_equal(annotation.labels[[1, 3]], desk.truth("case0")[[1, 3]])
    numbered = {f"Segment{index}_Name": f"Segment_{index + 1}" for index in range(3)}
    desk.draw("case0", None, ".seg.nrrd", **numbered, **values)
    assert desk.bring_back(name="again")["case0"].voxels == {"RV": 36, "Myo": 36, "LV": 24}


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("RV", "Myo", "tumour"), "segment 'tumour' is none of the labels RV, Myo, LV; rename it"),
        (("RV", "Myo", "RV"), "two segments are named 'RV'; rename one"),
        (("RV", "Myo"), "label value 3 is not known; expected 0, 1, 2"),
        (("lv", "myo", "rv"), "segment 'lv' is none of the labels RV, Myo, LV; rename it"),
        (("Segment_2", "Segment_3", "Segment_1"), "segment 'Segment_1' is none of the labels"),
    ],
)
def test_segments_that_contradict_the_store_are_refused(desk: Desk, names: tuple[str, ...], message: str) -> None:
    desk.draw("case2")
    desk.draw("case0", None, ".seg.nrrd", **{f"Segment{index}_Name": name for index, name in enumerate(names)})
    assert message in desk.bring_back()["case0"].problem


@pytest.mark.parametrize("kind", [Kind.SCRIBBLE, Kind.POINTS])
def test_what_is_not_drawn_among_strokes_is_unknown_and_not_background(desk: Desk, kind: Kind) -> None:
    """As in the source `folder`: a segment `background` says what is background."""
    strokes = np.zeros_like(desk.truth("case0"))
    strokes[:, 3, 4], strokes[:, 0, :3] = 1, 4
    names = {f"Segment{index}_Name": name for index, name in enumerate(("RV", "Myo", "LV", "background"))}
    desk.draw("case0", strokes, ".seg.nrrd", **names)
    desk.draw("case2", strokes, ".seg.nrrd", **names)
    assert not any(case.problem for case in desk.bring_back(kind=kind).values())
    expected = np.array([IGNORE, 1, IGNORE, IGNORE, 0], np.uint8)[strokes]
    np.testing.assert_array_equal(desk.store.read("case2").annotations["expert"].labels, expected)


def test_a_label_map_on_which_every_voxel_is_known_holds_no_strokes(desk: Desk) -> None:
    strokes = np.zeros_like(desk.truth("case0"))
    strokes[:, 3, 4] = 1
    for uid in ("case0", "case2"):
        desk.draw(uid, strokes)
    assert "every voxel is known, so these are no strokes; set what is not drawn to 255" in (
        desk.bring_back(kind=Kind.SCRIBBLE)["case0"].problem
    )


def shift(path: Path) -> None:
    image = nib.load(path)
    moved = image.affine.copy()
    moved[2, 3] += 10.0
    nib.Nifti1Image(np.asarray(image.dataobj), moved).to_filename(path)


def crop(path: Path) -> None:
    image = nib.load(path)
    nib.Nifti1Image(np.asarray(image.dataobj)[:, :-1], image.affine).to_filename(path)


def fill(value: float, where: Any = ...) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        image = nib.load(path)
        values = np.asarray(image.dataobj).astype(np.float32)
        values[where] = value
        nib.Nifti1Image(values, image.affine).to_filename(path)

    return change


def to_mask(path: Path) -> None:
    image = nib.load(path)
    nib.Nifti1Image(np.where(np.asarray(image.dataobj) > 0, np.uint8(255), np.uint8(0)), image.affine).to_filename(path)


@pytest.mark.parametrize("allow_empty", [False, True])
def test_a_mask_of_0_and_255_is_no_annotation(desk: Desk, allow_empty: bool) -> None:
    desk.draw("case0", np.where(desk.truth("case0") > 0, np.uint8(255), np.uint8(0)))
    desk.draw("case2")
    returned = desk.bring_back(allow_empty=allow_empty)
    assert "save it as 0 and 1" in returned["case0"].problem


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (shift, "affine differs from that of case0.h5 by"),
        (crop, "shape (z, y, x) is (4, 11, 10), that of case0.h5 is (4, 12, 10)"),
        (fill(7.0), "label value 7 is not known; expected 0, 1, 2, 3 and 255 = unknown"),
        (
            to_mask,
            "known nowhere but in the background (values 0 and 255; 255 = unknown); if it is a mask of 0 and 255, ",
        ),
        (fill(255.0), "known nowhere but in the background (values 255; 255 = unknown)"),
        (fill(0.5), "label values must be whole numbers, 0.5 is none; was it resampled with interpolation?"),
        (fill(0.0), "no label on slice 1, 3; draw it, or pass --allow-empty"),
        (fill(0.0, np.s_[..., 3]), "no label on slice 3; draw it"),
        (fill(255.0, np.s_[..., 1]), "no label on slice 1; draw it"),
        (lambda path: path.write_bytes(path.read_bytes()[:-50]), "not a readable NIfTI file"),
        (
            lambda path: path.unlink(),
            f"no label map {file_stem('case0')} (.nii, .nii.gz, .nrrd, .nhdr, .mha, .mhd); add it",
        ),
        (lambda path: path.rename(path.with_name("case0.nii.gz")), f"no label map {file_stem('case0')}"),
        (
            lambda path: path.with_name(path.name.replace(".nii", "_old.nii")).write_bytes(path.read_bytes()),
            "are all of one case; keep its label map in a folder without the others",
        ),
    ],
)
def test_one_fault_keeps_everything_out(desk: Desk, fault: Callable[[Path], object], message: str) -> None:
    before = desk.store.data_hash
    desk.draw("case2")
    fault(desk.draw("case0"))
    returned = desk.bring_back()
    assert message in returned["case0"].problem
    assert "\n" not in returned["case0"].problem
    assert not returned["case2"].problem
    assert Store(desk.store.path).data_hash == desk.store.data_hash == before
    assert verify_store(desk.store.path) == []


def test_what_is_outside_the_queued_slices_does_not_count(desk: Desk) -> None:
    labels = desk.truth("case0").copy()
    labels[[0, 2]] = 0
    desk.draw("case0", labels)
    desk.draw("case2")
    assert not any(case.problem for case in desk.bring_back().values())


def test_empty_slices_and_cases_may_be_allowed(desk: Desk) -> None:
    for uid in ("case0", "case2"):
        desk.draw(uid, np.zeros_like(desk.truth(uid)))
    assert "holds no label" in desk.bring_back()["case2"].problem
    assert not any(case.problem for case in desk.bring_back(allow_empty=True).values())
    assert desk.store.read("case0").annotations["expert"].labels[:, 0, 0].tolist() == [IGNORE, 0, IGNORE, 0]


def test_names_folders_and_queues_that_do_not_fit_are_refused(desk: Desk, tmp_path: Path) -> None:
    desk.draw("case0")
    desk.draw("case2")
    with pytest.raises(DataError, match="case case0: has an annotation 'dense' already"):
        desk.bring_back(name="dense")
    with pytest.raises(DataError, match="no such folder; name the one that holds the label maps"):
        import_annotations(desk.store, QUEUE, tmp_path / "none", "expert", author="", time=NOW)
    with pytest.raises(DataError, match="the store has no case 'case7'"):
        import_annotations(desk.store, Queue((QueueRow("case7"),)), desk.drawn, "expert", author="", time=NOW)
    desk.bring_back(name="dense", replace=True)
    assert desk.store.records["case0"].annotation_names == ("dense", "dense@1", "scribble")


def test_the_command(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    desk.draw("case0")
    empty = desk.draw("case2", np.zeros_like(desk.truth("case2")))
    command = ["import", str(desk.store.path), "--queue", str(desk.images / "queue.csv"), "--from", str(desk.drawn)]
    command += ["--annotation", "expert", "--author", "expert 1"]
    assert main(command) == 1
    printed = capsys.readouterr()
    assert "nothing was added, 1 of 2 cases were refused" in printed.err
    problems = (line.strip(" │").rpartition("│")[2].strip() for line in printed.out.splitlines())
    assert "no label" in " ".join(problems)  # the table breaks long lines, in every column
    assert main([*command, "--allow-empty"]) == 0
    assert "'expert' added to 2 cases" in capsys.readouterr().out
    annotation = Store(desk.store.path).read("case0").annotations["expert"]
    assert annotation.author == "expert 1"
    assert annotation.time.endswith("+00:00")
    assert main([*command, "--allow-empty"]) == 1
    assert "has an annotation 'expert' already" in capsys.readouterr().err
    empty.unlink()
    (desk.images / "queue.csv").write_text("uid\n")
    assert main(command) == 1
    assert "line 1: column slice" in capsys.readouterr().err
