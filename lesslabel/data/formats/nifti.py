"""Read and write NIfTI, with axes in the order (z, y, x) and its geometry."""

import gzip
import math
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import IO, Any, Literal

import nibabel as nib
import numpy as np
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from lesslabel.data.case import Qform
from lesslabel.data.formats.endings import has_ending
from lesslabel.data.formats.nifti_header import (
    FLOAT_ROUNDING,
    Spacing,
    affine_of,
    make_image,
    rounding_of,
    second_place,
    spacing_of,
    unit_of,
)
from lesslabel.errors import DataError
from lesslabel.files import require_regular, written_aside

_LARGEST_DEFLATE_RATIO = 1032
_NIFTI2_HEADER_BYTES = 540
_CHUNK_BYTES = 2**20
_GZIP = b"\x1f\x8b"
_HEADERS: dict[int, Any] = {348: nib.Nifti1Header, _NIFTI2_HEADER_BYTES: nib.Nifti2Header}


@dataclass(frozen=True, eq=False)
class NiftiVolume:
    """An image or a label map read from a NIfTI file.

    Attributes:
        array: (C, z, y, x) float32 for an image, (z, y, x) integers for a label map.
        spacing_mm: voxel size in mm in the order (z, y, x).
        affine: 4×4 as stored, maps the voxel (x, y, z, 1) to RAS+ mm.
        path: the file.
        placed: whether the file has a position of its voxels; a picture has none.
        qform: the second affine of a header, if it disagrees with `affine`.
        rounding: the largest error of a value by the scaling of the file's integers.
    """

    array: NDArray[Any]
    spacing_mm: Spacing
    affine: NDArray[np.float64]
    path: Path
    placed: bool = True
    qform: Qform | None = None
    rounding: float = 0.0


def read_image(path: Path) -> NiftiVolume:
    """Read an image of 2 to 4 dimensions; a 2D image becomes z = 1, the fourth dimension becomes the channels.

    Raises:
        DataError: if the file is absent, damaged or cut short, or its geometry is impossible.
    """
    return as_image(read_volume(Path(path)))


def read_label_map(path: Path) -> NiftiVolume:
    """Read a label map of 2 or 3 dimensions; its values are integers, not yet checked against any list of labels.

    Raises:
        DataError: as `read_image`, and on fractions, on non-finite values and on more than one channel.
    """
    return as_label_map(read_volume(Path(path)))


def as_image(volume: NiftiVolume) -> NiftiVolume:
    """The values of any format as float32."""
    with np.errstate(over="ignore"):  # a value too large for float32 becomes infinite, which is reported with the case
        array = np.ascontiguousarray(volume.array, dtype=np.float32)
    return replace(volume, array=array)


def as_label_map(volume: NiftiVolume) -> NiftiVolume:
    """The values (1, z, y, x) of any format as the integers (z, y, x) of a label map.

    Raises:
        DataError: on fractions, on non-finite values and on more than one channel.
    """
    if len(volume.array) != 1:
        raise DataError(
            f"{volume.path}: a label map must have 2 or 3 dimensions, this has {len(volume.array)} channels; save its "
            "labels as numbers, not as colours or masks"
        )
    values = volume.array[0]
    if not np.issubdtype(values.dtype, np.integer):
        with np.errstate(invalid="ignore"):  # values that are not finite are refused below
            whole = np.rint(values)
            rounding = max(volume.rounding, FLOAT_ROUNDING)
            meant = np.isfinite(values) & (np.abs(values - whole) <= rounding) & (np.abs(values) < 2**31)
        if strange := values.size - int(np.count_nonzero(np.isfinite(values))):
            raise DataError(
                f"{volume.path}: {strange} label values are NaN or infinite; replace them (0 is background)"
            )
        if not meant.all():
            first = float(values[~meant][0])
            raise DataError(
                f"{volume.path}: label values must be whole numbers, {first:.6g} is none; was it resampled with "
                "interpolation?"
            )
        values = whole.astype(np.int64)
    return replace(volume, array=values)


