"""Revision degree: the share of a prediction that a person would have to correct."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import ArrayLike, NDArray

from lesslabel.reports.drawing.svg import drawing, element, hover
from lesslabel.reports.runs.methods import Method
from lesslabel.reports.runs.results import Estimate, Results

REVISION_EDGES = (5.0, 10.0, 15.0)
"""Upper ends of all bins but the last, in percent; an end belongs to the bin below it."""
REVISION_BINS = ("0–5 %", "5–10 %", "10–15 %", "over 15 %")

_WIDTH, _HEIGHT = 260.0, 20.0


@dataclass(frozen=True)
class Revision:
    """One method of the table of revisions.

    Attributes:
        method: its name.
        counts: cases in each of `REVISION_BINS`.
        undefined: cases without a Dice.
        mean: mean degree in percent, over patients as everywhere on the page, with its interval.
        bar: the counts as a stacked bar.
    """

    method: str
    counts: tuple[int, ...]
    undefined: int
    mean: Estimate
    bar: Markup


def revision_degree(dice: ArrayLike) -> NDArray[np.float64]:
    """Compute 100·(1 − Dice), in percent.

    From the thesis of STDR (Wang et al., IEEE TMI 2024, arXiv:2309.13401), where it is measured between the
    prediction of a model and its correction by an oncologist.

    Args:
        dice: in [0, 1]; NaN stays NaN.
    """
    # 100 · (1 − 0.95) is a little more than 5: values are written and compared with six digits
    return np.round(100.0 * (1.0 - np.asarray(dice, dtype=np.float64)), 6)


def count_revisions(degrees: NDArray[np.floating[Any]]) -> tuple[int, ...]:
    """Count degrees in the bins (0–5, 5–10, 10–15, over 15 %); NaN is in none."""
    places = np.searchsorted(REVISION_EDGES, degrees[~np.isnan(degrees)], side="left")
    return tuple(np.bincount(places, minlength=len(REVISION_BINS)).tolist())


def tabulate_revisions(methods: Sequence[Method], results: Results) -> list[Revision]:
    """Compute the revisions of each method, a case's Dice being the mean over its labels and the method's seeds.

    Args:
        methods: the methods.
        results: their table, in the same order.
    """
    revisions = []
    for method, row in zip(methods, results.rows, strict=True):
        degrees = revision_degree(method.case_dice().to_numpy())
        counts = count_revisions(degrees)
        mean, low, high = (float(revision_degree(value)) for value in (row.dice.mean, row.dice.high, row.dice.low))
        undefined = int(np.isnan(degrees).sum())
        revisions.append(Revision(method.name, counts, undefined, Estimate(mean, low, high), _bar(counts, method.name)))
    return revisions


def _bar(counts: Sequence[int], method: str) -> Markup:
    total, start, parts = max(sum(counts), 1), 0.0, []
    for place, (name, count) in enumerate(zip(REVISION_BINS, counts, strict=True)):
        width = _WIDTH * count / total
        attributes: dict[str, str | float] = {"x": start, "y": 0, "width": width, "height": _HEIGHT}
        parts.append(element("rect", attributes | {"class": f"bin-{place}"}, hover(f"{name}: {count} of {total}")))
        start += width
    described = ", ".join(f"{name} {count}" for name, count in zip(REVISION_BINS, counts, strict=True))
    return drawing(_WIDTH, _HEIGHT, parts, f"Revision of {method}: {described}", css="bar")
