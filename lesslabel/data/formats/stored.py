"""Shared by formats with a text header: voxels are checked before memory is allocated, and get their geometry."""

import math
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from lesslabel.data.formats.nifti import NiftiVolume
from lesslabel.errors import DataError
from lesslabel.files import require_regular

LONGEST_HEADER_BYTES = 2**20
"""Largest text header; segmentations of 3D Slicer describe every segment in it."""

_LARGEST_DEFLATE_RATIO = 1032
_GZIP_OR_ZLIB = 47
TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
"""ITK's and DICOM's axes point to the left, back and head of the patient; an affine's to the right, front and head."""


def read_content(path: Path) -> bytes:
    """Read a complete file.

    Raises:
        DataError: if it is absent, no file or cannot be read.
    """
    require_regular(path)
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); copy it again") from error


def decode_voxels(content: bytes, shape: Sequence[int], dtype: DTypeLike, *, compressed: bool) -> NDArray[Any]:
    """Convert the bytes after a header to voxels.

    Args:
        content: the bytes of all voxels, and nothing else.
        shape: with the axis that varies fastest last, as numpy counts.
        dtype: with its byte order.
        compressed: gzip or zlib; its checksum is compared.

    Returns:
        Of this shape in the machine's byte order.

    Raises:
        ValueError: if the number of bytes does not fit the shape, or they are damaged.
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    limit = len(content) * (_LARGEST_DEFLATE_RATIO if compressed else 1)
    if not 0 < size <= limit:
        raise ValueError(f"its header declares {size} bytes of voxels, it holds at most {limit}")
    if compressed:
        content = _inflate(content, size)
    if len(content) != size:
        raise ValueError(f"its header declares {size} bytes of voxels, it holds more")
    values = np.frombuffer(content, dtype).reshape(shape)
    return values.astype(values.dtype.newbyteorder("="))


def read_beside(path: Path, name: str) -> bytes:
    """Read the voxels of a header from another file of its folder.

    Raises:
        DataError: if the name leads out of the folder or there is no such file.
    """
    if name.split()[:1] == ["LIST"] or "%" in name:
        raise DataError(f"{path}: keeps its voxels in several files ('{name[:60]}'); save it as one file")
    if name in ("", ".", "..") or any(sign in name for sign in ("/", "\\", "\0")):
        raise DataError(f"{path}: keeps its voxels in '{name}'; expected one file in the same folder, or a single file")
    beside = path.with_name(name)
    require_regular(beside)
    try:
        return beside.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: keeps its voxels in {name}, which cannot be read; copy both files") from error


def place_volume(
    path: Path, array: NDArray[Any], axes_mm: NDArray[np.float64], origin_mm: NDArray[np.float64]
) -> NiftiVolume:
    """Make a volume of voxels and their geometry.

    Args:
        path: the file.
        array: (…, z, y, x).
        axes_mm: 3×3, the steps from voxel to voxel along x, y and z as columns; they point left, back and up (LPS).
        origin_mm: centre of the first voxel, LPS.

    Raises:
        DataError: if the steps are not finite, or zero, or lie in one plane.
    """
    spacing_x_mm, spacing_y_mm, spacing_z_mm = (float(side) for side in np.linalg.norm(axes_mm, axis=0))
    sides_mm = (spacing_z_mm, spacing_y_mm, spacing_x_mm)
    finite = np.isfinite(axes_mm).all() and np.isfinite(origin_mm).all()
    if not finite or not abs(np.linalg.det(axes_mm)) > 1e-6 * math.prod(sides_mm):
        raise DataError(f"{path}: voxel size or direction is zero, not finite or singular; correct the header")
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = axes_mm, origin_mm
    return NiftiVolume(array, sides_mm, TO_RAS @ affine, path)


def _inflate(content: bytes, size: int) -> bytes:
    """Decompress one stream to its end, or to one byte more than expected."""
    stream = zlib.decompressobj(_GZIP_OR_ZLIB)
    try:
        inflated = stream.decompress(content, size + 1)
    except zlib.error as error:
        raise ValueError(f"its voxels are damaged: {error}") from error
    if not stream.eof and len(inflated) <= size:
        raise ValueError("its voxels are cut short")
    if stream.unused_data:
        raise ValueError(f"{len(stream.unused_data)} bytes follow its voxels")
    return inflated
