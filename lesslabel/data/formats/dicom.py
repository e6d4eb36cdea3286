"""Read a CT series in DICOM, with axes in the order (z, y, x) and its geometry."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from math import prod
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lesslabel.data.formats.endings import has_ending
from lesslabel.data.formats.nifti import NiftiVolume
from lesslabel.data.formats.tolerance import TOLERANCE_VOXEL, displacement_voxel
from lesslabel.errors import DataError
from lesslabel.files import require_regular

_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
"""DICOM's axes point to the left, back and head of the patient; an affine's to the right, front and head."""

_CLASS = "0008|0016"
_ENHANCED = tuple(
    f"1.2.840.10008.5.1.4.1.1.{number}" for number in ("2.1", "2.2", "4.1", "4.3", "4.4", "128.1", "130", "3.1", "6.2")
)
"""Classes of files of several frames: CT, MR, PET and ultrasound."""
_POSITION = "0020|0032"
_PLACE = {_POSITION: "ImagePositionPatient", "0020|0037": "ImageOrientationPatient", "0028|0030": "PixelSpacing"}
_SERIES, _NUMBER, _PHOTOMETRIC = "0020|000e", "0020|0013", "0028|0004"
_SLOPE, _STORED, _HIGHEST = "0028|1053", "0028|0101", "0028|0102"
_MAGIC = slice(128, 132)
_HEADER_BYTES, _CLASS_OF_FILE, _CLASS_ROOT = 1024, b"\x02\x00\x02\x00UI", b"1.2.840.10008.5.1.4.1.1."
_OTHER_KINDS = {
    b"481.3": "an RT structure set",
    b"481.5": "an RT plan",
    b"66.4": "a segmentation",
    b"66.7": "a segmentation",
    b"88.": "a report",
    b"11.": "a presentation state",
}
"""By MediaStorageSOPClassUID, which the first bytes of a file state."""
_LARGEST_RATIO = 5000
"""Pixels per byte of a file: more than DICOM's compressions reach on an empty slice."""


@dataclass(frozen=True, eq=False)
class _Slice:
    """One file of a series.

    Attributes:
        path: the file.
        values: (y, x), rescaled with the file's slope and intercept: HU for CT.
        series: UID of the series.
        number: InstanceNumber.
        spacing_mm: of a pixel (x, y).
        axes: 3×2, the directions along a row and along a column.
        origin_mm: centre of the first pixel.
    """

    path: Path
    values: NDArray[Any]
    series: str
    number: int
    spacing_mm: NDArray[np.float64]
    axes: NDArray[np.float64]
    origin_mm: NDArray[np.float64]


def read_series(folder: Path, by_name: bool = False) -> NiftiVolume:
    """Read the one series of slices (``*.dcm``, a slice a file) that lies in a folder.

    Slices are sorted by InstanceNumber, the order of label maps that were drawn on a series, or by
    position if the numbers are not in order. The affine holds the position of each slice, so z may run downwards.

    Args:
        folder: the folder.
        by_name: sort the slices by file name instead, and accept every file as part of the series whatever its
            UID is, for archives that were anonymised in this way.

    Returns:
        ``array`` is (z, y, x) float32, in HU for CT; spacing and affine are those of `lesslabel.data.formats.nifti`.

    Raises:
        DataError: if a file is damaged, slices are missing, of several series or tilted, or there are fewer than two.
    """
    files = [path for path in sorted(folder.iterdir()) if not path.name.startswith(".")]  # a Mac leaves ._<name>
    slices = [_read_slice(path) for path in files if has_ending(path, ".dcm")]
    if len(slices) < 2:
        raise DataError(
            f"{folder}: {len(slices)} slices; expected a series of *.dcm, a slice a file"
            + (f"; rename the others of its {len(files)} files if they are slices" if len(files) > len(slices) else "")
        )
    apart_mm = _distance_between(slices)
    for one in slices[1:]:
        if not by_name and slices[0].series != one.series:
            raise DataError(f"{one.path}: of another series than {slices[0].path.name}; keep one series in the folder")
        _require_same_plane(slices[0], one, apart_mm)
    _require_whole(folder, slices)
    if not by_name:
        slices = _in_order(folder, slices)
    first = slices[0]
    step_mm = _step_between(folder, slices)
    affine = np.eye(4)
    affine[:3, :2] = first.axes * first.spacing_mm
    affine[:3, 2] = step_mm
    affine[:3, 3] = first.origin_mm
    spacing_x_mm, spacing_y_mm = (float(side) for side in first.spacing_mm)
    return NiftiVolume(
        np.stack([one.values for one in slices]).astype(np.float32, copy=False),
        (float(np.linalg.norm(step_mm)), spacing_y_mm, spacing_x_mm),
        _TO_RAS @ affine,
        folder,
    )


