"""One case as one HDF5 file: `docs/formats.md`."""

import hashlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from lesslabel.data.case import Annotation, Box, Case, Kind, cut_slices
from lesslabel.data.formats.hdf5 import DAMAGE, get_own, read_array
from lesslabel.errors import DataError
from lesslabel.files import require_regular, written_aside

# HDF5 1.10 is the first version that keeps a checksum of everything but the voxels; fletcher32 is that of the voxels
_VERSION = ("v110", "v110")
_LARGEST_CHUNK = (16, 32, 32)
_VOXELS = {"compression": "lzf", "fletcher32": True}
_DAMAGE = (*DAMAGE, DataError)
"""What damaged bytes raise; `Case` adds its own `DataError`."""


@dataclass(frozen=True)
class AnnotationHeader:
    """What an annotation that lies in a file of its own says of itself.

    Attributes:
        uid: the case it belongs to.
        name: its name.
        shape: of its labels, (z, y, x).
        covered_slices: the z indices it speaks of; None means all.
        sha256: of its labels, kind, coverage and confidence.
    """

    uid: str
    name: str
    shape: tuple[int, ...]
    covered_slices: tuple[int, ...] | None
    sha256: str


def write_case(path: Path, case: Case) -> str:
    """Write a case in one step.

    Returns:
        sha256 of its content (voxels, labels, geometry), the same wherever and whenever the case is prepared.

    Raises:
        DataError: if an annotation has no usable name or is not uint8, or the disk refuses.
    """
    content = _to_bytes(case)
    with written_aside(path) as aside:
        aside.write_bytes(content)
    return content_hash(case)


def read_case(path: Path) -> Case:
    """Read a whole case.

    Raises:
        DataError: if the file is absent, cut short or not a case.
    """
    return _read_case(path, None, None)


def read_box(path: Path, box: Box, annotations: Collection[str]) -> Case:
    """Read a part of a case, and little of its file beyond it.

    Args:
        path: the file.
        box: the part.
        annotations: names of those that are read.

    Returns:
        A case of the size of the part, without an affine.

    Raises:
        DataError: as `read_case`, or if an annotation is not there.
    """
    return _read_case(path, box, annotations)


def read_covered_slices(path: Path, annotation: str) -> tuple[int, ...] | None:
    """The slices that an annotation speaks of, without reading a voxel; None means all.

    Raises:
        DataError: if the file or the annotation cannot be read.
    """
    require_regular(path)
    try:
        with h5py.File(path, "r") as file:
            return _covered(file["annotations"][encode_name(annotation)], "covered_slices")
    except _DAMAGE as error:
        raise DataError(
            f"{path}: annotation '{annotation}' cannot be read ({_one_line(error)}); run lesslabel verify"
        ) from error


def write_annotation_file(path: Path, uid: str, name: str, annotation: Annotation) -> None:
    """Write one annotation without its image, laid out as in a case file, in one step.

    Raises:
        DataError: if the annotation has no usable name or is not uint8, or the disk refuses.
    """
    _require_writable(uid, name, annotation)
    with _in_memory(uid) as file:
        _write_text(file, "uid", uid)
        _write_text(file, "sha256", _annotation_hash(name, annotation))
        _write_annotation(file, name, annotation)
        content = _bytes_of(file)
    with written_aside(path) as aside:
        aside.write_bytes(content)


def read_annotation_file(path: Path) -> Annotation:
    """Read the annotation of a file that `write_annotation_file` wrote.

    Raises:
        DataError: if the file is absent, damaged, or was changed since.
    """
    require_regular(path)
    try:
        with h5py.File(path, "r") as file:
            ((name, group),) = file["annotations"].items()
            annotation = _read_annotation(group)
            unchanged = _text(file, "sha256") == _annotation_hash(decode_name(name), annotation)
    except _DAMAGE as error:
        raise DataError(f"{path}: not a readable annotation ({_one_line(error)}); write it again") from error
    if not unchanged:
        raise DataError(f"{path}: changed after it was written; write it again")
    return annotation


