"""``dice.svg`` of an experiment of click protocols: Dice after the first prompts and after all clicks."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from markupsafe import Markup

from lesslabel.files import write_text
from lesslabel.reports.drawing.picture import COLOURS, whole_picture
from lesslabel.reports.drawing.svg import Scale, element, hover, line, shortened, text
from lesslabel.tables.click_results import read_click_results
from lesslabel.tables.click_table import mean_over_patients
from lesslabel.tables.results import FIGURE

_WIDTH, _NAMES, _ROW, _HEADING = 720.0, 232.0, 24.0, 34.0
_TOP = 30.0
_LEGEND = "ring: first prompts · dot and line: after 20 clicks, 95 % interval over patients"


@dataclass(frozen=True)
class Gain:
    """One method on one set of objects; means over patients with their intervals.

    Attributes:
        method: its name.
        first: Dice at the first prompts, and the ends of its interval.
        last: the same after 20 clicks; None without corrections.
    """

    method: str
    first: tuple[float, float, float]
    last: tuple[float, float, float] | None


def write_click_figure(folder: Path) -> None:
    """Write ``dice.svg`` of an experiment of click protocols.

    Raises:
        DataError: if the results are missing or damaged.
    """
    write_text(folder / FIGURE, draw_click_figure(read_gains(read_click_results(folder))) + "\n")


def read_gains(results: pd.DataFrame) -> dict[str, list[Gain]]:
    """The methods of every set, the best first.

    Args:
        results: see `read_click_results`.
    """
    sets = {}
    for name, rows in results.groupby("set", sort=True):
        gains = [_gain(str(method), of_method) for method, of_method in rows.groupby("method")]
        sets[str(name)] = sorted(gains, key=lambda gain: (-(gain.last or gain.first)[0], gain.method))
    return sets


def draw_click_figure(sets: dict[str, list[Gain]]) -> Markup:
    """Draw a panel for each set, one row for each method: a ring at the first prompts, a dot after all clicks.

    Returns:
        A whole SVG file.
    """
    shown = [value for gains in sets.values() for gain in gains for value in (*gain.first, *(gain.last or ()))]
    least = min(filter(math.isfinite, shown), default=0.0)
    x = Scale(max(0.0, min(0.9, math.floor(least * 10 + 1e-9) / 10)), 1.0, _NAMES + 14, _WIDTH - 20)
    bottom = _TOP + sum(_HEADING + _ROW * len(gains) for gains in sets.values())
    parts = [line(x(tick), _TOP, x(tick), bottom, "grid") for tick in x.ticks()]
    parts += [text(x(tick), bottom + 18, f"{tick:.2g}", "middle", "tick") for tick in x.ticks()]
    parts += [text(x.end, bottom + 36, "Dice of the object", "end", "tick"), text(x.end, 18, _LEGEND, "end", "tick")]
    top = _TOP
    for name, gains in sets.items():
        parts.append(text(14, top + 22, name, css="tick"))
        parts += [_draw_gain(gain, x, top + _HEADING + _ROW * (row + 0.5)) for row, gain in enumerate(gains)]
        top += _HEADING + _ROW * len(gains)
    return whole_picture(_WIDTH, bottom + 46, parts, "Dice of every method at the first prompts and after all clicks")


def _gain(method: str, rows: pd.DataFrame) -> Gain:
    corrected = rows["dice_20"].notna().any()
    last = mean_over_patients(rows, "dice_20") if corrected else None
    return Gain(method, mean_over_patients(rows, "dice_first"), last)


def _draw_gain(gain: Gain, x: Scale, middle: float) -> Markup:
    parts = [element("g", {}, hover(gain.method) + text(_NAMES, middle + 4, shortened(gain.method, 34), "end"))]
    ring, end = x(gain.first[0]), gain.last or gain.first
    parts.append(line(ring, middle, x(end[0]), middle, "grid"))
    if math.isfinite(end[1]):  # one patient has no interval
        parts.append(line(x(end[1]), middle, x(end[2]), middle, "whisker"))
    if gain.last is not None:
        parts.append(_mark("dot", x(gain.last[0]), middle, f"{gain.method}, 20 clicks: {_said(gain.last)}"))
    parts.append(_mark("published", ring, middle, f"{gain.method}, first prompts: {_said(gain.first)}"))
    return element("g", {"style": f"color: {COLOURS[0]}"}, Markup("").join(parts))


def _mark(css: str, x: float, y: float, tooltip: str) -> Markup:
    return element("circle", {"cx": x, "cy": y, "r": 4.5, "class": css}, hover(tooltip))


def _said(value: Sequence[float]) -> str:
    return f"{value[0]:.3f} [{value[1]:.3f}, {value[2]:.3f}]"
