"""What repairs gain: the measures of methods that enclose an object first, or begin from a mask, and repair it then.

A repair is a turn after the initial result, whatever its number of points or strokes, as in Lin et al., "Multi-Mode
Interactive Image Segmentation", ACM Multimedia 2022. The initial result is that of the first prompts, or the mask that
a protocol starts from.
"""

import pandas as pd

from lesslabel.clicks.measure_table import NOI_DICE, REPAIR_MEASURES, REPAIRS_CAP, REPAIRS_READ_AT
from lesslabel.clicks.measures import OBJECT, SLACK, MeasuredObjects, checked_frame, require_cap, require_threshold
from lesslabel.errors import ConfigError


def after_repairs(
    frame: pd.DataFrame, repairs: int, column: str = "dice", *, started: bool = False
) -> "pd.Series[float]":
    """Find the value of every object after a number of repairs.

    Args:
        frame: clicks.
        repairs: at least 0; an object that needed fewer keeps its last value.
        column: ``dice``, ``iou`` or ``assd_mm``.
        started: whether the protocol started from a mask, which is then the initial result.

    Raises:
        DataError: if the frame is no frame of clicks.
        ConfigError: if `repairs` is negative.
    """
    if repairs < 0:
        raise ConfigError(f"repairs: {repairs}; pass 0 for the initial result, or more")
    frame = checked_frame(frame).sort_values("turn")
    return frame[frame["turn"] <= repairs + _initial(started)].groupby(OBJECT)[column].last()


def repairs_needed(
    frame: pd.DataFrame, threshold: float = NOI_DICE, *, cap: int = REPAIRS_CAP, started: bool = False
) -> pd.DataFrame:
    """Count the repairs of every object until a Dice is first reached: the number of interactions, NoI.

    The initial result counts as none. An object that does not reach it within the cap has failed, with the cap as its
    number.

    Args:
        frame: clicks.
        threshold: Dice in (0, 1].
        cap: at least 1.
        started: whether the protocol started from a mask.

    Returns:
        One row per object (index `OBJECT`) with the columns ``repairs`` and ``failed``.

    Raises:
        DataError: if the frame is no frame of clicks.
        ConfigError: if an argument is out of range.
    """
    require_threshold(threshold)
    require_cap(cap)
    frame = checked_frame(frame)
    repaired = frame.assign(repairs=frame["turn"] - _initial(started)).query("0 <= repairs <= @cap")
    enough = repaired[repaired["dice"] >= threshold - SLACK]
    needed = enough.groupby(OBJECT)["repairs"].min().reindex(frame.groupby(OBJECT).size().index)
    return pd.DataFrame({"repairs": needed.fillna(cap), "failed": needed.isna()})


def measure_repairs(frame: pd.DataFrame, *, started: bool = False) -> dict[str, MeasuredObjects]:
    """Take the measures of repairs of every object, by the keys of `lesslabel.clicks.measure_table.REPAIR_MEASURES`.

    Args:
        frame: clicks.
        started: whether the protocol started from a mask.

    Raises:
        DataError: if the frame is no frame of clicks.
    """
    needed = repairs_needed(frame, started=started)
    measured = {"noi_dice_95": MeasuredObjects(needed["repairs"], needed["failed"])}
    for column in ("dice", "assd_mm"):
        for repairs in REPAIRS_READ_AT:
            values = after_repairs(frame, repairs, column, started=started)
            measured[f"{column}_repairs_{repairs}"] = MeasuredObjects(values)
    return {key: measured[key] for key in REPAIR_MEASURES}


def _initial(started: bool) -> int:
    """The turn of the initial result."""
    return 0 if started else 1
