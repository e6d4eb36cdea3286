"""Fields of headers that change voxels, lengths or places, kind by kind: the right value or a refusal by name."""

import gzip
import struct
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import replicas
import SimpleITK

from lesslabel.data.formats.dicom import read_series
from lesslabel.data.formats.nifti import read_volume
from lesslabel.data.formats.reading import read_image, read_label_map
from lesslabel.errors import DataError
from lesslabel.evaluation import evaluate_files

IMAGE = np.arange(4 * 6 * 5, dtype=np.int16).reshape(4, 6, 5) - 60
UNITS = {"mm": 1.0, "um": 0.001, "µm": 0.001, "cm": 10.0, "": 1.0}
LABELS = (np.arange(4 * 6 * 5) % 4).astype(np.uint8).reshape(4, 6, 5)


def edited(path: Path, old: bytes, new: bytes) -> Path:
    """A text header in which a line is another."""
    content = path.read_bytes()
    start = content.index(old)
    end = content.index(b"\n", start)
    path.write_bytes(content[:start] + new + content[end:])
    return path


class TestLengths:
    @pytest.mark.parametrize(("code", "length_mm"), [(0, 1.0), (1, 1000.0), (2, 1.0), (3, 0.001), (8 + 3, 0.001)])
    def test_of_nifti(self, tmp_path: Path, code: int, length_mm: float) -> None:
        image = nib.Nifti1Image(IMAGE.T, replicas.OBLIQUE_AFFINE)
        image.header["xyzt_units"] = code
        image.to_filename(tmp_path / "a.nii.gz")
        read = read_image(tmp_path / "a.nii.gz")
        assert read.spacing_mm == pytest.approx([side * length_mm for side in replicas.SPACING_MM])
        expected = replicas.OBLIQUE_AFFINE.copy()
        expected[:3] *= length_mm
        np.testing.assert_allclose(read.affine, expected)
        seen = SimpleITK.ReadImage(tmp_path / "a.nii.gz")
        assert seen.GetSpacing() == pytest.approx(read.spacing_mm[::-1])
        assert seen.GetOrigin() == pytest.approx((expected @ [0, 0, 0, 1])[:3] * [-1, -1, 1], rel=1e-4)

    def test_of_nifti_that_are_none_are_refused(self, tmp_path: Path) -> None:
        image = nib.Nifti1Image(IMAGE.T, replicas.OBLIQUE_AFFINE)
        image.header["xyzt_units"] = 5
        image.to_filename(tmp_path / "a.nii.gz")
        with pytest.raises(DataError, match=r"a\.nii\.gz: unit of length 5 in xyzt_units is not known"):
            read_image(tmp_path / "a.nii.gz")

    @pytest.mark.parametrize(
        ("unit", "length_mm"), [("mm", 1.0), ("um", 0.001), ("µm", 0.001), ("cm", 10.0), ("", 1.0)]
    )
    def test_of_nrrd(self, tmp_path: Path, unit: str, length_mm: float) -> None:
        path = replicas.write_nrrd(tmp_path / "a.nrrd", IMAGE)
        edited(path, b"encoding:", f'space units: "{unit}" "{unit}" "{unit}"\nencoding: raw'.encode())
        read = read_image(path)
        assert read.spacing_mm == pytest.approx([side * length_mm for side in replicas.SPACING_MM])

    @pytest.mark.parametrize("units", ['"mm" "mm"', "mm mm mm", '"mm" "furlong" "mm"'])
    def test_of_nrrd_that_are_none_are_refused(self, tmp_path: Path, units: str) -> None:
        path = replicas.write_nrrd(tmp_path / "a.nrrd", IMAGE)
        edited(path, b"encoding:", f"space units: {units}\nencoding: raw".encode())
        with pytest.raises(DataError, match=r"a\.nrrd: .*(expected 3 units in quotes|unit of length 'furlong')"):
            read_image(path)

    @pytest.mark.parametrize(("unit", "fits"), [("mm", True), ("um", False), ("cm", False)])
    def test_of_meta_image(self, tmp_path: Path, unit: str, fits: bool) -> None:
        path = replicas.write_nrrd(tmp_path / "a.mha", IMAGE)
        edited(path, b"Offset", f"DistanceUnits = {unit}\nOffset = 0 0 0".encode())
        if fits:
            assert read_image(path).spacing_mm == pytest.approx(replicas.SPACING_MM)
            return
        with pytest.raises(DataError, match=rf"a\.mha: DistanceUnits is '{unit}', which is not read"):
            read_image(path)

    def test_two_voxel_sizes_in_one_header_are_not_scored(self, tmp_path: Path) -> None:
        image = nib.Nifti1Image(LABELS.T, np.diag([1.0, 1.0, 2.0, 1.0]))
        image.header.set_zooms((1.0, 1.0, 1.0))
        image.to_filename(tmp_path / "a.nii.gz")
        with pytest.raises(
            DataError, match=r"a\.nii\.gz: voxel size \(z, y, x\) is 1 × 1 × 1 mm by pixdim and 2 × 1 × 1"
        ):
            evaluate_files(tmp_path / "a.nii.gz", tmp_path / "a.nii.gz")
        assert (evaluate_files(tmp_path / "a.nii.gz", tmp_path / "a.nii.gz", unit="voxel")["dice"] == 1).all()


