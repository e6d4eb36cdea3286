"""What the next minutes of annotation would buy, where the runs of a page are rounds of one growing annotation."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from markupsafe import Markup

from lesslabel.data.store import Store
from lesslabel.errors import DataError
from lesslabel.evaluation.learning_curve import FEWEST_ROUNDS, Expected
from lesslabel.reports.drawing.svg import Scale, drawing, element, hover, line, method_style, polyline, text
from lesslabel.reports.runs.budget import split_budget
from lesslabel.reports.runs.methods import Method
from lesslabel.reports.runs.words import number
from lesslabel.tables.label_costs import Costs, LabelCounter
from lesslabel.tables.planning import (
    Plan,
    Round,
    labelled_parts,
    model_settings,
    plan_series,
    shown_labels,
    without_round,
)

_WIDTH, _HEIGHT = 720.0, 340.0
_POINTS = 120
_FEWEST_PATIENTS = 2
"""In the test part: the interval over one has no width."""


@dataclass(frozen=True)
class Learning:
    """The learning curve of one series of rounds.

    Attributes:
        series: name of the method without its budget or round.
        chart: the drawing.
        finding: what the further minutes would buy, in one sentence.
        check: whether the curve predicted its own last round, in one sentence.
        trusted: False if it did not.
    """

    series: str
    chart: Markup
    finding: str
    check: str
    trusted: bool


def learning_curves(methods: Sequence[Method], store: Store | None, minutes: float) -> list[Learning]:
    """Draw the learning curve of every series of rounds among the methods of a page.

    A series is three and more methods of one name and one model, whose labels grow: each holds the labels of the one
    before, and at least three cost different minutes. Two patients or more were tested, all in every round. Minutes are
    those of the annotator where they were counted, and the default prices of `lesslabel.tables.label_costs.Costs`
    elsewhere.

    Args:
        methods: the methods.
        store: that holds their labels; None if it is not at hand, then there is no curve.
        minutes: further minutes of annotation, above 0.

    Returns:
        One for each series; none if the methods are no rounds, or the store lacks their labels.
    """
    if store is None:
        return []
    counter, found = LabelCounter(store), []
    for name, members in _growing(methods, store):
        try:
            rounds = [Round.of(_minutes(counter, member), member.scores) for member in members]
        except DataError:  # labels that were taken out of the store since; the rest of the page stands
            continue
        if len({one.minutes for one in rounds if one.minutes > 0.0}) >= FEWEST_ROUNDS and _same_patients(rounds):
            found.append(_describe(plan_series(name, rounds, minutes)))
    return found


def draw_plan(plan: Plan) -> Markup:
    """Draw rounds, curve and interval over minutes, with what the further minutes would give and the check.

    Args:
        plan: the fitted series.
    """
    end = plan.minutes[-1] + plan.more_minutes
    amounts = np.linspace(plan.minutes[0], end, _POINTS).tolist()
    expected = [plan.curve.at(amount) for amount in amounts]
    x = Scale(0.0, end, 52, _WIDTH - 24)
    y = _dice_scale([*plan.dice, *(value for one in [*expected, *_checked(plan)] for value in (one.low, one.high))])
    parts = [line(x.start, y(tick), x.end, y(tick), "grid") for tick in y.ticks()]
    parts += [text(46, y(tick) + 4, f"{tick:.4g}", "end", "tick") for tick in y.ticks()]
    parts += [text(x(tick), y.start + 17, f"{tick:,.4g}", "middle", "tick") for tick in x.ticks()]
    parts.append(text(x.end, _HEIGHT - 8, "minutes of annotation", "end", "tick"))
    marks = [*_band(amounts, expected, x, y), *_rounds(plan, x, y)]
    parts.append(element("g", {"style": method_style(0)}, Markup("").join(marks)))
    return drawing(_WIDTH, _HEIGHT, parts, f"Learning curve of {plan.series}")


def _growing(methods: Sequence[Method], store: Store) -> list[tuple[str, list[Method]]]:
    """Methods of one name and model whose labels grow from each to the next, with a name that no other series has."""
    series: dict[tuple[str, str], list[Method]] = {}
    for method in methods:
        run = method.runs[0]
        name = without_round(split_budget(run.method)[0])
        series.setdefault((name, model_settings(run.config)), []).append(method)
    found = []
    for (name, _), members in series.items():
        sets = sorted((labelled_parts(member.runs[0].data, store) for member in members), key=len)
        if len(members) >= FEWEST_ROUNDS and all(less <= more for less, more in pairwise(sets)):
            found.append((name, members))
    names = [name for name, _ in found]
    return [
        (name if names.count(name) == 1 else f"{name} · {members[0].runs[0].name}", members) for name, members in found
    ]


def _minutes(counter: LabelCounter, method: Method) -> float:
    return counter.count(shown_labels(method.runs[0].data)).minutes(Costs())


def _same_patients(rounds: Sequence[Round]) -> bool:
    """Whether all rounds have a Dice of the same patients; a case without any object has none."""
    return len({frozenset(one.dice.index) for one in rounds}) == 1 and len(rounds[0].dice) >= _FEWEST_PATIENTS


def _describe(plan: Plan) -> Learning:
    spent, more = plan.minutes[-1], plan.more_minutes
    sign = "+" if plan.gain > 0 else ""
    finding = (
        f"{more:.4g} more minutes of annotation, beyond {spent:.4g}, would bring the Dice to "
        f"{_in_words(plan.next)}: {sign}{number(plan.gain, 3)} on the curve."
    )
    if plan.held_out is None:
        check = f"Not checked: it takes {FEWEST_ROUNDS + 1} rounds to hold one out."
    else:
        check = (
            f"The rounds before predict {_in_words(plan.held_out)} for the last one, and it is "
            f"{number(plan.dice[-1], 3)}: {'inside' if plan.holds else 'outside, so do not rely on this curve'}."
        )
    return Learning(plan.series, draw_plan(plan), finding, check, plan.holds is not False)


def _checked(plan: Plan) -> list[Expected]:
    return [] if plan.held_out is None else [plan.held_out]


def _dice_scale(values: Sequence[float]) -> Scale:
    low, high = np.floor(min(values) * 20 + 1e-9) / 20, np.ceil(max(values) * 20 - 1e-9) / 20
    return Scale(float(low), float(max(high, low + 0.05)), _HEIGHT - 50, 10)


def _band(amounts: Sequence[float], expected: Sequence[Expected], x: Scale, y: Scale) -> Iterator[Markup]:
    """The interval and the curve inside it."""
    places = [x(amount) for amount in amounts]
    upper = [f"{at:.2f},{y(one.high):.2f}" for at, one in zip(places, expected, strict=True)]
    lower = [f"{at:.2f},{y(one.low):.2f}" for at, one in zip(places, expected, strict=True)]
    yield element("polygon", {"points": " ".join([*upper, *reversed(lower)]), "class": "band"})
    yield polyline(places, [y(one.dice) for one in expected], "curve", "--dashes: none")


def _rounds(plan: Plan, x: Scale, y: Scale) -> Iterator[Markup]:
    """A dot for each round, a hollow one for the next, and the interval in which the last one was predicted."""
    last, end = plan.minutes[-1], plan.minutes[-1] + plan.more_minutes
    if plan.held_out is not None:
        title = hover(f"predicted from the rounds before: {_in_words(plan.held_out)}")
        whisker = line(x(last), y(plan.held_out.low), x(last), y(plan.held_out.high), "whisker thin")
        yield element("g", {}, title + whisker)
    for minutes, dice in zip(plan.minutes, plan.dice, strict=True):
        yield _dot(x(minutes), y(dice), "dot", f"{minutes:.4g} minutes: {dice:.3f}")
    yield _dot(x(end), y(plan.next.dice), "dot hollow", f"{end:.4g} minutes, expected: {_in_words(plan.next)}")


def _dot(at: float, height: float, css: str, title: str) -> Markup:
    return element("circle", {"cx": at, "cy": height, "r": 4, "class": css}, hover(title))


def _in_words(dice: Expected) -> str:
    return f"{number(dice.dice, 3)} [{number(dice.low, 3)}, {number(dice.high, 3)}]"
