"""The prepared store: HDF5 per case, one readable table of cases, one fingerprint."""

from collections.abc import Collection, Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

from lesslabel.data.case import Annotation, Box, Case
from lesslabel.data.geometry import axis_codes
from lesslabel.data.store.additions import add_annotations
from lesslabel.data.store.case_file import read_affine, read_box, read_case, read_covered_slices
from lesslabel.data.store.records import FINGERPRINT, TABLE, UPDATE, CaseRecord, case_path, read_fingerprint, read_table
from lesslabel.data.store.update import finish_update
from lesslabel.errors import DataError


class Store:
    """A prepared data set on disk.

    An addition of annotations that was killed midway is finished first, so that what is opened is always whole.

    Args:
        path: the folder that `lesslabel prepare` made.

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
        """Label codes and names, background left out."""
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
        """Where a case lies."""
        return case_path(self.path, uid)

    def read(self, uid: str) -> Case:
        """Read one case.

        Raises:
            DataError: if the store has no such case, or its file is damaged.
        """
        return read_case(self._known_path(uid))

    def read_box(self, uid: str, box: Box, annotations: Collection[str]) -> Case:
        """Read a part of one case with some of its annotations; see `lesslabel.data.store.case_file.read_box`.

        Raises:
            DataError: as `read`, or if the case has no such annotation.
        """
        return read_box(self._known_path(uid), box, annotations)

    def _known_path(self, uid: str) -> Path:
        if uid not in self.records:
            raise DataError(f"{self.path / TABLE}: no case '{uid}'")
        return self.case_path(uid)

    def axis_codes(self, uid: str) -> str:
        """Which way the axes (z, y, x) of a case run, see `lesslabel.data.geometry`; no voxel is read.

        Raises:
            DataError: if the store has no such case, or its file cannot be read.
        """
        return axis_codes(read_affine(self._known_path(uid)))

    def covered_slices(self, uid: str, annotation: str) -> tuple[int, ...] | None:
        """The slices that an annotation of a case speaks of, without reading a voxel; None means all.

        Raises:
            DataError: if the file or the annotation cannot be read.
        """
        return read_covered_slices(self.case_path(uid), annotation)

    def add_annotation(self, uid: str, name: str, annotation: Annotation, *, replace: bool = False) -> None:
        """Add an annotation to one case; see `add_annotations`."""
        self.add_annotations(name, [(uid, annotation)], replace=replace)

    def add_annotations(
        self, name: str, annotations: Iterable[tuple[str, Annotation]], *, replace: bool = False
    ) -> None:
        """Add an annotation of one name to several cases: to all of them or, whatever happens, to none.

        Case files, table and fingerprint change together. A process that is killed meanwhile leaves the store as it was
        or as it was to be, as soon as it is opened again. Runs that are training should end first.

        Args:
            name: of the annotation.
            annotations: uid and annotation of each case; taken one at a time, so that they need not fit into memory.
            replace: where a case has an annotation of that name, keep it under ``<name>@1``, ``@2`` … and take the new
                one; otherwise such a case is refused.

        Raises:
            DataError: if another process is adding, a case is unknown, not what the table says or has such an
                annotation already, or an annotation does not fit its case or the store's labels.
        """
        add_annotations(self.path, name, annotations, replace=replace)
        self.fingerprint = read_fingerprint(self.path / FINGERPRINT)
        self.__dict__.pop("records", None)
