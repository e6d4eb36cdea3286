"""Read 2D pictures (PNG, TIFF, JPEG).

Most hold no voxel size: then it is 1 mm, so distances are in pixels. A size is taken from a JSON beside the picture, as
nnU-Net writes it, from ImageJ's or OME's description of a TIFF, or from its pixels per centimetre.
"""

import re
import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from lesslabel.data.case import IGNORE
from lesslabel.data.formats.endings import has_ending
from lesslabel.data.formats.nifti import NiftiVolume
from lesslabel.data.formats.nifti_header import Spacing
from lesslabel.data.formats.tiff_layout import TiffLayout, read_layout
from lesslabel.data.formats.tiff_pixels import read_contiguous, require_plain, restore_numbers
from lesslabel.errors import DataError
from lesslabel.files import parse_json, require_regular

ENDINGS = (".png", ".tif", ".tiff", ".jpg", ".jpeg")

_FORMATS = ("PNG", "TIFF", "JPEG")
_GREY = ("1", "L", "I", "F", "I;16", "I;16B", "I;16L", "I;16N")
_COLOURS = ("RGB", "RGBA", "LA")
_LARGEST_RATIO = 5000
"""Pixel bytes per byte of a file: more than deflate, LZW or JPEG reach on a blank picture."""
_DAMAGE = (
    *(OSError, ValueError, SyntaxError, TypeError, KeyError, IndexError, ArithmeticError, EOFError, MemoryError),
    struct.error,
)
"""Exceptions of Pillow on damaged bytes."""
_PNG, _PNG_DEPTH = b"\x89PNG", slice(24, 26)
_CHANNEL = re.compile(r"_\d{4}$")
_LARGEST_SPACING_MM = 1e6
_MEANT = re.compile(r"(spacing|(voxel|pixel)_?(spacing|size))(_?mm)?")
"""Keys of a JSON beside a picture that say a voxel size otherwise than it is read."""


def is_mask_picture(path: Path, values: NDArray[Any]) -> bool:
    """Whether a label map is a picture of 0 and 255 alone, or of 255 alone: what programs save as a mask."""
    return has_ending(path, ENDINGS) and set(np.unique(values).tolist()) in ({0, IGNORE}, {IGNORE})


def read_picture(path: Path, *, colours: bool = False) -> NiftiVolume:
    """Read a picture: its colours are channels, an alpha channel is dropped, the pages of a TIFF are slices.

    Pictures are rotated by their EXIF orientation. Of a TIFF by ImageJ, OME or tifffile, pages are the
    slices and channels of its description.

    Args:
        path: the file.
        colours: whether a palette is read as its colours; otherwise as its indices, as label maps are often stored.

    Returns:
        ``array`` is (C, z, y, x) in the file's number type; the affine holds the voxel size alone.

    Raises:
        DataError: if the file is absent, damaged, or of a kind that Pillow reads with loss.
    """
    require_regular(path)
    depth = _depth_of_png(path)
    layout = TiffLayout(1)
    try:
        with Image.open(path, formats=_FORMATS) as picture:
            picture.verify()  # the checksums of a PNG; Pillow needs the file opened again after it
        with Image.open(path, formats=_FORMATS) as picture:
            count = getattr(picture, "n_frames", 1)
            if picture.format == "TIFF":
                layout = read_layout(path, picture.tag_v2, count)  # type: ignore[attr-defined]  # of TIFF alone
            elif count > 1:
                raise DataError(f"{path}: holds {count} frames, an animation or several pictures; save them one by one")
            planes = _read_planes(path, picture, count, layout, colours)
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file") from error
    except (UnidentifiedImageError, Image.DecompressionBombError, *_DAMAGE) as error:
        reason = " ".join(str(error).split())[-200:]
        raise DataError(f"{path}: not a readable picture ({reason}); copy it again or save it as PNG") from error
    if depth in (2, 4):
        planes = planes // (255 // (2**depth - 1))  # Pillow stretches them to 8 bits
    if layout.channels > 1 and len(planes) > 1:
        raise DataError(f"{path}: {layout.channels} channels of {len(planes)} colours; save every channel as a page")
    spacing_mm = _spacing_beside(path) or layout.spacing_mm or (1.0, 1.0, 1.0)
    return NiftiVolume(layout.arrange(planes), spacing_mm, np.diag([*spacing_mm[::-1], 1.0]), path, placed=False)


