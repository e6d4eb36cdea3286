"""The layout of a TIFF: slices, channels and pixel size.

ImageJ, OME and tifffile store it in the image description; TIFF itself has pages and pixels per centimetre only.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lesslabel.data.formats.units import unit_mm
from lesslabel.errors import DataError
from lesslabel.files import parse_json

_WIDTH, _HEIGHT, _DESCRIPTION, _SAMPLES = 256, 257, 270, 277
_X_RESOLUTION, _Y_RESOLUTION, _RESOLUTION_UNIT = 282, 283, 296
_INCH, _UNITS = 2, {3: "cm", 4: "mm", 5: "um"}
"""Of a resolution: 1 is no unit of length; 4 and 5 are not of the standard, and written."""
_NO_FUNCTION = 20
"""ImageJ's number of a calibration that leaves values as they are."""
_NO_LENGTH = ("", "pixel", "pixels", "px", "reference frame")
_PIXELS = re.compile(r"<(?:\w+:)?Pixels\b([^>]*)>")
_ATTRIBUTE = re.compile(r'(\w+)="([^"]*)"')
_LONGEST_DESCRIPTION = 2**20


@dataclass(frozen=True)
class TiffLayout:
    """The meaning of the planes of a TIFF.

    Attributes:
        slices: the number of slices.
        channels: the number of channels with planes of their own.
        channels_first: whether all slices of a channel follow each other, instead of all channels of a slice.
        spacing_mm: voxel size (z, y, x), None if the file has none.
    """

    slices: int
    channels: int = 1
    channels_first: bool = False
    spacing_mm: tuple[float, float, float] | None = None

    def arrange(self, planes: NDArray[Any]) -> NDArray[Any]:
        """Planes (samples, plane, y, x) as (C, z, y, x)."""
        if self.channels == 1:
            return planes
        order = (self.channels, self.slices) if self.channels_first else (self.slices, self.channels)
        sorted_planes = planes[0].reshape(*order, *planes.shape[2:])
        return sorted_planes if self.channels_first else np.moveaxis(sorted_planes, 1, 0)


def read_layout(path: Path, tags: Mapping[int, Any], pages: int) -> TiffLayout:
    """Find the meaning of the pages of a TIFF.

    Args:
        path: the file, for messages.
        tags: of its first page.
        pages: the number of pages in the file.

    Raises:
        DataError: if its description is unsupported, such as frames in time, or does not fit the planes.
    """
    text = str(tags.get(_DESCRIPTION, ""))[:_LONGEST_DESCRIPTION]
    if text.startswith("ImageJ="):
        return _of_imagej(path, tags, pages, text)
    if _PIXELS.search(text) or "BinaryOnly" in text:
        return _of_ome(path, tags, pages, text)
    if text.startswith("{") and (layout := _of_tifffile(path, tags, pages, text)) is not None:
        return layout
    return TiffLayout(pages, spacing_mm=_by_resolution(path, tags, pages))


def _of_imagej(path: Path, tags: Mapping[int, Any], pages: int, text: str) -> TiffLayout:
    fields = dict(line.partition("=")[::2] for line in text.splitlines())
    total, channels, slices, frames = (
        _count(path, fields, name) for name in ("images", "channels", "slices", "frames")
    )
    if frames > 1:
        raise DataError(f"{path}: frames={frames} in time; save every frame as a file, or name the frames slices")
    _require_own_values(path, fields)
    if channels * slices == 1:
        slices = total
    if channels * slices != max(total, 1) or pages not in (1, total):
        raise DataError(
            f"{path}: states images={total}, channels={channels}, slices={slices} and lists {pages} pages; "
            "save it again"
        )
    if slices == 1 and fields.get("mode") not in ("composite", "color"):
        slices, channels = channels, 1  # a stack without named axes is written so
    length_mm = _unit(path, fields.get("unit", ""))
    if length_mm is None:
        return TiffLayout(slices, channels, spacing_mm=_by_resolution(path, tags, slices))
    sides = [_per_unit(path, tags, tag) * length_mm for tag in (_Y_RESOLUTION, _X_RESOLUTION)]
    step = fields.get("spacing", "")
    if not step and slices > 1:
        raise _no_step(path, "spacing")
    return TiffLayout(slices, channels, spacing_mm=(_length(path, step or "1") * length_mm, sides[0], sides[1]))


def _require_own_values(path: Path, fields: Mapping[str, str]) -> None:
    """Refuse a function that makes other values of pixels, as ImageJ keeps Hounsfield units and signs."""
    function = [fields[name].strip() for name in ("cf", "c0", "c1") if name in fields]
    try:
        stated = [float(number) for number in function]
    except ValueError:
        stated = [math.nan]
    if stated and stated[0] != _NO_FUNCTION and stated != [0.0, 0.0, 1.0]:
        shown = ", ".join(f"{name}={fields[name][:20]}" for name in ("cf", "c0", "c1") if name in fields)
        raise DataError(f"{path}: has a calibration of its values ({shown}), which is not read; save it without")