class TestByteOrderInEverySpelling:
    @pytest.mark.parametrize("spelling", ["True", "true", "TRUE", "T", "1"])
    @pytest.mark.parametrize("field", ["BinaryDataByteOrderMSB", "ElementByteOrderMSB"])
    def test_of_meta_image(self, tmp_path: Path, field: str, spelling: str) -> None:
        path = replicas.write_nrrd(tmp_path / "a.mha", IMAGE)
        header, _, _ = path.read_bytes().partition(b"ElementDataFile = LOCAL\n")
        path.write_bytes(header + b"ElementDataFile = LOCAL\n" + IMAGE.astype(">i2").tobytes())
        edited(path, b"BinaryDataByteOrderMSB", f"{field} = {spelling}".encode())
        np.testing.assert_array_equal(read_image(path).array[0], IMAGE)

    @pytest.mark.parametrize(("field", "old"), [("CompressedData", b"CompressedData"), ("BinaryData", b"BinaryData =")])
    def test_of_meta_image_that_is_none_is_refused(self, tmp_path: Path, field: str, old: bytes) -> None:
        path = replicas.write_nrrd(tmp_path / "a.mha", IMAGE)
        edited(path, old, f"{field} = perhaps".encode())
        with pytest.raises(DataError, match=rf"a\.mha: {field} is 'perhaps'; write True or False"):
            read_image(path)

    @pytest.mark.parametrize("spelling", ["big", "Big", "BIG"])
    def test_of_nrrd(self, tmp_path: Path, spelling: str) -> None:
        path = replicas.write_nrrd(tmp_path / "a.nrrd", IMAGE)
        edited(path, b"endian:", f"endian: {spelling}".encode())
        header, _, _ = path.read_bytes().partition(b"\n\n")
        path.write_bytes(header.replace(b"encoding: gzip", b"encoding: raw") + b"\n\n" + IMAGE.astype(">i2").tobytes())
        np.testing.assert_array_equal(read_image(path).array[0], IMAGE)

    @pytest.mark.parametrize("kind", ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "f4", "f8"])
    @pytest.mark.parametrize("order", ["<", ">"])
    def test_of_nifti(self, tmp_path: Path, kind: str, order: str) -> None:
        values = np.linspace(-90 if kind[0] != "u" else 0, 100, IMAGE.size).reshape(IMAGE.shape).astype(kind)
        header = nib.Nifti1Header(endianness=order)
        header.set_data_dtype(np.dtype(kind))
        nib.Nifti1Image(values.T, np.eye(4), header).to_filename(tmp_path / "a.nii")
        np.testing.assert_array_equal(read_volume(tmp_path / "a.nii").array[0], values)


class TestFieldsThatAreNotRead:
    @pytest.mark.parametrize(
        ("line", "match"),
        [
            ("old min: 3", "field 'old min' changes its voxels and is not read"),
            ("oldmax: 3", "field 'oldmax' changes its voxels and is not read"),
            ("spaceorigin: 1", "field 'spaceorigin' is not known; correct its name or remove it"),
            ("type: uint8", "field 'type' is there twice; remove one"),
            ("byte skip: 4", "skips voxels by 'byte skip'"),
        ],
    )
    def test_of_nrrd(self, tmp_path: Path, line: str, match: str) -> None:
        path = replicas.write_nrrd(tmp_path / "a.nrrd", IMAGE)
        edited(path, b"encoding:", f"{line}\nencoding: raw".encode())
        with pytest.raises(DataError, match=rf"a\.nrrd: {match}"):
            read_image(path)

    def test_axis_mins_of_nrrd(self, tmp_path: Path) -> None:
        head = (
            b"NRRD0004\ntype: uchar\ndimension: 3\nsizes: 5 6 4\naxis mins: 0 0 0\naxis maxs: 9 6 4\nencoding: raw\n\n"
        )
        (tmp_path / "a.nrrd").write_bytes(head + LABELS.tobytes())
        with pytest.raises(DataError, match=r"a\.nrrd: is placed by 'axis mins' and 'axis maxs', which are not read"):
            read_image(tmp_path / "a.nrrd")

    @pytest.mark.parametrize(
        ("line", "match"),
        [
            ("ElementToIntensityFunctionSlope = 2", "ElementToIntensityFunctionSlope is '2', which is not read"),
            ("ElementToIntensityFunctionOffset = 7", "ElementToIntensityFunctionOffset is '7', which is not read"),
            ("NDims = 3", "field 'NDims' is there twice; remove one"),
        ],
    )
    def test_of_meta_image(self, tmp_path: Path, line: str, match: str) -> None:
        path = replicas.write_nrrd(tmp_path / "a.mha", IMAGE)
        edited(path, b"CenterOfRotation", f"CenterOfRotation = 0 0 0\n{line}".encode())
        with pytest.raises(DataError, match=rf"a\.mha: {match}"):
            read_image(path)


