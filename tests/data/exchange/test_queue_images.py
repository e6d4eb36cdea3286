import csv
import gzip
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK
from handmade_store import SHAPE, SPACING_MM, make_case, make_store
from replicas import OBLIQUE_AFFINE

from lesslabel.data.case import Case
from lesslabel.data.exchange.queue_images import export_queue_images, file_stem
from lesslabel.data.queue import Queue, QueueRow, read_queue
from lesslabel.data.store import Store
from lesslabel.errors import DataError

OBLIQUE_SPACING_MM = (10.0, 3.25, 3.0)
QUEUE = Queue(
    tuple(
        QueueRow(uid, z, rank=rank, score=0.5)
        for rank, (uid, z) in enumerate([("anna_2", 3), ("bert", 0), ("anna_2", 1)])
    )
)


def named(case: Case, uid: str, **changes: object) -> Case:
    return replace(case, uid=uid, patient=uid.partition("_")[0], **changes)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    cases = [
        named(make_case(0), "anna_2", affine=OBLIQUE_AFFINE, spacing_mm=OBLIQUE_SPACING_MM),
        named(make_case(1), "bert", affine=None),
        named(make_case(2), "cleo"),
    ]
    return make_store(tmp_path_factory.mktemp("data") / "store", cases)


def test_simpleitk_sees_the_image_where_it_lies(store: Store, tmp_path: Path) -> None:
    export_queue_images(store, QUEUE, tmp_path / "queue")
    image = SimpleITK.ReadImage(str(tmp_path / "queue" / f"{file_stem('anna_2')}.nii.gz"))
    np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(image), store.read("anna_2").image[0])
    for index in ((0, 0, 0), (3, 1, 2), (9, 11, 3)):
        right, front, head = (OBLIQUE_AFFINE @ [*index, 1.0])[:3]
        # ITK counts to the left and to the back
        assert image.TransformIndexToPhysicalPoint(index) == pytest.approx((-right, -front, head), abs=1e-3)
    without = nib.load(tmp_path / "queue" / f"{file_stem('bert')}.nii.gz")
    np.testing.assert_array_equal(without.affine, np.diag([*SPACING_MM[::-1], 1.0]))


def test_the_queue_names_its_files_and_keeps_its_order(store: Store, tmp_path: Path) -> None:
    exported = export_queue_images(
        store, QUEUE, tmp_path / "queue", {"bert": store.read("bert").annotations["dense"].labels}
    )
    assert read_queue(tmp_path / "queue" / "queue.csv", store) == exported
    assert exported.sha256 == QUEUE.sha256
    anna, bert = file_stem("anna_2"), file_stem("bert")
    assert [(row.uid, row.slice, row.image, row.prelabel) for row in exported.rows] == [
        ("anna_2", 3, f"{anna}.nii.gz", ""),
        ("bert", 0, f"{bert}.nii.gz", f"{bert}_prelabel.nii.gz"),
        ("anna_2", 1, f"{anna}.nii.gz", ""),
    ]
    names = {path.name for path in (tmp_path / "queue").iterdir()}
    files = {name for row in exported.rows for name in (row.image, row.prelabel) if name}
    assert names == files | {"queue.csv", "queue.json", "worklist.csv"}
    with (tmp_path / "queue" / "worklist.csv").open(newline="") as file:
        assert list(csv.DictReader(file)) == [
            {"ID": anna, "image": f"{anna}.nii.gz", "prelabel": "", "slices": "1 3"},
            {"ID": bert, "image": f"{bert}.nii.gz", "prelabel": f"{bert}_prelabel.nii.gz", "slices": "0"},
        ]


def test_what_annotators_get_names_nobody(store: Store, tmp_path: Path) -> None:
    export_queue_images(store, Queue((QueueRow("anna_2"), QueueRow("bert"))), tmp_path / "queue")
    given = [path for path in (tmp_path / "queue").iterdir() if path.stem != "queue"]
    assert len(given) == 3
    for path in given:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        for name in (b"anna", b"bert", b"Leeds"):
            assert name not in path.name.encode() + content


def test_channels_become_files_of_their_own(tmp_path: Path) -> None:
    image = np.stack([make_case(0).image[0], make_case(1).image[0]])
    store = make_store(tmp_path / "store", [replace(make_case(0), image=image)])
    export_queue_images(store, Queue((QueueRow("case0"),)), tmp_path / "queue")
    stem = file_stem("case0")
    for name, channel in ((f"{stem}.nii.gz", 0), (f"{stem}_channel1.nii.gz", 1)):
        np.testing.assert_array_equal(np.asarray(nib.load(tmp_path / "queue" / name).dataobj), image[channel].T)
    line = (tmp_path / "queue" / "worklist.csv").read_text().splitlines()
    assert line == ["ID,image,image1,prelabel,slices", f"{stem},{stem}.nii.gz,{stem}_channel1.nii.gz,,all"]


def test_probabilities_become_the_codes_of_the_store(store: Store, tmp_path: Path) -> None:
    labels = store.read("cleo").annotations["dense"].labels
    probabilities = np.eye(4, dtype=np.float32)[labels].transpose(3, 0, 1, 2) * 0.5 + 0.1
    queue = Queue((QueueRow("cleo"),))
    export_queue_images(store, queue, tmp_path / "queue", {"cleo": probabilities})
    written = nib.load(tmp_path / "queue" / f"{file_stem('cleo')}_prelabel.nii.gz")
    np.testing.assert_array_equal(np.asarray(written.dataobj).T, labels)
    assert written.get_data_dtype() == np.uint8


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.zeros(SHAPE[::-1], np.uint8), r"shape \(10, 12, 4\), the image has \(4, 12, 10\)"),
        (np.full(SHAPE, 7), "a label map with 7, the store knows 1, 2, 3"),
        (np.full(SHAPE, 0.5), "a label map with 0.5"),
        (np.zeros((3, *SHAPE)), "probabilities of 3 classes, the store has 3 labels and background"),
    ],
)
def test_a_label_map_that_does_not_fit_leaves_nothing(store: Store, tmp_path: Path, labels, message: str) -> None:
    with pytest.raises(DataError, match=f"case cleo: .*{message}"):
        export_queue_images(store, Queue((QueueRow("cleo"),)), tmp_path / "queue", {"cleo": labels})
    assert not list(tmp_path.iterdir())


def test_an_existing_folder_and_a_strange_unit_are_refused(store: Store, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="exists already"):
        export_queue_images(store, QUEUE, tmp_path)
    with pytest.raises(DataError, match="the store has no case 'dora'"):
        export_queue_images(store, Queue((QueueRow("dora"),)), tmp_path / "queue")
    assert not list(tmp_path.iterdir())
