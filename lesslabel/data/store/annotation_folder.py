"""Annotations that lie beside a store, such as pseudo-labels: one folder, one annotation, made in one way."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path

from lesslabel.data.case import Annotation
from lesslabel.data.store.case_file import (
    AnnotationHeader,
    read_annotation_file,
    read_annotation_header,
    write_annotation_file,
)
from lesslabel.data.store.case_layout import encode_name
from lesslabel.errors import DataError
from lesslabel.files import read_json, write_json

PROVENANCE = "provenance.json"
_FORMAT = 1


@dataclass(frozen=True)
class Provenance:
    """How the annotations of a folder came to be.

    Attributes:
        annotation: the name under which a view shows them (``"pseudo/stage1"``); no case of the store may have it.
        stage: the step of the work that made them.
        model_sha256: of the weights that predicted them; empty if no model did.
        queue_sha256: `lesslabel.data.queue.Queue.sha256` of what the model had learnt from; empty if there was none.
        thresholds: what was kept and what became unknown, by name.
        time: when, ISO 8601, or empty.
    """

    annotation: str
    stage: str = ""
    model_sha256: str = ""
    queue_sha256: str = ""
    thresholds: Mapping[str, float] = field(default_factory=dict)
    time: str = ""


def write_annotation(folder: Path, uid: str, annotation: Annotation, provenance: Provenance) -> None:
    """Write the annotation of one case into a folder, which is made if need be; a case that is there is replaced.

    Write a whole set into `lesslabel.files.written_aside`, so that a folder that was begun is never taken for complete.

    Args:
        folder: the annotation folder.
        uid: the case of the store.
        annotation: its labels in the store's codes.
        provenance: the same for every case of the folder; the time is that of the first.

    Raises:
        DataError: if the folder holds annotations made in another way, or cannot be written.
    """
    path = folder / PROVENANCE
    if path.is_file():
        present = read_provenance(folder)
        if replace(present, time="") != replace(provenance, time=""):
            raise DataError(
                f"{path}: this folder holds '{present.annotation}' made in another way; choose another folder"
            )
    else:
        write_json(path, {"format": _FORMAT, **asdict(provenance)})
    write_annotation_file(_path(folder, uid), uid, provenance.annotation, annotation)


def read_annotation(folder: Path, uid: str) -> Annotation:
    """Read the annotation of one case.

    Raises:
        DataError: if the folder has none for it, or its file is damaged or was changed.
    """
    return read_annotation_file(_path(folder, uid))


def read_provenance(folder: Path) -> Provenance:
    """Read how the annotations of a folder came to be.

    Raises:
        DataError: if there is no annotation folder, or its description is damaged.
    """
    path = folder / PROVENANCE
    content = read_json(path, "the provenance of an annotation folder")
    found = content.get("format") if isinstance(content, dict) else None
    if found != _FORMAT:
        raise DataError(f"{path}: format {found}, this version reads {_FORMAT}; write the annotations again")
    names = {entry.name for entry in fields(Provenance)}
    if content.keys() != names | {"format"}:
        damaged = ", ".join(sorted(content.keys() ^ (names | {"format"})))
        raise DataError(f"{path}: {damaged} missing or not known; write the annotations again")
    return Provenance(**{name: content[name] for name in names})


@dataclass(frozen=True)
class AnnotationFolder:
    """An annotation folder as it was when it was opened.

    Attributes:
        path: the folder.
        provenance: how its annotations came to be.
        headers: what each annotation says of itself, by uid in order.
    """

    path: Path
    provenance: Provenance
    headers: Mapping[str, AnnotationHeader]

    @cached_property
    def sha256(self) -> str:
        """Hash over the content of all annotations; when and where they were made is left out."""
        lines = [f"{uid} {header.name} {header.sha256}" for uid, header in self.headers.items()]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def read(self, uid: str) -> Annotation:
        """Read an annotation.

        Raises:
            DataError: if it is gone, damaged or another than when the folder was opened.
        """
        annotation = read_annotation(self.path, uid)
        if read_annotation_header(_path(self.path, uid)) != self.headers[uid]:
            raise DataError(f"{_path(self.path, uid)}: written anew while it was in use; start again")
        return annotation


def open_annotations(folder: Path) -> AnnotationFolder:
    """List the annotations of a folder; no voxel is read.

    Raises:
        DataError: if there is no annotation folder, or a file in it is damaged or in the wrong place.
    """
    provenance = read_provenance(folder)
    headers: dict[str, AnnotationHeader] = {}
    for path in folder.glob("*.h5"):
        header = read_annotation_header(path)
        if path != _path(folder, header.uid) or header.name != provenance.annotation:
            raise DataError(
                f"{path}: holds '{header.name}' of case '{header.uid}'; it was renamed or copied, remove it"
            )
        headers[header.uid] = header
    return AnnotationFolder(folder, provenance, dict(sorted(headers.items())))


def _path(folder: Path, uid: str) -> Path:
    return folder / f"{encode_name(uid)}.h5"
