"""A user's own table: columns, channels, formats side by side, and the column split as a split."""

import csv
from pathlib import Path

import numpy as np
import pytest
import replicas
import SimpleITK
from itk_images import to_itk, write_segmentation
from PIL import Image

from lesslabel.cli import main
from lesslabel.data.case import IGNORE, Kind
from lesslabel.data.sources import Folder
from lesslabel.data.splits import partition
from lesslabel.data.store import Store
from lesslabel.errors import ConfigError, DataError

IMAGE = np.arange(3 * 5 * 4, dtype=np.int16).reshape(3, 5, 4)
LABELS = (IMAGE % 3).astype(np.uint8)


def write_table(folder: Path, *rows: dict[str, str]) -> Path:
    table = folder / "table.csv"
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return table


def refuse(table: Path, match: str) -> None:
    with pytest.raises(DataError, match=match) as caught:
        Folder(table, labels="1=RV,2=Myo")
    assert "\n" not in str(caught.value)


class TestChannels:
    @pytest.fixture
    def images(self, tmp_path: Path) -> Path:
        for name, offset in (("a_t1", 0), ("a_t2", 100), ("b_t1", 200), ("b_t2", 300)):
            replicas.write_nifti(tmp_path / f"{name}.nii.gz", IMAGE + np.int16(offset))
        return tmp_path

    @pytest.mark.parametrize("sign", [";", "|", " ; "])
    def test_joined_in_one_cell(self, images: Path, sign: str) -> None:
        table = write_table(images, {"image": f"a_t1.nii.gz{sign}a_t2.nii.gz"})
        source = Folder(table, labels="1=RV")
        assert source.channels == ["image 1", "image 2"]
        assert source.read(source.list_cases()[0]).image[:, 0, 0, 0].tolist() == [0.0, 100.0]

    def test_in_columns_of_their_own_that_name_them(self, images: Path) -> None:
        rows = [{"image_T2": f"{name}_t2.nii.gz", "image_T1": f"{name}_t1.nii.gz", "case": name} for name in "ab"]
        source = Folder(write_table(images, *rows), labels="1=RV")
        assert source.channels == ["T2", "T1"]
        assert source.read(source.list_cases()[1]).image[:, 0, 0, 0].tolist() == [300.0, 200.0]

    def test_a_channel_that_is_missing(self, images: Path) -> None:
        rows = [{"image_T1": "a_t1.nii.gz", "image_T2": "a_t2.nii.gz"}, {"image_T1": "b_t1.nii.gz", "image_T2": ""}]
        refuse(write_table(images, *rows), "row 3: 'image_T2' is ''; name one file, every case needs")
        refuse(
            write_table(images, {"image": "a_t1.nii.gz", "image_T2": "a_t2.nii.gz"}),
            "row 1: 'image' and 'image_T2' are both there",
        )


