"""Read and write one case as one HDF5 file; format: `docs/formats.md`."""

import hashlib
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import h5py
import numpy as np
from numpy.typing import NDArray

from lesslabel.data.case import Annotation, Case, Subvolume
from lesslabel.data.formats.hdf5 import DAMAGE, get_own
from lesslabel.data.store.case_layout import (
    bytes_of,
    decode_name,
    encode_name,
    file_in_memory,
    plain_numbers,
    read_annotation,
    read_covered,
    read_qform,
    read_spacing,
    read_text_attribute,
    read_voxels,
    write_annotation,
    write_image,
    write_text_attribute,
)
from lesslabel.errors import DataError
from lesslabel.files import require_regular, written_aside
from lesslabel.plain_text import is_one_line, visible

_Read = TypeVar("_Read")
_DAMAGE = (*DAMAGE, DataError)
"""The errors that damaged files raise; `Case` raises `DataError` as well."""


@dataclass(frozen=True)
class AnnotationHeader:
    """The header of an annotation file.

    Attributes:
        uid: the case it belongs to.
        name: its name.
        shape: of its labels, (z, y, x).
        covered_slices: the z indices that it covers; None means all.
        sha256: of its labels, kind, coverage and confidence.
    """

    uid: str
    name: str
    shape: tuple[int, ...]
    covered_slices: tuple[int, ...] | None
    sha256: str


