"""NIfTI against nibabel, and every way a file can be at fault."""

import gzip
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from replicas import OBLIQUE_AFFINE, write_nifti

from lesslabel.data.formats.nifti import (
    read_image,
    read_label_map,
    write_label_map,
    write_probabilities,
)
from lesslabel.errors import DataError

LABELS = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
SPACING_MM = (10.0, 3.25, 3.0)


def with_header(path: Path, change, array: np.ndarray = LABELS) -> Path:
    """A file whose raw header bytes were changed past nibabel's repairs."""
    image = nib.Nifti1Image(array.T, OBLIQUE_AFFINE)
    content = bytearray(image.to_bytes())
    header = nib.Nifti1Header(bytes(content[:348]), check=False)
    change(header)
    content[:348] = header.binaryblock
    path.write_bytes(gzip.compress(bytes(content)) if path.suffix == ".gz" else bytes(content))
    return path


def set_field(name: str, index: int | slice | None, value: object):
    def change(header: nib.Nifti1Header) -> None:
        if index is None:
            header[name] = value
        else:
            header[name][index] = value

    return change


class TestRead:
    @pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
    def test_image_axes_spacing_and_affine(self, tmp_path: Path, name: str) -> None:
        volume = read_image(write_nifti(tmp_path / name, LABELS.astype(np.int16)))
        np.testing.assert_array_equal(volume.array, LABELS[None].astype(np.float32))
        assert volume.array.dtype == np.float32
        assert volume.spacing_mm == pytest.approx(SPACING_MM, rel=1e-6)
        np.testing.assert_array_equal(volume.affine, OBLIQUE_AFFINE)

    def test_fourth_dimension_becomes_the_channels(self, tmp_path: Path) -> None:
        array = np.arange(2 * 3 * 4 * 5, dtype=np.float32).reshape(2, 3, 4, 5)
        np.testing.assert_array_equal(read_image(write_nifti(tmp_path / "a.nii.gz", array)).array, array)

    def test_fifth_dimension_becomes_the_channels_if_the_fourth_is_one(self, tmp_path: Path) -> None:
        array = np.arange(2 * 3 * 4 * 5, dtype=np.float32).reshape(5, 4, 3, 1, 2)
        nib.Nifti1Image(array, np.eye(4)).to_filename(tmp_path / "a.nii.gz")
        np.testing.assert_array_equal(read_image(tmp_path / "a.nii.gz").array, array[..., 0, :].T)

    def test_two_dimensions_become_one_slice(self, tmp_path: Path) -> None:
        array = np.arange(12, dtype=np.uint8).reshape(4, 3)
        nib.Nifti1Image(array, np.diag([2.0, 3.0, 1.0, 1.0])).to_filename(tmp_path / "a.nii.gz")
        assert read_image(tmp_path / "a.nii.gz").array.shape == (1, 1, 3, 4)
        volume = read_label_map(tmp_path / "a.nii.gz")
        np.testing.assert_array_equal(volume.array, array.T[None])
        assert volume.spacing_mm == (1.0, 3.0, 2.0)

    def test_intensities_are_scaled_as_the_header_says(self, tmp_path: Path) -> None:
        def scale(header: nib.Nifti1Header) -> None:
            header["scl_slope"], header["scl_inter"] = 2.0, -3.0

        path = with_header(tmp_path / "a.nii.gz", scale)
        np.testing.assert_array_equal(read_image(path).array[0], LABELS * 2.0 - 3.0)

    def test_big_endian_and_nifti2(self, tmp_path: Path) -> None:
        swapped = nib.Nifti1Image(LABELS.T.astype(np.int16), OBLIQUE_AFFINE).header.as_byteswapped(">")
        nib.Nifti1Image(LABELS.T.astype(np.int16), OBLIQUE_AFFINE, swapped).to_filename(tmp_path / "big.nii")
        nib.Nifti2Image(LABELS.T, OBLIQUE_AFFINE).to_filename(tmp_path / "two.nii.gz")
        for name in ("big.nii", "two.nii.gz"):
            np.testing.assert_array_equal(read_image(tmp_path / name).array[0], LABELS)

    def test_whole_numbers_stored_as_floats_are_labels(self, tmp_path: Path) -> None:
        volume = read_label_map(write_nifti(tmp_path / "a.nii.gz", LABELS.astype(np.float32)))
        assert np.issubdtype(volume.array.dtype, np.integer)
        np.testing.assert_array_equal(volume.array, LABELS)


