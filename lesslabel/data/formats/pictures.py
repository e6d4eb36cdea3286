"""2D pictures (PNG, TIFF, JPEG) in. They hold no voxel size: it is 1 mm, so distances are in pixels."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from lesslabel.data.formats.nifti import NiftiVolume
from lesslabel.errors import DataError
from lesslabel.files import require_regular

ENDINGS = (".png", ".tif", ".tiff", ".jpg", ".jpeg")

_FORMATS = ("PNG", "TIFF", "JPEG")
_GREY = ("1", "L", "I", "F", "I;16", "I;16B", "I;16L", "I;16N")
_COLOURS = ("RGB", "RGBA", "LA")
_LARGEST_RATIO = 5000
"""Pixel bytes a byte of file: more than deflate, LZW or JPEG reach on a blank picture."""
_DAMAGE = (OSError, ValueError, SyntaxError, TypeError, KeyError, IndexError, ArithmeticError, EOFError, MemoryError)
"""What Pillow raises on damaged bytes."""
_PNG_DEPTH = slice(24, 26)


def read_picture(path: Path, *, colours: bool = False) -> NiftiVolume:
    """Read a picture: its colours are channels, an alpha channel is dropped, the pages of a TIFF are slices.

    Args:
        path: the file.
        colours: whether a palette is read as its colours; otherwise as its numbers, as label maps are often kept.

    Returns:
        ``array`` is (C, z, y, x) in the file's number type; the affine is the identity.

    Raises:
        DataError: if the file is absent, damaged, or of a kind that Pillow would read with loss.
    """
    require_regular(path)
    _require_depth_kept(path)
    try:
        with Image.open(path, formats=_FORMATS) as picture:
            picture.verify()  # the checksums of a PNG; Pillow wants the file opened anew behind it
        with Image.open(path, formats=_FORMATS) as picture:
            pages = [_read_page(path, picture, page, colours) for page in range(getattr(picture, "n_frames", 1))]
        array = np.stack(pages, axis=1)
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file") from error
    except (UnidentifiedImageError, Image.DecompressionBombError, *_DAMAGE) as error:
        reason = " ".join(str(error).split())[-200:]
        raise DataError(f"{path}: not a readable picture ({reason}); copy it again or save it as PNG") from error
    return NiftiVolume(array, (1.0, 1.0, 1.0), np.eye(4), path)


def _read_page(path: Path, picture: Image.Image, page: int, colours: bool) -> NDArray[Any]:
    """(C, y, x)."""
    if page:
        picture.seek(page)
    width, height = picture.size
    size, limit = width * height * len(picture.getbands()), path.stat().st_size * _LARGEST_RATIO
    if size > limit:
        raise DataError(f"{path}: header declares {size} pixels, the file holds at most {limit}; copy it again")
    if picture.mode == "P" and colours:
        return np.moveaxis(np.asarray(picture.convert("RGB")), -1, 0)
    if picture.mode in _GREY or picture.mode == "P":
        return np.asarray(picture)[None]
    if picture.mode in _COLOURS:
        return np.moveaxis(np.asarray(picture), -1, 0)[: len(picture.getbands()) - picture.mode.endswith("A")]
    raise DataError(f"{path}: pixels of mode {picture.mode} are not read; save it as grey or RGB")


def _require_depth_kept(path: Path) -> None:
    """Refuse a PNG of 16-bit colours, which Pillow would cut to 8 bits."""
    if path.suffix.lower() != ".png" or not path.is_file():
        return
    with path.open("rb") as file:
        depth, kind = (*file.read(_PNG_DEPTH.stop)[_PNG_DEPTH], 0, 0)[:2]
    if depth == 16 and kind != 0:
        raise DataError(f"{path}: 16-bit colours cannot be read whole; save every channel as a grey PNG of its own")
