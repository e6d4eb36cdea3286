"""What an HDF5 file holds of a case and its annotations: `docs/formats.md`."""

from collections.abc import Iterable, Sequence
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from lesslabel.data.case import Annotation, Box, Case, Kind, Qform, cut_slices
from lesslabel.data.formats.hdf5 import get_own, read_array

# HDF5 1.10 is the first version that keeps a checksum of everything but the voxels; fletcher32 is that of the voxels
_VERSION = ("v110", "v110")
_LARGEST_CHUNK = (16, 32, 32)
_VOXELS = {"compression": "lzf", "fletcher32": True}


def encode_name(name: str) -> str:
    """A name as it can name a file or an HDF5 group: it never leads elsewhere."""
    return name.replace("%", "%25").replace("/", "%2F")


def decode_name(name: str) -> str:
    """The name that `encode_name` encoded."""
    return name.replace("%2F", "/").replace("%25", "%")


def file_in_memory(name: str) -> h5py.File:
    """An empty file that is written at once, when it is whole."""
    # in memory first: HDF5 crashes the process when the disk is full
    return h5py.File(name, "w", driver="core", backing_store=False, libver=_VERSION)


def bytes_of(file: h5py.File) -> bytes:
    """All that a file in memory holds."""
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
    """The image in int16 where that loses no bit, as with CT: half as much to inflate and to check when it is read."""
    with np.errstate(invalid="ignore"):  # what does not fit is not the same afterwards
        short = image.astype(np.int16)
    # bit by bit, since -0 equals 0, and the hash of a case knows them apart
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


def _chunk(shape: Sequence[int]) -> tuple[int, ...]:
    """Sides (z, y, x) of what is read at once: small, so that a patch reads little beyond itself."""
    return tuple(min(side, limit) for side, limit in zip(shape, _LARGEST_CHUNK, strict=True))


def write_text_attribute(group: h5py.Group, key: str, text: str) -> None:
    """Write a text."""
    # of fixed length: HDF5 keeps strings of variable length in a heap that has no checksum
    group.attrs[key] = np.bytes_(text.encode("utf-8"))


def read_text_attribute(group: h5py.Group, key: str) -> str:
    """Read a text."""
    value = group.attrs[key]
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)


def read_voxels(
    group: h5py.Group, name: str, dtypes: Sequence[type[np.generic]], box: Box | None = None
) -> NDArray[Any]:
    """Read an array whole, or a box in its last axes."""
    dataset = get_own(group, name)
    if not dataset.shape:
        raise ValueError(f"'{dataset.name}' is no array")
    if dataset.dtype not in dtypes or dataset.chunks is None:
        raise ValueError(f"'{dataset.name}' is {dataset.dtype}, or has no checksums")
    voxels = read_array(group, name, box)
    if box is not None and voxels.shape[-3:] != (expected := tuple(part.stop - part.start for part in box)):
        raise ValueError(
            f"'{dataset.name}' gives {voxels.shape} for a part of {expected}: it is smaller than its table says"
        )
    return voxels


def read_annotation(group: h5py.Group, box: Box | None = None) -> Annotation:
    """Read one annotation, whole or a part."""
    slices = read_covered(group, "covered_slices")
    return Annotation(
        labels=read_voxels(group, "labels", (np.uint8,), box),
        kind=Kind[read_text_attribute(group, "kind").upper()],
        author=read_text_attribute(group, "author"),
        time=read_text_attribute(group, "time"),
        covered_labels=read_covered(group, "covered_labels"),
        covered_slices=slices if box is None else cut_slices(slices, box),
        confidence=read_voxels(group, "confidence", (np.float32,), box) if "confidence" in group else None,
    )


def read_covered(group: h5py.Group, key: str) -> tuple[int, ...] | None:
    """Read which labels or slices an annotation speaks of; None means all."""
    return plain_numbers(group.attrs.get(key))


def plain_numbers(values: Iterable[Any] | None) -> tuple[int, ...] | None:
    """Integers as Python knows them; None stays None."""
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