class TestFormats:
    def test_side_by_side(self, tmp_path: Path) -> None:
        """An image in any format with a label map in another: the same case."""
        SimpleITK.WriteImage(to_itk(IMAGE), tmp_path / "mha.mha")
        SimpleITK.WriteImage(to_itk(IMAGE), tmp_path / "nrrd.nrrd")
        replicas.write_nifti(tmp_path / "nifti.nii.gz", IMAGE)
        replicas.write_series(tmp_path / "dicom", IMAGE)
        SimpleITK.WriteImage(to_itk(LABELS), tmp_path / "label.mha")
        replicas.write_nifti(tmp_path / "label.nii.gz", LABELS)
        layers = np.stack([LABELS == 2, LABELS == 1]).astype(np.uint8)
        write_segmentation(tmp_path / "label.seg.nrrd", layers, [("Myo", 0, 1), ("RV", 1, 1)])
        rows = [
            {"case": f"{image}-{label}", "image": image, "label": label}
            for image in ("mha.mha", "nrrd.nrrd", "nifti.nii.gz", "dicom")
            for label in ("label.mha", "label.nii.gz", "label.seg.nrrd")
        ]
        source = Folder(write_table(tmp_path, *rows), labels="1=RV,2=Myo")
        for raw in source.list_cases():
            case = source.read(raw)
            np.testing.assert_array_equal(case.image[0], IMAGE)
            np.testing.assert_array_equal(case.annotations["dense"].labels, LABELS)
            np.testing.assert_allclose(case.affine, replicas.OBLIQUE_AFFINE, atol=1e-4)
            assert case.annotations["dense"].covered_labels is None

    def test_2d_pictures_with_masks(self, tmp_path: Path) -> None:
        Image.fromarray(IMAGE[0].astype(np.uint8)).save(tmp_path / "a.png")
        Image.fromarray(np.uint8(255) * (LABELS[0] == 1)).save(tmp_path / "a-mask.png")
        source = Folder(write_table(tmp_path, {"image": "a.png", "label": "a-mask.png"}))
        assert source.labels == {1: "label 1"}
        case = source.read(source.list_cases()[0])
        assert case.shape == (1, 5, 4)
        np.testing.assert_array_equal(case.annotations["dense"].labels[0], LABELS[0] == 1)

    def segmentations(self, folder: Path) -> Path:
        """Two cases; nobody outlined the Myo of the second."""
        rows = []
        for name, segments in (("a", [("RV", 0, 1), ("Myo", 0, 2)]), ("b", [("RV", 0, 1)])):
            replicas.write_nifti(folder / f"{name}.nii.gz", IMAGE)
            drawn = np.where(len(segments) >= LABELS, LABELS, 0)
            write_segmentation(folder / f"{name}.seg.nrrd", drawn[None], segments)
            rows.append({"image": f"{name}.nii.gz", "label": f"{name}.seg.nrrd"})
        return write_table(folder, *rows)

    def test_names_of_segments_become_labels(self, tmp_path: Path) -> None:
        source = Folder(self.segmentations(tmp_path))
        assert source.labels == {1: "Myo", 2: "RV"}
        first, second = (source.read(raw).annotations["dense"] for raw in source.list_cases())
        np.testing.assert_array_equal(first.labels, np.array([0, 2, 1])[LABELS])
        np.testing.assert_array_equal(second.labels, np.array([0, 2, 0])[LABELS])
        assert first.covered_labels is None
        assert second.covered_labels == (2,)

    def test_a_label_that_no_file_has_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="no label file has a segment 'Mio'; their segments are Myo, RV"):
            Folder(self.segmentations(tmp_path), labels="1=RV,2=Mio")

    def test_named_strokes_leave_the_rest_unknown(self, tmp_path: Path) -> None:
        replicas.write_nifti(tmp_path / "a.nii.gz", IMAGE)
        write_segmentation(tmp_path / "a.seg.nrrd", LABELS[None], [("background", 0, 1), ("RV", 0, 2)])
        source = Folder(write_table(tmp_path, {"image": "a.nii.gz", "scribble": "a.seg.nrrd"}))
        scribble = source.read(source.list_cases()[0]).annotations["scribble"]
        assert scribble.kind == Kind.SCRIBBLE
        np.testing.assert_array_equal(scribble.labels, np.array([IGNORE, 0, 1])[LABELS])


class TestImagesAlone:
    def test_every_image_of_a_folder_is_a_case_and_a_patient(self, tmp_path: Path) -> None:
        scans = tmp_path / "scans"
        (scans / "deeper").mkdir(parents=True)
        for name in ("b.nii.gz", "a.nii.gz", ".hidden.nii.gz", "deeper/c.nii.gz"):
            replicas.write_nifti(scans / name, IMAGE)
        (scans / "notes.txt").touch()
        assert main(["prepare", "folder", str(scans), str(tmp_path / "store"), "--labels", "1=RV"]) == 0
        store = Store(tmp_path / "store")
        assert {uid: record.patient for uid, record in store.records.items()} == {"a": "a", "b": "b"}
        assert store.labels == {1: "RV"}
        case = store.read("a")
        np.testing.assert_array_equal(case.image[0], IMAGE)
        assert not case.annotations

    def test_a_folder_of_slices_in_it_is_one_case(self, tmp_path: Path) -> None:
        replicas.write_series(tmp_path / "scans" / "one", IMAGE)
        assert [case.uid for case in Folder(tmp_path / "scans", labels="1=RV").list_cases()] == ["one"]


