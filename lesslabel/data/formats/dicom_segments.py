"""Segments of DICOM files: DICOM-SEG by highdicom, outlines of radiotherapy (RTSTRUCT) by pydicom.

Both come with the extra ``lesslabel[dicom]``.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lesslabel.data.formats.grid import lay_on_grid
from lesslabel.data.formats.nifti import NiftiVolume
from lesslabel.data.formats.stored import TO_RAS
from lesslabel.data.formats.tolerance import TOLERANCE_VOXEL
from lesslabel.errors import DataError

_EDGE_TOLERANCE_VOXEL = 1.0
_POINTS_MINIMUM = 3
_LARGEST_RATIO = 5000
"""Bytes per byte of a file: more than DICOM's compressions reach on an empty frame."""
_KINDS = ("BINARY", "FRACTIONAL", "LABELMAP")
_CLASSES = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")
"""Segmentation, and Label Map Segmentation."""
_CLOSED = ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR")
"""Kinds of outlines; in both an outline inside another is a hole."""


def list_dicom_segments(path: Path) -> list[str]:
    """The names of a file's segments or outlines, without reading them.

    Raises:
        DataError: if the extra is missing, or the file is neither a DICOM-SEG nor an RTSTRUCT.
    """
    file = _read(path)
    with _damage_named(path):
        if file.Modality == "SEG":
            segments = _sequence(path, file, "SegmentSequence")
            # a label map may name its background, number 0
            return [str(segment.SegmentLabel) for segment in segments if int(segment.SegmentNumber) != 0]
        return [str(outline.ROIName) for outline in _sequence(path, file, "StructureSetROISequence")]


def read_dicom_segments(
    path: Path, image: NiftiVolume, wanted: Collection[str]
) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Read the segments that have one of the wanted names, one by one.

    Yields:
        Name and voxels (z, y, x) on the image's grid. Outlines hold the voxels whose centre lies within an odd number
        of them, so that an outline in another is a hole.

    Raises:
        DataError: as `list_dicom_segments`, and if it is damaged or was not drawn on the image's grid.
    """
    file = _read(path)
    segments = (
        _read_voxels(path, image, wanted) if file.Modality == "SEG" else _read_outlines(path, file, image, wanted)
    )
    with _damage_named(path):
        yield from segments


def _read(path: Path) -> Any:
    try:
        import highdicom  # noqa: F401  # a DICOM-SEG needs it; one extra brings both
        import pydicom
    except ImportError as error:
        raise DataError(f"{path}: DICOM segments need highdicom; pip install 'lesslabel[dicom]'") from error
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    with _damage_named(path):
        file = pydicom.dcmread(path, stop_before_pixels=True)
        modality = str(file.Modality)
    if modality not in ("SEG", "RTSTRUCT"):
        raise DataError(f"{path}: is a DICOM file of {modality}; a label is a DICOM-SEG or an RTSTRUCT")
    if modality == "SEG" and (found := str(file.SOPClassUID)) not in _CLASSES:
        raise DataError(f"{path}: segmentation of class {found} ({file.SOPClassUID.name}) is not read")
    return file


@contextmanager
def _damage_named(path: Path) -> Iterator[None]:
    try:
        yield
    except DataError:
        raise
    except Exception as error:  # pydicom and highdicom raise any exception on damaged bytes
        reason = " ".join(str(error).split())[-200:]
        raise DataError(f"{path}: not a readable DICOM file ({reason}); copy it again") from error


def _sequence(path: Path, file: Any, name: str) -> Any:
    if name not in file:
        raise DataError(f"{path}: holds no {name}; copy it again")
    return file[name].value


def _read_voxels(path: Path, image: NiftiVolume, wanted: Collection[str]) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    import highdicom
    import pydicom

    plain = pydicom.dcmread(path)
    _require_size(path, plain)  # before highdicom makes a list of all declared frames
    _require_kind(path, plain)
    file = highdicom.seg.Segmentation.from_dataset(plain, copy=False)
    values = np.asarray(file.pixel_array).reshape(-1, file.Rows, file.Columns)
    by_value = file.SegmentationType == "LABELMAP"
    for number in file.segment_numbers:
        if (name := str(file.get_segment_description(number).segment_label)) not in wanted:
            continue
        mask = np.zeros(image.array.shape[-3:], dtype=np.bool_)
        for frame, group in zip(values, file.PerFrameFunctionalGroupsSequence, strict=True):
            if by_value:
                drawn = frame == number
            elif group.SegmentIdentificationSequence[0].ReferencedSegmentNumber == number:
                # probabilities or shares of a voxel from 0.5 on count
                drawn = frame >= file.MaximumFractionalValue / 2 if file.SegmentationType == "FRACTIONAL" else frame > 0
            else:
                continue
            mask |= lay_on_grid(drawn[None], _affine_of_frame(file, group, image), image, path)
        yield name, mask


def _require_kind(path: Path, file: Any) -> None:
    """Refuse frames that are not a stack on an image's slices."""
    if (kind := str(file.get("SegmentationType", ""))) not in _KINDS:
        raise DataError(f"{path}: DICOM-SEG of type {kind[:20] or 'unknown'} is not read; save it as BINARY")
    if (tiled := str(file.get("DimensionOrganizationType", ""))).startswith("TILED"):
        raise DataError(f"{path}: DICOM-SEG of tiles ({tiled}) is not read; save it on the slices of the image")


