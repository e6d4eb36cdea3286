"""Charts of the page: intervals, one dot per case, and training curves."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from markupsafe import Markup
from numpy.typing import NDArray

from lesslabel.reports.drawing.svg import Scale, drawing, element, hover, line, method_style, polyline, shortened, text

POINTS_PER_CURVE = 200
"""Number of bins of equal width in which longer curves are averaged, so that long trainings are drawn fast."""

_WIDTH = 540.0
_ROW = 34.0
_NAME = 132.0


@dataclass(frozen=True)
class Panel:
    """A chart with its heading.

    Attributes:
        title: the heading.
        chart: the drawing.
        style: inline style that sets the colour of the heading's mark; empty for none.
    """

    title: str
    chart: Markup
    style: str = ""


@dataclass(frozen=True, eq=False)
class Curve:
    """One logged quantity of one run.

    Attributes:
        method: name of the method.
        colour: index of the method's colour.
        steps: iterations, ascending.
        values: the quantity at these iterations, finite.
    """

    method: str
    colour: int
    steps: NDArray[np.float64]
    values: NDArray[np.float64]


def interval(mean: float, low: float, high: float, axis_low: float) -> Markup:
    """A dot with its interval on a line from `axis_low` to 1, for a column of the table."""
    if not all(map(math.isfinite, (mean, low, high))):
        return Markup("")
    x = Scale(axis_low, 1.0, 6, 134)
    return drawing(
        140,
        18,
        [
            line(x(axis_low), 9, x(1.0), 9, "grid"),
            line(x(low), 9, x(high), 9, "whisker"),
            element("circle", {"cx": x(mean), "cy": 9, "r": 4, "class": "dot"}),
        ],
        f"{mean:.3f}, interval {low:.3f} to {high:.3f}",
        css="interval",
    )


def dice_axis_low(values: Sequence[float]) -> float:
    """The start of a Dice axis that ends at 1: the next lower tenth, at most 0.9, at least 0."""
    finite = [value for value in values if math.isfinite(value)]
    return min(0.9, max(0.0, math.floor(min(finite, default=0.0) * 10 + 1e-9) / 10))


def strips(cases: Sequence[tuple[str, pd.Series]], axis_low: float, style: str, description: str) -> Markup:
    """One row per method: one dot per case, with quartile box and median.

    Args:
        cases: name of the method and its Dice by uid.
        axis_low: the Dice at the left end.
        style: inline style that sets the colour.
        description: text for screen readers.
    """
    x = Scale(axis_low, 1.0, _NAME + 8, _WIDTH - 14)
    bottom = _ROW * len(cases) + 6
    parts = [line(x(tick), 4, x(tick), bottom, "grid") for tick in x.ticks()]
    parts += [text(x(tick), bottom + 15, f"{tick:.2g}", "middle", "tick") for tick in x.ticks()]
    for row, (name, values) in enumerate(cases):
        middle = _ROW * (row + 0.5) + 4
        label = text(_NAME, middle + 4, shortened(name, 19), "end")
        parts.append(element("g", {}, hover(name) + label))
        parts.append(_strip(values.dropna(), x, middle, style))
    return drawing(_WIDTH, bottom + 22, parts, description)


def _strip(values: pd.Series, x: Scale, middle: float, style: str) -> Markup:
    if values.empty:
        return text(x.start, middle + 4, "no finite value", css="tick")
    lower, median, upper = (float(value) for value in np.quantile(values, (0.25, 0.5, 0.75)))
    box: dict[str, str | float] = {
        "x": x(lower),
        "y": middle - 11,
        "width": max(x(upper) - x(lower), 1.0),
        "height": 22,
    }
    dots = [
        element(
            "circle",
            {"cx": x(float(dice)), "cy": middle + offset, "r": 3, "class": "case"},
            hover(f"{uid}: {dice:.3f}"),
        )
        for (uid, dice), offset in zip(values.items(), _spread(len(values)), strict=True)
    ]
    median_line = line(x(median), middle - 11, x(median), middle + 11, "median")
    return element(
        "g", {"style": style}, Markup("").join([element("rect", box | {"rx": 3, "class": "box"}), *dots, median_line])
    )


def _spread(count: int) -> list[float]:
    """Deterministic vertical offsets within ±8 pixels that separate neighbours."""
    golden = (math.sqrt(5) - 1) / 2
    return [16 * ((index + 1) * golden % 1) - 8 for index in range(count)]


def curves(lines: Sequence[Curve], description: str) -> Markup:
    """Values over iterations, one line per run in its method's colour.

    Args:
        lines: at least one curve with at least one point.
        description: text for screen readers.
    """
    steps = np.concatenate([curve.steps for curve in lines])
    values = np.concatenate([curve.values for curve in lines])
    low, high = float(values.min()), float(values.max())
    margin = 0.04 * (high - low) or max(abs(high), 1.0) * 0.05
    x = Scale(float(steps.min()), float(max(steps.max(), steps.min() + 1)), 52, _WIDTH - 14)
    y = Scale(low - margin, high + margin, 200, 8)
    parts = [line(x.start, y(tick), x.end, y(tick), "grid") for tick in y.ticks()]
    parts += [text(46, y(tick) + 4, f"{tick:.4g}", "end", "tick") for tick in y.ticks()]
    parts += [text(x(tick), 217, f"{tick:,.0f}", "middle", "tick") for tick in x.ticks(4) if tick == round(tick)]
    parts.append(text(x.end, 233, "iteration", "end", "tick"))
    parts += [_curve(curve, x, y) for curve in lines]
    return drawing(_WIDTH, 238, parts, description)


def _curve(curve: Curve, x: Scale, y: Scale) -> Markup:
    steps, values = thinned(curve.steps, curve.values)
    style = method_style(curve.colour)
    parts = [hover(curve.method)]
    if len(steps) == 1:
        parts.append(element("circle", {"cx": x(steps[0]), "cy": y(values[0]), "r": 3, "class": "dot", "style": style}))
    else:
        parts.append(polyline([x(step) for step in steps], [y(value) for value in values], "curve", style))
    return element("g", {}, Markup("").join(parts))


def thinned(steps: NDArray[np.float64], values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Average a curve in at most `POINTS_PER_CURVE` bins of equal width; shorter curves are returned unchanged."""
    if len(steps) <= POINTS_PER_CURVE:
        return steps, values
    bins = np.minimum((steps - steps[0]) / (steps[-1] - steps[0]) * POINTS_PER_CURVE, POINTS_PER_CURVE - 1).astype(int)
    counts = np.bincount(bins, minlength=POINTS_PER_CURVE)
    filled = counts > 0
    mean_steps = np.bincount(bins, steps, POINTS_PER_CURVE)[filled] / counts[filled]
    mean_values = np.bincount(bins, values, POINTS_PER_CURVE)[filled] / counts[filled]
    return mean_steps, mean_values
