"""The measures of click protocols, with their names in files, tables, reports and on the terminal.

`lesslabel.clicks.measures` computes them. Code that writes or prints one takes its name and digits from here.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

CAP = 20
"""Default of the largest number of clicks."""
PERCENTS = (85, 90)
"""Overlaps in percent that a number of clicks (NoC) is counted up to."""
Overlap = Literal["dice", "iou"]
OVERLAPS: Mapping[Overlap, str] = {"dice": "Dice", "iou": "IoU"}

_READ_AT = (5, 10)


@dataclass(frozen=True)
class Quality:
    """A quantity that every turn of an object has.

    Attributes:
        key: its column in a frame of clicks.
        name: its name in text.
        unit: its unit; empty if it has none.
        digits: shown after the point.
        higher_is_better: whether a high value is a good one.
        highest: the largest value there can be.
        meaning: in one sentence.
        always: whether every protocol has it; others are measured on request.
    """

    key: str
    name: str
    unit: str
    digits: int
    higher_is_better: bool
    highest: float
    meaning: str
    always: bool = True

    @property
    def title(self) -> str:
        """The name with the unit."""
        return f"{self.name} ({self.unit})" if self.unit else self.name


@dataclass(frozen=True)
class ClickMeasure:
    """One measure of a click protocol.

    Attributes:
        key: in ``summary.json`` of a protocol.
        column: in ``results.csv`` and ``published.csv`` of an experiment; empty if it is not there.
        failed_column: in ``results.csv``, whether the object failed; empty if none can fail.
        title: where it stands on its own, as in ``table.md`` and on the terminal.
        heading: over its column on the page; one that continues the column before it names only its clicks.
        digits: shown after the point.
        higher_is_better: whether a high value is a good one.
        meaning: in one sentence.
    """

    key: str
    column: str
    failed_column: str
    title: str
    heading: str
    digits: int
    higher_is_better: bool
    meaning: str


QUALITIES = {
    quality.key: quality
    for quality in (
        Quality("dice", "Dice", "", 3, True, 1.0, "Overlap of the segmentation with the object."),
        Quality("assd_mm", "ASSD", "mm", 2, False, math.inf, "Average symmetric distance of the surfaces."),
        Quality("iou_thin", "IoU_thin", "", 3, True, 1.0, "IoU at the thin parts of the object.", always=False),
        Quality("f_thin", "F_thin", "", 3, True, 1.0, "Agreement of the contours at the thin parts.", always=False),
    )
}
CLICKS_FIRST = ClickMeasure(
    *("clicks_first", "clicks_first", "", "clicks, first", "clicks, first prompts", 1, False),
    meaning="Clicks that the first prompts take.",
)
SECONDS_FIRST = ClickMeasure(
    *("seconds_first", "seconds_first", "", "seconds, first", "seconds, first prompts", 3, False),
    meaning="Median seconds that the method takes for the first prompts, encoding included.",
)
SECONDS_CORRECTION = ClickMeasure(
    *("seconds_correction", "seconds_click", "", "seconds, a correction", "a correction", 3, False),
    meaning="Median seconds that the method takes for a later turn.",
)


def clicks_read_at(cap: int) -> tuple[int, ...]:
    """The numbers of clicks at which Dice and ASSD are read: 5 and 10 if they are below the cap, and the cap."""
    return (*(count for count in _READ_AT if count < cap), cap)


def click_measures(cap: int = CAP, *, thin: bool = False) -> dict[str, ClickMeasure]:
    """The measures that a summary has, by key and in its order.

    Args:
        cap: of the protocol.
        thin: whether the protocol measures thin parts.
    """
    measures = [_clicks_needed(overlap, percent) for overlap in OVERLAPS for percent in PERCENTS]
    measures.append(_area())
    for quality in qualities(thin=thin):
        measures += [_after_first(quality), *(_after_clicks(quality, count) for count in clicks_read_at(cap))]
    return {measure.key: measure for measure in measures}


def qualities(*, thin: bool) -> list[Quality]:
    """The quantities that a protocol measures.

    Args:
        thin: whether it measures thin parts.
    """
    return [quality for quality in QUALITIES.values() if quality.always or thin]


def _clicks_needed(overlap: Overlap, percent: int) -> ClickMeasure:
    in_experiments = overlap == "dice"
    return ClickMeasure(
        key=f"noc_{overlap}_{percent}",
        column=f"noc_{percent}" if in_experiments else "",
        failed_column=f"failed_{percent}" if in_experiments else "",
        title=f"NoC@{percent}" if in_experiments else f"NoC@{percent} ({OVERLAPS[overlap]})",
        heading=f"NoC@{percent} ({OVERLAPS[overlap]}) ↓",
        digits=1,
        higher_is_better=False,
        meaning=f"Clicks until the {OVERLAPS[overlap]} is at least {percent / 100:.2f}; the cap if it never is.",
    )


def _area() -> ClickMeasure:
    return ClickMeasure(
        key="dice_auc",
        column="",
        failed_column="",
        title="Dice, area",
        heading="area under the curve ↑",
        digits=QUALITIES["dice"].digits,
        higher_is_better=True,
        meaning="Mean Dice over 1, 2 … cap clicks.",
    )


def _after_first(quality: Quality) -> ClickMeasure:
    return ClickMeasure(
        key=f"{quality.key}_first",
        column=_column(quality, "first"),
        failed_column="",
        title=_title(quality, "first"),
        heading=f"{quality.title}, first prompts {'↑' if quality.higher_is_better else '↓'}",
        digits=quality.digits,
        higher_is_better=quality.higher_is_better,
        meaning=f"{quality.meaning} After the first prompts.",
    )


def _after_clicks(quality: Quality, count: int) -> ClickMeasure:
    return ClickMeasure(
        key=f"{quality.key}_{count}",
        column=_column(quality, str(count)),
        failed_column="",
        title=_title(quality, f"{count} clicks"),
        heading=f"at {count} clicks",
        digits=quality.digits,
        higher_is_better=quality.higher_is_better,
        meaning=f"{quality.meaning} After {count} clicks.",
    )


def _column(quality: Quality, when: str) -> str:
    """The unit is the last part: ``assd_20_mm``."""
    return "_".join(filter(None, (quality.name.lower(), when, quality.unit)))


def _title(quality: Quality, when: str) -> str:
    return f"{quality.name}, {when}" + (f" ({quality.unit})" if quality.unit else "")