def _in_order(folder: Path, slices: list[_Slice]) -> list[_Slice]:
    """Sort by number if numbers follow the stack, otherwise by position: some scanners number slices by time."""
    numbered = sorted(slices, key=lambda one: one.number)
    normal = np.cross(*numbered[0].axes.T)
    places_mm = np.array([one.origin_mm @ normal for one in numbered])
    steps_mm = np.diff(places_mm)
    if (steps_mm > 0).all() or (steps_mm < 0).all():
        return numbered
    placed = [numbered[int(index)] for index in np.argsort(places_mm, kind="stable")]
    gaps_mm = np.diff(np.sort(places_mm))
    if (gaps_mm <= TOLERANCE_VOXEL * np.median(gaps_mm)).any():
        index = int(gaps_mm.argmin())
        raise DataError(
            f"{placed[index + 1].path}: lies where {placed[index].path.name} does; a slice is missing or twice in "
            f"{folder}, or it holds several phases or echoes; keep one of each place"
        )
    return placed


def _read_slice(path: Path) -> _Slice:
    import SimpleITK  # slow to import, needed for these files only

    require_regular(path)
    _require_image(path)
    reader = SimpleITK.ImageFileReader()
    reader.SetFileName(str(path))
    reader.SetImageIO("GDCMImageIO")
    try:
        reader.ReadImageInformation()
        _require_single(path, reader)
        size, limit = prod(reader.GetSize()) * reader.GetNumberOfComponents(), path.stat().st_size * _LARGEST_RATIO
        if size > limit:
            raise DataError(f"{path}: header declares {size} pixels, the file holds at most {limit}; copy it again")
        _require_stated(path, reader)
        _require_no_table(path)
        image = reader.Execute()
        number = int(float(_element(image, _NUMBER) or 0))  # without numbers, places say the order
        series = image.GetMetaData(_SERIES).strip()
    except (RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())[-200:]
        raise DataError(f"{path}: not a readable DICOM slice ({reason}); copy it again") from error
    values = SimpleITK.GetArrayFromImage(image)
    if values.ndim != 3 or len(values) != 1:
        raise DataError(f"{path}: holds an array of shape {values.shape}; expected one slice of one channel")
    return _Slice(
        path=path,
        values=values[0],
        series=series,
        number=number,
        spacing_mm=np.array(image.GetSpacing()[:2]),
        axes=np.reshape(image.GetDirection(), (3, 3))[:, :2],
        origin_mm=np.array(image.GetOrigin()),
    )


def _element(file: Any, tag: str) -> str:
    """The text of an element; empty if it is absent."""
    return str(file.GetMetaData(tag)).strip(" \0") if file.HasMetaDataKey(tag) else ""


def _require_stated(path: Path, reader: Any) -> None:
    """Refuse a slice whose place is not stated, or whose values GDCM takes otherwise than they are stated."""
    if missing := [name for tag, name in _PLACE.items() if not _element(reader, tag)]:
        raise DataError(f"{path}: has no {missing[0]}, so its voxels have no place; export the series again")
    if (slope := _element(reader, _SLOPE)) and float(slope) == 0.0:
        raise DataError(f"{path}: RescaleSlope is 0; export the series again")
    stored, highest = _element(reader, _STORED), _element(reader, _HIGHEST)
    if stored and highest and int(highest) != int(stored) - 1:
        raise DataError(f"{path}: HighBit is {highest}, BitsStored is {stored}; export the series again")


def _require_image(path: Path) -> None:
    """Refuse what lies beside a series and is no slice, by its kind."""
    with path.open("rb") as file:
        start = file.read(_HEADER_BYTES)
    stated = start.partition(_CLASS_OF_FILE)[2][2:]  # after its length
    for number, kind in _OTHER_KINDS.items():
        if stated.startswith(_CLASS_ROOT + number):
            raise DataError(f"{path}: is {kind}, no slice; move it out of the folder of the series")


def _require_no_table(path: Path) -> None:
    """Refuse values that a table changes, which GDCM passes over."""
    with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as content:
        for tag, pixels in ((b"\x28\x00\x00\x30", b"\xe0\x7f\x10\x00"), (b"\x00\x28\x30\x00", b"\x7f\xe0\x00\x10")):
            if tag in content[: max(content.find(pixels), 0)]:
                raise DataError(
                    f"{path}: has a ModalityLUTSequence, which is not read; export the series with RescaleSlope and "
                    "RescaleIntercept"
                )


