"""Parts of cases: boxes, queues of patches, and what of a label map a drawn patch lets a training see."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from handmade_store import SHAPE, make_case, make_store
from hypothesis import given
from hypothesis import strategies as st

from lesslabel.cli import main
from lesslabel.data.case import IGNORE, Box, keep_inside, tile
from lesslabel.data.exchange.annotation_import import import_annotations
from lesslabel.data.exchange.queue_images import export_queue_images, file_stem
from lesslabel.data.formats.nifti import read_label_map, write_label_map
from lesslabel.data.loading.merge import merge_annotations
from lesslabel.data.loading.module import SegmentationDataModule
from lesslabel.data.queue import PATCH, Queue, QueueRow, read_queue, write_queue
from lesslabel.data.store import Store
from lesslabel.data.supervision import assign_supervision
from lesslabel.data.view import Supervision, View, VisibleAnnotation
from lesslabel.errors import ConfigError, DataError

FIRST, SECOND = Box((0, 0, 0), (2, 6, 5)), Box((2, 6, 5), (2, 6, 5))
QUEUE = Queue(
    (
        QueueRow("case0", PATCH, rank=1, patch=SECOND),
        QueueRow("case0", PATCH, rank=2, patch=FIRST),
        QueueRow("case2", 3, rank=3),
    )
)
SIDES = st.tuples(*[st.integers(1, 9)] * 3)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return make_store(tmp_path / "store", [make_case(number) for number in range(3)])


def inside(*boxes: Box) -> np.ndarray:
    known = np.zeros(SHAPE, np.uint8)
    keep_inside(known, boxes)
    return known != IGNORE


@given(shape=SIDES, size=SIDES)
def test_tiles_hold_every_voxel_once(shape: tuple[int, int, int], size: tuple[int, int, int]) -> None:
    counts = np.zeros(shape, int)
    boxes = tile(shape, size)
    for box in boxes:
        assert box.fits(shape)
        assert all(side <= most for side, most in zip(box.size, size, strict=True))
        counts[box.subvolume] += 1
    assert (counts == 1).all()
    assert boxes == sorted(boxes)
    assert all(Box.parse(str(box)) == box for box in boxes)


@given(shape=SIDES, grid=SIDES, size=SIDES)
def test_a_box_on_another_grid_covers_the_same_part(shape, grid, size) -> None:
    for box in tile(shape, size):
        there = box.on_grid(shape, grid)
        assert there.fits(grid)
        for start, stop, old, first, last, new in zip(
            box.corner, box.stop, shape, there.corner, there.stop, grid, strict=True
        ):
            assert first / new <= start / old + 1e-9
            assert last / new >= stop / old - 1e-9
            assert (last - first - 2) / new < (stop - start) / old
    assert Box((0, 0, 0), shape).on_grid(shape, grid) == Box((0, 0, 0), grid)


def test_a_crop_keeps_the_voxels_they_share() -> None:
    region = (slice(1, 4), slice(0, 12), slice(2, 4))
    assert FIRST.crop(region) == Box((0, 0, 0), (1, 6, 2))
    assert SECOND.crop(region) is None
    cropped = VisibleAnnotation("dense", (0, 1), (FIRST, SECOND)).crop(region)
    assert cropped == VisibleAnnotation("dense", (0,), (Box((0, 0, 0), (1, 6, 2)),))
    np.testing.assert_array_equal(inside(FIRST, SECOND)[region].any(axis=(1, 2)), [True, False, False])


def test_a_queue_of_patches_is_read_as_it_was_written(tmp_path: Path, store: Store) -> None:
    path = tmp_path / "queue.csv"
    write_queue(path, QUEUE)
    assert "-2" in path.read_text()
    assert ",0 0 0 2 6 5\n" in path.read_text().replace("\r", "")
    found = read_queue(path, store)
    assert [row.key for row in found.rows] == [row.key for row in QUEUE.rows]
    assert found.slices == {"case0": (0, 1, 2, 3), "case2": (3,)}
    assert found.patches == {"case0": (FIRST, SECOND)}
    assert found.sha256 == QUEUE.sha256 != Queue(QUEUE.rows[1:]).sha256


def test_a_queue_without_patches_has_no_column_for_them(tmp_path: Path) -> None:
    write_queue(tmp_path / "queue.csv", Queue((QueueRow("a", 3), QueueRow("b"))))
    assert "patch" not in (tmp_path / "queue.csv").read_text().splitlines()[0]
    assert '"patch"' not in (tmp_path / "queue.json").read_text()


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("case0,-2,0 0 0 2 6", "patch is '0 0 0 2 6', not the corner z y x and the size z y x in six whole numbers"),
        ("case0,-2,0 0 0 2 6 0", "patch is '0 0 0 2 6 0', not the corner"),
        ("case0,1,0 0 0 2 6 5", "patch 0 0 0 2 6 5 of case 'case0' with slice 1; write slice -2"),
        ("case0,-2,0 0 0 5 6 5", r"has 4×12×10 voxels \(z, y, x\), patch 0 0 0 5 6 5 reaches beyond; correct it"),
        ("case0,-2,2 6 5 2 6 5", "case 'case0', patch 2 6 5 2 6 5 is queued already; remove the second row"),
        ("case0,1,", "case 'case0' is queued by slice and by patch; keep one of the two"),
    ],
)
def test_a_faulty_patch_is_named(tmp_path: Path, store: Store, row: str, message: str) -> None:
    names = "uid,slice,patch,image,prelabel,rank,score,strategy,reason,round,model_sha256,seed"
    lines = [f"{cells},,,1,0,,,0,,0" for cells in ("case0,-2,2 6 5 2 6 5", row)]
    (tmp_path / "queue.csv").write_text("\n".join([names, *lines]))
    with pytest.raises(DataError, match=rf"queue\.csv, line 3: .*{message}"):
        read_queue(tmp_path / "queue.csv", store)


def test_only_the_voxels_of_queued_patches_supervise(tmp_path: Path, store: Store) -> None:
    write_queue(tmp_path / "queue.csv", QUEUE)
    view = View([Supervision("dense", queue=str(tmp_path / "queue.csv")), Supervision("scribble")])
    shown = assign_supervision(view, list(store.records.values()))
    assert shown["case0"] == (VisibleAnnotation("dense", (0, 1, 2, 3), (FIRST, SECOND)),)
    assert shown["case2"] == (VisibleAnnotation("dense", (3,)), VisibleAnnotation("scribble", (0, 1, 2)))
    data = SegmentationDataModule(str(store.path), view=view)
    case = store.read("case0")
    target = merge_annotations(case, shown["case0"], data.mapping, SHAPE)
    np.testing.assert_array_equal(target.labels != IGNORE, inside(FIRST, SECOND))
    known = inside(FIRST, SECOND)
    np.testing.assert_array_equal(target.labels[known], case.annotations["dense"].labels[known])
    smaller = merge_annotations(case, shown["case0"], data.mapping, (4, 6, 5))
    np.testing.assert_array_equal(smaller.labels[0, 3:], IGNORE)  # half the size, and still unknown outside
    assert (smaller.labels[0, :3, :2] != IGNORE).all()


def test_a_patch_that_the_case_does_not_have_is_refused(tmp_path: Path, store: Store) -> None:
    write_queue(tmp_path / "queue.csv", Queue((QueueRow("case0", PATCH, patch=Box((0, 0, 0), (1, 13, 1))),)))
    with pytest.raises(ConfigError, match=r"holds patch 0 0 0 1 13 1 of case 'case0', which has 4×12×10 voxels"):
        assign_supervision(View([Supervision("dense", queue=str(tmp_path / "queue.csv"))]), [store.records["case0"]])


@pytest.fixture
def drawn(tmp_path: Path, store: Store) -> Path:
    """The whole dense label map of each queued case, on the exported image."""
    export_queue_images(store, QUEUE, tmp_path / "queue")
    folder = tmp_path / "drawn"
    folder.mkdir()
    for uid in QUEUE.slices:
        case = store.read(uid)
        path = folder / f"{file_stem(uid)}.nii.gz"
        write_label_map(path, case.annotations["dense"].labels, case.spacing_mm, case.affine)
    return folder


def test_annotators_see_where_the_patches_are(drawn: Path) -> None:
    folder = drawn.parent / "queue"
    shown = read_label_map(folder / f"{file_stem('case0')}_patches.nii.gz").array
    np.testing.assert_array_equal(shown, inside(FIRST, SECOND))
    header, first, second = (folder / "worklist.csv").read_text().splitlines()
    assert header == "ID,image,prelabel,slices,patches"
    assert first.endswith(f",0 1 2 3,{file_stem('case0')}_patches.nii.gz")
    assert second.endswith(",3,")


def test_an_import_takes_what_lies_inside_the_patches(store: Store, drawn: Path) -> None:
    returned = import_annotations(store, QUEUE, drawn, "expert", author="a", time="")
    assert [case.shown_units for case in returned] == ["patch 0 0 0 2 6 5\npatch 2 6 5 2 6 5", "3"]
    labels = store.read("case0").annotations["dense"].labels
    assert returned[0].voxels["LV"] == int((labels[inside(FIRST, SECOND)] == 3).sum())
    expert = Store(store.path).read("case0").annotations["expert"]
    assert expert.covered_slices == (0, 1, 2, 3)
    np.testing.assert_array_equal(expert.labels != IGNORE, inside(FIRST, SECOND))


def test_a_patch_without_a_label_is_refused_unless_that_was_meant(store: Store, drawn: Path) -> None:
    empty = Box((0, 10, 0), (1, 2, 2))
    queue = Queue((*QUEUE.rows, QueueRow("case0", PATCH, patch=empty)))
    returned = import_annotations(store, queue, drawn, "expert", author="a", time="")
    assert returned[0].problem.endswith(
        "no label on patch 0 10 0 1 2 2; draw it, or pass --allow-empty if there is nothing to be drawn"
    )
    assert "expert" not in Store(store.path).records["case0"].annotation_names
    returned = import_annotations(store, queue, drawn, "expert", author="a", time="", allow_empty=True)
    assert not any(case.problem for case in returned)


def test_a_case_in_whose_patches_there_is_nothing_is_taken_too(store: Store, drawn: Path) -> None:
    queue = Queue((QueueRow("case0", PATCH, patch=Box((0, 10, 0), (2, 2, 2))),))
    (drawn / f"{file_stem('case2')}.nii.gz").unlink()
    (returned,) = import_annotations(store, queue, drawn, "expert", author="a", time="", allow_empty=True)
    assert set(returned.voxels.values()) == {0}
    assert not returned.problem
    assert Store(store.path).read("case0").annotations["expert"].covered_slices == (0, 1)


def test_the_page_of_annotate_refuses_patches(tmp_path: Path, store: Store, capsys) -> None:
    write_queue(tmp_path / "queue.csv", QUEUE)
    words = ["annotate", str(store.path), "--queue", str(tmp_path / "queue.csv"), "--annotation", "mine"]
    assert main([*words, "--author", "me"]) == 1
    assert "holds patches, which the page does not show; write them with" in capsys.readouterr().err


def test_what_a_run_records_of_patches_says_where_they_are(tmp_path: Path, store: Store) -> None:
    write_queue(tmp_path / "queue.csv", replace(QUEUE, rows=QUEUE.rows[:2]))
    view = View([Supervision("dense", queue=str(tmp_path / "queue.csv"))])
    (tmp_path / "split.yaml").write_text("folds: {0: {train: [patient0], validation: [patient1]}}")
    data = SegmentationDataModule(str(store.path), split=str(tmp_path / "split.yaml"), view=view)
    described = data.describe()
    assert described["labelled_patches"] == {"case0": {"dense": [[0, 0, 0, 2, 6, 5], [2, 6, 5, 2, 6, 5]]}}
    assert described["labelled_slices"] == {"case0": {"dense": [0, 1, 2, 3]}}
