"""The prepared store: one HDF5 file per case, a table of cases and a fingerprint."""

import warnings
from collections.abc import Collection, Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

from lesslabel.data.case import Annotation, Case, Subvolume
from lesslabel.data.geometry import possible_axis_codes
from lesslabel.data.store.additions import add_annotations
from lesslabel.data.store.case_file import (
    read_affine,
    read_annotation_of,
    read_case,
    read_covered_slices,
    read_subvolume,
)
from lesslabel.data.store.records import FINGERPRINT, TABLE, UPDATE, CaseRecord, case_path, read_fingerprint, read_table
from lesslabel.data.store.update import finish_update
from lesslabel.errors import DataError


class Store:
    """A prepared data set on disk.

    A killed addition of annotations is finished first, so an opened store is always complete.

    Args:
        path: the folder of `lesslabel prepare`.

    Raises:
        DataError: if the folder is no store, or was written by a newer format.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        if (self.path / UPDATE).is_dir():
            finish_update(self.path)
        if not (self.path / FINGERPRINT).is_file():
            raise DataError(
                f"{self.path}: no prepared store here; make one with `lesslabel prepare SOURCE RAW {self.path}`"
            )
        self.fingerprint: dict[str, Any] = read_fingerprint(self.path / FINGERPRINT)

    @property
    def source(self) -> str:
        """Name of the source the store was prepared from."""
        return str(self.fingerprint["source"])

    @property
    def data_hash(self) -> str:
        """Hash over the content of all cases: two stores with equal voxels have equal hashes."""
        return str(self.fingerprint["data_hash"])

    @cached_property
    def labels(self) -> dict[int, str]:
        """Label codes and names, without background."""
        return {int(code): str(name) for code, name in self.fingerprint["labels"].items()}

    @cached_property
    def channels(self) -> tuple[str, ...]:
        """Names of the image channels."""
        return tuple(self.fingerprint["channels"])

    @cached_property
    def records(self) -> dict[str, CaseRecord]:
        """Rows of the table of cases by uid, in the order of the table.

        Raises:
            DataError: if the table is absent or damaged.
        """
        return {record.uid: record for record in self.list_records()}

    def list_records(self) -> list[CaseRecord]:
        """Read the table of cases."""
        return read_table(self.path / TABLE)

    def case_path(self, uid: str) -> Path:
        """Path of a case file."""
        return case_path(self.path, uid)

    def read(self, uid: str) -> Case:
        """Read one case.

        Raises:
            DataError: if the store has no such case, or its file is damaged.
        """
        return read_case(self._known_path(uid))

    def read_subvolume(self, uid: str, subvolume: Subvolume, annotations: Collection[str]) -> Case:
        """Read a region of one case with some of its annotations; see `lesslabel.data.store.case_file.read_subvolume`.

        Raises:
            DataError: as `read`, or if the case has no such annotation.
        """
        return read_subvolume(self._known_path(uid), subvolume, annotations)

    def read_box(self, uid: str, box: Subvolume, annotations: Collection[str]) -> Case:
        """The old name of `read_subvolume`."""
        warnings.warn("Store.read_box is now read_subvolume; the old name will go", FutureWarning, stacklevel=2)
        return self.read_subvolume(uid, box, annotations)

    def _known_path(self, uid: str) -> Path:
        if uid not in self.records:
            raise DataError(f"{self.path / TABLE}: no case '{uid}'")
        return self.case_path(uid)

    def axis_codes(self, uid: str) -> tuple[str, ...]:
        """Which way the axes (z, y, x) of a case run, see `possible_axis_codes`; no voxel is read.

        Raises:
            DataError: if the store has no such case, or its file cannot be read.
        """
        return possible_axis_codes(read_affine(self._known_path(uid)))

    def covered_slices(self, uid: str, annotation: str) -> tuple[int, ...] | None:
        """The slices that an annotation of a case covers, without reading voxels; None means all.

        Raises:
            DataError: if the file or the annotation cannot be read.
        """
        return read_covered_slices(self.case_path(uid), annotation)

    def read_annotation(self, uid: str, annotation: str) -> Annotation:
        """One annotation of a case, without reading the image.

        Raises:
            DataError: if the file or the annotation cannot be read.
        """
        return read_annotation_of(self._known_path(uid), annotation)

    def add_annotation(self, uid: str, name: str, annotation: Annotation, *, replace: bool = False) -> None:
        """Add an annotation to one case; see `add_annotations`."""
        self.add_annotations(name, [(uid, annotation)], replace=replace)

    def add_annotations(
        self, name: str, annotations: Iterable[tuple[str, Annotation]], *, replace: bool = False
    ) -> None:
        """Add an annotation of one name to several cases: to all of them or, after any error, to none.

        Case files, table and fingerprint change together. If the process is killed, the store is in its old or in its
        new state as soon as it is opened again. Do not add annotations while runs train on the store.

        Args:
            name: of the annotation.
            annotations: uid and annotation of each case; read one at a time, so they need not fit into memory.
            replace: if a case has an annotation of that name, keep it as ``<name>@1``, ``@2`` … and add the new one;
                otherwise such a case is an error.

        Raises:
            DataError: if another process is adding, a case is unknown, differs from the table or has such an
                annotation already, or an annotation does not fit its case or the store's labels.
        """
        add_annotations(self.path, name, annotations, replace=replace)
        self.fingerprint = read_fingerprint(self.path / FINGERPRINT)
        self.__dict__.pop("records", None)
