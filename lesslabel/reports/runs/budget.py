"""Dice over the amount of annotation."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from lesslabel.data.store import CaseRecord
from lesslabel.data.view import VisibleAnnotation
from lesslabel.evaluation import MEAN_OVER_LABELS, summarise
from lesslabel.reports.drawing.svg import (
    METHOD_COLOURS,
    Scale,
    drawing,
    element,
    hover,
    line,
    method_style,
    polyline,
    text,
)
from lesslabel.reports.runs.methods import Method
from lesslabel.reports.runs.read import Run
from lesslabel.reports.runs.results import Estimate, Results
from lesslabel.reports.runs.words import number, span
from lesslabel.tables import read_scores
from lesslabel.tables.planning import shown_labels

_BUDGET = re.compile(r",?\s*(\d+(?:\.\d+)?)\s?%")
_WIDTH, _HEIGHT = 720.0, 340.0
_APART = 5.0


@dataclass(frozen=True)
class BudgetPoint:
    """One method at one budget.

    Attributes:
        series: name of the method without its budget; its points are joined.
        percent: share of the training slices that were annotated, 0–100; None without a budget.
        dice: mean over the labels.
    """

    series: str
    percent: float | None
    dice: Estimate


@dataclass(frozen=True)
class BudgetChart:
    """The chart and its legend.

    Attributes:
        chart: the drawing.
        legend: inline style, style class and name of each series, those with a budget first.
        has_across: whether a series has no budget.
    """

    chart: Markup
    legend: tuple[tuple[str, str, str], ...]
    has_across: bool


def split_budget(name: str) -> tuple[str, float | None]:
    """Split a method's name and its budget: ``"stdr, 20% + semi"`` is ``"stdr + semi"`` at 20 percent."""
    found = _BUDGET.search(name)
    rest = name if found is None else (name[: found.start()] + name[found.end() :]).strip()
    if found is None or not rest or float(found[1]) > 100.0:
        return name, None
    return rest, float(found[1])


def annotated_percent(run: Run, records: Mapping[str, CaseRecord]) -> float | None:
    """The share of the slices of its training part with annotations by people, without pseudo-labels.

    Args:
        run: the run.
        records: rows of its store's table of cases by uid.

    Returns:
        0–100; None if the run did not record it, or the store does not have its cases.
    """
    uids = run.training_cases
    if not uids or "labelled" not in run.data or not uids <= records.keys():
        return None
    shown = shown_labels(run.data)
    annotated = sum(_annotated_slices(shown.get(uid, ()), records[uid].shape) for uid in uids)
    return 100.0 * annotated / sum(records[uid].depth for uid in uids)


def points_of_methods(
    methods: Sequence[Method], results: Results, records: Mapping[str, CaseRecord]
) -> list[BudgetPoint]:
    """The budgets of the methods of a page: in their name, else as their runs recorded.

    Args:
        methods: the methods.
        results: their table, in the same order.
        records: rows of their store's table of cases by uid; empty if it is not available.
    """
    places = []
    for method in methods:
        series, percent = split_budget(method.runs[0].method)
        places.append((series, annotated_percent(method.runs[0], records) if percent is None else percent))
    if len(set(places)) < len(places):  # names that are not unique; those of the page are
        places = [(method.name, percent) for method, (_, percent) in zip(methods, places, strict=True)]
    return [BudgetPoint(*place, row.dice) for place, row in zip(places, results.rows, strict=True)]


def points_of_experiment(folder: Path) -> list[BudgetPoint]:
    """The budgets of the methods of an experiment folder, from their names.

    Raises:
        DataError: if its results are missing or damaged.
    """
    table = summarise(read_scores(folder), by="method")
    table = table[(table["metric"] == "dice") & (table["label"] == MEAN_OVER_LABELS)]
    rows = table[["method", "mean", "low", "high"]].itertuples(index=False, name=None)
    return [BudgetPoint(*split_budget(str(method)), Estimate(mean, low, high)) for method, mean, low, high in rows]


