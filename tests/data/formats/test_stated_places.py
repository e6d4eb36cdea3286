"""Places that a header states in an unusual way, states twice, or does not state."""

import struct
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import replicas
import SimpleITK

from lesslabel.data.exchange import export_store
from lesslabel.data.exchange.annotation_import import import_annotations
from lesslabel.data.formats.dicom import read_series
from lesslabel.data.formats.reading import read_image
from lesslabel.data.sources.folder import Folder
from lesslabel.data.store.prepare import prepare
from lesslabel.data.verify.store_check import verify_store
from lesslabel.errors import DataError
from lesslabel.evaluation import evaluate_files

SIDES = (0.5, 0.75, 2.0)
NAMES = "1=first,2=second"
LABELS = np.zeros((5, 7, 9), np.uint8)
LABELS[1:3, 2:5, 1:4] = 1
LABELS[3, 1:3, 5:8] = 2
IMAGE = np.random.default_rng(0).integers(-400, 400, LABELS.shape).astype(np.int16)
QFAC, CODES, QUATERNION = 76, 252, 256


def edit(path: Path, offset: int, form: str, *values: float) -> Path:
    content = bytearray(path.read_bytes())
    struct.pack_into(form, content, offset, *values)
    path.write_bytes(content)
    return path


def write(path: Path, values: np.ndarray, codes: tuple[int, int] = (1, 1)) -> Path:
    affine = np.diag([*SIDES, 1.0])
    image = nib.Nifti1Image(values.T, affine)
    image.set_sform(affine, 1)
    image.set_qform(affine, 1)
    image.to_filename(path)
    return edit(path, CODES, "<hh", codes[1], codes[0])


class TestNifti:
    @pytest.mark.parametrize("codes", [(0, 1), (1, 1), (1, 0)])
    def test_a_handedness_of_0_is_that_of_1(self, codes: tuple[int, int], tmp_path: Path) -> None:
        """The standard: pixdim[0] is -1 or 1, and 0 is taken as 1."""
        volume = read_image(edit(write(tmp_path / "a.nii", IMAGE, codes), QFAC, "<f", 0.0))
        np.testing.assert_allclose(volume.affine, np.diag([*SIDES, 1.0]))
        assert volume.qform is None

    @pytest.mark.parametrize("codes", [(0, 1), (1, 1)])
    def test_a_rotation_that_is_none_is_refused_by_name(self, codes: tuple[int, int], tmp_path: Path) -> None:
        path = edit(write(tmp_path / "a.nii", IMAGE, codes), QUATERNION, "<fff", 3.0, 4.0, 5.0)
        with pytest.raises(DataError, match=r"a\.nii: quatern_b, c, d \(3, 4, 5\) are no rotation; set qform_code"):
            read_image(path)

    @pytest.mark.parametrize("codes", [(0, 1), (1, 1)])
    @pytest.mark.parametrize("parts", [(0.70712, 0.70712, 0.0), (0.0, 0.6, 0.80003), (0.5774, 0.5773, 0.57737)])
    def test_a_rotation_that_is_rounded_is_read(
        self, codes: tuple[int, int], parts: tuple[float, float, float], tmp_path: Path
    ) -> None:
        path = edit(write(tmp_path / "a.nii", IMAGE, codes), QUATERNION, "<fff", *parts)
        volume = read_image(path)
        b, c, d = np.array(parts) / np.linalg.norm(parts)  # half a turn about this axis
        turned = (2 * np.outer([b, c, d], [b, c, d]) - np.eye(3)) * SIDES
        placed = volume.affine if codes == (0, 1) else volume.qform.affine
        np.testing.assert_allclose(placed[:3, :3], turned, atol=1e-3)

    @pytest.mark.parametrize("codes", [(1, 0)])
    def test_a_rotation_that_is_not_used_does_no_harm(self, codes: tuple[int, int], tmp_path: Path) -> None:
        path = edit(write(tmp_path / "a.nii", IMAGE, codes), QUATERNION, "<fff", 3.0, 4.0, 5.0)
        np.testing.assert_allclose(read_image(path).affine, np.diag([*SIDES, 1.0]))