def write_label_map(
    path: Path,
    labels: NDArray[np.uint8],
    spacing_mm: Spacing,
    affine: NDArray[np.float64] | None = None,
    qform: Qform | None = None,
) -> None:
    """Write a label map as uint8 NIfTI-1.

    Args:
        path: ends in ``.nii`` or ``.nii.gz``; a temporary file is written, then renamed.
        labels: (z, y, x) uint8.
        spacing_mm: voxel size in mm in the order (z, y, x).
        affine: 4×4, voxel (x, y, z, 1) to RAS+ mm, kept in single precision as NIfTI-1 does; None if only the spacing
            is known.
        qform: a second affine, written with the codes of the original header.

    Raises:
        DataError: if the path has another ending or cannot be written.
    """
    if labels.dtype != np.uint8 or labels.ndim != 3:
        raise DataError(f"{path}: a label map is (z, y, x) uint8, got {labels.dtype} of shape {labels.shape}")
    _write(Path(path), labels.T, spacing_mm, affine, qform)


def write_image(
    path: Path,
    image: NDArray[np.float32],
    spacing_mm: Spacing,
    affine: NDArray[np.float64] | None = None,
    qform: Qform | None = None,
) -> None:
    """Write one channel of an image (z, y, x) as float32 NIfTI-1.

    Args and errors are those of `write_label_map`.
    """
    if image.ndim != 3:
        raise DataError(f"{path}: an image is written one channel at a time as (z, y, x), got shape {image.shape}")
    _write(Path(path), image.astype(np.float32, copy=False).T, spacing_mm, affine, qform)


def write_probabilities(
    path: Path,
    probabilities: NDArray[np.float32],
    spacing_mm: Spacing,
    affine: NDArray[np.float64] | None = None,
    qform: Qform | None = None,
) -> None:
    """Write class probabilities (C, z, y, x), background first, as a 4D float32 NIfTI-1 (x, y, z, C).

    Args and errors are those of `write_label_map`.
    """
    if probabilities.ndim != 4:
        raise DataError(f"{path}: probabilities are (C, z, y, x), got shape {probabilities.shape}")
    _write(Path(path), probabilities.astype(np.float32).transpose(3, 2, 1, 0), spacing_mm, affine, qform)


def read_volume(path: Path) -> NiftiVolume:
    """Read values, scaled by the header's factors, as (C, z, y, x) in the file's number type.

    Raises:
        DataError: see `read_image`.
    """
    with _faults_named(path):
        with _open(path) as file:
            head = file.read(_NIFTI2_HEADER_BYTES)
            header = _parse_header(path, head)
            shape = _stored_shape(path, header)
            if not int(header["vox_offset"]) >= len(header.binaryblock):
                raise DataError(f"{path}: voxels would begin within the header; correct vox_offset in the header")
            size = int(header["vox_offset"]) + math.prod(shape) * header.get_data_dtype().itemsize
            _require_room(path, size)
            content = head + file.read(max(size - len(head), 0))
            while rest := file.read(_CHUNK_BYTES):  # at the end of the stream gzip compares the checksum
                if any(rest):
                    raise DataError(f"{path}: holds more voxels than its header declares; correct the header")
        if len(content) < size:
            raise DataError(f"{path}: file is cut short, {len(content)} of {size} bytes; copy it again")
        values = np.asarray(header.data_from_fileobj(BytesIO(content)))
        if values.dtype.kind not in "iufb":
            raise DataError(f"{path}: voxels of type {values.dtype} are not numbers of one channel; convert the file")
        return _placed(path, header, values.reshape(shape))


def read_grid(path: Path) -> NiftiVolume:
    """Read the geometry of an image without its voxels: ``array`` is zeros that take no memory."""
    with _faults_named(path), _open(path) as file:
        header = _parse_header(path, file.read(_NIFTI2_HEADER_BYTES))
        return _placed(path, header, np.broadcast_to(np.zeros(1, np.float32), _stored_shape(path, header)))


