"""A store with the annotation folders of a view; the store on disk does not change."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from lesslabel.data.case import IGNORE, Annotation, Case, Subvolume
from lesslabel.data.store.annotation_folder import AnnotationFolder, open_annotations
from lesslabel.data.store.records import CaseRecord
from lesslabel.data.store.store import Store
from lesslabel.errors import DataError


class OverlaidStore(Store):
    """A store whose cases have in addition the annotations of some folders.

    A folder need not have an annotation for every case. `data_hash` is that of the store alone.

    Args:
        path: the store.
        folders: annotation folders; their order does not matter.

    Raises:
        DataError: if a folder names a case that the store does not have, an annotation is of another shape than its
            case, or a case would have two annotations of one name.
    """

    def __init__(self, path: Path | str, folders: Sequence[Path | str]) -> None:
        super().__init__(path)
        self.overlays = [open_annotations(Path(folder)) for folder in folders]

    def list_records(self) -> list[CaseRecord]:
        """Rows of the table of cases, with the names of the added annotations."""
        records = {record.uid: record for record in super().list_records()}
        for overlay in self.overlays:
            for uid in overlay.headers:
                records[uid] = _join(records, overlay, uid)
        return list(records.values())

    def read(self, uid: str) -> Case:
        """Read one case with the added annotations."""
        case = super().read(uid)
        laid_over: dict[str, Annotation] = {
            overlay.provenance.annotation: self._read_overlay(overlay, uid)
            for overlay in self.overlays
            if uid in overlay.headers
        }
        return replace(case, annotations={**case.annotations, **laid_over})

    def read_subvolume(self, uid: str, subvolume: Subvolume, annotations: Collection[str]) -> Case:
        """Read a region of one case; added annotations are read whole, to check their hash."""
        over = {overlay.provenance.annotation: overlay for overlay in self.overlays if uid in overlay.headers}
        case = super().read_subvolume(uid, subvolume, [name for name in annotations if name not in over])
        laid_over = {name: self._read_overlay(over[name], uid).crop(subvolume) for name in annotations if name in over}
        return replace(case, annotations={**case.annotations, **laid_over})

    def _read_overlay(self, overlay: AnnotationFolder, uid: str) -> Annotation:
        annotation = overlay.read(uid)
        there = set(np.flatnonzero(np.bincount(annotation.labels.reshape(-1), minlength=IGNORE + 1)).tolist())
        if strange := sorted(there - {0, IGNORE, *self.labels}):
            raise DataError(
                f"{overlay.path}: '{overlay.provenance.annotation}' of case '{uid}' has label value {strange[0]}; the "
                f"store knows {', '.join(map(str, self.labels))}; write it again in these codes"
            )
        return annotation

    def covered_slices(self, uid: str, annotation: str) -> tuple[int, ...] | None:
        """The slices that an annotation of a case covers; None means all."""
        for overlay in self.overlays:
            if uid in overlay.headers and overlay.provenance.annotation == annotation:
                return overlay.headers[uid].covered_slices
        return super().covered_slices(uid, annotation)


def _join(records: dict[str, CaseRecord], overlay: AnnotationFolder, uid: str) -> CaseRecord:
    name, shape = overlay.provenance.annotation, overlay.headers[uid].shape
    if uid not in records:
        raise DataError(f"{overlay.path}: annotates case '{uid}', which the store does not have; use its own store")
    record = records[uid]
    if name in record.annotation_names:
        raise DataError(
            f"{overlay.path}: case '{uid}' has an annotation '{name}' already; give the folder's another name"
        )
    native = (record.depth, record.height, record.width)
    if shape != native:
        raise DataError(
            f"{overlay.path}: '{name}' of case '{uid}' has shape {shape}, the case {native}; write it again"
        )
    return replace(record, annotations="|".join(sorted((*record.annotation_names, name))))
