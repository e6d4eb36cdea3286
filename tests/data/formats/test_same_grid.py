"""A label map on the image's voxels is turned onto them, whatever its format and whichever command meets it."""

from dataclasses import replace
from itertools import product
from pathlib import Path

import itk_images
import nibabel as nib
import numpy as np
import pytest
import replicas
import SimpleITK
from handmade_store import Handmade, make_case, make_store
from scipy.spatial.transform import Rotation

from lesslabel.cli import main
from lesslabel.data.case import Case, Qform
from lesslabel.data.exchange import export_store
from lesslabel.data.exchange.annotation_import import import_annotations
from lesslabel.data.exchange.queue_images import file_stem
from lesslabel.data.formats.grid import lay_on
from lesslabel.data.formats.nifti import read_image, read_label_map, write_image, write_label_map
from lesslabel.data.sources.folder import Folder
from lesslabel.data.store import Store
from lesslabel.data.store.prepare import prepare
from lesslabel.data.verify.case_checks import check_qform
from lesslabel.data.verify.store_check import verify_store
from lesslabel.errors import DataError
from lesslabel.evaluation import evaluate_files

SHAPE = (4, 7, 6)
IMAGE = np.random.default_rng(0).integers(0, 900, SHAPE).astype(np.int16)
LABELS = np.random.default_rng(1).integers(0, 3, SHAPE).astype(np.uint8)
NAMES = "1=a,2=b"
FORMATS = (".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd", ".seg.nrrd")
TURNS = {
    "as it was": "xyz",
    "z reversed": "xyZ",
    "x and y reversed": "XYz",
    "all reversed": "XYZ",
    "axes permuted": "zxy",
    "axes permuted and reversed": "YzX",
}


def turned(values: np.ndarray, affine: np.ndarray, turn: str) -> tuple[np.ndarray, np.ndarray]:
    """Voxels (z, y, x) and affine of the same volume stored in another order; capitals are reversed axes."""
    axes = ["xyz".index(letter.lower()) for letter in turn]
    matrix = np.zeros((4, 4))
    matrix[3, 3] = 1.0
    sides = values.shape[::-1]
    for new, (old, letter) in enumerate(zip(axes, turn, strict=True)):
        matrix[old, new] = -1.0 if letter.isupper() else 1.0
        matrix[old, 3] += sides[old] - 1 if letter.isupper() else 0
    stored = values.T.transpose(axes)
    stored = np.flip(stored, [axis for axis, letter in enumerate(turn) if letter.isupper()])
    return np.ascontiguousarray(stored.T), affine @ matrix


def write(path: Path, labels: np.ndarray, affine: np.ndarray) -> Path:
    if path.name.endswith((".nii", ".nii.gz")):
        return replicas.write_nifti(path, labels, affine)
    SimpleITK.WriteImage(itk_images.to_itk(labels, affine), path)
    return path


def prepared(folder: Path, image: Path, label: Path) -> Case:
    (folder / "table.csv").write_text(f"case,image,label\none,{image},{label}\n", encoding="utf-8")
    source = Folder(folder / "table.csv", labels=NAMES)
    return source.read(source.list_cases()[0])