def _of_ome(path: Path, tags: Mapping[int, Any], pages: int, text: str) -> TiffLayout:
    found = _PIXELS.findall(text)
    if len(found) != 1:
        raise DataError(f"{path}: describes {len(found)} images (OME Pixels); save one image a file")
    fields = dict(_ATTRIBUTE.findall(found[0]))
    samples = int(tags.get(_SAMPLES, 1))
    slices, channels, frames = (_count(path, fields, name) for name in ("SizeZ", "SizeC", "SizeT"))
    if frames > 1:
        raise DataError(f"{path}: SizeT={frames} frames in time; save every frame as a file")
    if samples > 1 and channels % samples == 0:
        channels //= samples
    if slices * channels != pages:
        raise DataError(
            f"{path}: states SizeZ={slices}, SizeC={channels} and lists {pages} pages; save all planes in one file"
        )
    order = fields.get("DimensionOrder", "XYCZT")
    sides = []
    for axis in "ZYX":
        size, unit = fields.get(f"PhysicalSize{axis}"), fields.get(f"PhysicalSize{axis}Unit", "µm")
        length_mm = _unit(path, unit)
        sides.append(None if size is None or length_mm is None else _length(path, size) * length_mm)
    return TiffLayout(slices, channels, order.index("Z") < order.index("C"), _complete(path, sides, slices))


def _of_tifffile(path: Path, tags: Mapping[int, Any], pages: int, text: str) -> TiffLayout | None:
    """The shape in tifffile's description; None if the description is of another program or does not fit the image."""
    try:
        described = _parse_description(path, text)
        shape = [int(side) for side in described["shape"]]
        axes = str(described.get("axes", "")) if isinstance(described, dict) else ""
    except (ValueError, RecursionError, KeyError, TypeError):
        return None
    page, samples = [int(tags[_HEIGHT]), int(tags[_WIDTH])], int(tags.get(_SAMPLES, 1))
    if samples > 1 and shape[-3:] == [*page, samples]:
        leading = shape[:-3]
    elif shape[-2:] == page and (samples == 1 or shape[-3:-2] == [samples]):
        leading = shape[: -2 if samples == 1 else -3]
    else:
        return None
    if math.prod(leading) != pages and (pages != 1 or not leading):
        raise DataError(f"{path}: states shape={shape} and lists {pages} pages; save it again")
    named = axes[: len(leading)] if len(axes) == len(shape) else "Q" * len(leading)
    wide = [(axis, side) for axis, side in zip(named, leading, strict=True) if side > 1]
    if any(axis == "T" for axis, _ in wide):
        raise DataError(f"{path}: axes={axes} has frames in time; save every frame as a file, or name the axis Z")
    channels = [side for axis, side in wide if axis == "C"]
    slices = [side for axis, side in wide if axis != "C"]
    if max(len(channels), len(slices)) > 1:
        raise DataError(f"{path}: shape={shape} has more than one dimension beyond z, y, x; split the file")
    count = math.prod(slices)
    first = bool(channels) and wide[0][0] == "C"
    return TiffLayout(count, math.prod(channels), first, _by_resolution(path, tags, count))


def _parse_description(path: Path, text: str) -> Any:
    """The JSON of a description; of text that is none the error of its reader."""
    try:
        return parse_json(text)
    except json.JSONDecodeError:
        raise
    except ValueError as error:
        raise DataError(f"{path}: its description is damaged ({error}); save it again") from error


def _by_resolution(path: Path, tags: Mapping[int, Any], slices: int) -> tuple[float, float, float] | None:
    """Pixels per centimetre give a size; pixels per inch are the resolution for printing and are ignored."""
    unit = _UNITS.get(int(tags.get(_RESOLUTION_UNIT, _INCH)))
    if unit is None or _X_RESOLUTION not in tags:
        return None
    sides = [_per_unit(path, tags, tag) * unit_mm(path, unit) for tag in (_Y_RESOLUTION, _X_RESOLUTION)]
    return _complete(path, [None, *sides], slices)


def _complete(path: Path, sides: Sequence[float | None], slices: int) -> tuple[float, float, float] | None:
    z, y, x = sides
    if y is None and x is None:
        return None
    if y is None or x is None:
        missing = "PhysicalSizeY" if y is None else "PhysicalSizeX"
        raise DataError(f"{path}: states one side of a pixel and not the other ({missing}); add it")
    if z is None and slices > 1:
        raise _no_step(path, "PhysicalSizeZ")
    return (1.0 if z is None else z), y, x


def _no_step(path: Path, name: str) -> DataError:
    return DataError(
        f"{path}: states the size of a pixel and not the distance of its slices ({name}); add it, or write "
        f'{{"spacing": [z, y, x]}} in mm to {path.with_suffix(".json").name}'
    )


def _per_unit(path: Path, tags: Mapping[int, Any], tag: int) -> float:
    return 1.0 / _length(path, tags.get(tag, 0))


def _length(path: Path, value: Any) -> float:
    try:
        length = float(value)
    except (ValueError, TypeError, ZeroDivisionError):
        length = 0.0
    if not 0.0 < length < math.inf:
        raise DataError(f"{path}: pixel size or resolution '{str(value)[:20]}' is not positive; correct it")
    return length


def _unit(path: Path, name: str) -> float | None:
    """Its length in mm; None if sizes are in pixels."""
    with suppress(UnicodeError):  # tags are read as Latin-1, most programs write UTF-8
        name = name.encode("latin-1").decode("utf-8")
    return None if name.strip().lower() in _NO_LENGTH else unit_mm(path, name)


def _count(path: Path, fields: Mapping[str, str], name: str) -> int:
    text = fields.get(name, "1").strip()
    if not text.isdecimal() or not 0 < len(text) < 7 or int(text) < 1:
        raise DataError(f"{path}: {name}={text[:20]} is no number of planes; save it again")
    return int(text)