def draw_budgets(points: Sequence[BudgetPoint]) -> BudgetChart | None:
    """Draw Dice over budget, one line per series; a series without budget is a horizontal line.

    Returns:
        None if no two budgets differ.
    """
    points = [point for point in points if math.isfinite(point.dice.mean)]
    budgets = {point.percent for point in points if point.percent is not None}
    if len(budgets) < 2:
        return None
    with_budget = {point.series for point in points if point.percent is not None}
    names = sorted(dict.fromkeys(point.series for point in points), key=lambda name: name not in with_budget)
    x, y = Scale(0.0, max(budgets), 90, _WIDTH - 50), _dice_scale(points)
    parts = [line(50, y(tick), _WIDTH - 10, y(tick), "grid") for tick in y.ticks()]
    parts += [text(44, y(tick) + 4, f"{tick:.4g}", "end", "tick") for tick in y.ticks()]
    parts += [text(x(budget), y.start + 17, f"{budget:.3g} %", "middle", "tick") for budget in sorted(budgets)]
    parts.append(text(_WIDTH - 10, y.start + 34, "annotated slices of the training part", "end", "tick"))
    for index, name in enumerate(names):
        aside = (index - (len(names) - 1) / 2) * _APART  # so that intervals at one budget do not overlap
        own = [point for point in points if point.series == name]
        parts.append(_across(own, y, method_style(index)))
        parts.append(_joined(own, Scale(x.low, x.high, x.start + aside, x.end + aside), y, index))
    legend = tuple((method_style(index), _sign(index), name) for index, name in enumerate(names))
    chart = drawing(_WIDTH, _HEIGHT, parts, "Mean Dice over the budget")
    return BudgetChart(chart, legend, any(point.percent is None for point in points))


def _annotated_slices(entries: Sequence[VisibleAnnotation], shape: tuple[int, int, int]) -> float:
    """The slices of a case that people annotated; one of which patches are annotated counts as their share of it."""
    depth, height, width = shape
    if any(entry.slices is None for entry in entries):
        return depth
    shares: dict[int, float] = {}
    for entry in entries:
        for index in entry.slices or ():
            areas = [box.size[1] * box.size[2] for box in entry.boxes or () if index in box.slices]
            share = 1.0 if entry.boxes is None else sum(areas) / (height * width)
            shares[index] = max(shares.get(index, 0.0), share)
    return sum(shares.values())


def _dice_scale(points: Sequence[BudgetPoint]) -> Scale:
    ends = [end for point in points for end in (point.dice.mean, point.dice.low, point.dice.high) if math.isfinite(end)]
    low, high = math.floor(min(ends) * 20 + 1e-9) / 20, math.ceil(max(ends) * 20 - 1e-9) / 20
    return Scale(low, max(high, low + 0.05), _HEIGHT - 50, 10)


def _sign(index: int) -> str:
    """The style class of a series' dots: hollow if its colour was used before."""
    return "dot hollow" if index // METHOD_COLOURS % 2 else "dot"


def _joined(points: Sequence[BudgetPoint], x: Scale, y: Scale, index: int) -> Markup:
    """The points of one series that have a budget, with their intervals."""
    style = method_style(index)
    placed = [(point.percent, point) for point in points if point.percent is not None]
    placed.sort(key=lambda place: place[0])
    parts = []
    if len(placed) > 1:
        means = [y(point.dice.mean) for _, point in placed]
        parts.append(polyline([x(percent) for percent, _ in placed], means, "curve", style))
    for percent, point in placed:
        marks = [hover(f"{point.series}, {percent:.3g} %: {_in_words(point.dice)}")]
        if math.isfinite(point.dice.low):
            marks.append(line(x(percent), y(point.dice.low), x(percent), y(point.dice.high), "whisker thin"))
        marks.append(element("circle", {"cx": x(percent), "cy": y(point.dice.mean), "r": 4, "class": _sign(index)}))
        parts.append(element("g", {"style": style}, Markup("").join(marks)))
    return Markup("").join(parts)


def _across(points: Sequence[BudgetPoint], y: Scale, style: str) -> Markup:
    """The points of one series that have no budget, each as a line over all of them."""
    parts = []
    for point in points:
        if point.percent is None:
            attributes: dict[str, str | float] = {"x1": 50, "x2": _WIDTH - 10, "y1": y(point.dice.mean)}
            attributes |= {"y2": y(point.dice.mean), "class": "across", "style": style}
            parts.append(element("line", attributes, hover(f"{point.series}: {_in_words(point.dice)}")))
    return Markup("").join(parts)


def _in_words(dice: Estimate) -> str:
    return f"{number(dice.mean, 3)} {span(dice, 3)}".strip()