def _require_size(path: Path, file: Any) -> None:
    """Refuse a header with a wrong number of frames, before memory is allocated: pydicom ignores the rest."""
    frames, stored = int(file.NumberOfFrames), len(file.PixelData)
    declared = -(-int(file.Rows) * int(file.Columns) * frames * int(file.BitsAllocated) // 8)
    packed = file.file_meta.TransferSyntaxUID.is_encapsulated
    fits = declared <= stored * _LARGEST_RATIO if packed else stored - declared in (0, 1)  # padded to be even
    if frames != len(file.PerFrameFunctionalGroupsSequence) or not fits:
        raise DataError(f"{path}: declares {frames} frames, {declared} bytes, and holds {stored}; copy it again")


def _affine_of_frame(file: Any, group: Any, image: NiftiVolume) -> NDArray[np.float64]:
    """The RAS affine of one frame for indices (x, y, z), with the image's step in z, since a frame has none."""
    shared = file.SharedFunctionalGroupsSequence[0]
    orientation, measures = (
        (group if name in group else shared)[name][0] for name in ("PlaneOrientationSequence", "PixelMeasuresSequence")
    )
    directions = np.reshape([float(side) for side in orientation.ImageOrientationPatient], (2, 3))
    down_mm, across_mm = (float(size) for size in measures.PixelSpacing)
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1] = directions[0] * across_mm, directions[1] * down_mm
    affine[:3, 3] = [float(side) for side in group.PlanePositionSequence[0].ImagePositionPatient]
    affine = TO_RAS @ affine
    steps = image.affine[:3, :3]
    across = np.abs(TO_RAS[:3, :3] @ np.cross(*directions) @ steps) / np.linalg.norm(steps, axis=0)
    affine[:3, 2] = steps[:, int(across.argmax())]
    return affine


def _read_outlines(
    path: Path, file: Any, image: NiftiVolume, wanted: Collection[str]
) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    named = _sequence(path, file, "StructureSetROISequence")
    contours: dict[int, Any] = {}
    for outline in _sequence(path, file, "ROIContourSequence"):
        number = int(outline.ReferencedROINumber)
        if number in contours or number not in [int(other.ROINumber) for other in named]:
            raise DataError(f"{path}: outlines belong to number {number}, which has others or no name; copy it again")
        contours[number] = outline.get("ContourSequence") or []
    for outline in named:
        if str(outline.ROIName) not in wanted:
            continue
        mask = np.zeros(image.array.shape[-3:], dtype=np.bool_)
        for contour in contours.get(int(outline.ROINumber), []):
            if (kind := str(contour.ContourGeometricType)) not in _CLOSED:
                raise DataError(f"{path}: an outline of '{outline.ROIName}' is {kind[:20]!r}; draw closed outlines")
            _toggle_inside(mask, np.reshape([float(side) for side in contour.ContourData], (-1, 3)), image, path)
        yield str(outline.ROIName), mask


def _toggle_inside(mask: NDArray[np.bool_], points_mm: NDArray[np.float64], image: NiftiVolume, path: Path) -> None:
    """Invert the voxels inside a closed outline (N, 3), LPS."""
    from skimage.draw import polygon

    placed = TO_RAS @ np.column_stack([points_mm, np.ones(len(points_mm))]).T
    x, y, z = np.linalg.solve(image.affine, placed)[:3]
    slice_index = round(float(np.median(z)))
    beyond_voxel = max(-y.min(), -x.min(), y.max() + 1 - mask.shape[1], x.max() + 1 - mask.shape[2])
    if beyond_voxel > _EDGE_TOLERANCE_VOXEL:
        raise DataError(f"{path}: an outline leaves {image.path.name} by {beyond_voxel:.3g} voxels; draw it on it")
    if np.abs(z - slice_index).max() > TOLERANCE_VOXEL or not 0 <= slice_index < len(mask):
        raise DataError(f"{path}: an outline does not lie on a slice of {image.path.name}; draw it on that image")
    if len(points_mm) >= _POINTS_MINIMUM:
        rows, columns = polygon(y, x, mask.shape[1:])
        mask[slice_index, rows, columns] ^= True