def read_annotation_header(path: Path) -> AnnotationHeader:
    """Read what an annotation file says of itself, without a voxel.

    Raises:
        DataError: if the file is absent or damaged.
    """
    require_regular(path)
    try:
        with h5py.File(path, "r") as file:
            ((name, group),) = file["annotations"].items()
            shape: tuple[int, ...] = group["labels"].shape
            return AnnotationHeader(
                _text(file, "uid"), decode_name(name), shape, _covered(group, "covered_slices"), _text(file, "sha256")
            )
    except _DAMAGE as error:
        raise DataError(f"{path}: not a readable annotation ({_one_line(error)}); write it again") from error


def content_hash(case: Case) -> str:
    """The sha256 of a case's image, geometry and annotations; who made them and when is left out."""
    digest = hashlib.sha256()
    _digest_array(digest, case.image, np.float32)
    _digest_array(digest, np.round(case.spacing_mm, 6), np.float64)
    if case.affine is not None:
        # adding 0 turns -0 into 0
        _digest_array(digest, np.round(case.affine, 6) + 0.0, np.float64)
    for name in sorted(case.annotations):
        _digest_annotation(digest, name, case.annotations[name])
    return digest.hexdigest()


def encode_name(name: str) -> str:
    """A name as it can name a file or an HDF5 group: it never leads elsewhere."""
    return name.replace("%", "%25").replace("/", "%2F")


def decode_name(name: str) -> str:
    """The name that `encode_name` encoded."""
    return name.replace("%2F", "/").replace("%25", "%")


def _annotation_hash(name: str, annotation: Annotation) -> str:
    digest = hashlib.sha256()
    _digest_annotation(digest, name, annotation)
    return digest.hexdigest()


def _digest_annotation(digest: "hashlib._Hash", name: str, annotation: Annotation) -> None:
    labels, slices = _plain(annotation.covered_labels), _plain(annotation.covered_slices)
    digest.update(f"{name}:{annotation.kind.name}:{labels}:{slices}".encode())
    _digest_array(digest, annotation.labels, np.uint8)
    if annotation.confidence is not None:
        _digest_array(digest, annotation.confidence, np.float32)


def _digest_array(digest: "hashlib._Hash", array: NDArray[Any], dtype: type[np.generic]) -> None:
    digest.update(str(array.shape).encode())
    digest.update(np.ascontiguousarray(array, dtype=dtype).data)


def _to_bytes(case: Case) -> bytes:
    with _in_memory(case.uid) as file:
        _write_image(file, case)
        for name, annotation in case.annotations.items():
            _require_writable(case.uid, name, annotation)
            _write_annotation(file, name, annotation)
        return _bytes_of(file)


def _in_memory(name: str) -> h5py.File:
    # in memory first: HDF5 crashes the process when the disk is full
    return h5py.File(name, "w", driver="core", backing_store=False, libver=_VERSION)


def _bytes_of(file: h5py.File) -> bytes:
    file.flush()
    content: bytes = file.id.get_file_image()
    return content


def _require_writable(uid: str, name: str, annotation: Annotation) -> None:
    if name in ("", ".") or "|" in name or not name.isprintable():
        raise DataError(f"case {uid}: an annotation cannot be named {name!r}; use printable characters without '|'")
    if annotation.labels.dtype != np.uint8:
        raise DataError(
            f"case {uid}: annotation '{name}' is {annotation.labels.dtype}; label maps are uint8, unknown is 255"
        )


def _write_image(file: h5py.File, case: Case) -> None:
    image = _compact(np.ascontiguousarray(case.image, dtype=np.float32))
    file.create_dataset("image", data=image, chunks=(1, *_chunk(case.shape)), shuffle=True, **_VOXELS)
    for key in ("uid", "patient", "centre", "modality", "group"):
        _write_text(file, key, getattr(case, key))
    file.attrs["spacing_mm"] = np.asarray(case.spacing_mm, dtype=np.float64)
    if case.affine is not None:
        file.attrs["affine"] = np.asarray(case.affine, dtype=np.float64)