@pytest.mark.parametrize("turn", TURNS.values(), ids=TURNS)
@pytest.mark.parametrize("ending", FORMATS)
class TestATurnedLabelMap:
    @pytest.fixture
    def label(self, ending: str, turn: str, tmp_path: Path) -> Path:
        stored, affine = turned(LABELS, replicas.OBLIQUE_AFFINE, turn)
        path = tmp_path / f"{file_stem('one')}{ending}"
        if ending == ".seg.nrrd":
            itk = itk_images.to_itk(stored, affine)
            for number, name in enumerate("ab"):
                for key, text in (("Name", name), ("Layer", "0"), ("LabelValue", str(number + 1))):
                    itk.SetMetaData(f"Segment{number}_{key}", text)
            SimpleITK.WriteImage(itk, path)
            return path
        return write(path, stored, affine)

    def test_in_prepare(self, label: Path, tmp_path: Path) -> None:
        case = prepared(tmp_path, replicas.write_nifti(tmp_path / "image.nii.gz", IMAGE), label)
        np.testing.assert_array_equal(case.annotations["dense"].labels, LABELS)

    def test_in_import(self, label: Path, tmp_path: Path) -> None:
        case = Case("one", "p", IMAGE[None].astype(np.float32), replicas.SPACING_MM, replicas.OBLIQUE_AFFINE)
        source = Handmade([case])
        source.labels = {1: "a", 2: "b"}
        store, _ = prepare(source, tmp_path / "store")
        drawn = tmp_path / "drawn"
        drawn.mkdir()
        for path in label.parent.glob(f"{file_stem('one')}*"):
            path.rename(drawn / path.name)
        (returned,) = import_annotations(store, None, drawn, "expert", author="e", time="")
        assert not returned.problem
        np.testing.assert_array_equal(store.read("one").annotations["expert"].labels, LABELS)

    def test_in_evaluate(self, label: Path, ending: str, tmp_path: Path) -> None:
        reference = replicas.write_nifti(tmp_path / "reference.nii.gz", LABELS)
        if ending == ".seg.nrrd":
            with pytest.raises(DataError, match=r"seg\.nrrd: a file of named segments is not scored"):
                evaluate_files(label, reference)
        else:
            assert (evaluate_files(label, reference)[["dice", "nsd"]] == 1.0).all(axis=None)


@pytest.mark.parametrize("turn", TURNS.values(), ids=TURNS)
def test_a_turned_channel_is_laid_on_the_first(turn: str, tmp_path: Path) -> None:
    stored, affine = turned(IMAGE, replicas.OBLIQUE_AFFINE, turn)
    first = replicas.write_nifti(tmp_path / "first.nii.gz", IMAGE)
    replicas.write_nifti(tmp_path / "second.nii.gz", stored, affine)
    case = prepared(tmp_path, f"{first};second.nii.gz", replicas.write_nifti(tmp_path / "label.nii.gz", LABELS))
    np.testing.assert_array_equal(case.image, [IMAGE, IMAGE])


@pytest.mark.parametrize(("shift_voxel", "fits"), [(0.09, True), (0.11, False)])
@pytest.mark.parametrize("axis", range(3))
def test_one_rule_of_a_tenth_of_a_voxel(axis: int, shift_voxel: float, fits: bool, tmp_path: Path) -> None:
    image = read_image(replicas.write_nifti(tmp_path / "image.nii.gz", IMAGE))
    shift = np.eye(4)
    shift[axis, 3] = shift_voxel
    path = replicas.write_nifti(tmp_path / "other.nii.gz", LABELS, replicas.OBLIQUE_AFFINE @ shift)
    if fits:
        np.testing.assert_array_equal(lay_on(image, read_label_map(path)).array, LABELS)
        evaluate_files(path, replicas.write_nifti(tmp_path / "reference.nii.gz", LABELS))
        return
    with pytest.raises(DataError, match=r"other\.nii\.gz: affine differs from that of image\.nii\.gz by 0\.11 voxels"):
        lay_on(image, read_label_map(path))
    with pytest.raises(DataError, match=r"other\.nii\.gz: affine differs"):
        evaluate_files(path, replicas.write_nifti(tmp_path / "reference.nii.gz", LABELS))


