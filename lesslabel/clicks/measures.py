"""Measures of click protocols: the accuracy after a number of clicks.

A frame of clicks has one row per object and turn with the columns `CLICK_COLUMNS`. Turn 0 is the state before the
first prompts: nothing, at 0 clicks. Between two turns an object keeps the value of the earlier one, after the last turn
that of the last: a user who stops keeps the last answer.

As in `lesslabel.evaluation.statistics` a patient is the unit: objects of one case and label are averaged (the slices of
a 2D model), then the labels of a case, the cases of a patient; the bootstrap draws patients.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lesslabel.clicks.measure_table import (
    CAP,
    OVERLAPS,
    PERCENTS,
    Overlap,
    click_measures,
    clicks_needed_key,
    clicks_read_at,
    qualities,
)
from lesslabel.errors import ConfigError, DataError
from lesslabel.evaluation.statistics import MEAN_OVER_LABELS, bootstrap_interval

CLICK_COLUMNS = ("uid", "patient", "slice", "label", "turn", "clicks", "dice", "assd_mm", "seconds")
"""``slice`` is -1 for a whole case, ``clicks`` counts from the beginning, ``seconds`` are those of the turn."""
THIN_COLUMNS = ("iou_thin", "f_thin")
"""Further columns of a protocol that measures thin parts; NaN for an object that has none."""
BOUNDARY_COLUMN = "biou"
"""Boundary IoU of a turn; protocols of earlier versions lack it."""
PHASE_COLUMNS = ("encoder_s", "head_s", "paste_s")
"""Seconds of a turn by phase (`lesslabel.interaction.model.Phases`), NaN if unknown; earlier versions lack them too."""
OBJECT = ["patient", "uid", "label", "slice"]
"""The columns that identify an object in a frame of clicks."""

SLACK = 1e-9
"""An overlap equal to a threshold reaches it in spite of rounding."""


@dataclass(frozen=True, eq=False)
class MeasuredObjects:
    """One measure of every object; the index is `OBJECT`.

    Attributes:
        values: of the measure.
        failed: whether the object did not reach the overlap; None if the measure counts no clicks.
    """

    values: "pd.Series[float]"
    failed: "pd.Series[bool] | None" = None


def at_clicks(frame: pd.DataFrame, clicks: Sequence[int], column: str = "dice") -> pd.DataFrame:
    """Find the value of every object at given numbers of clicks.

    Args:
        frame: clicks.
        clicks: numbers of clicks, at least 0.
        column: ``dice``, ``iou``, ``assd_mm``, or `BOUNDARY_COLUMN` or one of `THIN_COLUMNS` if the frame has it.

    Returns:
        One row per object (index `OBJECT`), one column per number. An object whose first prompts cost more clicks has
        nothing yet: Dice 0.

    Raises:
        DataError: if the frame is no frame of clicks.
    """
    after_turns = checked_frame(frame).pivot(index=OBJECT, columns="clicks", values=column)
    every_count = sorted({*after_turns.columns, *clicks})
    return after_turns.reindex(columns=every_count).ffill(axis=1)[list(clicks)]


def revision(frame: pd.DataFrame) -> dict[str, float]:
    """What correcting a result costs and gains: the revision degree before the first and after the last turn.

    The degree is 100·(1 − Dice) in percent, as between the prediction of a model and its correction (Wang et al., IEEE
    TMI 2024, arXiv:2309.13401).

    Args:
        frame: clicks.

    Returns:
        Means over patients of their objects' means: ``before`` and ``after`` in percent, ``turns``, ``clicks``, and
        ``seconds`` of the model for an object.

    Raises:
        DataError: if the frame is no frame of clicks.
    """
    objects = checked_frame(frame).sort_values("turn").groupby(OBJECT)
    last = objects.last()
    each = pd.DataFrame(
        {
            "before": 100 * (1 - objects["dice"].first()),
            "after": 100 * (1 - last["dice"]),
            "turns": last["turn"],
            "clicks": last["clicks"],
            "seconds": objects["seconds"].sum(),
        }
    )
    means = each.groupby("patient").mean().mean()
    return {str(name): round(float(value), 6) for name, value in means.items()}


def clicks_needed(frame: pd.DataFrame, threshold: float, *, overlap: Overlap = "dice", cap: int = CAP) -> pd.DataFrame:
    """Count the clicks of every object until an overlap is first reached: NoC.

    Xu et al., "Deep interactive object selection", CVPR 2016, whose overlap is the IoU. Those of the first prompts
    count. An object that does not reach it within the cap counts as failed, with the cap as its number.

    Args:
        frame: clicks.
        threshold: in (0, 1].
        overlap: ``dice``, or ``iou`` = Dice / (2 − Dice).
        cap: at least 1.

    Returns:
        One row per object (index `OBJECT`) with the columns ``clicks`` and ``failed``.

    Raises:
        DataError: if the frame is no frame of clicks.
        ConfigError: if an argument is out of range.
    """
    require_threshold(threshold)
    if overlap not in OVERLAPS:
        raise ConfigError(f"overlap: {overlap!r}; choose one of {', '.join(OVERLAPS)}")
    require_cap(cap)
    frame = checked_frame(frame)
    enough = frame[(frame[overlap] >= threshold - SLACK) & (frame["clicks"] <= cap)]
    needed = enough.groupby(OBJECT)["clicks"].min().reindex(frame.groupby(OBJECT).size().index)
    return pd.DataFrame({"clicks": needed.fillna(cap), "failed": needed.isna()})


def area_under_curve(frame: pd.DataFrame, cap: int = CAP, *, overlap: Overlap = "dice") -> "pd.Series[float]":
    """Mean overlap of every object over 1, 2 … cap clicks: the area under its curve (AuC), in [0, 1].

    Raises:
        DataError: if the frame is no frame of clicks.
        ConfigError: if the cap is below 1.
    """
    require_cap(cap)
    return at_clicks(frame, range(1, cap + 1), overlap).mean(axis=1)


def measure_objects(frame: pd.DataFrame, cap: int = CAP) -> dict[str, MeasuredObjects]:
    """Take every measure of every object, by the keys of `lesslabel.clicks.measure_table.click_measures`.

    Args:
        frame: clicks.
        cap: of the protocol.

    Raises:
        DataError: if the frame is no frame of clicks.
        ConfigError: if the cap is below 1.
    """
    measured = {}
    for lower_cap in (None, *((CAP,) if cap > CAP else ())):
        for overlap in OVERLAPS:
            for percent in PERCENTS:
                needed = clicks_needed(frame, percent / 100, overlap=overlap, cap=lower_cap or cap)
                key = clicks_needed_key(overlap, percent, lower_cap)
                measured[key] = MeasuredObjects(needed["clicks"], needed["failed"])
    frame = checked_frame(frame)
    measured |= {
        f"{overlap}_auc": MeasuredObjects(area_under_curve(frame, cap, overlap=overlap)) for overlap in OVERLAPS
    }
    first = frame[frame["turn"] == 1].set_index(OBJECT).sort_index()
    for column in (quality.key for quality in qualities(frame.columns)):
        measured[f"{column}_first"] = MeasuredObjects(first[column])
        values = at_clicks(frame, clicks_read_at(cap), column)
        measured |= {f"{column}_{count}": MeasuredObjects(values[count]) for count in values.columns}
    return {key: measured[key] for key in click_measures(cap, frame.columns)}


def summarise_clicks(frame: pd.DataFrame, *, cap: int = CAP, seed: int = 0, resamples: int = 10_000) -> pd.DataFrame:
    """Summarise a protocol per label and for the mean over labels.

    Args:
        frame: clicks.
        cap: of the protocol.
        seed: of the bootstrap.
        resamples: bootstrap samples.

    Returns:
        One row per label and measure with the columns ``label, measure, mean, low, high, patients, objects, failures``:
        the mean over patients with its 95 % bootstrap interval, the number of patients and objects, and of the numbers
        of clicks how many objects failed (else NaN). The measures are those of
        `lesslabel.clicks.measure_table.click_measures`.

    Raises:
        DataError: if the frame is no frame of clicks.
        ConfigError: if the cap is below 1.
    """
    rows = []
    for measure, objects in measure_objects(frame, cap).items():
        values, failed = objects.values, objects.failed
        patients = _per_patient(values)
        for label in patients.columns:
            whole = label == MEAN_OVER_LABELS
            of_label = slice(None) if whole else values.index.get_level_values("label") == label
            rows.append(
                {"label": label, "measure": measure, **_interval(patients[label], seed, resamples)}
                | {"patients": patients[label].count(), "objects": len(values[of_label])}
                | {"failures": math.nan if failed is None else float(failed[of_label].sum())}
            )
    return pd.DataFrame(rows)


def curve_over_clicks(
    frame: pd.DataFrame, column: str = "dice", *, cap: int = CAP, seed: int = 0, resamples: int = 10_000
) -> pd.DataFrame:
    """Average the curves of all objects, mean over labels.

    Args:
        frame: clicks.
        column: see `at_clicks`.
        cap: of the protocol.
        seed: of the bootstrap.
        resamples: bootstrap samples.

    Returns:
        The columns ``clicks, mean, low, high``; it begins where every object has its first prompts, and is empty if
        some need more than the cap.

    Raises:
        DataError: if the frame is no frame of clicks.
        ConfigError: if the cap is below 1.
    """
    require_cap(cap)
    begun = int(checked_frame(frame).loc[frame["turn"] == 1, "clicks"].max())
    values = at_clicks(frame, range(begun, cap + 1), column)
    rows = [
        {"clicks": count, **_interval(_per_patient(values[count])[MEAN_OVER_LABELS], seed, resamples)}
        for count in values.columns
    ]
    return pd.DataFrame(rows, columns=["clicks", "mean", "low", "high"])


def _per_patient(values: "pd.Series[float]") -> pd.DataFrame:
    """One row per patient, one column per label and one for their mean inside each case."""
    cases = values.groupby(level=["patient", "uid", "label"]).mean().unstack("label")
    return cases.assign(**{MEAN_OVER_LABELS: cases.mean(axis=1)}).groupby(level="patient").mean()


def _interval(patients: "pd.Series[float]", seed: int, resamples: int) -> dict[str, float]:
    values = np.asarray(patients.dropna(), dtype=np.float64)
    low, high = bootstrap_interval(values, seed, resamples)
    return {"mean": float(values.mean()) if len(values) else math.nan, "low": low, "high": high}


def require_threshold(threshold: float) -> None:
    """Refuse an overlap that is not in (0, 1].

    Raises:
        ConfigError: if it is not.
    """
    if not 0.0 < threshold <= 1.0:
        raise ConfigError(f"threshold: {threshold}; pass an overlap above 0, at most 1")


def require_cap(cap: int) -> None:
    """Refuse a largest number of clicks or repairs below 1.

    Raises:
        ConfigError: if it is.
    """
    if cap < 1:
        raise ConfigError(f"cap: {cap}; pass a number of at least 1")


def checked_frame(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with its IoU, which the Dice determines.

    Raises:
        DataError: if it is no frame of clicks.
    """
    missing = [column for column in CLICK_COLUMNS if column not in frame.columns]
    if missing or frame.empty:
        raise DataError(
            f"clicks: {'column ' + missing[0] + ' is missing' if missing else 'no row'}; see docs/click_protocols.md"
        )
    twice = any(frame.duplicated([*OBJECT, column]).any() for column in ("turn", "clicks"))
    begun = frame[frame["turn"].isin((0, 1))].groupby(OBJECT)["dice"].agg(["size", "last"])
    lacking = (begun["size"] != 2) & (begun["last"] < 1)  # a perfect start needs no turn
    if twice or len(begun) < len(frame.drop_duplicates(OBJECT)) or lacking.any():
        raise DataError("clicks: an object has a turn twice, or no turn 0 or 1; run the protocol again")
    return frame.assign(iou=frame["dice"] / (2.0 - frame["dice"]))
