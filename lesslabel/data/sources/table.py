"""Cases listed in a CSV: where the files of each lie."""

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from lesslabel.data.sources.base import RawCase
from lesslabel.data.sources.nifti_case import ENDINGS, name_annotation, without_ending
from lesslabel.errors import DataError

COLUMNS = ("image", "label", "scribble", "patient", "centre", "split", "modality", "case")
"""The columns that are read, with ``label_<rater>`` for every rater; others are left aside."""

_UID = re.compile(r"\w[\w.\- ]*")


@dataclass(frozen=True)
class _Row:
    """One line of the table; every column is present, empty if not given."""

    number: int
    cells: Mapping[str, str]


def list_table(table: Path, required: Sequence[str] = ("image",)) -> list[RawCase]:
    """List the cases of a table in its order.

    Args:
        table: UTF-8, comma separated; paths in it are relative to its folder, or absolute.
        required: columns that must be there and filled in every row.

    Raises:
        DataError: if the table or a file in it is at fault; the message names the row.
    """
    cases: dict[str, tuple[int, RawCase]] = {}
    for row in _read_rows(table, required):
        case = _locate(table, row)
        if case.uid in cases:
            raise DataError(
                f"{table}, row {row.number}: case '{case.uid}' is also in row {cases[case.uid][0]}; rename one"
            )
        cases[case.uid] = row.number, case
    if not cases:
        raise DataError(f"{table}: the table has no rows; add one per case")
    return [case for _, case in cases.values()]


def _read_rows(table: Path, required: Sequence[str]) -> list[_Row]:
    """Rows with their line number in the file; the header is row 1."""
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, restkey="", strict=True)
            columns = _check_header(table, reader.fieldnames or [], required)
            rows = []
            for cells in reader:
                if "" in cells:
                    raise DataError(
                        f"{table}, row {reader.line_num}: more cells than columns; quote a cell that holds a comma"
                    )
                known = {column: (cells.get(column) or "").strip() for column in columns}
                if empty := [column for column in required if not known[column]]:
                    raise DataError(f"{table}, row {reader.line_num}: no {empty[0]}; fill in column '{empty[0]}'")
                rows.append(_Row(reader.line_num, known))
            return rows
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{table}: not a readable CSV ({error}); save it as comma separated UTF-8") from error


def _check_header(table: Path, header: Iterable[str], required: Sequence[str]) -> list[str]:
    """The columns to read: those that are known, and one for every rater."""
    columns = list(header)
    for column in required:
        if column not in columns:
            raise DataError(f"{table}, row 1: column '{column}' is missing; the columns are {', '.join(COLUMNS)}")
    raters = [column for column in columns if column.startswith("label_")]
    for column in columns:
        if column in COLUMNS or column in raters:
            continue
        if meant := get_close_matches(column.lower(), COLUMNS, n=1):
            raise DataError(f"{table}, row 1: column '{column}' is not known; rename it to '{meant[0]}' or remove it")
    return [*COLUMNS, *raters]


def _locate(table: Path, row: _Row) -> RawCase:
    where = f"{table}, row {row.number}"
    images = [table.parent / name.strip() for name in row.cells["image"].split("|") if name.strip()]
    if not images:
        raise DataError(f"{where}: no image; name a NIfTI file, or several joined by |")
    files = {"image" if index == 0 else f"image {index + 1}": path for index, path in enumerate(images)}
    for column, cell in row.cells.items():
        if not cell or not (column in ("label", "scribble") or column.startswith("label_")):
            continue
        role = "scribble" if column == "scribble" else name_annotation(column, f"{table}, row 1")
        if role in files:
            raise DataError(f"{table}, row 1: column '{column}' is '{role}', as is another; keep one")
        files[role] = table.parent / cell
    for path in files.values():
        if not path.is_file():
            raise DataError(f"{where}: {path}: no such file; paths are relative to the table's folder")
        if not path.name.endswith(ENDINGS):
            raise DataError(f"{where}: {path}: not a NIfTI file; convert it to .nii.gz")
    uid = row.cells["case"] or without_ending(images[0].name)
    if not _UID.fullmatch(uid):
        raise DataError(f"{where}: case name '{uid}' cannot name a file; use letters, digits, '_', '-' and '.'")
    return RawCase(
        uid=uid,
        patient=row.cells["patient"] or uid,
        files=files,
        group=row.cells["split"],
        centre=row.cells["centre"],
        modality=row.cells["modality"],
    )
