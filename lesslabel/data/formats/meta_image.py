"""Read MetaImage files (``.mha``; ``.mhd`` with its raw file), with axes in the order (z, y, x) and their geometry.

The format: https://itk.org/Wiki/ITK/MetaIO/Documentation. SimpleITK is not used, since it returns the part
of damaged voxels that it could decompress without an error.
"""

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path

import numpy as np

from lesslabel.data.formats.nifti import NiftiVolume
from lesslabel.data.formats.stored import LONGEST_HEADER_BYTES, decode_voxels, place_volume, read_beside, read_content
from lesslabel.errors import DataError

_TYPES = {
    "MET_CHAR": "i1",
    "MET_UCHAR": "u1",
    "MET_SHORT": "i2",
    "MET_USHORT": "u2",
    "MET_INT": "i4",
    "MET_UINT": "u4",
    "MET_LONG_LONG": "i8",
    "MET_ULONG_LONG": "u8",
    "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}
_LAST = "ElementDataFile"
_TRUE, _FALSE = ("true", "t", "1"), ("false", "f", "0")
_PLAIN = {
    "DistanceUnits": ("mm", "?", ""),
    "ElementToIntensityFunctionSlope": ("1", "1.0", "1.00", "1.000000"),
    "ElementToIntensityFunctionOffset": ("0", "0.0", "0.00", "0.000000"),
}
"""Fields that change voxels or lengths unless they have one of these values."""
_SPACING = ("ElementSpacing", "ElementSize")
_DIRECTION = ("TransformMatrix", "Orientation", "Rotation")
_ORIGIN = ("Offset", "Position", "Origin")
_ORDER = ("BinaryDataByteOrderMSB", "ElementByteOrderMSB")
_READ = (*_SPACING, *_DIRECTION, *_ORIGIN, *_ORDER, *_PLAIN, "CompressedData", "ElementNumberOfChannels", "HeaderSize")
_READ_BY_SMALL = {name.lower(): name for name in _READ}
_LIKE = 0.9
"""Of the letters of a field that is misspelt; the format's own names differ by more."""

_ALIKE = 1e-6
"""Two numbers that differ by no more, or by this share, are one number written in two ways."""


def read_meta_image(path: Path) -> NiftiVolume:
    """Read a volume of 2 or 3 dimensions and any number of channels; a 2D image becomes z = 1, 1 mm thick.

    Returns:
        ``array`` is (C, z, y, x) in the file's number type.

    Raises:
        DataError: if the file is absent, damaged, or of a kind that is not supported.
    """
    content = read_content(path)
    fields, start = _parse_header(path, content)
    try:
        return _read_volume(path, fields, content[start:])
    except (ValueError, KeyError, OverflowError) as error:
        raise DataError(f"{path}: not a readable MetaImage ({error}); copy it again") from error


def _parse_header(path: Path, content: bytes) -> tuple[dict[str, str], int]:
    """Fields, and the offset of the voxels; the header ends with the name of the file that holds them."""
    fields: dict[str, str] = {}
    start = 0
    while _LAST not in fields:
        end = content.find(b"\n", start, start + LONGEST_HEADER_BYTES)
        line = content[start:end].decode("utf-8", "replace") if end >= 0 else ""
        name, equals, value = line.partition("=")
        if not equals or end > LONGEST_HEADER_BYTES:
            raise DataError(f"{path}: not a readable MetaImage (its header does not end in {_LAST}); copy it again")
        if name.strip() in fields:
            raise DataError(f"{path}: field '{name.strip()[:40]}' is there twice; remove one")
        fields[name.strip()] = value.strip()
        start = end + 1
    return fields, start


def _read_volume(path: Path, fields: Mapping[str, str], content: bytes) -> NiftiVolume:
    if fields.get("ObjectType") != "Image":
        raise DataError(f"{path}: not a readable MetaImage (its header has no ObjectType = Image); copy it again")
    dimension = int(fields["NDims"])
    sizes = [int(side) for side in fields["DimSize"].split()]
    channels = int(fields.get("ElementNumberOfChannels", "1"))
    if dimension not in (2, 3) or len(sizes) != dimension or min(*sizes, channels) < 1:
        raise DataError(f"{path}: {channels} channels of size {fields['DimSize']}; expected 2 or 3 dimensions")
    _require_spelt(path, fields)
    _require_one_of_each(path, fields)
    _require_plain(path, fields)
    if not _is_true(path, fields, "BinaryData", "True") or fields.get("HeaderSize", "0") != "0":
        raise DataError(f"{path}: voxels as text or behind a header of their own are not read; save it as .mha")
    if (kind := fields["ElementType"]) not in _TYPES:
        raise DataError(f"{path}: voxels of type {kind} are not read; save it as numbers")
    order = _ORDER[0] if _ORDER[0] in fields else _ORDER[1]
    big = _is_true(path, fields, order, "False")
    dtype = np.dtype(_TYPES[kind]).newbyteorder(">" if big else "<")
    if fields[_LAST].lower() != "local":
        content = read_beside(path, fields[_LAST])
    compressed = _is_true(path, fields, "CompressedData", "False")
    values = decode_voxels(content, (*sizes[::-1], channels), dtype, compressed=compressed)
    if not (stated := _first(fields, *_SPACING)):
        raise DataError(f"{path}: has no ElementSpacing; add the voxel size, x y z in mm")
    spacing_mm = np.array([float(side) for side in stated.split()])
    upright, start = np.eye(dimension).ravel(), np.zeros(dimension)  # what ITK takes where nothing is said
    # one axis a row, as ITK writes them
    directions = np.array([float(side) for side in _first(fields, *_DIRECTION).split()] or upright)
    origin_mm = np.array([float(side) for side in _first(fields, *_ORIGIN).split()] or start)
    axes_mm = np.eye(3)
    with np.errstate(invalid="ignore"):  # values that are not finite are refused with the geometry
        axes_mm[:dimension, :dimension] = directions.reshape(dimension, dimension).T * spacing_mm
    origin_mm = np.append(origin_mm, [0.0] * (3 - dimension))
    array = np.moveaxis(values, -1, 0).reshape(channels, -1, *values.shape[-3:-1])
    return place_volume(path, np.ascontiguousarray(array), axes_mm, origin_mm)


def _is_true(path: Path, fields: Mapping[str, str], name: str, default: str) -> bool:
    """A boolean field, in every spelling that MetaIO knows."""
    value = fields.get(name, default)
    if value.lower() not in _TRUE + _FALSE:
        raise DataError(f"{path}: {name} is '{value[:20]}'; write True or False")
    return value.lower() in _TRUE


def _require_plain(path: Path, fields: Mapping[str, str]) -> None:
    """Refuse unsupported fields that change voxels or lengths."""
    for name, plain in _PLAIN.items():
        value = fields.get(name, plain[0])
        if value not in plain:
            raise DataError(f"{path}: {name} is '{value[:20]}', which is not read; save it with {name} = {plain[0]}")


def _first(fields: Mapping[str, str], *names: str) -> str:
    """The field by the first of its names that is there; empty if there is none."""
    return next((fields[name] for name in names if name in fields), "")


def _require_one_of_each(path: Path, fields: Mapping[str, str]) -> None:
    """Refuse a field under two of its names with different values: programs take one or the other."""
    for names in (_DIRECTION, _ORIGIN, _ORDER):
        first, *others = [name for name in names if name in fields] or [""]
        for other in others:
            if not _is_alike(fields[first], fields[other]):
                raise DataError(f"{path}: fields '{first}' and '{other}' disagree; remove one")


def _is_alike(text: str, other: str) -> bool:
    """Whether two values are the same numbers, however they are written, or the same words."""
    try:
        values, others = ([float(part) for part in value.split()] for value in (text, other))
    except ValueError:
        return text.lower().split() == other.lower().split()
    return len(values) == len(others) and np.allclose(values, others, rtol=_ALIKE, atol=_ALIKE)


def _require_spelt(path: Path, fields: Mapping[str, str]) -> None:
    """Refuse a field of place or voxels in other letters than the format's: programs would not see it."""
    for name in fields:
        if name not in _READ and (meant := get_close_matches(name.lower(), _READ_BY_SMALL, n=1, cutoff=_LIKE)):
            raise DataError(f"{path}: field '{name[:40]}' is not known; rename it to '{_READ_BY_SMALL[meant[0]]}'")
