"""A queue: which slices, cases or patches to annotate next, in which order and why; format: `docs/formats.md`."""

import csv
import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from lesslabel.csv_table import read_rows
from lesslabel.data.case import Box
from lesslabel.data.store import CaseRecord, Store
from lesslabel.errors import DataError
from lesslabel.files import write_json, written_aside

WHOLE_CASE = -1
"""The value of `slice` for a whole case."""
PATCH = -2
"""The value of `slice` for a patch, which has its own column."""
UnitName = Literal["slice", "case", "patch"]
"""What a queue asks for."""

_FORMAT = 1
_PATCH_COLUMN = "patch"


@dataclass(frozen=True)
class QueueRow:
    """One annotation unit: a slice, a case or a patch to annotate.

    Attributes:
        uid: the case.
        slice: z index, counted from 0, or `WHOLE_CASE`, or `PATCH`.
        image: name of the image file in the folder of the queue; empty if none was written.
        prelabel: name of a label map to start from in the same folder; empty if none was written.
        rank: position in the order of the strategy.
        score: the score that the strategy sorted by; NaN if it has none.
        strategy: name of the strategy that chose it.
        reason: the reason, in one line.
        round: number of the round of selection and annotation.
        model_sha256: of the weights whose features or probabilities were used; empty if none were.
        seed: random seed of the strategy.
        patch: the part of the case; None for a slice or a case.
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
    patch: Box | None = None

    @property
    def unit(self) -> UnitName:
        """What it asks for."""
        if self.slice == PATCH:
            return "patch"
        return "case" if self.slice == WHOLE_CASE else "slice"

    @property
    def key(self) -> tuple[str, int, Box | None]:
        """The unit without rank and reason: case, slice and patch."""
        return self.uid, int(self.slice), self.patch


_HOW: Mapping[UnitName, str] = {"case": "whole", "slice": "by slice", "patch": "by patch"}
_TYPES: Mapping[str, Callable[[Any], Any]] = {
    field.name: field.type for field in fields(QueueRow) if isinstance(field.type, type)
}


@dataclass(frozen=True)
class Queue:
    """Annotation units; no unit occurs twice, and all units of a case are slices, patches, or the case.

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
        """The z indices of each queued case in order, those of patches too; None is the whole case. Sorted by case."""
        queued: dict[str, set[int]] = {}
        for row in self.rows:
            queued.setdefault(row.uid, set()).update((int(row.slice),) if row.patch is None else row.patch.slices)
        return {uid: None if queued[uid] == {WHOLE_CASE} else tuple(sorted(queued[uid])) for uid in sorted(queued)}

    @cached_property
    def patches(self) -> dict[str, tuple[Box, ...]]:
        """The queued patches of each case that is queued by patch, sorted."""
        queued: dict[str, list[Box]] = {}
        for row in self.rows:
            if row.patch is not None:
                queued.setdefault(row.uid, []).append(row.patch)
        return {uid: tuple(sorted(queued[uid])) for uid in sorted(queued)}

    @cached_property
    def sha256(self) -> str:
        """Hash of the units; it does not depend on their order and reasons."""
        units = sorted((uid, index, *_numbers(patch)) for uid, index, patch in (row.key for row in self.rows))
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
    rows = [_cells(row) for row in queue.rows]
    # JSON has neither NaN nor infinity
    plain = [row | {"score": row["score"] if math.isfinite(row["score"]) else None} for row in rows]
    write_json(
        path.with_suffix(".json"),
        {"format": _FORMAT, "sha256": queue.sha256, "cases": len(queue.slices), "units": len(rows), "rows": plain},
    )
    with written_aside(path) as aside, aside.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [*_TYPES, *([_PATCH_COLUMN] if queue.patches else [])])
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
    return QueueRow(**values, patch=_parse_patch(where, cells.get(_PATCH_COLUMN, "")))


def _parse_patch(where: str, text: str) -> Box | None:
    try:
        return Box.parse(text) if text else None
    except ValueError as error:
        raise DataError(
            f"{where}: {_PATCH_COLUMN} is '{text}', not the corner z y x and the size z y x in six whole numbers; "
            "correct it"
        ) from error


def _cells(row: QueueRow) -> dict[str, Any]:
    cells = {name: of_type(getattr(row, name)) for name, of_type in _TYPES.items()}
    return cells if row.patch is None else cells | {_PATCH_COLUMN: str(row.patch)}


def _numbers(patch: Box | None) -> tuple[int, ...]:
    return () if patch is None else (*patch.corner, *patch.size)


def _faults(rows: Sequence[QueueRow]) -> Iterator[tuple[int, str]]:
    """Contradictions, with the index of the row."""
    first_of: dict[tuple[str, int, Box | None], int] = {}
    unit_of: dict[str, UnitName] = {}
    for index, row in enumerate(rows):
        if not row.uid:
            yield index, "no uid; name a case"
        if row.patch is not None and row.slice != PATCH:
            yield index, f"patch {row.patch} of case '{row.uid}' with slice {row.slice}; write slice {PATCH}"
        elif row.patch is None and row.slice < WHOLE_CASE:
            yield (
                index,
                f"slice {row.slice} of case '{row.uid}'; count from 0, or write {WHOLE_CASE} for the whole case",
            )
        for name in (row.image, row.prelabel):
            if name in (".", "..") or "/" in name or "\\" in name:
                yield index, f"'{name}' is no plain file name; keep the files in the queue's own folder"
        if first_of.setdefault(row.key, index) != index:
            what = f"slice {row.slice}" if row.patch is None else f"patch {row.patch}"
            yield index, f"case '{row.uid}', {what} is queued already; remove the second row"
        if (first := unit_of.setdefault(row.uid, row.unit)) != row.unit:
            both = " and ".join(how for unit, how in _HOW.items() if unit in (first, row.unit))
            yield index, f"case '{row.uid}' is queued {both}; keep one of the two"


def _unknown(rows: Sequence[QueueRow], records: Mapping[str, CaseRecord]) -> Iterator[tuple[int, str]]:
    """Units that a store does not have, with the index of the row."""
    for index, row in enumerate(rows):
        if row.uid not in records:
            yield index, f"the store has no case '{row.uid}'; use the store that the queue was made from"
        elif row.patch is not None and not row.patch.fits(records[row.uid].shape):
            shape = "×".join(map(str, records[row.uid].shape))
            yield index, f"case '{row.uid}' has {shape} voxels (z, y, x), patch {row.patch} reaches beyond; correct it"
        elif row.slice >= records[row.uid].depth:
            last = records[row.uid].depth - 1
            yield index, f"case '{row.uid}' has slices 0 to {last}, not {row.slice}; count from 0"
