"""Numbers and findings as text."""

import math
from collections.abc import Sequence

from lesslabel.reports.runs.methods import Method
from lesslabel.reports.runs.results import Comparison, Estimate, Results, compare_methods

FEW_PATIENTS = 10
"""Number of patients below which the summary calls the intervals rough."""
_DIGITS = {"dice": 3, "hd95": 2, "asd": 2}


def number(value: float, digits: int) -> str:
    """A number in the format of tables: ``0.832``, ``∞``, or a dash without a value."""
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    return f"{value:.{digits}f}".replace("-", "−")


def span(estimate: Estimate, digits: int) -> str:
    """An interval, ``[0.801, 0.859]``; empty without one."""
    if math.isnan(estimate.low):
        return ""
    return f"[{number(estimate.low, digits)}, {number(estimate.high, digits)}]"


def signed(comparison: Comparison) -> str:
    """A difference with its sign and interval, ``+0.120 [0.080, 0.161]``."""
    digits, difference = _DIGITS[comparison.metric], comparison.difference
    sign = "+" if difference.mean > 0 else ""
    return f"{sign}{number(difference.mean, digits)} {span(difference, digits)}".strip()


def p_value(p: float) -> str:
    """A p value, ``p = 0.012``; below a thousandth ``p < 0.001``; empty without one."""
    if math.isnan(p):
        return ""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def summary(methods: Sequence[Method], results: Results) -> str:
    """The page in one sentence or two: which method has the best mean Dice, by how much, and how sure that is."""
    cases, patients = methods[0].scores["uid"].nunique(), methods[0].scores["patient"].nunique()
    ranked = sorted(
        (index for index in range(len(methods)) if math.isfinite(results.rows[index].dice.mean)),
        key=lambda index: -results.rows[index].dice.mean,
    )
    tested = f"{cases} test case{'s' * (cases != 1)} of {patients} patient{'s' * (patients != 1)}"
    if not ranked:
        return f"No method has a defined Dice on {tested}."
    best, name = results.rows[ranked[0]], _named(methods[ranked[0]])
    reached = f"{number(best.dice.mean, 3)} {span(best.dice, 3)}".strip()
    if len(methods) == 1:
        sentence = f"{name} reaches a mean Dice of {reached} on {tested}"
    else:
        sentence = f"{name} has the best mean Dice, {reached}, on {tested}"
        if len(ranked) > 1:
            sentence += _lead(methods[ranked[0]], methods[ranked[1]])
    rough = patients < FEW_PATIENTS
    return sentence + "." + (" With so few patients the intervals and p values are rough." if rough else "")


def _lead(best: Method, second: Method) -> str:
    dice = next(comparison for comparison in compare_methods(best, second) if comparison.metric == "dice")
    if dice.is_clear:
        return f", {number(dice.difference.mean, 3)} {span(dice.difference, 3)} ahead of {_named(second)}"
    return f"; its lead over {_named(second)} ({signed(dice)}) is not clear"


def _named(method: Method) -> str:
    """A method with its training annotations, since a Dice means little without its label cost."""
    return f"{method.name} ({', '.join(method.annotations)})" if method.annotations else method.name