def test_direction_cosines_of_four_decimals_that_itk_made_orthonormal(tmp_path: Path) -> None:
    directions = np.round(Rotation.from_rotvec([0.2, -0.1, 0.15]).as_matrix(), 4) @ np.diag([-1, -1, 1])
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = directions * [0.7, 0.7, 3.0], [180, 150, -120]
    labels = np.zeros((40, 64, 64), np.uint8)
    labels[10:20, 20:40, 30:50] = 1
    reference = nib.Nifti1Image(labels.T, affine)
    reference.header.set_zooms((0.7, 0.7, 3.0))
    reference.to_filename(tmp_path / "reference.nii.gz")
    SimpleITK.WriteImage(SimpleITK.ReadImage(tmp_path / "reference.nii.gz"), tmp_path / "prediction.nii.gz")
    frame = evaluate_files(tmp_path / "prediction.nii.gz", tmp_path / "reference.nii.gz")
    assert frame["dice"].tolist() == [1.0]


class TestTwoForms:
    """An sform that a registration moved by 4 mm, and the qform of the scanner."""

    MOVED = np.diag([2.0, 2.0, 2.0, 1.0])
    MOVED[0, 3] = 4.0
    SCANNER = np.diag([2.0, 2.0, 2.0, 1.0])

    def write(self, path: Path, values: np.ndarray, codes: tuple[int, int]) -> Path:
        image = nib.Nifti1Image(values.T, self.MOVED)
        image.set_sform(self.MOVED, codes[0])
        image.set_qform(self.SCANNER, codes[1])
        image.to_filename(path)
        return path

    @pytest.mark.parametrize("codes", list(product((1, 2, 4), (1, 2))))
    def test_itk_shows_what_leaves_where_it_shows_the_image(self, codes: tuple[int, int], tmp_path: Path) -> None:
        image = self.write(tmp_path / "image.nii.gz", IMAGE, codes)
        label = self.write(tmp_path / "label.nii.gz", LABELS, codes)
        (tmp_path / "table.csv").write_text(f"case,image,label\none,{image},{label}\n", encoding="utf-8")
        store, _ = prepare(Folder(tmp_path / "table.csv", labels=NAMES), tmp_path / "store")
        expected = SimpleITK.ReadImage(image).GetOrigin()
        for program in ("slicer", "itksnap", "nnunet", "monailabel"):
            export_store(store, program, tmp_path / program, annotation="dense")
            files = [path for path in (tmp_path / program).rglob("case_*") if path.is_file()]
            assert len(files) == 2
            for path in files:
                assert SimpleITK.ReadImage(path).GetOrigin() == pytest.approx(expected), path
        (finding,) = verify_store(store.path)
        assert finding.severity == "warning"
        expected_words = f"sform (code {codes[0]}) and qform (code {codes[1]}) disagree by 2 voxels"
        assert finding.problem == expected_words
        drawn = tmp_path / "slicer"
        (returned,) = import_annotations(store, None, drawn, "expert", author="e", time="")
        assert not returned.problem
        np.testing.assert_array_equal(store.read("one").annotations["expert"].labels, LABELS)

    @pytest.mark.parametrize("place", ["MOVED", "SCANNER"])
    def test_a_label_map_may_lie_by_either(self, place: str, tmp_path: Path) -> None:
        image = self.write(tmp_path / "image.nii.gz", IMAGE, (2, 1))
        label = replicas.write_nifti(tmp_path / "label.nii.gz", LABELS, getattr(self, place))
        np.testing.assert_array_equal(prepared(tmp_path, image, label).annotations["dense"].labels, LABELS)

    def test_forms_that_put_a_label_map_on_other_voxels_are_refused(self, tmp_path: Path) -> None:
        mirrored, affine = turned(IMAGE, np.eye(4), "Xyz")
        image = nib.Nifti1Image(mirrored.T, affine)
        image.set_sform(affine, 2)
        image.set_qform(np.eye(4), 1)
        image.to_filename(tmp_path / "image.nii.gz")
        label = replicas.write_nifti(tmp_path / "label.nii.gz", LABELS, np.eye(4))
        with pytest.raises(DataError, match=r"label\.nii\.gz: sform and qform of it or of image\.nii\.gz put it on"):
            prepared(tmp_path, tmp_path / "image.nii.gz", label)

    def test_writers_keep_both(self, tmp_path: Path) -> None:
        qform = Qform(self.SCANNER, (2, 1))
        write_label_map(tmp_path / "label.nii.gz", LABELS, (2.0, 2.0, 2.0), self.MOVED, qform)
        write_image(tmp_path / "image.nii.gz", IMAGE.astype(np.float32), (2.0, 2.0, 2.0), self.MOVED, qform)
        for name in ("label", "image"):
            header = nib.load(tmp_path / f"{name}.nii.gz").header
            assert (int(header["sform_code"]), int(header["qform_code"])) == (2, 1)
            np.testing.assert_allclose(header.get_sform(), self.MOVED)
            np.testing.assert_allclose(header.get_qform(), self.SCANNER)

    def test_the_store_keeps_both_and_its_hash_knows(self, tmp_path: Path) -> None:
        case = make_case(0)
        with_two = replace(case, qform=Qform(np.diag([1.25, 1.5, -10.0, 1.0]), (2, 1)))
        one, two = make_store(tmp_path / "one", [case]), make_store(tmp_path / "two", [with_two])
        assert one.read("case0").qform is None
        assert one.data_hash != two.data_hash
        kept = Store(two.path).read("case0").qform
        assert kept is not None
        assert kept.codes == (2, 1)
        np.testing.assert_array_equal(kept.affine, with_two.qform.affine)
        assert list(check_qform(case)) == []