class TestWrite:
    @settings(max_examples=25)
    @given(
        shape=st.tuples(*[st.integers(1, 6)] * 3),
        spacing_mm=st.tuples(*[st.floats(0.125, 20.0, width=32)] * 3),
        seed=st.integers(0, 1000),
    )
    def test_labels_return_as_written(self, tmp_path_factory, shape, spacing_mm, seed) -> None:
        path = tmp_path_factory.mktemp("written") / "a.nii.gz"
        labels = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
        write_label_map(path, labels, spacing_mm)
        again = read_label_map(path)
        np.testing.assert_array_equal(again.array, labels)
        assert again.array.dtype == np.uint8
        assert again.spacing_mm == spacing_mm
        np.testing.assert_array_equal(again.affine, np.diag([*reversed(spacing_mm), 1.0]))

    def test_nibabel_sees_the_axes_and_the_affine(self, tmp_path: Path) -> None:
        write_label_map(tmp_path / "a.nii.gz", LABELS, SPACING_MM, OBLIQUE_AFFINE)
        image = nib.load(tmp_path / "a.nii.gz")
        np.testing.assert_array_equal(np.asarray(image.dataobj), LABELS.T)
        np.testing.assert_array_equal(image.affine, OBLIQUE_AFFINE)
        np.testing.assert_allclose(image.get_qform(), OBLIQUE_AFFINE, atol=1e-4)
        assert image.header.get_zooms() == pytest.approx(SPACING_MM[::-1])
        assert image.get_data_dtype() == np.uint8

    def test_probabilities(self, tmp_path: Path) -> None:
        probabilities = np.random.default_rng(0).random((4, 2, 3, 5), dtype=np.float32)
        write_probabilities(tmp_path / "a.nii.gz", probabilities, SPACING_MM, OBLIQUE_AFFINE)
        assert nib.load(tmp_path / "a.nii.gz").shape == (5, 3, 2, 4)
        np.testing.assert_array_equal(read_image(tmp_path / "a.nii.gz").array, probabilities)

    def test_the_same_content_gives_the_same_bytes_and_nothing_stays_aside(self, tmp_path: Path) -> None:
        for name in ("a.nii.gz", "b.nii.gz"):
            write_label_map(tmp_path / name, LABELS, SPACING_MM)
        assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()
        assert {path.name for path in tmp_path.iterdir()} == {"a.nii.gz", "b.nii.gz"}

    def test_other_types_and_endings_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="uint8, got int64"):
            write_label_map(tmp_path / "a.nii.gz", LABELS.astype(np.int64), SPACING_MM)
        with pytest.raises(DataError, match=r"a\.png: not a NIfTI file name"):
            write_label_map(tmp_path / "a.png", LABELS, SPACING_MM)
        with pytest.raises(DataError, match=r"probabilities are \(C, z, y, x\)"):
            write_probabilities(tmp_path / "a.nii.gz", LABELS.astype(np.float32), SPACING_MM)

    def test_a_place_that_cannot_be_written(self, tmp_path: Path) -> None:
        (tmp_path / "a.nii.gz").mkdir()
        with pytest.raises(DataError, match=r"a\.nii\.gz: cannot be written"):
            write_label_map(tmp_path / "a.nii.gz", LABELS, SPACING_MM)
        assert [path.name for path in tmp_path.iterdir()] == ["a.nii.gz"]