class TestSplit:
    def rows(self, *parts: tuple[str, str]) -> list[dict[str, str]]:
        return [{"image": "a.nii.gz", "case": f"c{n}", "patient": p, "split": s} for n, (p, s) in enumerate(parts)]

    def test_is_what_split_groups_goes_by(self, tmp_path: Path) -> None:
        replicas.write_nifti(tmp_path / "a.nii.gz", IMAGE)
        parts = [("anna", "train"), ("anna", "Training"), ("bert", "val"), ("cleo", "test"), ("dora", "validation")]
        table = write_table(tmp_path, *self.rows(*parts))
        assert main(["prepare", "folder", str(table), str(tmp_path / "store"), "--labels", "1=RV"]) == 0
        divided = partition(Store(tmp_path / "store").list_records(), "groups")
        assert divided.cases == {"train": ("c0", "c1"), "validation": ("c2", "c4"), "test": ("c3",)}

    @pytest.mark.parametrize(
        ("parts", "match"),
        [
            ([("anna", "train"), ("bert", "trian")], "row 3: split 'trian' names no part; write train"),
            ([("anna", "train"), ("bert", "")], "row 3: split '' names no part"),
            ([("anna", "train"), ("anna", "test")], "row 3: patient anna is in test, and in train by row 2"),
        ],
    )
    def test_one_that_could_not_be_used_is_refused(self, tmp_path: Path, parts, match: str) -> None:
        replicas.write_nifti(tmp_path / "a.nii.gz", IMAGE)
        refuse(write_table(tmp_path, *self.rows(*parts)), match)


def test_a_column_that_is_there_twice(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("image,image\na.nii.gz,b.nii.gz\n")
    refuse(tmp_path / "table.csv", "row 1: column 'image' is there twice")


@pytest.mark.parametrize(
    ("column", "advice"),
    [
        ("fold", "rename it to 'split'"),
        ("Subset", "rename it to 'split'"),
        ("mask", "rename it to 'label'"),
        ("subject_id", "rename it to 'patient'"),
        ("spacing", "sizes are those of the files"),
        ("spacing_z", "sizes are those of the files"),
        ("VoxelSize", "sizes are those of the files"),
        ("cv_fold", "rename it to 'split'"),
        ("Subject ID", "rename it to 'patient'"),
        ("participant_id", "rename it to 'patient'"),
        ("PID", "rename it to 'patient'"),
    ],
)
def test_a_column_that_would_change_the_meaning_is_refused(tmp_path: Path, column: str, advice: str) -> None:
    replicas.write_nifti(tmp_path / "a.nii.gz", np.zeros((2, 3, 4), np.uint8))
    table = tmp_path / "table.csv"
    table.write_text(f"image,{column}\na.nii.gz,0\n", encoding="utf-8")
    with pytest.raises(DataError, match=rf"row 1: column '{column}' is not read.*{advice}"):
        Folder(table, labels="1=a")


@pytest.mark.parametrize("column", ["seg_path", "manual", "annotation1"])
def test_a_column_of_files_that_is_not_read_is_refused(tmp_path: Path, column: str) -> None:
    replicas.write_nifti(tmp_path / "a.nii.gz", IMAGE)
    refuse(
        write_table(tmp_path, {"image": "a.nii.gz", column: "l.nii.gz"}),
        f"row 2: column '{column}' names a file and is not read; rename it to image, label",
    )


@pytest.mark.parametrize(
    ("columns", "match"),
    [
        (("image_path", "label"), "column 'image_path' names no channel; rename it to 'image'"),
        (("image", "label_path"), "'label_path' names no rater; rename it to 'label'"),
        (("image", "label_file"), "'label_file' names no rater; rename it to 'label'"),
    ],
)
def test_the_word_path_is_no_channel_and_no_rater(tmp_path: Path, columns: tuple[str, str], match: str) -> None:
    replicas.write_nifti(tmp_path / "a.nii.gz", IMAGE)
    refuse(write_table(tmp_path, dict.fromkeys(columns, "a.nii.gz")), match)


def test_columns_that_say_something_else_are_left_aside(tmp_path: Path) -> None:
    replicas.write_nifti(tmp_path / "a.nii.gz", IMAGE)
    row = {"image": "a.nii.gz", "age": "50", "stage": "II", "phase": "venous", "sex": "f", "site": "lung", "size": "3"}
    (case,) = Folder(write_table(tmp_path, row), labels="1=RV").list_cases()
    assert set(case.files) == {"image"}