class TestLabelsThatAreScaled:
    @pytest.mark.parametrize("kind", [np.uint8, np.int16, np.uint16, np.int32])
    @pytest.mark.parametrize("ending", ["nii", "nii.gz"])
    def test_are_whole_within_the_rounding(self, tmp_path: Path, kind: type, ending: str) -> None:
        image = nib.Nifti1Image(LABELS.T.astype(np.float64), np.eye(4))
        image.set_data_dtype(kind)
        image.to_filename(tmp_path / f"a.{ending}")
        assert nib.load(tmp_path / f"a.{ending}").dataobj.slope != 1.0
        np.testing.assert_array_equal(read_label_map(tmp_path / f"a.{ending}").array, LABELS)

    def test_0_9999_is_1(self, tmp_path: Path) -> None:
        image = nib.Nifti1Image(LABELS.T.astype(np.int16) * 100, np.eye(4))
        content = bytearray(image.to_bytes())
        struct.pack_into("<f", content, 112, 0.009999)
        (tmp_path / "a.nii.gz").write_bytes(gzip.compress(bytes(content)))
        assert nib.load(tmp_path / "a.nii.gz").get_fdata()[1, 0, 0] == pytest.approx(0.9999)
        np.testing.assert_array_equal(read_label_map(tmp_path / "a.nii.gz").array, LABELS)

    def test_fractions_are_refused_still(self, tmp_path: Path) -> None:
        values = LABELS.T.astype(np.float64)
        values[0, 0, 0] = 0.5
        image = nib.Nifti1Image(values, np.eye(4))
        image.set_data_dtype(np.int16)
        image.to_filename(tmp_path / "a.nii.gz")
        with pytest.raises(DataError, match="label values must be whole numbers"):
            read_label_map(tmp_path / "a.nii.gz")


class TestSeries:
    def shuffled(self, folder: Path, order: list[int]) -> Path:
        """Slices whose numbers are not in the order of their places."""
        pydicom = pytest.importorskip("pydicom")
        replicas.write_series(folder, IMAGE, replicas.CT_AFFINE)
        for path, number in zip(sorted(folder.glob("*.dcm")), order, strict=True):
            file = pydicom.dcmread(path)
            file.InstanceNumber = number
            file.save_as(path)
        return folder

    @pytest.mark.parametrize("order", [[3, 1, 4, 2], [2, 1, 4, 3], [1, 1, 1, 1], [10, 30, 20, 40]])
    def test_numbers_out_of_order_are_no_missing_slice(self, tmp_path: Path, order: list[int]) -> None:
        read = read_series(self.shuffled(tmp_path, order))
        seen = SimpleITK.ReadImage(SimpleITK.ImageSeriesReader.GetGDCMSeriesFileNames(str(tmp_path)))
        np.testing.assert_array_equal(read.array, SimpleITK.GetArrayFromImage(seen))
        np.testing.assert_allclose((read.affine @ [0, 0, 0, 1])[:3] * [-1, -1, 1], seen.GetOrigin(), atol=1e-4)

    def test_numbers_from_the_head_stay(self, tmp_path: Path) -> None:
        np.testing.assert_array_equal(read_series(self.shuffled(tmp_path, [4, 3, 2, 1])).array, IMAGE[::-1])

    @pytest.mark.parametrize("change", [lambda name: name.replace(".dcm", ".DCM")])
    def test_endings_in_capitals_are_not_left_out(self, tmp_path: Path, change: Callable[[str], str]) -> None:
        for path in sorted(replicas.write_series(tmp_path, IMAGE).glob("*.dcm"))[1::2]:
            path.rename(path.with_name(change(path.name)))
        np.testing.assert_array_equal(read_series(tmp_path).array, IMAGE)

    @pytest.mark.parametrize("name", ["ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"])
    def test_a_place_that_nobody_stated_is_not_made_up(self, tmp_path: Path, name: str) -> None:
        pydicom = pytest.importorskip("pydicom")
        for path in replicas.write_series(tmp_path, IMAGE).glob("*.dcm"):
            file = pydicom.dcmread(path)
            delattr(file, name)
            file.save_as(path)
        with pytest.raises(DataError, match=rf"\.dcm: has no {name}, so its voxels have no place"):
            read_series(tmp_path)

    def test_enhanced_files_are_refused_by_name(self, tmp_path: Path) -> None:
        pydicom = pytest.importorskip("pydicom")
        path = min(replicas.write_series(tmp_path, IMAGE).glob("*.dcm"))
        file = pydicom.dcmread(path)
        file.SOPClassUID = file.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2.1"
        file.NumberOfFrames, file.PixelData = 4, IMAGE.tobytes()
        file.save_as(path)
        with pytest.raises(DataError, match=r"\(enhanced multi-frame DICOM\), which is not read; convert it"):
            read_series(tmp_path)


