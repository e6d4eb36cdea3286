"""The panels of charts and the gallery of cases, ready for the page."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from lesslabel.reports.drawing import charts
from lesslabel.reports.drawing.charts import Panel
from lesslabel.reports.drawing.overlays import SliceDrawing, outside
from lesslabel.reports.drawing.slice_plots import LabelMap, SlicePlot
from lesslabel.reports.drawing.svg import label_style
from lesslabel.reports.runs import words
from lesslabel.reports.runs.methods import Method
from lesslabel.reports.runs.read import Run

CURVE_PREFIXES = ("validation/", "train/")
"""Columns of ``logs/metrics.csv`` that are drawn, in this order."""


@dataclass(frozen=True)
class Picture:
    """One cell of the gallery.

    Attributes:
        title: the heading of the column.
        drawing: the slice; empty if no prediction was stored.
        dice: mean Dice as text; empty if it does not apply.
        label_dice: style and Dice of each label.
        note: what is outside the picture; usually empty.
    """

    title: str
    drawing: Markup
    dice: str = ""
    label_dice: tuple[tuple[str, str], ...] = ()
    note: str = ""


def strip_panels(methods: Sequence[Method]) -> list[Panel]:
    """Dice of every case: one panel for the mean over labels and one per label, all on one axis."""
    low = charts.dice_axis_low([float(method.scores["dice"].min()) for method in methods])
    mean = [(method.name, method.case_dice()) for method in methods]
    panels = [Panel("mean over labels", charts.strips(mean, low, "--ink: var(--text)", "Mean Dice of every case"))]
    for index, label in enumerate(methods[0].labels):
        cases = [(method.name, method.label_dice(label)) for method in methods]
        style = label_style(index)
        panels.append(Panel(label, charts.strips(cases, low, style, f"Dice of {label} of every case"), style))
    return panels


def curve_panels(methods: Sequence[Method]) -> list[Panel]:
    """One panel per logged quantity, one line per run; validation comes first."""
    found: dict[str, list[charts.Curve]] = {}
    for index, method in enumerate(methods):
        for column, curve in (pair for run in method.runs for pair in _logged(run, method.name, index)):
            found.setdefault(column, []).append(curve)
    ordered = sorted(found, key=lambda column: not column.startswith(CURVE_PREFIXES[0]))
    labels = methods[0].runs[0].label_names
    return [
        Panel(_curve_title(column, labels), charts.curves(found[column], f"{column} over iterations"))
        for column in ordered
    ]


def _curve_title(column: str, labels: Sequence[str]) -> str:
    """The name in the log; if it ends in a label's code, with the label's name."""
    code = column.removeprefix("validation/dice_")
    known = column != code and code.isdecimal() and 1 <= int(code) <= len(labels)
    return f"{column} ({labels[int(code) - 1]})" if known else column


def _logged(run: Run, method: str, colour: int) -> Iterator[tuple[str, charts.Curve]]:
    """The quantities of one training log that have a finite value; of a step logged twice (a resumed run) the last."""
    if "step" not in run.curves.columns:
        return
    for column in run.curves.columns:
        if str(column).startswith(CURVE_PREFIXES):
            known = run.curves[["step", column]].replace([np.inf, -np.inf], np.nan).dropna()
            steps, values = known.drop_duplicates("step", keep="last").sort_values("step").to_numpy(np.float64).T
            if len(steps):
                yield str(column), charts.Curve(method, colour, steps, values)


def gallery(methods: Sequence[Method], plots: Sequence[SlicePlot]) -> list[tuple[str, list[Picture]]]:
    """One row of pictures per slice, with its caption."""
    return [(_caption(plot), _pictures(methods, plot, f"slice-{row}")) for row, plot in enumerate(plots)]


def _caption(plot: SlicePlot) -> str:
    return f"{plot.why.capitalize()}: {plot.uid}, slice {plot.slice_index + 1} of {plot.slices}"


def _pictures(methods: Sequence[Method], plot: SlicePlot, key: str) -> list[Picture]:
    drawn = SliceDrawing(plot, key, methods[0].runs[0].label_names)
    pictures = [Picture("image", drawn.image()), Picture("truth", drawn.truth())]
    if plot.supervision is not None:
        name, labels = plot.supervision
        pictures.append(Picture(name, drawn.supervision(labels)))
    predicted = zip(methods, plot.predictions, strict=True)
    return pictures + [_prediction(method, labels, drawn, plot.uid) for method, labels in predicted]


def _prediction(method: Method, labels: LabelMap | None, drawn: SliceDrawing, uid: str) -> Picture:
    dice = method.dice_of(uid)
    known = [value for value in dice.values() if not np.isnan(value)]
    mean = words.number(float(np.mean(known)) if known else float("nan"), 2)
    per_label = (words.number(dice.get(label, float("nan")), 2) for label in method.labels)
    label_dice = tuple((label_style(index), value) for index, value in enumerate(per_label))
    if labels is None:
        return Picture(method.name, Markup(""), mean, label_dice, "no prediction kept")
    cut_off = outside(labels, drawn.view)
    note = f"{max(1, round(100 * cut_off))} % of the predicted pixels lie outside the picture" if cut_off else ""
    return Picture(method.name, drawn.prediction(labels, method.name), mean, label_dice, note)