def _require_whole(folder: Path, slices: Sequence[_Slice]) -> None:
    """Refuse slices of a series that would be left out: without their ending, or in a folder of their own.

    Raises:
        DataError: names the first.
    """
    series = {one.series for one in slices}
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name.upper() == "DICOMDIR" or has_ending(path, ".dcm"):
            continue
        inside = sorted(file for file in path.iterdir() if has_ending(file, ".dcm")) if path.is_dir() else [path]
        for file in inside:
            if (_is_dicom(file) or (path.is_dir() and file.is_file())) and _is_of(series, file):
                raise DataError(
                    f"{file}: would be left out of the series; move it beside the others as *.dcm, or out of the folder"
                )


def _is_of(series: Collection[str], path: Path) -> bool:
    """Whether a DICOM file is a slice of a series; where every slice has a UID of its own, all with a place are."""
    import SimpleITK

    reader = SimpleITK.ImageFileReader()
    reader.SetFileName(str(path))
    reader.SetImageIO("GDCMImageIO")
    try:
        reader.ReadImageInformation()
    except RuntimeError:  # no image: outlines, or a list of files
        return False
    return _element(reader, _SERIES) in series or (len(series) > 1 and bool(_element(reader, _POSITION)))


def _is_dicom(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(_MAGIC.stop)[_MAGIC] == b"DICM"


def _require_single(path: Path, reader: Any) -> None:
    """Refuse several frames, as enhanced DICOM keeps a series in, and values that some programs turn over, some not."""
    if _element(reader, _PHOTOMETRIC) == "MONOCHROME1":
        raise DataError(f"{path}: 0 is white (MONOCHROME1); export the series with 0 as black (MONOCHROME2)")
    frames = reader.GetSize()[2] if reader.GetDimension() > 2 else 1
    enhanced = _element(reader, _CLASS) in _ENHANCED
    if frames > 1 or enhanced:
        raise DataError(
            f"{path}: holds {frames} frames (enhanced multi-frame DICOM), which is not read; convert it to .nii.gz, or "
            "export it a slice a file"
        )


def _require_same_plane(first: _Slice, other: _Slice, apart_mm: float) -> None:
    shape = (1, *first.values.shape)
    same = first.values.shape == other.values.shape
    planes = _in_plane(first, apart_mm), _in_plane(other, apart_mm)
    if not same or not displacement_voxel(*planes, shape) <= TOLERANCE_VOXEL:
        raise DataError(
            f"{other.path}: another series, size or direction than {first.path.name}; keep one series in the folder"
        )


def _distance_between(slices: Sequence[_Slice]) -> float:
    """The median distance of neighbouring places along the normal in mm; 1 if there is none."""
    normal = np.cross(*slices[0].axes.T)
    apart_mm = float(np.median(np.diff(np.sort([one.origin_mm @ normal for one in slices]))))
    return apart_mm if 0.0 < apart_mm < np.inf else 1.0


def _in_plane(one: _Slice, apart_mm: float) -> NDArray[np.float64]:
    """The affine (x, y, z, 1) of a slice about its first pixel; the third axis is a step along the normal."""
    affine = np.eye(4)
    affine[:3, :2] = one.axes * one.spacing_mm
    affine[:3, 2] = np.cross(*one.axes.T) * apart_mm
    return affine


def _step_between(folder: Path, slices: Sequence[_Slice]) -> NDArray[np.float64]:
    """The step from slice to slice in mm; slices must be evenly spaced and perpendicular to it."""
    origins_mm = np.stack([one.origin_mm for one in slices])
    normal = np.cross(*slices[0].axes.T)
    along_mm = float((origins_mm[-1] - origins_mm[0]) @ normal) / (len(slices) - 1)
    expected_mm = origins_mm[0] + np.arange(len(slices))[:, None] * along_mm * normal
    away_mm = np.abs(origins_mm - expected_mm).max(axis=1)
    worst = int(away_mm.argmax())
    if not away_mm[worst] < TOLERANCE_VOXEL * abs(along_mm):
        raise DataError(
            f"{slices[worst].path}: slice {slices[worst].number} lies {away_mm[worst]:.3g} mm away from where "
            f"{len(slices)} even slices would put it; a slice is missing or twice in {folder}, or the gantry was tilted"
        )
    step_mm: NDArray[np.float64] = along_mm * normal
    return step_mm
