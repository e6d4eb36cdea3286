"""Which cases of a store without labels not to trust, from the file of `lesslabel expect`."""

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from lesslabel.csv_table import read_csv
from lesslabel.reports.runs.words import number

_COLUMNS = ("case", "expected_dice", "low", "high", "trust", "doubts")
_SHOWN = 30


@dataclass(frozen=True)
class TrustRow:
    """One case, its numbers in words.

    Attributes:
        case: its uid.
        trusted: whether there is no doubt.
        expected: the Dice to expect, with its interval.
        real: the Dice, where the file has it; empty elsewhere.
        doubts: why not to trust it; empty if trusted.
    """

    case: str
    trusted: bool
    expected: str
    real: str
    doubts: str


@dataclass(frozen=True)
class Trust:
    """What a page says of the expected Dice.

    Attributes:
        rows: the least trusted cases first, not all where there are many.
        finding: how many are not to be trusted, in one sentence.
        left_out: cases that are not shown.
    """

    rows: tuple[TrustRow, ...]
    finding: str
    left_out: int


def read_trust(path: Path) -> Trust:
    """Read the cases of a file of `lesslabel expect`.

    Args:
        path: the CSV file; with ``--compare`` it holds the Dice too.

    Raises:
        DataError: if the file is absent or damaged.
    """
    table = read_csv(path, _COLUMNS, numbers=("expected_dice", "low", "high", "dice"))
    measured = dict(table.set_index("case")["dice"]) if "dice" in table.columns else {}
    doubted = int((table["trust"] == "no").sum())
    rows = tuple(_row(row, measured.get(row["case"], math.nan)) for row in table[:_SHOWN].to_dict("records"))
    return Trust(rows, _finding(table["expected_dice"], doubted), len(table) - len(rows))


def _row(row: Mapping[Hashable, Any], real: float) -> TrustRow:
    low, high, expected = (float(str(row[name])) for name in ("low", "high", "expected_dice"))
    known = not math.isnan(expected)
    return TrustRow(
        case=str(row["case"]),
        trusted=row["trust"] != "no",
        expected=f"{number(expected, 3)} [{number(low, 3)}, {number(high, 3)}]" if known else "–",
        real="" if math.isnan(real) else number(real, 3),
        doubts=str(row["doubts"] or ""),
    )


def _finding(expected: "pd.Series[float]", doubted: int) -> str:
    mean = number(float(expected.mean()), 3)
    return (
        f"{doubted} of {len(expected)} cases are not to be trusted. The mean Dice to expect of all of them is {mean}."
    )
