"""The pixels of a TIFF: what Pillow reads with loss or wrongly is refused, corrected, or read here."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lesslabel.errors import DataError

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 256, 257, 258, 259, 262
_STRIPS, _SAMPLES, _STRIP_BYTES = 273, 277, 279
_SUBFILE, _EXTRA_SAMPLES, _SAMPLE_FORMAT, _DEPTH = 254, 338, 339, 32997
_ORIENTATION, _LAST_UPRIGHT = 274, 4
"""Higher orientations exchange rows and columns; Pillow reads some of them with wrong pixels."""
_WHITE_IS_ZERO = 0
_NUMPY_KINDS = {1: "u", 2: "i", 3: "f"}


def require_plain(path: Path, tags: Any, page: int) -> None:
    """Refuse a page that Pillow reads with loss or wrongly.

    Raises:
        DataError: names the field.
    """
    where = f"{path}: page {page + 1}"
    bits = _numbers(tags.get(_BITS, 1))
    if len(bits) > 1 and max(bits) > 8:
        raise DataError(f"{where}: {max(bits)}-bit colours cannot be read whole; save every channel as a page of grey")
    if 0 in _numbers(tags.get(_EXTRA_SAMPLES, ())):
        raise DataError(f"{where}: has a channel beside its colours (ExtraSamples 0); save every channel as a page")
    if int(tags.get(_PHOTOMETRIC, 1)) == _WHITE_IS_ZERO:
        raise DataError(f"{where}: 0 is white (PhotometricInterpretation 0); save it with 0 as black")
    if int(tags.get(_SUBFILE, 0)) & 0b101:
        raise DataError(f"{where}: a thumbnail or mask of another page (NewSubfileType); save the image alone")
    if (orientation := int(tags.get(_ORIENTATION, 1))) > _LAST_UPRIGHT:
        raise DataError(f"{where}: lies on its side (Orientation {orientation}); turn it upright and save it again")
    if int(tags.get(_DEPTH, 1)) > 1:
        raise DataError(f"{where}: holds several slices (ImageDepth), of which one would be read; save it by pages")
    if _is_swapped(tags, max(bits)):
        raise DataError(f"{where}: compressed in the byte order MM, which is not read; save it without compression")


def _is_swapped(tags: Any, bits: int) -> bool:
    """Whether Pillow exchanges the bytes of decompressed values twice, as it does except for 16 bits without a sign."""
    unsigned = _numbers(tags.get(_SAMPLE_FORMAT, 1))[0] == 1
    return int(tags.get(_COMPRESSION, 1)) != 1 and tags.prefix == b"MM" and bits > 8 and not (bits == 16 and unsigned)


def restore_numbers(values: NDArray[Any], tags: Mapping[int, Any]) -> NDArray[Any]:
    """Pixels as stored: Pillow drops the sign of a byte, adds a sign to 32 bits, and stretches 2 and 4 bits to 8."""
    signed = _numbers(tags.get(_SAMPLE_FORMAT, 1))[0] == 2
    bits = _numbers(tags.get(_BITS, 1))
    if signed and values.dtype == np.uint8:
        return values.view(np.int8)
    if not signed and values.dtype == np.int32 and bits == [32]:
        return values.view(np.uint32)
    if bits in ([2], [4]) and int(tags.get(_PHOTOMETRIC, 1)) == 1:
        values = np.asarray(values // (255 // (2 ** bits[0] - 1)))
    return values


def read_contiguous(path: Path, tags: Any, count: int) -> NDArray[Any]:
    """The planes (1, plane, y, x) that are stored in sequence after the only page in the file.

    Raises:
        DataError: if they are compressed or incomplete.
    """
    width, height = int(tags[_WIDTH]), int(tags[_HEIGHT])
    bits, samples = _numbers(tags.get(_BITS, 1)), int(tags.get(_SAMPLES, 1))
    offsets, sizes = _numbers(tags.get(_STRIPS, ())), _numbers(tags.get(_STRIP_BYTES, ()))
    kind = _NUMPY_KINDS.get(_numbers(tags.get(_SAMPLE_FORMAT, 1))[0])
    follow = all(start + size == after for start, size, after in zip(offsets, sizes, offsets[1:], strict=False))
    plain = int(tags.get(_COMPRESSION, 1)) == 1 and samples == 1 and bits[0] in (8, 16, 32, 64)
    if kind is None or not plain or not offsets or not follow:
        raise DataError(f"{path}: states {count} planes and lists 1 page; save every plane as a page of its own")
    if (orientation := int(tags.get(_ORIENTATION, 1))) != 1:
        raise DataError(f"{path}: its planes are turned (Orientation {orientation}); save them upright")
    dtype = np.dtype(f"{kind}{bits[0] // 8}").newbyteorder("<" if tags.prefix == b"II" else ">")
    size = count * height * width * dtype.itemsize
    if size <= 0 or offsets[0] + size > path.stat().st_size:
        raise DataError(f"{path}: states {count} planes, the file is too short for them; copy it again")
    with path.open("rb") as file:
        file.seek(offsets[0])
        values: NDArray[Any] = np.frombuffer(file.read(size), dtype).reshape(1, count, height, width)
    own_order: NDArray[Any] = values.astype(dtype.newbyteorder("="))
    return own_order


def _numbers(value: Any) -> list[int]:
    return [int(number) for number in (value if isinstance(value, tuple | list) else (value,))]