@contextmanager
def _faults_named(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file") from error
    except (OSError, EOFError, zlib.error, ArithmeticError, LookupError, ValueError, HeaderDataError) as error:
        raise DataError(f"{path}: not a readable NIfTI file ({error}); copy it again") from error


def _placed(path: Path, header: Any, values: NDArray[Any]) -> NiftiVolume:
    """Voxels (x, y, …) of a header as (C, z, y, x), with their geometry."""
    unit_mm = unit_of(path, header)
    affine = affine_of(path, header, unit_mm)
    if not np.isfinite(affine).all() or np.linalg.det(affine) == 0.0:
        raise DataError(f"{path}: affine is not finite or not invertible; correct the header")
    array = _as_channels(path, values)
    return NiftiVolume(
        array,
        spacing_of(path, header, array.shape[1], unit_mm),
        affine,
        path,
        qform=second_place(header, affine, unit_mm, array.shape[1:]),
        rounding=rounding_of(header),
    )


def _open(path: Path) -> IO[bytes] | gzip.GzipFile:
    require_regular(path)
    if has_ending(path, ".nii.gz"):
        return gzip.open(path, "rb")
    if has_ending(path, ".nii"):
        return path.open("rb")
    raise DataError(f"{path}: not a NIfTI file name; expected .nii or .nii.gz")


def _parse_header(path: Path, head: bytes) -> Any:
    """The header without the repairs that nibabel makes by default, so that faults are found."""
    orders: tuple[Literal["little", "big"], ...] = ("little", "big")
    for order in orders:
        length = int.from_bytes(head[:4], order)
        if length in _HEADERS and len(head) >= length:
            header = _HEADERS[length](head[:length], check=False)
            if bytes(header["magic"].item())[:2] == b"n+":
                return header
    if has_ending(path, ".nii") and head.startswith(_GZIP):
        raise DataError(f"{path}: compressed with gzip, which its name does not say; rename it to {path.name}.gz")
    raise DataError(f"{path}: not a single-file NIfTI; copy it again or convert it")


def _stored_shape(path: Path, header: Any) -> tuple[int, ...]:
    count = int(header["dim"][0])
    shape = tuple(int(side) for side in header["dim"][1 : count + 1])
    if not 2 <= count <= 7 or min(shape) < 1:
        raise DataError(f"{path}: dimensions {header['dim'].tolist()} are impossible; correct the header")
    return shape


def _require_room(path: Path, size: int) -> None:
    """Refuse a header that declares more than the file can hold, before memory is allocated."""
    ratio = _LARGEST_DEFLATE_RATIO if has_ending(path, ".gz") else 1
    limit = path.stat().st_size * ratio
    if size > limit:
        raise DataError(f"{path}: header declares {size} bytes, the file holds at most {limit}; copy it again")


def _as_channels(path: Path, values: NDArray[Any]) -> NDArray[Any]:
    """(x, y[, z[, 1 …, C]]) to (C, z, y, x); C may be the fourth or, as ITK writes vectors, the fifth dimension."""
    extra = [side for side in values.shape[3:] if side > 1]
    if len(extra) > 1:
        raise DataError(f"{path}: shape {values.shape} has more than one dimension beyond x, y, z; split the file")
    depth = values.shape[2] if values.ndim > 2 else 1
    return values.reshape(*values.shape[:2], depth, math.prod(extra)).transpose(3, 2, 1, 0)


def _write(
    path: Path,
    values: NDArray[Any],
    spacing_mm: Spacing,
    affine: NDArray[np.float64] | None,
    qform: Qform | None,
) -> None:
    if not has_ending(path, (".nii", ".nii.gz")):
        raise DataError(f"{path}: not a NIfTI file name; expected .nii or .nii.gz")
    placed = np.diag([*reversed(spacing_mm), 1.0]) if affine is None else affine
    content = make_image(values, spacing_mm, placed, qform).to_bytes()
    with written_aside(path) as aside:
        aside.write_bytes(gzip.compress(content, 4, mtime=0) if has_ending(path, ".gz") else content)
