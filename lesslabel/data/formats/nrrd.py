"""Read NRRD files, with axes in the order (z, y, x) and their geometry.

The format: https://teem.sourceforge.net/nrrd/format.html. SimpleITK is not used, since it accepts voxels whose
checksum is wrong.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lesslabel.data.formats.nifti import NiftiVolume
from lesslabel.data.formats.stored import (
    LONGEST_HEADER_BYTES,
    decode_voxels,
    place_volume,
    read_beside,
    read_content,
)
from lesslabel.data.formats.units import unit_mm
from lesslabel.errors import DataError
from lesslabel.files import require_regular

_SEGMENT_NAME = re.compile(r"Segment(\d{1,9})_Name")
_LONGEST_NUMBER = 9
_OWN_LAYERS = "Segmentation_MasterRepresentation"
"""The first bytes of files of these versions."""
_TYPES = {
    "i1": ("signed char", "int8", "int8_t"),
    "u1": ("uchar", "unsigned char", "uint8", "uint8_t"),
    "i2": ("short", "short int", "signed short", "signed short int", "int16", "int16_t"),
    "u2": ("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"),
    "i4": ("int", "signed int", "int32", "int32_t"),
    "u4": ("uint", "unsigned int", "uint32", "uint32_t"),
    "i8": ("longlong", "long long", "long long int", "signed long long", "signed long long int", "int64", "int64_t"),
    "u8": ("ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t"),
    "f4": ("float",),
    "f8": ("double",),
}
_CODE_OF = {name: code for code, names in _TYPES.items() for name in names}
_FIELDS = (
    *("dimension", "type", "block size", "blocksize", "encoding", "endian", "content", "min", "max", "data file"),
    *("datafile", "line skip", "lineskip", "byte skip", "byteskip", "number", "sample units", "sampleunits", "sizes"),
    *("spacings", "thicknesses", "axis mins", "axismins", "axis maxs", "axismaxs", "centers", "centerings", "labels"),
    *("units", "kinds", "space", "space dimension", "space units", "space origin", "space directions"),
    "measurement frame",
)
"""All fields of the format except those of `_NOT_READ`."""
_NOT_READ = ("old min", "oldmin", "old max", "oldmax")
"""The kind of voxel values before they were converted to integers."""
_COMPRESSED = {"raw": False, "gzip": True, "gz": True}
_SIGNS = {  # of a space's axes against left, posterior, superior
    "left-posterior-superior": (1, 1, 1),
    "lps": (1, 1, 1),
    "right-anterior-superior": (-1, -1, 1),
    "ras": (-1, -1, 1),
    "left-anterior-superior": (1, -1, 1),
    "las": (1, -1, 1),
    "": (1, 1, 1),  # as ITK takes it
}


@dataclass(frozen=True, eq=False)
class NrrdFile:
    """The content of a NRRD file.

    Attributes:
        volume: ``array`` is (C, z, y, x) in the file's number type.
        metadata: the header's ``key:=value`` pairs.
    """

    volume: NiftiVolume
    metadata: Mapping[str, str]


def read_nrrd_file(path: Path) -> NrrdFile:
    """Read a volume of 3 dimensions and any number of channels (vectors, colours, layers), with its metadata.

    Raises:
        DataError: if the file is absent, damaged, or of a kind that is not supported.
    """
    path = Path(path)
    content = read_content(path)
    fields, metadata, start = _parse_header(path, content)
    try:
        return NrrdFile(_read_volume(path, fields, content[start:]), metadata)
    except (ValueError, KeyError, OverflowError) as error:
        raise DataError(f"{path}: not a readable NRRD file ({error}); copy it again") from error


def read_nrrd(path: Path) -> NiftiVolume:
    """Read a volume of 3 dimensions and one channel.

    Returns:
        ``array`` is (z, y, x) in the file's number type; spacing and affine as in `lesslabel.data.formats.nifti`.

    Raises:
        DataError: if the file is absent, damaged, or of another shape.
    """
    volume = read_nrrd_file(path).volume
    if len(volume.array) != 1:
        raise DataError(f"{path}: 3 dimensions and {len(volume.array)} channels; expected 3 dimensions and one channel")
    return NiftiVolume(volume.array[0], volume.spacing_mm, volume.affine, volume.path)


def read_metadata(path: Path) -> dict[str, str]:
    """Read the header's ``key:=value`` pairs without a voxel.

    Raises:
        DataError: if the file is absent or has no NRRD header.
    """
    path = Path(path)
    require_regular(path)
    try:
        with path.open("rb") as file:
            return _parse_header(path, file.read(LONGEST_HEADER_BYTES))[1]
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); copy it again") from error


@dataclass(frozen=True)
class NrrdSegment:
    """One segment of 3D Slicer: the voxels of a layer that have a value."""

    name: str
    layer: int
    value: int


def list_segments(path: Path, metadata: Mapping[str, str]) -> list[NrrdSegment]:
    """The segments in the metadata, in their order; empty if there are none.

    Before version 4.11 3D Slicer wrote neither layers nor values: every segment is 1 in a layer of its own.

    Raises:
        DataError: if two share a name, or a number is not valid or that of the background.
    """
    segments: dict[str, NrrdSegment] = {}
    numbers = sorted(int(match[1]) for key in metadata if (match := _SEGMENT_NAME.fullmatch(key)))
    own_layers = _OWN_LAYERS in metadata and not any(key.endswith(("_Layer", "_LabelValue")) for key in metadata)
    for number in numbers:
        name = metadata[f"Segment{number}_Name"]
        layer, value = (
            metadata.get(f"Segment{number}_{what}", default)
            for what, default in (
                ("Layer", str(number) if own_layers else "0"),
                ("LabelValue", "1" if own_layers else str(number + 1)),
            )
        )
        if name in segments:
            raise DataError(f"{path}: two segments are named '{name}'; rename one")
        whole = all(text.isdecimal() and len(text) <= _LONGEST_NUMBER for text in (layer, value))
        if not whole or int(value) == 0:
            raise DataError(
                f"{path}: segment '{name}' has layer '{layer[:20]}' and value '{value[:20]}'; save it again"
            )
        segments[name] = NrrdSegment(name, int(layer), int(value))
    return list(segments.values())


def _parse_header(path: Path, content: bytes) -> tuple[dict[str, str], dict[str, str], int]:
    """Fields by their names in lower case, metadata, and where the voxels begin."""
    if not content.startswith(b"NRRD000"):
        raise DataError(f"{path}: not a readable NRRD file (it does not begin with NRRD000); copy it again")
    end = re.compile(rb"\r?\n\r?\n").search(content, 0, LONGEST_HEADER_BYTES)
    head = content if end is None else content[: end.start()]
    if end is None and len(content) >= LONGEST_HEADER_BYTES:
        raise DataError(f"{path}: not a readable NRRD file (its header does not end); copy it again")
    fields: dict[str, str] = {}
    metadata: dict[str, str] = {}
    for line in head.decode("utf-8", "replace").splitlines()[1:]:
        if line.startswith("#"):
            continue
        name, colon, value = line.partition(":")
        if not colon:
            raise DataError(f"{path}: not a readable NRRD file (line '{line[:40]}'); copy it again")
        target, key = (metadata, name) if value.startswith("=") else (fields, name.strip().lower())
        if target is fields:
            _require_known(path, key, fields)
        target[key] = value.removeprefix("=") if target is metadata else value.strip()
    return fields, metadata, len(content) if end is None else end.end()


def _require_known(path: Path, name: str, fields: Mapping[str, str]) -> None:
    """Refuse a field that occurs twice, is unknown, or changes the meaning of voxels in an unsupported way."""
    if name in fields:
        raise DataError(f"{path}: field '{name}' is there twice; remove one")
    if name in _NOT_READ:
        raise DataError(f"{path}: field '{name}' changes its voxels and is not read; save it without")
    if name not in _FIELDS:
        raise DataError(f"{path}: field '{name[:40]}' is not known; correct its name or remove it")


def _read_volume(path: Path, fields: Mapping[str, str], content: bytes) -> NiftiVolume:
    for name in ("line skip", "lineskip", "byte skip", "byteskip"):
        if fields.get(name, "0") != "0":
            raise DataError(f"{path}: skips voxels by '{name}', which is not read; save it again")
    if detached := fields.get("data file", fields.get("datafile", "")):
        content = read_beside(path, detached)
    if (encoding := fields["encoding"].lower()) not in _COMPRESSED:
        raise DataError(f"{path}: encoding '{encoding}' is not read; save it with encoding raw or gzip")
    if (kind := fields["type"].lower()) not in _CODE_OF:
        raise DataError(f"{path}: voxels of type '{kind}' are not read; save it as numbers")
    code = _CODE_OF[kind]
    endian = fields.get("endian", "").lower()
    if code[1] != "1" and endian not in ("little", "big"):
        raise DataError(f"{path}: the byte order of its voxels is missing; save it again")
    dtype = np.dtype(code).newbyteorder("<" if endian == "little" else ">")
    sizes = [int(side) for side in fields["sizes"].split()]
    if int(fields["dimension"]) != len(sizes) or min(sizes) < 1:
        raise DataError(f"{path}: sizes {fields['sizes']} do not fit dimension {fields['dimension']}; copy it again")
    _require_no_time(path, fields)
    steps, channel = _steps(path, fields, len(sizes))
    values = decode_voxels(content, sizes[::-1], dtype, compressed=_COMPRESSED[encoding])
    array = values[None] if channel is None else np.moveaxis(values, len(sizes) - 1 - channel, 0)
    return place_volume(path, np.ascontiguousarray(array), *_place(path, fields, steps))


def _steps(path: Path, fields: Mapping[str, str], dimension: int) -> tuple[list[NDArray[np.float64]], int | None]:
    """The step along every spatial axis as stored, and the index of the channel axis."""
    if "axis mins" in fields or "axismins" in fields or "axis maxs" in fields or "axismaxs" in fields:
        raise DataError(f"{path}: is placed by 'axis mins' and 'axis maxs', which are not read; save 'spacings' alone")
    if "space directions" in fields:
        vectors = re.findall(r"none|\([^)]*\)", fields["space directions"])
    else:
        spacings = fields.get("spacings", " ".join(["1"] * dimension)).split()
        vectors = ["none" if _is_list(fields, axis) else spacing for axis, spacing in enumerate(spacings)]
    channels = [axis for axis, vector in enumerate(vectors) if vector == "none"]
    for axis, vector in enumerate(vectors):
        if vector != "none" and "space directions" in fields and _is_list(fields, axis):
            raise DataError(f"{path}: axis {axis} has a direction, and a kind that is none of space; correct 'kinds'")
    if len(vectors) != dimension or len(vectors) - len(channels) != 3 or len(channels) > 1:
        raise DataError(f"{path}: {dimension} dimensions; expected 3 dimensions, and one more if it has channels")
    spatial = [vector for vector in vectors if vector != "none"]
    if "space directions" in fields:
        if "units" in fields and any(re.findall(r'"([^"]+)"', fields["units"])):
            raise DataError(f"{path}: has 'units' beside 'space directions', whose units are 'space units'; remove it")
        return [_vector(vector) for vector in spatial], channels[0] if channels else None
    units = _units(path, fields, "units", len(vectors))
    sides = [float(vector) * unit for vector, unit in zip(vectors, units, strict=True) if vector != "none"]
    return list(np.diag(sides)), channels[0] if channels else None


def _require_no_time(path: Path, fields: Mapping[str, str]) -> None:
    for axis, kind in enumerate(fields.get("kinds", "").lower().split()):
        if kind == "time":
            raise DataError(f"{path}: axis {axis} is frames in time ('kinds'); save every frame as a file")


def _is_list(fields: Mapping[str, str], axis: int) -> bool:
    """Whether an axis is a channel axis: its kind is stated and not spatial."""
    kinds = fields.get("kinds", "").split()
    return axis < len(kinds) and kinds[axis].lower() not in ("domain", "space", "none", "???")


def _place(
    path: Path, fields: Mapping[str, str], steps: list[NDArray[np.float64]]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Steps as columns and origin, both LPS."""
    space = fields.get("space", "").lower()
    if space not in _SIGNS:
        raise DataError(f"{path}: space '{space}' is not read; save it in left-posterior-superior")
    signs = np.array(_SIGNS[space], dtype=np.float64)
    origin = _vector(fields["space origin"]) if "space origin" in fields else np.zeros(3)
    lengths = np.array(_units(path, fields, "space units", 3))
    return (signs * lengths)[:, None] * np.column_stack(steps), signs * lengths * origin


def _units(path: Path, fields: Mapping[str, str], field: str, count: int) -> list[float]:
    """The units of length of axes in mm; without a unit it is mm."""
    if field not in fields:
        return [1.0] * count
    names = re.findall(r'"([^"]*)"', fields[field])
    if len(names) != count:
        raise DataError(f"{path}: '{field}' is {fields[field][:60]}; expected {count} units in quotes")
    return [1.0 if name.strip() in ("", "???") else unit_mm(path, name) for name in names]


def _vector(text: str) -> NDArray[np.float64]:
    x, y, z = (float(side) for side in text.strip("() ").split(","))
    return np.array([x, y, z])