class TestNiftiWithoutAPlace:
    """Both codes 0: nibabel turns and centres such an image, ITK does not, and both are used."""

    @pytest.fixture(params=[(5, 7, 9), (4, 6, 8), (1, 6, 8)])
    def image(self, request: pytest.FixtureRequest, tmp_path: Path) -> Path:
        depth, height, width = request.param
        return write(tmp_path / "image.nii", IMAGE[:depth, :height, :width], (0, 0))

    def label(self, image: Path, by: str) -> Path:
        depth, height, width = nib.load(image).shape[::-1]
        labels, path = LABELS[:depth, :height, :width].copy(), image.with_name(f"{by}.nii.gz")
        labels[0, 1, 2] = 1
        if by == "nibabel":
            nib.save(nib.Nifti1Image(labels.T, nib.load(image).affine), path)
        elif by == "itk":
            drawn = SimpleITK.GetImageFromArray(labels)
            drawn.CopyInformation(SimpleITK.ReadImage(image))
            SimpleITK.WriteImage(drawn, path)
        else:
            path = write(image.with_name("none.nii"), labels, (0, 0))
        return path

    @pytest.mark.parametrize("by", ["nibabel", "itk", "none"])
    def test_a_label_map_fits_whoever_saved_it(self, by: str, image: Path) -> None:
        label = self.label(image, by)
        (image.parent / "t.csv").write_text(f"image,label\n{image.name},{label.name}\n", encoding="utf-8")
        source = Folder(image.parent / "t.csv", labels=NAMES)
        stored = np.asarray(nib.load(label).dataobj).T
        np.testing.assert_array_equal(source.read(source.list_cases()[0]).annotations["dense"].labels, stored)
        assert evaluate_files(label, self.label(image, "none"))["dice"].eq(1.0).all()

    def test_what_leaves_lies_on_the_image_in_itk_and_in_nibabel(self, image: Path) -> None:
        label = self.label(image, "none")
        (image.parent / "t.csv").write_text(f"case,image,label\none,{image.name},{label.name}\n", encoding="utf-8")
        store, _ = prepare(Folder(image.parent / "t.csv", labels=NAMES), image.parent / "store")
        seen, drawn = SimpleITK.ReadImage(image), store.read("one").annotations["dense"].labels
        for program in ("itksnap", "nnunet"):
            export_store(store, program, image.parent / program, annotation="dense")
            for path in (image.parent / program).rglob("case_*.nii.gz"):
                left = SimpleITK.ReadImage(path)
                assert left.GetOrigin() == pytest.approx(seen.GetOrigin())
                assert left.GetDirection() == pytest.approx(seen.GetDirection())
                np.testing.assert_allclose(nib.load(path).affine, nib.load(image).affine, atol=1e-5)
        (image.parent / "drawn").mkdir()
        back = SimpleITK.GetImageFromArray(drawn)
        back.CopyInformation(seen)
        (name,) = {path.name for path in (image.parent / "itksnap").rglob("case_*.nii.gz") if "image" not in str(path)}
        SimpleITK.WriteImage(back, image.parent / "drawn" / name)
        (returned,) = import_annotations(store, None, image.parent / "drawn", "expert", author="e", time="")
        assert not returned.problem
        np.testing.assert_array_equal(store.read("one").annotations["expert"].labels, drawn)

    def test_verify_says_it(self, image: Path) -> None:
        (image.parent / "t.csv").write_text(f"case,image\none,{image.name}\n", encoding="utf-8")
        store, _ = prepare(Folder(image.parent / "t.csv", labels=NAMES), image.parent / "store")
        (finding,) = verify_store(store.path)
        assert finding.severity == "warning"
        assert finding.problem == "the header states no place (sform_code and qform_code are 0)"


