"""``results.csv`` of an experiment of click protocols: one row for each object."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from lesslabel.clicks.folder import CLICKS, REAL_COLUMNS, SUMMARY, WHOLE_COLUMNS
from lesslabel.clicks.measure_table import (
    CAP,
    CLICKS_FIRST,
    EARLY_MEASURES,
    REPAIR_MEASURES,
    SECONDS_CORRECTION,
    SECONDS_ENCODER,
    SECONDS_FIRST,
    SECONDS_HEAD,
    SECONDS_PASTE,
    click_measures,
)
from lesslabel.clicks.measures import (
    BOUNDARY_COLUMN,
    OBJECT,
    PHASE_COLUMNS,
    THIN_COLUMNS,
    at_clicks,
    measure_objects,
)
from lesslabel.clicks.repairs import measure_repairs
from lesslabel.csv_table import read_csv
from lesslabel.errors import DataError
from lesslabel.files import read_json, write_text

KEYS = ["set", "method", "seed", "annotator"]
_ORDER = [*KEYS, "uid", "label", "slice"]
_MEASURES = click_measures(columns=[BOUNDARY_COLUMN, *THIN_COLUMNS])
_FIRST = [_MEASURES[key] for key in ("dice_first", "assd_mm_first")]
_AT_CLICKS = [_MEASURES[key] for key in ("dice_10", "dice_20", "assd_mm_20")]
_NEEDED = [_MEASURES[key] for key in ("noc_dice_85", "noc_dice_90")]
CLICK_RESULT_COLUMNS = (
    *_ORDER,
    "patient",
    *(measure.column for measure in (*_FIRST, CLICKS_FIRST, SECONDS_FIRST, *_AT_CLICKS)),
    *(column for measure in _NEEDED for column in (measure.column, measure.failed_column)),
    SECONDS_CORRECTION.column,
    "commit",
)
"""Values of one object in one protocol; those of corrections are empty without any."""
_FURTHER_NEEDED = [_MEASURES[key] for key in ("noc_iou_85", "noc_iou_90")]
_FURTHER = [
    _MEASURES[key]
    for key in (
        *("iou_first", "iou_5", "iou_10", "iou_20", "iou_auc", "dice_auc"),
        *("biou_first", "biou_5", "biou_20", "assd_mm_5"),
        *("iou_thin_first", "iou_thin_20", "f_thin_first", "f_thin_20"),
    )
]
_PHASES = dict(zip((SECONDS_ENCODER, SECONDS_HEAD, SECONDS_PASTE), PHASE_COLUMNS, strict=True))
FURTHER_COLUMNS = (
    *(column for measure in _FURTHER_NEEDED for column in (measure.column, measure.failed_column)),
    *(measure.column for measure in (*_FURTHER, *EARLY_MEASURES.values(), *_PHASES)),
    *(column for measure in REPAIR_MEASURES.values() for column in (measure.column, measure.failed_column) if column),
    "cap",
)
"""Values of objects that files of earlier versions lack; empty where a protocol did not measure them."""
_NUMBERS = (*(name for name in CLICK_RESULT_COLUMNS[len(_ORDER) + 1 :] if name != "commit"), *FURTHER_COLUMNS)


@dataclass(frozen=True)
class PlayedProtocol:
    """A folder that `lesslabel clicks` made.

    Attributes:
        folder: its path, with ``clicks.csv`` and ``summary.json``.
        set: name of the set of objects.
        method: name of the method in tables.
        annotator: the annotator of the prompts; empty for a robot.
        commit: of the code that trained the method.
        seed: in the table; None takes that of the robots.
    """

    folder: Path
    set: str
    method: str
    annotator: str
    commit: str
    seed: int | None = None


def add_clicks(folder: Path, played: Sequence[PlayedProtocol]) -> None:
    """Add protocols to ``results.csv``; they replace those of the same set, method, seed and annotator.

    Values are rounded to four significant digits; all other rows are kept.

    Args:
        folder: the experiment folder.
        played: the click protocols, at least one.

    Raises:
        DataError: if a file is missing or damaged, or two protocols are one row.
    """
    frames = [_rows_of(protocol) for protocol in played]
    identities = [tuple(frame.iloc[0][KEYS]) for frame in frames]
    for index, identity in enumerate(identities):
        if identity in identities[:index]:
            raise DataError(
                f"{played[index].folder}: {', '.join(map(str, identity))} is there twice; name it otherwise"
            )
    path = folder / "results.csv"
    if path.is_file():
        old = read_csv(path, CLICK_RESULT_COLUMNS)
        kept = [identity not in set(identities) for identity in old[KEYS].itertuples(index=False, name=None)]
        frames.append(old[kept])
    columns = [*CLICK_RESULT_COLUMNS, *FURTHER_COLUMNS]
    rows = pd.concat([frame.reindex(columns=columns, fill_value="") for frame in frames])
    rows = rows[[name for name in columns if name in CLICK_RESULT_COLUMNS or (rows[name] != "").any()]]
    place = {"seed": int, "slice": int}
    rows = rows.sort_values(_ORDER, key=lambda column: column.astype(place.get(str(column.name), str)), kind="stable")
    write_text(path, rows.to_csv(index=False))


def read_click_results(folder: Path) -> pd.DataFrame:
    """Read ``results.csv`` of an experiment of click protocols; absent values and columns are NaN.

    Raises:
        DataError: if it is missing, damaged or without a row.
    """
    path = folder / "results.csv"
    results = read_csv(path, CLICK_RESULT_COLUMNS, numbers=_NUMBERS)
    results = results.reindex(columns=[*CLICK_RESULT_COLUMNS, *FURTHER_COLUMNS])
    try:
        results = results.astype({"seed": int, "slice": int})
    except ValueError as error:
        raise DataError(f"{path}: a seed or slice is no integer; correct it") from error
    if results.empty:
        raise DataError(f"{path}: no row; add a played protocol")
    return results


def _rows_of(played: PlayedProtocol) -> pd.DataFrame:
    """One row, as text, for each object of a protocol."""
    frame = read_csv(played.folder / CLICKS, numbers=(*WHOLE_COLUMNS, *REAL_COLUMNS))
    frame = frame.astype(dict.fromkeys(WHOLE_COLUMNS, int))
    summary = read_json(played.folder / SUMMARY, "the summary of a protocol")
    cap = int(summary["protocol"].get("cap", CAP))
    constants = {"set": played.set, "method": played.method, "annotator": played.annotator, "commit": played.commit}
    seed = int(summary["protocol"]["seed"]) if played.seed is None else played.seed
    started = "without_start" in summary
    rows = pd.DataFrame(_values_of(frame, cap, started)).reset_index().assign(**constants, seed=seed, cap=cap)
    rows = rows.reindex(columns=[*CLICK_RESULT_COLUMNS, *FURTHER_COLUMNS])
    return rows.map(lambda value: f"{value:.4g}" if isinstance(value, float) else str(value)).replace("nan", "")


def _values_of(frame: pd.DataFrame, cap: int, started: bool) -> dict[str, Any]:
    """The columns of objects; those of corrections only if there were any: of a start mask every turn is one."""
    first, later = frame[frame["turn"] == 1].set_index(OBJECT), frame[frame["turn"] > 1]
    corrected = len(first) if started else len(later)
    measured = measure_objects(frame, cap)
    values: dict[str, Any] = {measure.column: measured[measure.key].values for measure in _FIRST}
    values |= {CLICKS_FIRST.column: first["clicks"], SECONDS_FIRST.column: first["seconds"]}
    known = [measure for measure in _FURTHER if measure.key in measured]
    for measure in known if corrected else [each for each in known if each.key.endswith("_first")]:
        values[measure.column] = measured[measure.key].values
    if corrected:
        for measure in _AT_CLICKS:
            values[measure.column] = measured[measure.key].values
        early = at_clicks(frame, list(EARLY_MEASURES), "iou")
        values |= {measure.column: early[count] for count, measure in EARLY_MEASURES.items()}
        measured |= measure_repairs(frame, started=started)
        values |= {measure.column: measured[key].values for key, measure in REPAIR_MEASURES.items()}
        for measure in (*_NEEDED, *_FURTHER_NEEDED, REPAIR_MEASURES["noi_dice_95"]):
            values[measure.column] = measured[measure.key].values
            if (failed := measured[measure.key].failed) is not None:
                values[measure.failed_column] = failed.astype(int)
        values[SECONDS_CORRECTION.column] = later.groupby(OBJECT)["seconds"].median()
    for phase, column in _PHASES.items():
        if column in frame.columns:
            counted = frame[frame["turn"] == 1] if phase is SECONDS_ENCODER else frame
            values[phase.column] = counted.groupby(OBJECT)[column].median()
    return values
