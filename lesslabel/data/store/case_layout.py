"""The layout of a case and its annotations in an HDF5 file: `docs/formats.md`."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from lesslabel.data.case import Annotation, Case, Effort, Kind, Qform, Subvolume, crop_slices
from lesslabel.data.formats.hdf5 import get_own, read_array

# HDF5 1.10 is the first version with checksums of the metadata; fletcher32 is the checksum of the voxels
_VERSION = ("v110", "v110")
_LARGEST_CHUNK = (16, 32, 32)
_VOXELS = {"compression": "lzf", "fletcher32": True}


def encode_name(name: str) -> str:
    """Encode a name as a safe name of a file or HDF5 group, which never leads to another folder."""
    return name.replace("%", "%25").replace("/", "%2F")


def decode_name(name: str) -> str:
    """Decode a name of `encode_name`."""
    return name.replace("%2F", "/").replace("%25", "%")


def file_in_memory(name: str) -> h5py.File:
    """Make an empty file in memory, to be written to disk when complete."""
    # in memory first: HDF5 crashes the process when the disk is full
    return h5py.File(name, "w", driver="core", backing_store=False, libver=_VERSION)


def bytes_of(file: h5py.File) -> bytes:
    """The content of a file in memory."""
    file.flush()
    content: bytes = file.id.get_file_image()
    return content


def write_image(file: h5py.File, case: Case) -> None:
    """Write image, geometry and origin of a case."""
    image = _compact(np.ascontiguousarray(case.image, dtype=np.float32))
    file.create_dataset("image", data=image, chunks=(1, *_chunk(case.shape)), shuffle=True, **_VOXELS)
    for key in ("uid", "patient", "centre", "modality", "group"):
        write_text_attribute(file, key, getattr(case, key))
    file.attrs["spacing_mm"] = np.asarray(case.spacing_mm, dtype=np.float64)
    if case.affine is not None:
        file.attrs["affine"] = np.asarray(case.affine, dtype=np.float64)
    if case.qform is not None:
        file.attrs["qform"] = np.asarray(case.qform.affine, dtype=np.float64)
        file.attrs["form_codes"] = np.asarray(case.qform.codes, dtype=np.int64)


def _compact(image: NDArray[np.float32]) -> NDArray[np.float32] | NDArray[np.int16]:
    """The image as int16 if that is exact, as for CT: half the data to decompress and check on reading."""
    with np.errstate(invalid="ignore"):  # values that do not fit differ afterwards
        short = image.astype(np.int16)
    # compared bit by bit, since -0 equals 0 but gives another hash
    return short if np.array_equal(short.astype(np.float32).view(np.uint32), image.view(np.uint32)) else image


def write_annotation(file: h5py.File, name: str, annotation: Annotation) -> None:
    """Write one annotation, without its image."""
    group = file.create_group(f"annotations/{encode_name(name)}")
    chunk = _chunk(annotation.labels.shape)
    group.create_dataset("labels", data=annotation.labels, chunks=chunk, **_VOXELS)
    if annotation.confidence is not None:
        confidence = annotation.confidence.astype(np.float32, copy=False)
        group.create_dataset("confidence", data=confidence, chunks=chunk, **_VOXELS)
    for key, text in (("kind", annotation.kind.name.lower()), ("author", annotation.author), ("time", annotation.time)):
        write_text_attribute(group, key, text)
    for key in ("covered_labels", "covered_slices"):
        if getattr(annotation, key) is not None:
            group.attrs[key] = np.asarray(getattr(annotation, key), dtype=np.int64)
    if annotation.effort is not None:
        write_text_attribute(group, "effort", json.dumps(asdict(annotation.effort)))


def _chunk(shape: Sequence[int]) -> tuple[int, ...]:
    """Chunk size (z, y, x): small, so that reading a patch reads few other voxels."""
    return tuple(min(side, limit) for side, limit in zip(shape, _LARGEST_CHUNK, strict=True))


def write_text_attribute(group: h5py.Group, key: str, text: str) -> None:
    """Write a text."""
    # with fixed length: HDF5 keeps strings of variable length in a heap without checksum
    group.attrs[key] = np.bytes_(text.encode("utf-8"))


def read_text_attribute(group: h5py.Group, key: str) -> str:
    """Read a text."""
    value = group.attrs[key]
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)


def read_voxels(
    group: h5py.Group, name: str, dtypes: Sequence[type[np.generic]], subvolume: Subvolume | None = None
) -> NDArray[Any]:
    """Read an array, or a region in its last axes."""
    dataset = get_own(group, name)
    if not dataset.shape:
        raise ValueError(f"'{dataset.name}' is no array")
    if dataset.dtype not in dtypes or dataset.chunks is None:
        raise ValueError(f"'{dataset.name}' is {dataset.dtype}, or has no checksums")
    voxels = read_array(group, name, subvolume)
    if subvolume is not None and voxels.shape[-3:] != (expected := tuple(part.stop - part.start for part in subvolume)):
        raise ValueError(
            f"'{dataset.name}' gives {voxels.shape} for a part of {expected}: it is smaller than in the table of cases"
        )
    return voxels


def read_annotation(group: h5py.Group, subvolume: Subvolume | None = None) -> Annotation:
    """Read one annotation, or a region of it."""
    slices = read_covered(group, "covered_slices")
    return Annotation(
        labels=read_voxels(group, "labels", (np.uint8,), subvolume),
        kind=Kind[read_text_attribute(group, "kind").upper()],
        author=read_text_attribute(group, "author"),
        time=read_text_attribute(group, "time"),
        covered_labels=read_covered(group, "covered_labels"),
        covered_slices=slices if subvolume is None else crop_slices(slices, subvolume),
        confidence=read_voxels(group, "confidence", (np.float32,), subvolume) if "confidence" in group else None,
        effort=_read_effort(group),
    )


def _read_effort(group: h5py.Group) -> Effort | None:
    if "effort" not in group.attrs:
        return None
    content = json.loads(read_text_attribute(group, "effort"))
    return Effort(
        active_s=float(content["active_s"]),
        clicks=int(content["clicks"]),
        strokes=int(content["strokes"]),
        slices=int(content["slices"]),
        prompts=tuple((str(name), int(count)) for name, count in content["prompts"]),
        prelabel_dice=None if content.get("prelabel_dice") is None else float(content["prelabel_dice"]),
    )


def read_covered(group: h5py.Group, key: str) -> tuple[int, ...] | None:
    """Read which labels or slices an annotation covers; None means all."""
    return plain_numbers(group.attrs.get(key))


def plain_numbers(values: Iterable[Any] | None) -> tuple[int, ...] | None:
    """Convert to Python integers; None stays None."""
    return None if values is None else tuple(int(value) for value in values)


def read_qform(file: h5py.File) -> Qform | None:
    """Read the second place of a case; None where it has but one."""
    if "qform" not in file.attrs:
        return None
    sform_code, qform_code = (int(code) for code in file.attrs["form_codes"])
    return Qform(np.asarray(file.attrs["qform"], np.float64), (sform_code, qform_code))


def read_spacing(file: h5py.File) -> tuple[float, float, float]:
    """Read the voxel size (z, y, x) in mm."""
    values: NDArray[np.float64] = np.asarray(file.attrs["spacing_mm"], dtype=np.float64)
    z, y, x = (float(value) for value in values)
    return z, y, x
