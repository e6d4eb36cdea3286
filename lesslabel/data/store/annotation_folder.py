"""Annotations outside a store, such as pseudo-labels: one folder holds one annotation with one provenance."""

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
    """How the annotations of a folder were made.

    Attributes:
        annotation: the name that views use (``"pseudo/stage1"``); no case of the store may have an annotation of this
            name.
        stage: the stage that made them.
        model_sha256: of the weights that predicted them; empty without a model.
        queue_sha256: `lesslabel.data.queue.Queue.sha256` of the queue that the model was trained on; empty without a
            queue.
        thresholds: the thresholds between kept and unknown voxels, by name.
        time: when, ISO 8601, or empty.
    """

    annotation: str
    stage: str = ""
    model_sha256: str = ""
    queue_sha256: str = ""
    thresholds: Mapping[str, float] = field(default_factory=dict)
    time: str = ""


def write_annotation(folder: Path, uid: str, annotation: Annotation, provenance: Provenance) -> None:
    """Write the annotation of one case into a folder; create the folder if needed and replace an existing file.

    Write a whole set inside `lesslabel.files.written_aside`, so that no incomplete folder remains.

    Args:
        folder: the annotation folder.
        uid: the case of the store.
        annotation: its labels are codes of the store.
        provenance: the same for every case of the folder; the time of the first case is kept.

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
        DataError: if the folder has none for the case, or its file is damaged or was changed.
    """
    return read_annotation_file(_path(folder, uid))


def read_provenance(folder: Path) -> Provenance:
    """Read how the annotations of a folder were made.

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
    """An annotation folder at the time when it was opened.

    Attributes:
        path: the folder.
        provenance: how its annotations were made.
        headers: header of each annotation, sorted by uid.
    """

    path: Path
    provenance: Provenance
    headers: Mapping[str, AnnotationHeader]

    @cached_property
    def sha256(self) -> str:
        """Hash over the content of all annotations, without the time and place of their making."""
        lines = [f"{uid} {header.name} {header.sha256}" for uid, header in self.headers.items()]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def read(self, uid: str) -> Annotation:
        """Read an annotation.

        Raises:
            DataError: if it was removed, damaged or changed since the folder was opened.
        """
        annotation = read_annotation(self.path, uid)
        if read_annotation_header(_path(self.path, uid)) != self.headers[uid]:
            raise DataError(f"{_path(self.path, uid)}: changed while it was in use; start again")
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
