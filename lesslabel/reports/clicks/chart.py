"""Curves over clicks, with their intervals."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from markupsafe import Markup

from lesslabel.reports.drawing.svg import Scale, drawing, element, hover, line, method_style, polyline, text
from lesslabel.reports.runs.words import number

_WIDTH, _HEIGHT = 540.0, 280.0


@dataclass(frozen=True, eq=False)
class ClickCurve:
    """The curve of one protocol.

    Attributes:
        name: of the protocol.
        colour: index of its colour.
        values: the columns ``clicks, mean, low, high``, see `lesslabel.clicks.measures.curve_over_clicks`.
    """

    name: str
    colour: int
    values: pd.DataFrame


def draw_click_curves(curves: Sequence[ClickCurve], cap: int, description: str, *, highest: float = math.inf) -> Markup:
    """Draw means over clicks, one line per protocol, each with its interval as a band.

    Args:
        curves: of at least one protocol; empty ones are skipped.
        cap: the clicks at the right end.
        description: text for screen readers.
        highest: the largest end of the axis, 1 for Dice.
    """
    drawn = [curve for curve in curves if len(curve.values)]
    if not drawn:
        return Markup("")
    ends = np.concatenate([curve.values[["mean", "low", "high"]].to_numpy().ravel() for curve in drawn])
    ends = ends[np.isfinite(ends)]
    margin = 0.04 * float(np.ptp(ends)) or 0.05
    low, high = max(float(ends.min()) - margin, 0.0), min(float(ends.max()) + margin, highest)
    x, y = Scale(0.0, float(cap), 52, _WIDTH - 14), Scale(low, max(high, low + 0.01), _HEIGHT - 42, 8)
    parts = [line(x.start, y(tick), x.end, y(tick), "grid") for tick in y.ticks()]
    parts += [text(46, y(tick) + 4, f"{tick:.4g}", "end", "tick") for tick in y.ticks()]
    parts += [text(x(tick), y.start + 17, f"{tick:.0f}", "middle", "tick") for tick in x.ticks() if tick == round(tick)]
    parts.append(text(x.end, _HEIGHT - 6, "clicks", "end", "tick"))
    parts += [_curve(curve, x, y) for curve in drawn]
    return drawing(_WIDTH, _HEIGHT, parts, description)


def _curve(curve: ClickCurve, x: Scale, y: Scale) -> Markup:
    style = method_style(curve.colour)
    places = [x(count) for count in curve.values["clicks"]]
    means, lows, highs = ([y(value) for value in curve.values[name]] for name in ("mean", "low", "high"))
    parts = []
    if np.isfinite(lows).all():
        outline = [*zip(places, highs, strict=True), *reversed([*zip(places, lows, strict=True)])]
        corners = " ".join(f"{at:.2f},{height:.2f}" for at, height in outline)
        parts.append(element("polygon", {"points": corners, "class": "band", "style": style}))
    parts.append(polyline(places, means, "curve", style))
    for count, at, height, mean in zip(curve.values["clicks"], places, means, curve.values["mean"], strict=True):
        dot: dict[str, str | float] = {"cx": at, "cy": height, "r": 2.5, "class": "dot", "style": style}
        parts.append(element("circle", dot, hover(f"{curve.name}, {count:.0f} clicks: {number(mean, 3)}")))
    return element("g", {}, Markup("").join(parts))
