"""The label-efficiency curve: Dice over the amount of annotation, and the area under it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from markupsafe import Markup

from lesslabel.evaluation import MEAN_OVER_LABELS, summarise
from lesslabel.files import write_text
from lesslabel.reports.drawing.picture import COLOURS, whole_picture
from lesslabel.reports.drawing.svg import Scale, element, hover, line, polyline, text
from lesslabel.tables import read_scores
from lesslabel.tables.costs import CURVE_COLUMNS, read_runs

AXES = {"cases": "labelled cases", "minutes": "minutes of annotation"}
_WIDTH, _HEIGHT = 720.0, 360.0
_DASHES = ("none", "5 2", "2 2", "7 2 2 2")


@dataclass(frozen=True)
class CurvePoint:
    """One method at one budget.

    Attributes:
        series: name of the method without its budget.
        cases: labelled training cases, mean over the runs.
        minutes: minutes of annotation, mean over the runs.
        dice: mean over labels and patients.
        low: lower end of its interval.
        high: upper end of its interval.
    """

    series: str
    cases: float
    minutes: float
    dice: float
    low: float
    high: float

    def place(self, axis: str) -> float:
        """Its value on an axis, ``cases`` or ``minutes``."""
        return self.cases if axis == "cases" else self.minutes


def read_points(folder: Path) -> list[CurvePoint]:
    """Read the points of an experiment: every method that has results and a cost, by series and cost.

    Raises:
        DataError: if a file is missing or damaged.
    """
    runs, table = read_runs(folder), summarise(read_scores(folder), by="method")
    dice = table[(table["metric"] == "dice") & (table["label"] == MEAN_OVER_LABELS)]
    costs = runs.groupby(["method", "series"], as_index=False)[["cases", "annotation_minutes"]].mean()
    both = costs.merge(dice, on="method")[["series", "cases", "annotation_minutes", "mean", "low", "high"]]
    points = [CurvePoint(*row) for row in both.itertuples(index=False, name=None)]
    return sorted(points, key=lambda point: (point.series, point.minutes, point.cases))


def area_under(points: Sequence[CurvePoint], axis: str, low: float, high: float) -> float:
    """The mean height of a curve between two costs, linear between its points on a logarithmic axis.

    Args:
        points: those of one series.
        axis: ``cases`` or ``minutes``.
        low: the lower cost, above 0.
        high: the higher cost.

    Returns:
        The area divided by its width, in the unit of Dice; NaN if the series does not cover the range.
    """
    ordered = sorted(points, key=lambda point: point.place(axis))
    x = np.log2([point.place(axis) for point in ordered])
    ends = np.log2([low, high])
    if math.isnan(low) or low >= high or x[0] > ends[0] + 1e-9 or x[-1] < ends[1] - 1e-9:
        return math.nan
    y = np.array([point.dice for point in ordered])
    inside = (x > ends[0]) & (x < ends[1])
    places = np.concatenate([ends[:1], x[inside], ends[1:]])
    return float(np.trapezoid(np.interp(places, x, y), places) / (ends[1] - ends[0]))


def write_curves(folder: Path) -> None:
    """Write ``curve.csv`` and a picture for each axis, if any series of an experiment has two budgets.

    The area is over the range that all series of two and more budgets share, so that series can be compared. If they
    share none, there is no area.

    Raises:
        DataError: if a file is missing or damaged.
    """
    series: dict[str, list[CurvePoint]] = {}
    for point in read_points(folder):
        if min(point.cases, point.minutes) > 0.0 and math.isfinite(point.dice):
            series.setdefault(point.series, []).append(point)
    series = {name: points for name, points in series.items() if len({point.cases for point in points}) > 1}
    if not series:
        return
    rows = []
    for axis in AXES:
        low = max(min(point.place(axis) for point in points) for points in series.values())
        high = min(max(point.place(axis) for point in points) for points in series.values())
        if low >= high:
            low = high = math.nan
        rows += [[axis, name, low, high, area_under(points, axis, low, high)] for name, points in series.items()]
        write_text(folder / f"curve-{axis}.svg", draw_curves(series, axis) + "\n")
    table = pd.DataFrame(rows, columns=list(CURVE_COLUMNS))
    write_text(folder / "curve.csv", table.to_csv(index=False, float_format="%.6g"))


def draw_curves(series: dict[str, list[CurvePoint]], axis: str, title: str = "") -> Markup:
    """Draw Dice with its intervals over a cost on a logarithmic axis, one line for each series.

    Args:
        series: points by name; at least two values on the axis.
        axis: ``cases`` or ``minutes``.
        title: of the axis; empty takes that of `AXES`.

    Returns:
        A whole SVG file.
    """
    title = title or AXES[axis]
    points = [point for own in series.values() for point in own]
    costs = sorted({point.place(axis) for point in points})
    ends = [end for point in points for end in (point.dice, point.low, point.high) if math.isfinite(end)]
    low, high = math.floor(min(ends) * 20 + 1e-9) / 20, math.ceil(max(ends) * 20 - 1e-9) / 20
    x = Scale(math.log2(costs[0]), math.log2(costs[-1]), 80, _WIDTH - 60)
    y = Scale(low, max(high, low + 0.05), _HEIGHT - 60, 30 + 18 * ((len(series) + 1) // 2))
    parts = [line(60, y(tick), _WIDTH - 20, y(tick), "grid") for tick in y.ticks()]
    parts += [text(54, y(tick) + 4, f"{tick:.4g}", "end", "tick") for tick in y.ticks()]
    parts += [text(x(math.log2(cost)), y.start + 18, f"{cost:.4g}", "middle", "tick") for cost in _apart(costs, x)]
    parts.append(text(_WIDTH - 20, y.start + 40, title, "end", "tick"))
    parts.append(text(54, y.end - 12, "Dice", "end", "tick"))
    for index, (name, own) in enumerate(series.items()):
        ordered = sorted(own, key=lambda point: point.place(axis))
        parts.append(_series(name, ordered, axis, x, y, index))
        parts.append(_legend(name, index))
    return whole_picture(_WIDTH, _HEIGHT, parts, f"Dice over {title}")


def _ink(index: int) -> str:
    colour, dashes = COLOURS[index % len(COLOURS)], _DASHES[index // len(COLOURS) % len(_DASHES)]
    return f"color: {colour}; stroke-dasharray: {dashes}"


def _series(name: str, points: Sequence[CurvePoint], axis: str, x: Scale, y: Scale, index: int) -> Markup:
    places = [x(math.log2(point.place(axis))) for point in points]
    parts = [polyline(places, [y(point.dice) for point in points], "curve", "")]
    for place, point in zip(places, points, strict=True):
        tooltip = f"{name}, {point.place(axis):.4g}: {point.dice:.3f} [{point.low:.3f}, {point.high:.3f}]"
        marks = [hover(tooltip)]
        if math.isfinite(point.low):
            marks.append(line(place, y(point.low), place, y(point.high), "whisker"))
        marks.append(element("circle", {"cx": place, "cy": y(point.dice), "r": 4, "class": "dot"}))
        parts.append(element("g", {}, Markup("").join(marks)))
    return element("g", {"style": _ink(index)}, Markup("").join(parts))


def _legend(name: str, index: int) -> Markup:
    column, row = index % 2, index // 2
    left, top = 80.0 + 320.0 * column, 18.0 + 18.0 * row
    mark = line(left, top - 4, left + 24, top - 4, "curve")
    return element("g", {"style": _ink(index)}, mark + text(left + 30, top, name))


def _apart(costs: Sequence[float], x: Scale, least_pixels: float = 44.0) -> list[float]:
    """The costs whose labels fit under the axis without overlap."""
    written: list[float] = []
    for cost in costs:
        if not written or x(math.log2(cost)) - x(math.log2(written[-1])) >= least_pixels:
            written.append(cost)
    return written