class TestSameGrid:
    """A label map whose header is wrong and whose voxels are in the image's order."""

    @pytest.fixture
    def table(self, tmp_path: Path) -> Path:
        replicas.write_nifti(tmp_path / "image.nii.gz", IMAGE)
        replicas.write_nifti(tmp_path / "label.nii.gz", LABELS, np.eye(4))
        table = tmp_path / "table.csv"
        table.write_text("case,image,label\none,image.nii.gz,label.nii.gz\n", encoding="utf-8")
        return table

    @pytest.mark.parametrize("chosen", ["one", "all"])
    def test_the_command_takes_voxels_in_their_order_and_says_so(self, table: Path, chosen: str) -> None:
        store = table.parent / "store"
        arguments = ["prepare", "folder", str(table), str(store), "--labels", NAMES, "--workers", "0"]
        assert main(arguments) == 1
        assert main([*arguments, "--same-grid", chosen]) == 0
        np.testing.assert_array_equal(Store(store).read("one").annotations["dense"].labels, LABELS)
        assert Store(store).fingerprint["same_grid"] == ["one"]

    def test_a_column_says_it_for_a_case(self, table: Path) -> None:
        text = "case,image,label,same_grid\none,image.nii.gz,label.nii.gz,yes\n"
        table.write_text(text, encoding="utf-8")
        store, _ = prepare(Folder(table, labels=NAMES), table.parent / "store")
        assert store.fingerprint["same_grid"] == ["one"]
        table.write_text(text.replace("yes", "maybe"), encoding="utf-8")
        with pytest.raises(DataError, match=r"table\.csv, row 2: 'same_grid' is 'maybe'; write yes or no"):
            Folder(table, labels=NAMES)

    def test_another_shape_and_an_unknown_case_are_refused(self, table: Path) -> None:
        with pytest.raises(DataError, match="--same-grid names case 'two', which the source does not list"):
            prepare(Folder(table, labels=NAMES), table.parent / "store", same_grid=["two"])
        replicas.write_nifti(table.parent / "label.nii.gz", LABELS[:, :-1], np.eye(4))
        with pytest.raises(DataError, match="both must come from the same grid"):
            prepare(Folder(table, labels=NAMES), table.parent / "store", same_grid="all")

    def test_a_store_without_it_says_nothing(self, table: Path) -> None:
        replicas.write_nifti(table.parent / "label.nii.gz", LABELS)
        store, _ = prepare(Folder(table, labels=NAMES), table.parent / "store")
        assert "same_grid" not in store.fingerprint
