"""The prepared store: HDF5 per case, one readable table of cases, one fingerprint."""

import csv
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

from lesslabel.data.case import Annotation, Box, Case
from lesslabel.data.case_file import read_box, read_case, read_covered_slices
from lesslabel.data.case_layout import encode_name
from lesslabel.errors import DataError
from lesslabel.files import read_json, write_json, written_aside

FORMAT = 1
_CODE = re.compile("[0-9]{1,3}")
TABLE = "cases.csv"
FINGERPRINT = "fingerprint.json"
UPDATE = "update"
"""Folder of files that are decided and on their way into the store; it is there only while, or if killed when, that
happens."""


@dataclass(frozen=True)
class CaseRecord:
    """One row of the table of cases: everything but the voxels."""

    uid: str
    patient: str
    centre: str
    group: str
    modality: str
    channels: int
    depth: int
    height: int
    width: int
    spacing_z_mm: float
    spacing_y_mm: float
    spacing_x_mm: float
    annotations: str
    sha256: str

    @property
    def annotation_names(self) -> tuple[str, ...]:
        """Names of the annotations that the case has."""
        return tuple(name for name in self.annotations.split("|") if name)

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Voxel size in mm, (z, y, x)."""
        return self.spacing_z_mm, self.spacing_y_mm, self.spacing_x_mm

    @classmethod
    def of(cls, case: Case, sha256: str) -> "CaseRecord":
        """The row that describes a case."""
        depth, height, width = case.shape
        spacing_z_mm, spacing_y_mm, spacing_x_mm = (round(float(side), 6) for side in case.spacing_mm)
        return cls(
            uid=case.uid,
            patient=case.patient,
            centre=case.centre,
            group=case.group,
            modality=case.modality,
            channels=case.image.shape[0],
            depth=depth,
            height=height,
            width=width,
            spacing_z_mm=spacing_z_mm,
            spacing_y_mm=spacing_y_mm,
            spacing_x_mm=spacing_x_mm,
            annotations="|".join(sorted(case.annotations)),
            sha256=sha256,
        )


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
            from lesslabel.data.additions import finish_addition  # it needs this module

            finish_addition(self.path)
        if not (self.path / FINGERPRINT).is_file():
            raise DataError(
                f"{self.path}: no prepared store here; make one with `lesslabel prepare SOURCE RAW {self.path}`"
            )
        self.fingerprint: dict[str, Any] = _read_fingerprint(self.path / FINGERPRINT)

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
        """Read a part of one case with some of its annotations; see `lesslabel.data.case_file.read_box`.

        Raises:
            DataError: as `read`, or if the case has no such annotation.
        """
        return read_box(self._known_path(uid), box, annotations)

    def _known_path(self, uid: str) -> Path:
        if uid not in self.records:
            raise DataError(f"{self.path / TABLE}: no case '{uid}'")
        return self.case_path(uid)

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
        from lesslabel.data.additions import add_annotations  # it needs this module

        add_annotations(self.path, name, annotations, replace=replace)
        self.fingerprint = _read_fingerprint(self.path / FINGERPRINT)
        self.__dict__.pop("records", None)


def case_path(store: Path, uid: str) -> Path:
    """Where a store keeps a case; a uid never leads out of the store."""
    return store / "cases" / f"{encode_name(uid)}.h5"


def read_table(path: Path) -> list[CaseRecord]:
    """Read `cases.csv`.

    Raises:
        DataError: if it is absent, a row does not parse or two rows name one case; names the line.
    """
    types: Mapping[str, type] = {field.name: field.type for field in fields(CaseRecord) if isinstance(field.type, type)}
    records: dict[str, CaseRecord] = {}
    for line, row in enumerate(_read_rows(path), start=2):
        try:
            record = CaseRecord(**{name: _parse(of_type, row[name]) for name, of_type in types.items()})
        except (KeyError, ValueError) as error:
            raise DataError(f"{path}: line {line} is not a row of the table of cases ({error!r})") from error
        if record.uid in records:
            raise DataError(f"{path}: line {line} names case '{record.uid}' again; prepare the store again")
        records[record.uid] = record
    return list(records.values())


def write_table(path: Path, records: Sequence[CaseRecord]) -> None:
    """Write `cases.csv` in one step."""
    with written_aside(path) as aside, aside.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(CaseRecord)])
        writer.writeheader()
        writer.writerows(asdict(record) for record in records)


def write_fingerprint(path: Path, fingerprint: Mapping[str, Any]) -> None:
    """Write `fingerprint.json` in one step."""
    write_json(path, fingerprint)


def _read_rows(path: Path) -> list[dict[str, str | None]]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: the table of cases cannot be read ({error}); prepare the store again") from error


def _parse(of_type: type, text: str | None) -> Any:
    if text is None:
        raise ValueError("the line is cut short")
    return of_type(text)


def _read_fingerprint(path: Path) -> dict[str, Any]:
    content = read_json(path, "the fingerprint of a store")
    found = content.get("format") if isinstance(content, dict) else None
    if found != FORMAT:
        raise DataError(f"{path}: format {found}, this version reads {FORMAT}; prepare the store again")
    types = {"source": str, "labels": dict, "channels": list, "data_hash": str}
    damaged = [key for key, of_type in types.items() if not isinstance(content.get(key), of_type)]
    if not damaged and not all(_CODE.fullmatch(code) for code in content["labels"]):
        damaged = ["labels"]
    if damaged:
        raise DataError(f"{path}: {', '.join(damaged)} missing or damaged; prepare the store again")
    return dict(content)