def _read_planes(path: Path, picture: Image.Image, count: int, layout: TiffLayout, colours: bool) -> NDArray[Any]:
    """(samples, plane, y, x)."""
    planes = layout.slices * layout.channels
    if picture.format == "TIFF" and count == 1 and planes > 1:
        require_plain(path, picture.tag_v2, 0)  # type: ignore[attr-defined]  # of TIFF alone
        return read_contiguous(path, picture.tag_v2, planes)  # type: ignore[attr-defined]  # of TIFF alone
    return np.stack([_read_page(path, picture, page, colours) for page in range(count)], axis=1)


def _read_page(path: Path, picture: Image.Image, page: int, colours: bool) -> NDArray[Any]:
    """(C, y, x)."""
    if page:
        picture.seek(page)
    tags = picture.tag_v2 if picture.format == "TIFF" else None  # type: ignore[attr-defined]  # of TIFF alone
    if tags is not None:
        require_plain(path, tags, page)
    width, height = picture.size
    size, limit = width * height * len(picture.getbands()), path.stat().st_size * _LARGEST_RATIO
    if size > limit:
        raise DataError(f"{path}: header declares {size} pixels, the file holds at most {limit}; copy it again")
    upright = picture if tags is not None else ImageOps.exif_transpose(picture)  # Pillow rotates a TIFF itself
    if upright.mode == "P" and colours:
        return np.moveaxis(np.asarray(upright.convert("RGB")), -1, 0)
    if upright.mode in _GREY or upright.mode == "P":
        values = np.asarray(upright)[None]
        return values if tags is None else restore_numbers(values, tags)
    if upright.mode in _COLOURS:
        return np.moveaxis(np.asarray(upright), -1, 0)[: len(upright.getbands()) - upright.mode.endswith("A")]
    raise DataError(f"{path}: pixels of mode {upright.mode} are not read; save it as grey or RGB")


def _depth_of_png(path: Path) -> int:
    """Bits of a grey PNG, whatever its name is; 8 for other files.

    Raises:
        DataError: for 16-bit colours, which Pillow would cut to 8 bits.
    """
    if not path.is_file():
        return 8
    with path.open("rb") as file:
        start = file.read(_PNG_DEPTH.stop)
    if not start.startswith(_PNG):
        return 8
    depth, kind = (*start[_PNG_DEPTH], 0, 0)[:2]
    if depth == 16 and kind != 0:
        raise DataError(f"{path}: 16-bit colours cannot be read whole; save every channel as a grey PNG of its own")
    return int(depth) if kind == 0 else 8


def _spacing_beside(path: Path) -> Spacing | None:
    """The voxel size in a JSON file with the picture's name, with or without the number of its channel.

    Raises:
        DataError: if its ``spacing`` is not valid.
    """
    stem = path.name.removesuffix(path.suffix)
    for name in dict.fromkeys((stem, _CHANNEL.sub("", stem))):
        beside = path.with_name(f"{name}.json")
        if beside.is_file() and (sides := _stated_sides(beside)) is not None:
            z, y, x = [1.0] * (3 - len(sides)) + sides
            return z, y, x
    return None


def _stated_sides(beside: Path) -> list[float] | None:
    try:
        content = parse_json(beside.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{beside}: lies beside a picture and is not readable as JSON; correct it") from error
    fields = content if isinstance(content, dict) else {}
    sides = fields.get("spacing")
    if sides is None:
        if other := next((key for key in fields if _MEANT.fullmatch(key.lower())), None):
            raise DataError(f"{beside}: '{other[:40]}' is not read; write the voxel size as 'spacing': [z, y, x] in mm")
        return None
    numbers = isinstance(sides, list) and len(sides) in (2, 3) and all(type(side) in (int, float) for side in sides)
    if not numbers or not all(0.0 < side < _LARGEST_SPACING_MM for side in sides):
        raise DataError(f"{beside}: 'spacing' is {str(sides)[:60]}; write [z, y, x] in mm, each positive")
    return [float(side) for side in sides]
