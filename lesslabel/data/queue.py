"""A queue: which slices or cases to annotate next, in which order and why; format: `docs/formats.md`."""

import csv
import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

from lesslabel.csv_table import read_rows
from lesslabel.data.store import CaseRecord, Store
from lesslabel.errors import DataError
from lesslabel.files import write_json, written_aside

WHOLE_CASE = -1
"""The value of `slice` for a whole case."""

_FORMAT = 1


@dataclass(frozen=True)
class QueueRow:
    """One annotation unit: a slice or a case to annotate.

    Attributes:
        uid: the case.
        slice: z index, counted from 0, or `WHOLE_CASE`.
        image: name of the image file in the folder of the queue; empty if none was written.
        prelabel: name of a label map to start from in the same folder; empty if none was written.
        rank: position in the order of the strategy.
        score: the score that the strategy sorted by; NaN if it has none.
        strategy: name of the strategy that chose it.
        reason: the reason, in one line.
        round: number of the round of selection and annotation.
        model_sha256: of the weights whose features or probabilities were used; empty if none were.
        seed: random seed of the strategy.
    """

    uid: str
    slice: int = WHOLE_CASE
    image: str = ""
    prelabel: str = ""
    rank: int = 0
    score: float = math.nan
    strategy: str = ""
    reason: str = ""
    round: int = 0
    model_sha256: str = ""
    seed: int = 0


_TYPES: Mapping[str, Callable[[Any], Any]] = {
    field.name: field.type for field in fields(QueueRow) if isinstance(field.type, type)
}


@dataclass(frozen=True)
class Queue:
    """Annotation units; no unit occurs twice, and no case occurs both whole and by slice.

    Attributes:
        rows: one for each unit, in the order in which they should be annotated.

    Raises:
        DataError: if rows contradict each other or a file name leads out of the folder of the queue.
    """

    rows: tuple[QueueRow, ...]

    def __post_init__(self) -> None:
        for index, fault in _faults(self.rows):
            raise DataError(f"queue, row {index + 1}: {fault}")

    @cached_property
    def slices(self) -> dict[str, tuple[int, ...] | None]:
        """The queued z indices of each queued case in order; None is the whole case. Sorted by case."""
        queued: dict[str, list[int]] = {}
        for row in self.rows:
            queued.setdefault(row.uid, []).append(int(row.slice))
        return {uid: None if queued[uid] == [WHOLE_CASE] else tuple(sorted(queued[uid])) for uid in sorted(queued)}

    @cached_property
    def sha256(self) -> str:
        """Hash of the units; it does not depend on their order and reasons."""
        units = sorted((row.uid, int(row.slice)) for row in self.rows)
        return hashlib.sha256(json.dumps(units).encode()).hexdigest()

    def require_known(self, records: Mapping[str, CaseRecord]) -> None:
        """Raise an error for units that a store does not have.

        Args:
            records: rows of the store's table of cases by uid.

        Raises:
            DataError: names the unit.
        """
        for index, fault in _unknown(self.rows, records):
            raise DataError(f"queue, row {index + 1}: {fault}")


def read_queue(path: Path, store: Store | None = None) -> Queue:
    """Read `queue.csv`; unknown columns are ignored.

    Args:
        path: the CSV file.
        store: also check that the units are in this store.

    Raises:
        DataError: if the file is absent or no CSV, columns are missing, a cell does not parse, rows contradict one
            another or the store does not have a unit; names the line.
    """
    lines, rows = [], []
    absent = "no such queue; name the queue.csv of a selection"
    for row in read_rows(path, columns=tuple(_TYPES), whole=True, absent=absent).rows:
        lines.append(row.line)
        rows.append(_parse_row(f"{path}, line {row.line}", row.cells))
    faults = [*_faults(rows), *(() if store is None else _unknown(rows, store.records))]
    for index, fault in faults:
        raise DataError(f"{path}, line {lines[index]}: {fault}")
    return Queue(tuple(rows))


def write_queue(path: Path, queue: Queue) -> None:
    """Write `queue.csv` and the same content as JSON beside it, each atomically.

    Raises:
        DataError: if the path has another ending, or cannot be written.
    """
    if path.suffix != ".csv":
        raise DataError(f"{path}: a queue is a CSV file; name it {path.stem or 'queue'}.csv")
    # as Python numbers, since ranks and scores come from arrays
    rows = [{name: of_type(getattr(row, name)) for name, of_type in _TYPES.items()} for row in queue.rows]
    # JSON has neither NaN nor infinity
    plain = [row | {"score": row["score"] if math.isfinite(row["score"]) else None} for row in rows]
    write_json(
        path.with_suffix(".json"),
        {"format": _FORMAT, "sha256": queue.sha256, "cases": len(queue.slices), "units": len(rows), "rows": plain},
    )
    with written_aside(path) as aside, aside.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(_TYPES))
        writer.writeheader()
        writer.writerows(rows)


def _parse_row(where: str, cells: Mapping[str, str]) -> QueueRow:
    values = {}
    for name, of_type in _TYPES.items():
        try:
            values[name] = of_type(cells[name])
        except ValueError as error:
            what = "a whole number" if of_type is int else "a number"
            raise DataError(f"{where}: {name} is '{cells[name]}', not {what}; correct it") from error
    return QueueRow(**values)


def _faults(rows: Sequence[QueueRow]) -> Iterator[tuple[int, str]]:
    """Contradictions, with the index of the row."""
    first_of: dict[tuple[str, int], int] = {}
    whole_of: dict[str, bool] = {}
    for index, row in enumerate(rows):
        if not row.uid:
            yield index, "no uid; name a case"
        if row.slice < WHOLE_CASE:
            yield (
                index,
                f"slice {row.slice} of case '{row.uid}'; count from 0, or write {WHOLE_CASE} for the whole case",
            )
        for name in (row.image, row.prelabel):
            if name in (".", "..") or "/" in name or "\\" in name:
                yield index, f"'{name}' is no plain file name; keep the files in the queue's own folder"
        if first_of.setdefault((row.uid, row.slice), index) != index:
            yield index, f"case '{row.uid}', slice {row.slice} is queued already; remove the second row"
        if whole_of.setdefault(row.uid, row.slice == WHOLE_CASE) != (row.slice == WHOLE_CASE):
            yield index, f"case '{row.uid}' is queued whole and by slice; keep one of the two"


def _unknown(rows: Sequence[QueueRow], records: Mapping[str, CaseRecord]) -> Iterator[tuple[int, str]]:
    """Units that a store does not have, with the index of the row."""
    for index, row in enumerate(rows):
        if row.uid not in records:
            yield index, f"the store has no case '{row.uid}'; use the store that the queue was made from"
        elif row.slice >= records[row.uid].depth:
            last = records[row.uid].depth - 1
            yield index, f"case '{row.uid}' has slices 0 to {last}, not {row.slice}; count from 0"