class TestFaults:
    @pytest.mark.parametrize(
        ("change", "match"),
        [
            (set_field("pixdim", 3, 0.0), "must be positive; correct pixdim"),
            (set_field("pixdim", 1, -3.0), "must be positive"),
            (set_field("pixdim", 2, np.nan), "must be positive"),
            (set_field("srow_x", 0, np.nan), "affine is not finite"),
            (set_field("srow_x", slice(0, 3), 0.0), "not invertible"),
            (set_field("dim", slice(1, 4), 32767), "header declares .* the file holds at most"),
            (set_field("dim", 0, 9), "dimensions .* are impossible"),
            (set_field("dim", 2, -3), "dimensions .* are impossible"),
            (set_field("dim", 1, 5), "cut short|holds at most"),
            (set_field("datatype", None, 9999), "not a readable NIfTI"),
            (set_field("magic", None, b"ni1"), "not a single-file NIfTI"),
            (set_field("vox_offset", None, np.inf), "not a readable NIfTI"),
        ],
    )
    @pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
    def test_header(self, tmp_path: Path, change, match: str, ending: str) -> None:
        path = with_header(tmp_path / f"a{ending}", change)
        with pytest.raises(DataError, match=match) as caught:
            read_image(path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)

    def test_absent(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"a\.nii\.gz: no such file"):
            read_image(tmp_path / "a.nii.gz")

    def test_another_ending(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"a\.mha: not a NIfTI file name"):
            read_image(tmp_path / "a.mha")

    @pytest.mark.parametrize("content", [b"", b"text", b"\x1f\x8b\x08\x00 no gzip"])
    @pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
    def test_no_nifti_at_all(self, tmp_path: Path, content: bytes, name: str) -> None:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=name):
            read_image(tmp_path / name)

    def test_a_compressed_file_without_its_ending_is_told_what_it_lacks(self, tmp_path: Path) -> None:
        compressed = write_nifti(tmp_path / "a.nii.gz", LABELS)
        path = compressed.rename(tmp_path / "a.nii")
        with pytest.raises(DataError, match=r"/a\.nii: compressed with gzip, .*; rename it to a\.nii\.gz$"):
            read_image(path)
        np.testing.assert_array_equal(read_label_map(path.rename(compressed)).array, LABELS)

    @settings(max_examples=60)
    @given(position=st.floats(0.0, 0.999), flipped=st.booleans(), bit=st.integers(0, 7))
    def test_damage_anywhere_is_an_error_or_harmless(self, tmp_path_factory, position, flipped, bit) -> None:
        """No byte lost or bit turned in a compressed file changes what is read without an error."""
        path = write_nifti(tmp_path_factory.mktemp("damaged") / "a.nii.gz", LABELS)
        content = bytearray(path.read_bytes())
        at = int(position * len(content))
        if flipped:
            content[at] ^= 1 << bit
        path.write_bytes(content if flipped else content[:at])
        try:
            array = read_label_map(path).array
        except DataError:
            return
        np.testing.assert_array_equal(array, LABELS)

    @pytest.mark.parametrize(
        ("value", "match"),
        [
            (0.5, "label values must be whole numbers"),
            (1e12, "label values must be whole numbers"),
            (np.nan, r"1 label values are NaN or infinite; replace them"),
            (np.inf, r"1 label values are NaN or infinite; replace them"),
        ],
    )
    def test_label_values_that_are_no_whole_numbers(self, tmp_path: Path, value: float, match: str) -> None:
        array = LABELS.astype(np.float64)
        array[1, 1, 1] = value
        with pytest.raises(DataError, match=match):
            read_label_map(write_nifti(tmp_path / "a.nii.gz", array))

    def test_label_map_with_channels(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="this has 2 channels"):
            read_label_map(write_nifti(tmp_path / "a.nii.gz", np.zeros((2, 3, 4, 5), np.uint8)))

    def test_colours_and_complex_numbers(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="are not numbers of one channel"):
            read_image(write_nifti(tmp_path / "a.nii.gz", LABELS.astype(np.complex64)))