def _compact(image: NDArray[np.float32]) -> NDArray[np.float32] | NDArray[np.int16]:
    """The image in int16 where that loses no bit, as with CT: half as much to inflate and to check when it is read."""
    with np.errstate(invalid="ignore"):  # what does not fit is not the same afterwards
        short = image.astype(np.int16)
    # bit by bit, since -0 equals 0, and the hash of a case knows them apart
    return short if np.array_equal(short.astype(np.float32).view(np.uint32), image.view(np.uint32)) else image


def _write_annotation(file: h5py.File, name: str, annotation: Annotation) -> None:
    group = file.create_group(f"annotations/{encode_name(name)}")
    chunk = _chunk(annotation.labels.shape)
    group.create_dataset("labels", data=annotation.labels, chunks=chunk, **_VOXELS)
    if annotation.confidence is not None:
        confidence = annotation.confidence.astype(np.float32, copy=False)
        group.create_dataset("confidence", data=confidence, chunks=chunk, **_VOXELS)
    for key, text in (("kind", annotation.kind.name.lower()), ("author", annotation.author), ("time", annotation.time)):
        _write_text(group, key, text)
    for key in ("covered_labels", "covered_slices"):
        if getattr(annotation, key) is not None:
            group.attrs[key] = np.asarray(getattr(annotation, key), dtype=np.int64)


def _chunk(shape: Sequence[int]) -> tuple[int, ...]:
    """Sides (z, y, x) of what is read at once: small, so that a patch reads little beyond itself."""
    return tuple(min(side, limit) for side, limit in zip(shape, _LARGEST_CHUNK, strict=True))


def _write_text(group: h5py.Group, key: str, text: str) -> None:
    # of fixed length: HDF5 keeps strings of variable length in a heap that has no checksum
    group.attrs[key] = np.bytes_(text.encode("utf-8"))


def _read_case(path: Path, box: Box | None, names: Collection[str] | None) -> Case:
    """A case, or a part of it; all annotations, or those of some names."""
    require_regular(path)
    try:
        with h5py.File(path, "r") as file:
            stored = get_own(file, "annotations") if "annotations" in list(file) else {}
            keys = list(stored) if names is None else [encode_name(name) for name in names]
            return Case(
                uid=_text(file, "uid"),
                patient=_text(file, "patient"),
                image=_read_voxels(file, "image", (np.float32, np.int16), box).astype(np.float32, copy=False),
                spacing_mm=_spacing(file),
                affine=np.asarray(file.attrs["affine"], np.float64) if box is None and "affine" in file.attrs else None,
                centre=_text(file, "centre"),
                modality=_text(file, "modality"),
                group=_text(file, "group"),
                annotations={decode_name(key): _read_annotation(get_own(stored, key), box) for key in keys},
            )
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such case file; run `lesslabel verify` on its store") from error
    except _DAMAGE as error:
        raise DataError(f"{path}: damaged case file ({_one_line(error)}); prepare the store again") from error


def _text(group: h5py.Group, key: str) -> str:
    value = group.attrs[key]
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)


def _read_voxels(
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


def _read_annotation(group: h5py.Group, box: Box | None = None) -> Annotation:
    slices = _covered(group, "covered_slices")
    return Annotation(
        labels=_read_voxels(group, "labels", (np.uint8,), box),
        kind=Kind[_text(group, "kind").upper()],
        author=_text(group, "author"),
        time=_text(group, "time"),
        covered_labels=_covered(group, "covered_labels"),
        covered_slices=slices if box is None else cut_slices(slices, box),
        confidence=_read_voxels(group, "confidence", (np.float32,), box) if "confidence" in group else None,
    )


def _covered(group: h5py.Group, key: str) -> tuple[int, ...] | None:
    return _plain(group.attrs.get(key))


def _plain(values: Iterable[Any] | None) -> tuple[int, ...] | None:
    return None if values is None else tuple(int(value) for value in values)


def _spacing(file: h5py.File) -> tuple[float, float, float]:
    values: NDArray[np.float64] = np.asarray(file.attrs["spacing_mm"], dtype=np.float64)
    z, y, x = (float(value) for value in values)
    return z, y, x


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())
