"""The files of a prepared store other than its cases: the table of cases and the fingerprint."""

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from lesslabel.csv_table import read_rows
from lesslabel.data.case import Case
from lesslabel.data.store.case_layout import encode_name
from lesslabel.errors import DataError
from lesslabel.files import read_json, write_json, written_aside

FORMAT = 1
_FIX = "prepare the store again"
_CODE = re.compile("[0-9]{1,3}")
TABLE = "cases.csv"
FINGERPRINT = "fingerprint.json"
UPDATE = "update"
"""Folder of the files of a decided update; it exists only during the update, or after a killed one."""


@dataclass(frozen=True)
class CaseRecord:
    """One row of the table of cases: everything except the voxels."""

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
    def shape(self) -> tuple[int, int, int]:
        """The grid (z, y, x) in voxels."""
        return self.depth, self.height, self.width

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


def case_path(store: Path, uid: str) -> Path:
    """Path of a case in a store; no uid leads out of the store."""
    return store / "cases" / f"{encode_name(uid)}.h5"


def read_table(path: Path) -> list[CaseRecord]:
    """Read `cases.csv`.

    Raises:
        DataError: if it is absent, a row does not parse or two rows name one case; names the line.
    """
    types: Mapping[str, type] = {field.name: field.type for field in fields(CaseRecord) if isinstance(field.type, type)}
    records: dict[str, CaseRecord] = {}
    table = read_rows(
        path,
        what="the table of cases",
        fix=_FIX,
        absent=f"the table of cases cannot be read (no such file); {_FIX}",
        whole=True,
    )
    for row in table.rows:
        line = row.line
        try:
            record = CaseRecord(**{name: of_type(row.cells[name]) for name, of_type in types.items()})
        except (KeyError, ValueError) as error:
            raise DataError(f"{path}: line {line} is not a row of the table of cases ({error!r})") from error
        if record.uid in records:
            raise DataError(f"{path}: line {line} names case '{record.uid}' again; prepare the store again")
        records[record.uid] = record
    return list(records.values())


def write_table(path: Path, records: Sequence[CaseRecord]) -> None:
    """Write `cases.csv` atomically."""
    with written_aside(path) as aside, aside.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(CaseRecord)])
        writer.writeheader()
        writer.writerows(asdict(record) for record in records)


def write_fingerprint(path: Path, fingerprint: Mapping[str, Any]) -> None:
    """Write `fingerprint.json` atomically."""
    write_json(path, fingerprint)


def read_fingerprint(path: Path) -> dict[str, Any]:
    """Read `fingerprint.json`.

    Raises:
        DataError: if it is absent, damaged or of a newer format.
    """
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
