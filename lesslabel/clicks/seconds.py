"""How long a model takes for the turns of a click protocol."""

import pandas as pd

from lesslabel.clicks.measures import PHASE_COLUMNS, checked_frame


def seconds_per_turn(frame: pd.DataFrame) -> dict[str, float]:
    """Median seconds that the model took, encoding included.

    Returns:
        ``first`` for the turn of the first prompts, ``correction`` for a later one; NaN where there was none.

    Raises:
        DataError: if the frame is no frame of clicks.
    """
    frame = checked_frame(frame)
    return {
        "first": float(frame.loc[frame["turn"] == 1, "seconds"].median()),
        "correction": float(frame.loc[frame["turn"] > 1, "seconds"].median()),
    }


def seconds_per_phase(frame: pd.DataFrame) -> dict[str, float]:
    """Median seconds of the phases of a turn, see `lesslabel.interaction.model.Phases`.

    Returns:
        ``encoder`` of first turns, ``head`` and ``paste`` of all turns; NaN where the method cannot tell.

    Raises:
        DataError: if the frame is no frame of clicks.
    """
    frame = checked_frame(frame).reindex(columns=["turn", *PHASE_COLUMNS])
    return {
        "encoder": float(frame.loc[frame["turn"] == 1, "encoder_s"].median()),
        "head": float(frame["head_s"].median()),
        "paste": float(frame["paste_s"].median()),
    }