class TestMetaImageAndNrrd:
    HEADER = "ObjectType = Image\nNDims = 3\nBinaryData = True\nElementSpacing = 1 1 1\nDimSize = 9 7 5\n"

    def mha(self, folder: Path, lines: str, data: str = "LOCAL") -> Path:
        path = folder / "a.mha"
        end = f"ElementType = MET_SHORT\n{lines}ElementDataFile = {data}\n"
        path.write_bytes((self.HEADER + end).encode() + IMAGE.astype("<i2").tobytes())
        return path

    @pytest.mark.parametrize(
        ("lines", "match"),
        [
            ("BinaryDataByteOrderMSB = False\nElementByteOrderMSB = True\n", "'BinaryDataByteOrderMSB' and 'ElementB"),
            ("Offset = 0 0 1\nPosition = 0 0 2\n", "'Offset' and 'Position' disagree; remove one"),
            ("Offset = 0 0 1\nPosition = 0 0\n", "'Offset' and 'Position' disagree"),
            ("Offset = 0 0 1.001\nOrigin = 0 0 1\n", "'Offset' and 'Origin' disagree"),
            ("TransformMatrix = 1 0 0 0 1 0 0 0 1\nRotation = 0 1 0 1 0 0 0 0 1\n", "'TransformMatrix' and 'Rotation'"),
        ],
    )
    def test_two_names_of_a_field_that_disagree_are_refused(self, tmp_path: Path, lines: str, match: str) -> None:
        with pytest.raises(DataError, match=match):
            read_image(self.mha(tmp_path, lines))

    def test_two_names_that_agree_are_read(self, tmp_path: Path) -> None:
        path = self.mha(tmp_path, "Offset = 0 0 1\nPosition = 0 0 1.0\nElementSize = 3 3 3\n")
        assert read_image(path).affine[2, 3] == 1.0

    @pytest.mark.parametrize(
        "lines",
        [
            "Offset = 1.5 2.25 3.1000000000000001\nPosition = 1.50 2.25 3.10\n",
            "Offset = 0 1e3 -0\nOrigin = 6.1e-17 1000 0\n",
            "BinaryDataByteOrderMSB = False\nElementByteOrderMSB = false\n",
        ],
    )
    def test_two_spellings_of_a_value_agree(self, tmp_path: Path, lines: str) -> None:
        np.testing.assert_array_equal(read_image(self.mha(tmp_path, lines)).array[0], IMAGE)

    @pytest.mark.parametrize("spelling", ["LOCAL", "Local", "local"])
    def test_voxels_in_the_same_file_in_every_spelling(self, tmp_path: Path, spelling: str) -> None:
        np.testing.assert_array_equal(read_image(self.mha(tmp_path, "", spelling)).array[0], IMAGE)

    @pytest.mark.parametrize("name", ["LIST", "LIST 2", "a%03d.raw 1 5 1"])
    def test_a_file_for_every_slice_is_refused_by_name(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(DataError, match=r"a\.mha: keeps its voxels in several files \('.*'\); save it as one"):
            read_image(self.mha(tmp_path, "", name))

    def test_frames_in_time_of_nrrd_are_refused(self, tmp_path: Path) -> None:
        lines = ["NRRD0005", "type: short", "dimension: 4", "space: LPS", "sizes: 9 7 5 2", "endian: little"]
        lines += ["space directions: (1,0,0) (0,1,0) (0,0,1) none", "kinds: domain domain domain time", "encoding: raw"]
        path = tmp_path / "a.nrrd"
        path.write_bytes("\n".join([*lines, "", ""]).encode() + np.stack([IMAGE, IMAGE]).astype("<i2").tobytes())
        with pytest.raises(DataError, match=r"a\.nrrd: axis 3 is frames in time \('kinds'\); save every frame as a"):
            read_image(path)


class TestSeries:
    def changed(self, folder: Path, **elements: object) -> Path:
        pydicom = pytest.importorskip("pydicom")
        replicas.write_series(folder, IMAGE, replicas.CT_AFFINE)
        for path in folder.glob("*.dcm"):
            file = pydicom.dcmread(path)
            for name, value in elements.items():
                setattr(file, name, value)
            file.save_as(path)
        return folder

    @pytest.mark.parametrize("name", ["PixelSpacing", "ImagePositionPatient", "ImageOrientationPatient"])
    def test_a_place_that_is_empty_is_not_made_up(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(DataError, match=rf"\.dcm: has no {name}, so its voxels have no place"):
            read_series(self.changed(tmp_path, **{name: None}))

    def test_a_slope_of_0_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"\.dcm: RescaleSlope is 0; export the series again"):
            read_series(self.changed(tmp_path, RescaleSlope=0))

    def test_bits_that_begin_elsewhere_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"\.dcm: HighBit is 15, BitsStored is 12; export the series again"):
            read_series(self.changed(tmp_path, BitsStored=12, HighBit=15))

    @pytest.mark.parametrize("name", ["1-004", "1-004.ima", "deeper/1-004.dcm"])
    def test_slices_that_would_be_left_out_are_named(self, tmp_path: Path, name: str) -> None:
        replicas.write_series(tmp_path, IMAGE, replicas.CT_AFFINE)
        (tmp_path / name).parent.mkdir(exist_ok=True)
        max(tmp_path.glob("*.dcm")).rename(tmp_path / name)
        with pytest.raises(DataError, match=rf"{name.split('/')[0]}.*: would be left out of the series"):
            read_series(tmp_path)

    def test_other_files_beside_a_series_are_left_aside(self, tmp_path: Path) -> None:
        replicas.write_series(tmp_path, IMAGE, replicas.CT_AFFINE)
        (tmp_path / "DICOMDIR").write_bytes(bytes(128) + b"DICM")
        (tmp_path / "LICENSE").write_text("free", encoding="utf-8")
        (tmp_path / "notes").mkdir()
        np.testing.assert_array_equal(read_series(tmp_path).array, IMAGE)

    @pytest.mark.parametrize("name", ["seg/seg.dcm", "RTSTRUCT", "dicomdir", "scout/1.dcm", "other.ima"])
    def test_other_dicom_files_are_no_slices(self, tmp_path: Path, name: str, capfd: pytest.CaptureFixture) -> None:
        pydicom = pytest.importorskip("pydicom")
        replicas.write_series(tmp_path, IMAGE, replicas.CT_AFFINE)
        file = pydicom.dcmread(tmp_path / "1-001.dcm")
        file.SeriesInstanceUID = "1.2.4"
        if name == "seg/seg.dcm":
            file.SOPClassUID = "1.2.840.10008.5.1.4.1.1.66.4"
        if name == "RTSTRUCT":
            file.SOPClassUID = "1.2.840.10008.5.1.4.1.1.481.3"
            del file.PixelData, file.Rows, file.Columns
        (tmp_path / name).parent.mkdir(exist_ok=True)
        file.save_as(tmp_path / name)
        capfd.readouterr()
        for by_name in (False, True):
            np.testing.assert_array_equal(read_series(tmp_path, by_name=by_name).array, IMAGE)
        assert capfd.readouterr().err == ""

    def test_a_left_out_slice_of_an_archive_that_gave_each_its_series_is_named(self, tmp_path: Path) -> None:
        pydicom = pytest.importorskip("pydicom")
        replicas.write_series(tmp_path, IMAGE, replicas.CT_AFFINE)
        for number, path in enumerate(sorted(tmp_path.glob("*.dcm"))):
            file = pydicom.dcmread(path)
            file.SeriesInstanceUID = f"1.2.{number + 5}"
            file.save_as(path)
        path.rename(tmp_path / "last.ima")
        with pytest.raises(DataError, match=r"last\.ima: would be left out of the series"):
            read_series(tmp_path, by_name=True)

    @pytest.mark.parametrize("implicit", [True, False])
    def test_values_that_a_table_changes_are_refused(self, tmp_path: Path, implicit: bool) -> None:
        pydicom = pytest.importorskip("pydicom")
        table = pydicom.Dataset()
        table.LUTDescriptor, table.ModalityLUTType, table.LUTData = [2, 0, 16], "HU", b"\0\0\1\0"
        replicas.write_series(tmp_path, IMAGE, replicas.CT_AFFINE)
        for path in tmp_path.glob("*.dcm"):
            file = pydicom.dcmread(path)
            file.ModalityLUTSequence = [table]
            file.file_meta.TransferSyntaxUID = (
                pydicom.uid.ImplicitVRLittleEndian if implicit else pydicom.uid.ExplicitVRLittleEndian
            )
            pydicom.dcmwrite(path, file, implicit_vr=implicit, little_endian=True)
        with pytest.raises(DataError, match=r"\.dcm: has a ModalityLUTSequence, which is not read; export the series"):
            read_series(tmp_path)

    def test_a_table_among_the_pixels_is_none(self, tmp_path: Path) -> None:
        image = np.full(IMAGE.shape, 0, np.int16)
        image[:] = np.frombuffer(b"\x28\x00\x00\x30", np.int16)[np.arange(image.shape[2]) % 2]
        replicas.write_series(tmp_path, image, replicas.CT_AFFINE)
        np.testing.assert_array_equal(read_series(tmp_path).array, image)

    def test_slices_of_nearly_the_same_size_go_by_the_share_of_a_voxel(self, tmp_path: Path) -> None:
        pydicom = pytest.importorskip("pydicom")
        replicas.write_series(tmp_path, IMAGE, replicas.CT_AFFINE)
        path = max(tmp_path.glob("*.dcm"))
        file = pydicom.dcmread(path)
        height, width = IMAGE.shape[1:]
        first = [float(side) for side in file.PixelSpacing]
        for share, fits in ((0.05, True), (0.2, False)):
            file.PixelSpacing = [f"{side * (1 + share / max(height, width)):.8g}" for side in first]
            file.save_as(path)
            if fits:
                np.testing.assert_array_equal(read_series(tmp_path).array, IMAGE)
            else:
                with pytest.raises(DataError, match="another series, size or direction"):
                    read_series(tmp_path)

    @pytest.mark.parametrize(("apart_mm", "fits"), [(2.0, True), (0.5, False)])
    def test_slices_out_of_the_plane_go_by_the_distance_of_slices(
        self, tmp_path: Path, apart_mm: float, fits: bool
    ) -> None:
        """The end of a row lies 0.12 mm out of the plane."""
        pydicom = pytest.importorskip("pydicom")
        replicas.write_series(tmp_path, IMAGE, np.diag([0.6, 0.65, apart_mm, 1.0]))
        path = max(tmp_path.glob("*.dcm"))
        file = pydicom.dcmread(path)
        angle = 0.12 / (0.6 * IMAGE.shape[2])
        file.ImageOrientationPatient = [f"{side:.8f}" for side in (-np.cos(angle), 0, np.sin(angle), 0, -1, 0)]
        file.save_as(path)
        if fits:
            np.testing.assert_array_equal(read_series(tmp_path).array, IMAGE)
        else:
            with pytest.raises(DataError, match="another series, size or direction"):
                read_series(tmp_path)

    def test_a_number_with_a_point_is_a_number(self, tmp_path: Path) -> None:
        replicas.write_series(tmp_path, IMAGE, replicas.CT_AFFINE)
        for path in tmp_path.glob("*.dcm"):
            content = path.read_bytes()
            element = b"\x20\x00\x13\x00"
            start = content.index(element) + len(element)
            size_at = start + (2 if content[start : start + 2] == b"IS" else 0)
            length = int.from_bytes(content[size_at : size_at + (2 if size_at > start else 4)], "little")
            begin = size_at + (2 if size_at > start else 4)
            number = content[begin : begin + length].strip()
            text = number + b".0"
            text += b" " * (len(text) % 2)
            size = len(text).to_bytes(begin - size_at, "little")
            path.write_bytes(content[:size_at] + size + text + content[begin + length :])
        np.testing.assert_array_equal(read_series(tmp_path).array, IMAGE)

    @pytest.mark.parametrize(
        ("number", "kind"),
        [
            ("481.3", "an RT structure set"),
            ("66.4", "a segmentation"),
            ("88.33", "a report"),
            ("11.1", "a presentation"),
        ],
    )
    def test_what_is_no_slice_is_refused_by_its_kind(self, tmp_path: Path, number: str, kind: str) -> None:
        pydicom = pytest.importorskip("pydicom")
        replicas.write_series(tmp_path, IMAGE, replicas.CT_AFFINE)
        file = pydicom.dcmread(min(tmp_path.glob("*.dcm")))
        del file.PixelData
        file.SOPClassUID = file.file_meta.MediaStorageSOPClassUID = f"1.2.840.10008.5.1.4.1.1.{number}"
        file.save_as(tmp_path / "beside.dcm")
        with pytest.raises(DataError, match=rf"beside\.dcm: is {kind}.*, no slice; move it out of the folder"):
            read_series(tmp_path)