class TestSlicesOfOtherPrograms:
    """As anonymisers, Macs and scanners leave series."""

    def changed(self, folder: Path, **elements: object) -> Path:
        pydicom = pytest.importorskip("pydicom")
        replicas.write_series(folder, IMAGE, replicas.CT_AFFINE)
        for path in folder.glob("*.dcm"):
            file = pydicom.dcmread(path)
            for name, value in elements.items():
                if value is None:
                    delattr(file, name)
                else:
                    setattr(file, name, value)
            file.save_as(path)
        return folder

    @pytest.mark.parametrize("number", [None, "", 1])
    def test_without_numbers_places_say_the_order(self, tmp_path: Path, number: object) -> None:
        volume = read_series(self.changed(tmp_path, InstanceNumber=number))
        np.testing.assert_array_equal(volume.array, IMAGE)
        np.testing.assert_allclose(volume.affine, replicas.CT_AFFINE, atol=1e-6)

    def test_white_as_zero_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"0 is white \(MONOCHROME1\); export the series with 0 as black"):
            read_series(self.changed(tmp_path, PhotometricInterpretation="MONOCHROME1"))

    def test_twins_of_a_mac_are_left_aside(self, tmp_path: Path) -> None:
        replicas.write_series(tmp_path, IMAGE, replicas.CT_AFFINE)
        (tmp_path / "._1-001.dcm").write_bytes(b"Mac OS X")
        np.testing.assert_array_equal(read_series(tmp_path).array, IMAGE)

    def test_slices_of_another_ending_are_spoken_of(self, tmp_path: Path) -> None:
        for path in replicas.write_series(tmp_path, IMAGE).glob("*.dcm"):
            path.rename(path.with_suffix(".IMA"))
        with pytest.raises(DataError, match=r"0 slices; expected a series of .*; rename the others of its 4 files if"):
            read_series(tmp_path)


class TestMetaImageFields:
    def written(self, folder: Path, **changes: str | None) -> Path:
        fields = {
            "ObjectType": "Image",
            "NDims": "3",
            "BinaryData": "True",
            "BinaryDataByteOrderMSB": "False",
            "TransformMatrix": "1 0 0 0 1 0 0 0 1",
            "Offset": "0 0 0",
            "ElementSpacing": "0.5 0.7 2",
            "DimSize": "5 6 4",
            "ElementType": "MET_SHORT",
        } | changes
        lines = [f"{name} = {value}\n" for name, value in fields.items() if value is not None]
        path = folder / "a.mha"
        path.write_bytes("".join([*lines, "ElementDataFile = LOCAL\n"]).encode() + IMAGE.tobytes())
        return path

    @pytest.mark.parametrize("absent", ["TransformMatrix", "Offset"])
    def test_a_place_that_is_not_stated_is_as_itk_takes_it(self, tmp_path: Path, absent: str) -> None:
        read = read_image(self.written(tmp_path, **{absent: None}))
        seen = SimpleITK.ReadImage(tmp_path / "a.mha")
        assert seen.GetSpacing() == pytest.approx(read.spacing_mm[::-1])
        np.testing.assert_allclose(np.diag(read.affine), [-0.5, -0.7, 2.0, 1.0])
        np.testing.assert_array_equal(read.array[0], IMAGE)

    def test_a_size_that_is_not_stated_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="has no ElementSpacing; add the voxel size, x y z in mm"):
            read_image(self.written(tmp_path, ElementSpacing=None))

    @pytest.mark.parametrize("name", ["elementspacing", "ElementSpacin", "Elementspacing"])
    def test_a_field_in_other_letters_is_refused(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(DataError, match=f"field '{name}' is not known; rename it to 'ElementSpacing'"):
            read_image(self.written(tmp_path, **{name: "9 9 9"}))


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_label_maps_of_floats_are_whole_within_their_rounding(tmp_path: Path, kind: type) -> None:
    """As programs leave them that compute in single precision."""
    nib.save(nib.Nifti1Image((LABELS.T * 0.99999994).astype(kind), np.eye(4)), tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(read_label_map(tmp_path / "a.nii.gz").array, LABELS)
