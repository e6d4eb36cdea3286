"""The costs of the runs of an experiment, ``runs.csv``, and Dice over the labels, ``curve.csv``."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from lesslabel.csv_table import read_csv
from lesslabel.errors import DataError
from lesslabel.files import read_json, write_text
from lesslabel.markdown import markdown_table

CURVE_COLUMNS = ("axis", "series", "low", "high", "area")
_NUMBERS = ("patients", "cases", "annotation_minutes", "minutes")
_PRICES = {"dense_slice": "a dense slice", "scribbled_slice": "a scribbled slice", "click": "a click"}
_KEY_DIGITS = 12


@dataclass(frozen=True)
class RunCost:
    """The costs of one run of an experiment: annotation and computing.

    Attributes:
        method: name in tables.
        series: name of the method without its budget.
        fold: name of the fold.
        seed: of the run.
        patients: training patients with a label.
        cases: training cases with a label.
        annotation_minutes: time of annotation at the study's costs.
        minutes: of training and test.
        hardware: its hardware.
        commit: of the code.
        key: hash of sources, configuration, data and lock file.
    """

    method: str
    series: str
    fold: str
    seed: int
    patients: int
    cases: int
    annotation_minutes: float
    minutes: float
    hardware: str
    commit: str
    key: str


RUN_COLUMNS = tuple(RunCost.__dataclass_fields__)


def add_run_costs(folder: Path, costs: list[RunCost]) -> None:
    """Add runs to ``runs.csv``; they replace those of the same method, fold and seed.

    Raises:
        DataError: if the file is damaged.
    """
    rows = pd.DataFrame([asdict(cost) | {"key": cost.key[:_KEY_DIGITS]} for cost in costs], columns=list(RUN_COLUMNS))
    rows = rows.astype({"fold": str})
    if (folder / "runs.csv").is_file():
        rows = pd.concat([read_runs(folder), rows])
    identity = ["method", "fold", "seed"]
    rows = rows.drop_duplicates(identity, keep="last").sort_values(identity, kind="stable")
    write_text(folder / "runs.csv", rows.to_csv(index=False, float_format="%.6g"))


def read_runs(folder: Path) -> pd.DataFrame:
    """Read ``runs.csv``; no row if the experiment has none.

    Raises:
        DataError: if it is damaged.
    """
    path = folder / "runs.csv"
    if not path.is_file():
        return pd.DataFrame(columns=list(RUN_COLUMNS))
    try:
        return read_csv(path, RUN_COLUMNS, numbers=_NUMBERS).astype({"seed": int})
    except ValueError as error:
        raise DataError(f"{path}: a seed is no integer; correct it") from error


def cost_sections(folder: Path) -> list[str]:
    """Label cost and time of every method as Markdown; empty if the experiment has no ``runs.csv``.

    Raises:
        DataError: if a file is damaged.
    """
    runs = read_runs(folder)
    if runs.empty:
        return []
    rows = []
    for method, own in runs.groupby("method", sort=True):
        cases, annotation = own["cases"].mean(), own["annotation_minutes"].mean()
        each = f"{annotation / cases:.1f}" if cases else "–"
        hardware = "; ".join(dict.fromkeys(own["hardware"]))
        counts = [f"{own['patients'].mean():g}", f"{cases:g}", f"{annotation:.1f}", each]
        rows.append([method, *counts, len(own), f"{own['minutes'].mean():.1f}", hardware])
    header = ["method", "labelled patients", "labelled cases", "annotation min", "per case", "runs", "min a run"]
    return [
        "\n## Label cost and time\n",
        f"Means over the runs. {_prices(folder)}\n",
        markdown_table([*header, "hardware"], rows),
    ]


def curve_sections(folder: Path) -> list[str]:
    """The label-efficiency curves as Markdown; empty if the experiment has no ``curve.csv``.

    Raises:
        DataError: if the file is damaged.
    """
    path = folder / "curve.csv"
    if not path.is_file():
        return []
    curves = read_csv(path, CURVE_COLUMNS, numbers=("low", "high", "area"))
    rows = [[row["axis"], row["series"], *_range_and_area(row)] for _, row in curves.iterrows()]
    pictures = [f"![Dice over {axis}](curve-{axis}.svg)" for axis in dict.fromkeys(curves["axis"])]
    return [
        "\n## Label efficiency\n",
        "The area under a curve is the mean Dice over the range that all curves share, on the doubling axis of the "
        "picture; a dash where they share none.\n",
        markdown_table(["axis", "series", "range", "area"], rows),
        "",
        *pictures,
    ]


def _range_and_area(row: "pd.Series[Any]") -> list[str]:
    return ["–", "–"] if math.isnan(row["area"]) else [f"{row['low']:g} – {row['high']:g}", f"{row['area']:.3f}"]


def _prices(folder: Path) -> str:
    path = folder / "costs.json"
    if not path.is_file():
        return ""
    costs: Mapping[str, Any] = read_json(path, "what annotation costs")
    prices = ", ".join(f"{words} {costs[key]:.3g}" for key, words in _PRICES.items())
    return f"Minutes of an annotator: {prices} ({costs['source']})."
