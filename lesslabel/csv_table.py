"""Read tables in CSV files: comma separated UTF-8, the names of the columns in the first line."""

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lesslabel.errors import DataError, LesslabelError

if TYPE_CHECKING:  # not needed to read a store
    import pandas as pd


@dataclass(frozen=True)
class CsvRow:
    """One row.

    Attributes:
        line: the number of its last line in the file; the names of the columns are in line 1.
        cells: by column, as text; absent cells of a short line have no entry.
    """

    line: int
    cells: Mapping[str, str]


@dataclass(frozen=True)
class CsvTable:
    """A table in memory.

    Attributes:
        columns: their names, as written.
        rows: in the file's order, without empty lines.
    """

    columns: tuple[str, ...]
    rows: tuple[CsvRow, ...]


def read_rows(
    path: Path,
    *,
    columns: Sequence[str] = (),
    whole: bool = False,
    what: str = "the table",
    fix: str = "save it as comma separated UTF-8",
    absent: str = "no such file; name another",
    error: Callable[[str], LesslabelError] = DataError,
) -> CsvTable:
    """Read a table as text.

    Args:
        path: the file; a byte order mark is skipped.
        columns: the required columns.
        whole: whether every line must have all its cells.
        what: names the table in errors.
        fix: the fix for a damaged file, for the message.
        absent: the message and the fix if there is no file.
        error: the class of errors.

    Raises:
        LesslabelError: an `error` if the file is absent or damaged, lacks a column, or a line has too many or too
            few cells; names file, line and column.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, strict=True)
            header = tuple(next(reader, ()))
            rows = [(reader.line_num, cells) for cells in reader if cells]
    except FileNotFoundError as cause:
        raise error(f"{path}: {absent}") from cause
    except (OSError, UnicodeDecodeError, csv.Error) as cause:
        raise error(f"{path}: {what} cannot be read ({' '.join(str(cause).split())}); {fix}") from cause
    if missing := [column for column in columns if column not in header]:
        raise error(f"{path}, line 1: column {', '.join(missing)} is missing; expected {', '.join(columns)}")
    for line, cells in rows:
        if len(cells) > len(header):
            raise error(f"{path}, line {line}: more cells than columns; quote a cell that holds a comma")
        if whole and len(cells) < len(header):
            raise error(f"{path}, line {line}: cut short after column {header[len(cells) - 1]}; {fix}")
    return CsvTable(header, tuple(CsvRow(line, dict(zip(header, cells, strict=False))) for line, cells in rows))


def read_csv(
    path: Path,
    columns: Sequence[str] = (),
    numbers: Sequence[str] = (),
    *,
    fix: str = "restore it",
    error: Callable[[str], LesslabelError] = DataError,
) -> "pd.DataFrame":
    """Read a table as a frame of text, except the named columns of numbers, where an empty cell is NaN.

    Args:
        path: the file.
        columns: the required columns.
        numbers: columns of numbers, if they exist.
        fix: the fix for a damaged file, for the message.
        error: the class of errors.

    Raises:
        LesslabelError: an `error`, as of `read_rows`, or if a cell is no number.
    """
    import pandas as pd

    absent = f"no such file; make it with the columns {', '.join(columns)}" if columns else f"no such file; {fix}"
    table = read_rows(path, columns=columns, fix=fix, absent=absent, error=error)
    if not table.columns:
        raise error(f"{path}: the table cannot be read (no line in it); {fix}")
    content: dict[str, Sequence[str | float]] = {}
    for column in table.columns:
        if column in numbers:
            content[column] = [_number(path, row, column, error) for row in table.rows]
        else:
            content[column] = [row.cells.get(column, "") for row in table.rows]
    frame = pd.DataFrame(content, columns=list(table.columns))
    return frame.astype({column: float if column in numbers else str for column in frame.columns})


def _number(path: Path, row: CsvRow, column: str, error: Callable[[str], LesslabelError]) -> float:
    cell = row.cells.get(column, "")
    try:
        return float(cell or "nan")
    except ValueError as cause:
        raise error(f"{path}, line {row.line}, column {column}: '{cell[:40]}' is no number; correct it") from cause