def write_case(path: Path, case: Case) -> str:
    """Write a case atomically.

    Returns:
        sha256 of its content (voxels, labels, geometry), independent of the time and place of preparation.

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


def read_subvolume(path: Path, subvolume: Subvolume, annotations: Collection[str]) -> Case:
    """Read a region of a case, without reading the whole file.

    Args:
        path: the file.
        subvolume: the region.
        annotations: names of the annotations to read.

    Returns:
        A case of the size of the region, without an affine.

    Raises:
        DataError: as `read_case`, or if an annotation is absent.
    """
    return _read_case(path, subvolume, annotations)


def read_covered_slices(path: Path, annotation: str) -> tuple[int, ...] | None:
    """Read which slices an annotation covers, without reading voxels; None means all.

    Raises:
        DataError: if the file or the annotation cannot be read.
    """
    return _read_of(path, annotation, lambda group: read_covered(group, "covered_slices"))


def read_annotation_of(path: Path, annotation: str) -> Annotation:
    """Read one annotation of a case, without its image.

    Raises:
        DataError: if the file or the annotation cannot be read.
    """
    return _read_of(path, annotation, read_annotation)


def _read_of(path: Path, annotation: str, read: Callable[[h5py.Group], _Read]) -> _Read:
    require_regular(path)
    try:
        with h5py.File(path, "r") as file:
            return read(file["annotations"][encode_name(annotation)])
    except _DAMAGE as error:
        raise DataError(
            f"{path}: annotation '{annotation}' cannot be read ({_one_line(error)}); run lesslabel verify"
        ) from error


def read_affine(path: Path) -> NDArray[np.float64] | None:
    """The affine of a case without a voxel of it; None if the case has none.

    Raises:
        DataError: if the file cannot be read.
    """
    require_regular(path)
    try:
        with h5py.File(path, "r") as file:
            return np.asarray(file.attrs["affine"], np.float64) if "affine" in file.attrs else None
    except _DAMAGE as error:
        raise DataError(f"{path}: cannot be read ({_one_line(error)}); run lesslabel verify") from error


def write_annotation_file(path: Path, uid: str, name: str, annotation: Annotation) -> None:
    """Write one annotation without its image, in the layout of a case file, atomically.

    Raises:
        DataError: if the annotation has no usable name or is not uint8, or the disk refuses.
    """
    _require_writable(uid, name, annotation)
    with file_in_memory(uid) as file:
        write_text_attribute(file, "uid", uid)
        write_text_attribute(file, "sha256", _annotation_hash(name, annotation))
        write_annotation(file, name, annotation)
        content = bytes_of(file)
    with written_aside(path) as aside:
        aside.write_bytes(content)


def read_annotation_file(path: Path) -> Annotation:
    """Read a file of `write_annotation_file`.

    Raises:
        DataError: if the file is absent, damaged, or was changed.
    """
    require_regular(path)
    try:
        with h5py.File(path, "r") as file:
            ((name, group),) = file["annotations"].items()
            annotation = read_annotation(group)
            unchanged = read_text_attribute(file, "sha256") == _annotation_hash(decode_name(name), annotation)
    except _DAMAGE as error:
        raise DataError(f"{path}: not a readable annotation ({_one_line(error)}); write it again") from error
    if not unchanged:
        raise DataError(f"{path}: changed after it was written; write it again")
    return annotation


def read_annotation_header(path: Path) -> AnnotationHeader:
    """Read the header of an annotation file, without its voxels.

    Raises:
        DataError: if the file is absent or damaged.
    """
    require_regular(path)
    try:
        with h5py.File(path, "r") as file:
            ((name, group),) = file["annotations"].items()
            shape: tuple[int, ...] = group["labels"].shape
            return AnnotationHeader(
                read_text_attribute(file, "uid"),
                decode_name(name),
                shape,
                read_covered(group, "covered_slices"),
                read_text_attribute(file, "sha256"),
            )
    except _DAMAGE as error:
        raise DataError(f"{path}: not a readable annotation ({_one_line(error)}); write it again") from error


def content_hash(case: Case) -> str:
    """The sha256 of image, geometry and annotations of a case, without authors and times."""
    digest = hashlib.sha256()
    _digest_array(digest, case.image, np.float32)
    _digest_array(digest, np.round(case.spacing_mm, 6), np.float64)
    if case.affine is not None:
        # adding 0 changes -0 to 0
        _digest_array(digest, np.round(case.affine, 6) + 0.0, np.float64)
    if case.qform is not None:
        _digest_array(digest, np.round(case.qform.affine, 6) + 0.0, np.float64)
        digest.update(str(plain_numbers(case.qform.codes)).encode())
    for name in sorted(case.annotations):
        _digest_annotation(digest, name, case.annotations[name])
    return digest.hexdigest()


def _annotation_hash(name: str, annotation: Annotation) -> str:
    digest = hashlib.sha256()
    _digest_annotation(digest, name, annotation)
    return digest.hexdigest()


def _digest_annotation(digest: "hashlib._Hash", name: str, annotation: Annotation) -> None:
    labels, slices = plain_numbers(annotation.covered_labels), plain_numbers(annotation.covered_slices)
    digest.update(f"{name}:{annotation.kind.name}:{labels}:{slices}".encode())
    _digest_array(digest, annotation.labels, np.uint8)
    if annotation.confidence is not None:
        _digest_array(digest, annotation.confidence, np.float32)


def _digest_array(digest: "hashlib._Hash", array: NDArray[Any], dtype: type[np.generic]) -> None:
    digest.update(str(array.shape).encode())
    digest.update(np.ascontiguousarray(array, dtype=dtype).data)


def _to_bytes(case: Case) -> bytes:
    with file_in_memory(case.uid) as file:
        write_image(file, case)
        for name, annotation in case.annotations.items():
            _require_writable(case.uid, name, annotation)
            write_annotation(file, name, annotation)
        return bytes_of(file)


def _require_writable(uid: str, name: str, annotation: Annotation) -> None:
    if name in ("", ".") or "|" in name or not is_one_line(name):
        raise DataError(
            f"case {uid}: an annotation cannot be named '{visible(name)}'; use one line of text without '|'"
        )
    if annotation.labels.dtype != np.uint8:
        raise DataError(
            f"case {uid}: annotation '{name}' is {annotation.labels.dtype}; label maps are uint8, unknown is 255"
        )


def _read_case(path: Path, subvolume: Subvolume | None, names: Collection[str] | None) -> Case:
    """Read a case, or a region of it, with all annotations or those of some names."""
    require_regular(path)
    try:
        with h5py.File(path, "r") as file:
            stored = get_own(file, "annotations") if "annotations" in list(file) else {}
            keys = list(stored) if names is None else [encode_name(name) for name in names]
            return Case(
                uid=read_text_attribute(file, "uid"),
                patient=read_text_attribute(file, "patient"),
                image=read_voxels(file, "image", (np.float32, np.int16), subvolume).astype(np.float32, copy=False),
                spacing_mm=read_spacing(file),
                affine=(
                    np.asarray(file.attrs["affine"], np.float64)
                    if subvolume is None and "affine" in file.attrs
                    else None
                ),
                qform=read_qform(file) if subvolume is None else None,
                centre=read_text_attribute(file, "centre"),
                modality=read_text_attribute(file, "modality"),
                group=read_text_attribute(file, "group"),
                annotations={decode_name(key): read_annotation(get_own(stored, key), subvolume) for key in keys},
            )
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such case file; run `lesslabel verify` on its store") from error
    except _DAMAGE as error:
        raise DataError(f"{path}: damaged case file ({_one_line(error)}); prepare the store again") from error


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())
