"""A series of DICOM slices: order, geometry, intensities, and what is no series."""

from pathlib import Path

import numpy as np
import pytest
import replicas
import SimpleITK

from lesslabel.data.formats.dicom import read_series
from lesslabel.errors import DataError

IMAGE = np.arange(4 * 6 * 5, dtype=np.int16).reshape(4, 6, 5) - 60


def refuse(folder: Path, match: str) -> None:
    with pytest.raises(DataError, match=match) as caught:
        read_series(folder)
    assert "\n" not in str(caught.value)


def test_values_axes_and_geometry(tmp_path: Path) -> None:
    volume = read_series(replicas.write_series(tmp_path, IMAGE, replicas.CT_AFFINE))
    np.testing.assert_array_equal(volume.array, IMAGE)
    assert volume.array.dtype == np.float32
    assert volume.spacing_mm == pytest.approx((2.0, 0.65, 0.6))
    np.testing.assert_allclose(volume.affine, replicas.CT_AFFINE, atol=1e-6)


def test_the_geometry_is_that_of_the_series_reader(tmp_path: Path) -> None:
    """The one of SimpleITK, which sorts by position."""
    replicas.write_series(tmp_path, IMAGE, replicas.CT_AFFINE)
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(tmp_path)))
    expected = reader.Execute()
    volume = read_series(tmp_path)
    np.testing.assert_array_equal(volume.array, SimpleITK.GetArrayFromImage(expected))
    for voxel in ((0, 0, 0), (4, 0, 0), (0, 5, 0), (2, 3, 3)):
        left_back_head = expected.TransformIndexToPhysicalPoint(voxel)
        np.testing.assert_allclose((volume.affine @ [*voxel, 1])[:3] * [-1, -1, 1], left_back_head, atol=1e-6)


def test_slices_come_by_number_not_by_name_or_place(tmp_path: Path) -> None:
    """From head to feet: the last voxel axis then points downwards, and the affine says so."""
    affine = replicas.CT_AFFINE @ np.diag([1.0, 1.0, -1.0, 1.0])
    replicas.write_series(tmp_path, IMAGE, affine)
    for path, name in zip(sorted(tmp_path.glob("*.dcm")), "dbca", strict=True):
        path.rename(tmp_path / f"{name}.dcm")
    volume = read_series(tmp_path)
    np.testing.assert_array_equal(volume.array, IMAGE)
    np.testing.assert_allclose(volume.affine, affine, atol=1e-6)
    assert volume.spacing_mm[0] == pytest.approx(2.0)


def test_slices_by_name_may_each_be_of_a_series_of_its_own(tmp_path: Path) -> None:
    replicas.write_series(tmp_path, IMAGE, replicas.CT_AFFINE)
    for path, name in zip(sorted(tmp_path.glob("*.dcm")), "dcba", strict=True):
        path.rename(tmp_path / f"{name}.dcm")
    path = tmp_path / "b.dcm"
    element = b"\x20\x00\x0e\x00\x06\x00\x00\x001.2."
    content = path.read_bytes()
    assert content.count(element + b"3") == 1
    path.write_bytes(content.replace(element + b"3", element + b"4"))
    refuse(tmp_path, "b.dcm: of another series than a.dcm; keep one series")
    volume = read_series(tmp_path, by_name=True)
    np.testing.assert_array_equal(volume.array, IMAGE[::-1])
    np.testing.assert_allclose(volume.affine @ [2, 3, 0, 1], replicas.CT_AFFINE @ [2, 3, 3, 1], atol=1e-6)


def test_a_missing_slice_is_refused(tmp_path: Path) -> None:
    (replicas.write_series(tmp_path, IMAGE) / "1-002.dcm").unlink()
    refuse(tmp_path, "slice 3 lies 5 mm away from where 3 even slices would put it; a slice is missing")


def test_a_copy_of_a_slice_is_refused(tmp_path: Path) -> None:
    replicas.write_series(tmp_path, IMAGE)
    (tmp_path / "copy.dcm").write_bytes((tmp_path / "1-002.dcm").read_bytes())
    refuse(tmp_path, "a slice is missing or twice")


def test_a_tilted_gantry_is_refused(tmp_path: Path) -> None:
    affine = np.diag([0.6, 0.65, 2.0, 1.0])
    affine[1, 2] = 0.5  # every slice further to the front
    refuse(replicas.write_series(tmp_path, IMAGE, affine), "or the gantry was tilted")


def test_slices_at_one_place_are_refused(tmp_path: Path) -> None:
    replicas.write_series(tmp_path, IMAGE[:1])
    (tmp_path / "copy.dcm").write_bytes((tmp_path / "1-001.dcm").read_bytes())
    refuse(tmp_path, "a slice is missing or twice")


@pytest.mark.parametrize(
    ("image", "affine"), [(IMAGE[:, :, :-1], replicas.CT_AFFINE), (IMAGE, replicas.CT_AFFINE[[1, 0, 2, 3]])]
)
def test_slices_of_another_size_or_direction_are_refused(tmp_path: Path, image: np.ndarray, affine: np.ndarray) -> None:
    replicas.write_series(tmp_path, IMAGE, replicas.CT_AFFINE)
    other = replicas.write_series(tmp_path / "other", image, affine) / "1-004.dcm"
    other.replace(tmp_path / "1-004.dcm")
    refuse(tmp_path, "1-004.dcm: another series, size or direction than 1-001.dcm; keep one series")


@pytest.mark.parametrize("count", [0, 1])
def test_less_than_two_slices_are_no_series(tmp_path: Path, count: int) -> None:
    if count:
        replicas.write_series(tmp_path, IMAGE[:count])
    refuse(tmp_path, f"{count} slices; expected a series")


@pytest.mark.parametrize("content", [b"", b"text", "half"])
def test_damaged(tmp_path: Path, content: bytes | str) -> None:
    path = replicas.write_series(tmp_path, IMAGE) / "1-003.dcm"
    path.write_bytes(path.read_bytes()[:300] if isinstance(content, str) else content)
    refuse(tmp_path, "1-003.dcm: not a readable DICOM slice .*; copy it again")


def test_colours_are_refused(tmp_path: Path) -> None:
    path = replicas.write_series(tmp_path, IMAGE) / "1-002.dcm"
    image = SimpleITK.GetImageFromArray(np.zeros((6, 5, 3), np.uint8), isVector=True)
    for tag, text in {"0020|000e": "1.2.3", "0020|0013": "2"}.items():
        image.SetMetaData(tag, text)
    writer = SimpleITK.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    writer.SetFileName(str(path))
    writer.Execute(image)
    refuse(tmp_path, "1-002.dcm: holds an array of shape .*; expected one slice of one channel")
