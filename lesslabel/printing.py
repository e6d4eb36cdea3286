"""Output of the commands on a terminal: tables and progress."""

import math
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.progress import Progress

from lesslabel.terminal import add_row, make_console, make_table, print_table

if TYPE_CHECKING:  # importing it would slow `lesslabel prepare --help` by half a second
    import pandas as pd

_SHOWN = {"dice": 3, "hd95": 2, "asd": 2}
"""The printed metrics, with their number of digits."""


@contextmanager
def show_progress(doing: str) -> Iterator[Callable[[int, int], None]]:
    """Show a progress bar, if the output is a terminal.

    Args:
        doing: one word.

    Yields:
        A function to call with the number of finished and of all cases.
    """
    with Progress(console=make_console(stderr=True), disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task(doing)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def print_summary(summary: "pd.DataFrame", unit: str = "mm") -> None:
    """Print a row per label: mean ± deviation over patients, and the interval of the mean.

    Args:
        summary: the result of `lesslabel.evaluation.summarise`.
        unit: of the distances, ``mm`` or ``voxel``.
    """
    table = make_table("", "Dice", "95 % interval", f"HD95 ({unit})", f"ASD ({unit})")
    for label in dict.fromkeys(summary["label"]):
        rows = summary[summary["label"] == label].set_index("metric")
        dice, hd95, asd = (_mean_and_spread(rows.loc[name], digits) for name, digits in _SHOWN.items())
        low, high = rows.loc["dice", "low"], rows.loc["dice", "high"]
        add_row(table, label, dice, "–" if math.isnan(low) else f"{low:.3f} – {high:.3f}", hd95, asd)
    print_table(table)
    patients = summary["patients"].max()
    print(f"mean ± standard deviation over {patients} patient{'' if patients == 1 else 's'}; {_undefined(summary)}")


def print_clicks(summary: Mapping[str, Any]) -> None:
    """Print a row per label of a click protocol.

    Args:
        summary: the result of `lesslabel.clicks.protocol.run_clicks`.
    """
    from lesslabel.clicks.measure_table import SECONDS_FIRST, click_measures

    cap = summary["protocol"]["cap"]
    measures = click_measures(cap)
    needed = [measures[key] for key in ("noc_dice_85", "noc_dice_90")]
    quality = [measures[key] for key in ("dice_first", f"dice_{cap}", f"assd_mm_{cap}")]
    rows: dict[str, dict[str, Mapping[str, Any]]] = {}
    for row in summary["results"]:
        rows.setdefault(row["label"], {})[row["measure"]] = row
    counted = [title for measure in needed for title in (measure.title, "failed")]
    table = make_table("", *counted, *(measure.title for measure in quality))
    for label, by_measure in rows.items():
        cells = []
        for measure in (*needed, *quality):
            row = by_measure.get(measure.key, {"mean": None})  # none if no turn was needed
            cells.append("–" if row["mean"] is None else f"{row['mean']:.{measure.digits}f}")
            if measure in needed:
                cells.append(f"{row['failures']:.0f}/{row['objects']}")
        add_row(table, label, *cells)
    print_table(table)
    first, later = (summary["seconds"][turn] for turn in ("first", "correction"))
    patients = by_measure["noc_dice_85"]["patients"]  # of the last row, the mean over labels
    print(f"means over {patients} patient{'s' * (patients != 1)}; NoC of Dice, cap {cap}, the first prompts included")
    digits = SECONDS_FIRST.digits
    per_click = f", {later:.{digits}f} for a click" if later else ""
    if first is not None:
        print(f"median seconds: {first:.{digits}f} for the first prompts{per_click}")
    if "revision" in summary:
        means = summary["revision"]
        print(
            f"revision degree: {means['before']:.1f} % at the start, {means['after']:.1f} % after {means['turns']:.1f} "
            f"turns of {means['clicks']:.1f} clicks and {means['seconds']:.{digits}f} s of the model; "
            f"{summary['without_start']} objects started from nothing"
        )
    if summary["without_prompts"]:
        print(f"left out: {summary['without_prompts']} objects without a stroke of {summary['protocol']['first']}")


def _mean_and_spread(row: "pd.Series[float]", digits: int) -> str:
    spread = "" if math.isnan(row["std"]) else f" ± {row['std']:.{digits}f}"
    return "undefined" if math.isnan(row["mean"]) else f"{row['mean']:.{digits}f}{spread}"


def _undefined(summary: "pd.DataFrame") -> str:
    """Print the number of undefined values of cases and labels, which are excluded from the means."""
    from lesslabel.evaluation import MEAN_OVER_LABELS

    counts = summary[summary["label"] == MEAN_OVER_LABELS].set_index("metric")["undefined"]
    missing = [f"{metric} {count}" for metric, count in counts.items() if count]
    return f"left out because undefined: {', '.join(missing)}" if missing else "no value undefined"


def print_frame(frame: "pd.DataFrame", title: str) -> None:
    """Print a data frame as a table."""
    table = make_table(*frame.columns, title=title)
    for row in frame.itertuples(index=False):
        add_row(table, *(f"{value:.3f}" if isinstance(value, float) else value for value in row))
    print_table(table)
