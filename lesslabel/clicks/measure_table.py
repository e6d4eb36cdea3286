"""The measures of click protocols, with their names in files, tables, reports and on the terminal.

`lesslabel.clicks.measures` computes them. Code that writes or prints one takes its name and digits from here.
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

CAP = 20
"""Default of the largest number of clicks."""
PERCENTS = (85, 90)
"""Overlaps in percent that a number of clicks (NoC) is counted up to."""
Overlap = Literal["dice", "iou"]
OVERLAPS: Mapping[Overlap, str] = {"dice": "Dice", "iou": "IoU"}

REPAIRS_CAP = 20
"""The largest number of repairs that is counted."""
REPAIRS_READ_AT = (0, 1, 5, 10)
"""Numbers of repairs that qualities are read after; 0 is the initial result."""
NOI_DICE = 0.95
"""Dice that a number of repairs (NoI) is counted up to."""

EARLY_CLICKS = (2, 3)
"""Further numbers of clicks that results of experiments have the IoU at."""

_READ_AT = (5, 10, CAP)


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
        Quality("iou", "IoU", "", 3, True, 1.0, "Intersection over union of the segmentation and the object."),
        Quality("biou", "BIoU", "", 3, True, 1.0, "IoU near the boundaries of both.", always=False),
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
SECONDS_ENCODER = ClickMeasure(
    *("seconds_encoder", "seconds_encoder", "", "seconds, encoder", "encoder", 3, False),
    meaning="Median seconds of the first turn for what depends on image and crop alone, which later turns use again.",
)
SECONDS_HEAD = ClickMeasure(
    *("seconds_head", "seconds_head", "", "seconds, head", "head", 3, False),
    meaning="Median seconds of a turn for the network that sees the prompts.",
)
SECONDS_PASTE = ClickMeasure(
    *("seconds_paste", "seconds_paste", "", "seconds, paste", "paste", 3, False),
    meaning="Median seconds of a turn for bringing the answer from the crop to the grid of the image.",
)


def _column(quality: Quality, when: str) -> str:
    """The unit is the last part: ``assd_20_mm``."""
    return "_".join(filter(None, (quality.name.lower(), when, quality.unit)))


def _title(quality: Quality, when: str) -> str:
    return f"{quality.name}, {when}" + (f" ({quality.unit})" if quality.unit else "")


def _repairs(count: int) -> str:
    return "1 repair" if count == 1 else f"{count} repairs"


REPAIR_MEASURES = {
    measure.key: measure
    for measure in (
        ClickMeasure(
            *("noi_dice_95", "noi_95", "failed_noi_95", "NoI@95", "NoI@95 (Dice) ↓", 1, False),
            meaning=f"Repairs until the Dice is at least {NOI_DICE}; {REPAIRS_CAP} if it never is.",
        ),
        *(
            ClickMeasure(
                key=f"{key}_repairs_{repairs}",
                column=_column(QUALITIES[key], f"repairs_{repairs}"),
                failed_column="",
                title=_title(QUALITIES[key], _repairs(repairs)),
                heading=f"after {_repairs(repairs)}",
                digits=QUALITIES[key].digits,
                higher_is_better=QUALITIES[key].higher_is_better,
                meaning=f"{QUALITIES[key].meaning} After {_repairs(repairs)}.",
            )
            for key in ("dice", "assd_mm")
            for repairs in REPAIRS_READ_AT
        ),
    )
}
"""Measures by the number of repairs instead of clicks, see `lesslabel.clicks.repairs`; in ``results.csv`` alone."""


def clicks_read_at(cap: int) -> tuple[int, ...]:
    """The numbers of clicks at which qualities are read: 5, 10 and 20 if they are below the cap, and the cap."""
    return (*(count for count in _READ_AT if count < cap), cap)


def click_measures(cap: int = CAP, columns: Collection[str] = ()) -> dict[str, ClickMeasure]:
    """The measures that a summary has, by key and in its order.

    Args:
        cap: of the protocol. Above `CAP`, the numbers of clicks are also counted with `CAP`.
        columns: of the frame of clicks; measures of qualities that not every protocol has are those of its columns.
    """
    measures = [_clicks_needed(overlap, percent) for overlap in OVERLAPS for percent in PERCENTS]
    for quality in qualities(columns):
        if quality.key in OVERLAPS:
            measures.append(_area(quality))
        measures += [_after_first(quality), *(_after_clicks(quality, count) for count in clicks_read_at(cap))]
    if cap > CAP:
        measures += [_clicks_needed(overlap, percent, CAP) for overlap in OVERLAPS for percent in PERCENTS]
    return {measure.key: measure for measure in measures}


def qualities(columns: Collection[str] = ()) -> list[Quality]:
    """The quantities that a protocol measures.

    Args:
        columns: of its frame of clicks; they tell which of those that not every protocol has.
    """
    return [quality for quality in QUALITIES.values() if quality.always or quality.key in columns]


def clicks_needed_key(overlap: Overlap, percent: int, lower_cap: int | None = None) -> str:
    """The key of a number of clicks; with a lower cap than that of the protocol it names it."""
    return f"noc_{overlap}_{percent}" + (f"_cap_{lower_cap}" if lower_cap else "")


def _clicks_needed(overlap: Overlap, percent: int, lower_cap: int | None = None) -> ClickMeasure:
    name, limit = f"NoC{lower_cap or ''}@{percent}", "the cap" if lower_cap is None else str(lower_cap)
    column = {"dice": f"{percent}", "iou": f"iou_{percent}"}[overlap]
    return ClickMeasure(
        key=clicks_needed_key(overlap, percent, lower_cap),
        column=f"noc_{column}" if lower_cap is None else "",
        failed_column=f"failed_{column}" if lower_cap is None else "",
        title=name if overlap == "dice" else f"{name} ({OVERLAPS[overlap]})",
        heading=f"{name} ({OVERLAPS[overlap]}) ↓",
        digits=1,
        higher_is_better=False,
        meaning=f"Clicks until the {OVERLAPS[overlap]} is at least {percent / 100:.2f}; {limit} if it never is.",
    )


def _area(quality: Quality) -> ClickMeasure:
    return ClickMeasure(
        key=f"{quality.key}_auc",
        column=f"{quality.key}_auc",
        failed_column="",
        title=f"{quality.name}, area",
        heading="area under the curve ↑" if quality.key == "dice" else f"area under the curve of {quality.name} ↑",
        digits=quality.digits,
        higher_is_better=True,
        meaning=f"Mean {quality.name} over 1, 2 … cap clicks.",
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


EARLY_MEASURES = {count: _after_clicks(QUALITIES["iou"], count) for count in EARLY_CLICKS}
"""IoU after further numbers of clicks, where methods differ most; in ``results.csv`` alone."""
