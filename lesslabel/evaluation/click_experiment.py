"""An experiment of click protocols: ``results.csv`` with a row for each object, and its ``table.md``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pandas as pd

from lesslabel.errors import DataError
from lesslabel.evaluation.clicks import OBJECT, at_clicks, clicks_needed
from lesslabel.evaluation.experiment import list_commits, read_csv, read_protocol, read_published
from lesslabel.evaluation.experiment_runs import cost_sections
from lesslabel.evaluation.experiment_table import read_baselines
from lesslabel.evaluation.markdown import markdown_table
from lesslabel.evaluation.statistics import MEAN_OVER_LABELS, compare, summarise
from lesslabel.files import read_json, write_text

KEYS = ["set", "method", "seed", "annotator"]
_ORDER = [*KEYS, "uid", "label", "slice"]
MEASURES = {
    "dice_first": "Dice, first",
    "dice_10": "Dice, 10 clicks",
    "dice_20": "Dice, 20 clicks",
    "assd_first_mm": "ASSD, first (mm)",
    "assd_20_mm": "ASSD, 20 clicks (mm)",
    "noc_85": "NoC@85",
    "noc_90": "NoC@90",
}
CLICK_RESULT_COLUMNS = (
    *_ORDER,
    "patient",
    "dice_first",
    "assd_first_mm",
    "clicks_first",
    "seconds_first",
    "dice_10",
    "dice_20",
    "assd_20_mm",
    "noc_85",
    "failed_85",
    "noc_90",
    "failed_90",
    "seconds_click",
    "commit",
)
"""Values of one object in one protocol; those that it takes corrections for are empty where there were none."""
_NUMBERS = tuple(name for name in CLICK_RESULT_COLUMNS[len(_ORDER) + 1 :] if name != "commit")


@dataclass(frozen=True)
class PlayedProtocol:
    """A folder that `lesslabel clicks` made.

    Attributes:
        folder: with ``clicks.csv`` and ``summary.json``.
        set: name of the set of objects.
        method: name of the method in tables.
        annotator: whose prompts they are; empty for a robot.
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
    """Put protocols into ``results.csv`` in place of those of the same set, method, seed and annotator.

    Values are kept to four significant digits; all other rows stay as they are.

    Args:
        folder: the experiment folder.
        played: the protocols, at least one.

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
    rows = pd.concat(frames)
    place = {"seed": int, "slice": int}
    rows = rows.sort_values(_ORDER, key=lambda column: column.astype(place.get(str(column.name), str)), kind="stable")
    write_text(path, rows[list(CLICK_RESULT_COLUMNS)].to_csv(index=False))


def read_click_results(folder: Path) -> pd.DataFrame:
    """Read ``results.csv`` of an experiment of click protocols; absent values are NaN.

    Raises:
        DataError: if it is missing, damaged or without a row.
    """
    path = folder / "results.csv"
    results = read_csv(path, CLICK_RESULT_COLUMNS, numbers=_NUMBERS)
    try:
        results = results.astype({"seed": int, "slice": int})
    except ValueError as error:
        raise DataError(f"{path}: a seed or slice is no integer; correct it") from error
    if results.empty:
        raise DataError(f"{path}: no row; add a played protocol")
    return results


def write_click_table(folder: Path) -> Path:
    """Make ``table.md``: for each set of objects the methods, and their differences to the protocol's baseline.

    The baseline is one method or a mapping, as of `lesslabel.evaluation.experiment_table.write_table`; a set that lacks
    it has no differences.

    Args:
        folder: the experiment folder.

    Returns:
        The path of the table.

    Raises:
        DataError: if a file is missing or damaged.
    """
    results, protocol, published = read_click_results(folder), read_protocol(folder), read_published(folder)
    baselines = read_baselines(folder, protocol.get("baseline"))
    stated = [f"- **{key.replace('_', ' ')}**: {_in_words(value)}" for key, value in protocol.items() if key != "name"]
    pieces = [f"# {protocol['name']}", "\n".join(stated), list_commits(results)]
    for name, rows in results.groupby("set", sort=False):
        pieces += [f"## {name}", _table_of_set(rows)]
        for baseline, patterns in baselines.items():
            rivals = [method for method in dict.fromkeys(rows["method"]) if _is_fair(method, baseline, patterns)]
            if rivals and (rows["method"] == baseline).any():
                said = f"Paired against {baseline}, on the same objects, tested over patients:"
                pieces += [said, _differences(rows, baseline, rivals)]
    if costs := [section.strip() for section in cost_sections(folder)]:
        pieces += [*costs, "Minutes of a method's own jobs; a training that several methods share is none of them."]
    whole = markdown_table(list(published.columns), published.to_numpy().tolist())
    pieces += ["## Published figures", "Context only: other data, training and scoring.", whole]
    path = folder / "table.md"
    write_text(path, "\n\n".join(pieces) + "\n")
    return path


def _rows_of(played: PlayedProtocol) -> pd.DataFrame:
    """One row, as text, for each object of a protocol."""
    frame = read_csv(played.folder / "clicks.csv", numbers=("clicks", "turn", "slice", "dice", "assd_mm", "seconds"))
    frame = frame.astype({"clicks": int, "turn": int, "slice": int})
    summary = read_json(played.folder / "summary.json", "the summary of a protocol")
    first, later = frame[frame["turn"] == 1].set_index(OBJECT), frame[frame["turn"] > 1]
    columns: dict[str, Any] = {
        "dice_first": first["dice"],
        "assd_first_mm": first["assd_mm"],
        "clicks_first": first["clicks"],
        "seconds_first": first["seconds"],
    }
    if len(later):
        columns |= {f"dice_{count}": at_clicks(frame, [count])[count] for count in (10, 20)}
        columns |= {"assd_20_mm": at_clicks(frame, [20], "assd_mm")[20]}
        for percent in (85, 90):
            needed = clicks_needed(frame, percent / 100)
            columns |= {f"noc_{percent}": needed["clicks"], f"failed_{percent}": needed["failed"].astype(int)}
        columns["seconds_click"] = later.groupby(OBJECT)["seconds"].median()
    said = {"set": played.set, "method": played.method, "annotator": played.annotator, "commit": played.commit}
    seed = int(summary["protocol"]["seed"]) if played.seed is None else played.seed
    rows = pd.DataFrame(columns).reset_index().assign(**said, seed=seed)
    rows = rows.reindex(columns=list(CLICK_RESULT_COLUMNS))
    return rows.map(lambda value: f"{value:.4g}" if isinstance(value, float) else str(value)).replace("nan", "")


def _in_words(value: object) -> str:
    if isinstance(value, Mapping):
        return "; ".join(f"{key}: {_in_words(part)}" for key, part in value.items())
    return "; ".join(map(str, value)) if isinstance(value, list) else str(value)


def _is_fair(method: str, baseline: str, patterns: Sequence[str]) -> bool:
    return method != baseline and any(fnmatchcase(method, pattern) for pattern in patterns)


def _table_of_set(rows: pd.DataFrame) -> str:
    measures = [name for name in MEASURES if rows[name].notna().any()]
    counted = ["method", "patients", "objects", "seeds", "clicks, first"]
    lines = []
    for method, of_method in rows.groupby("method"):
        cells = [method, of_method["patient"].nunique(), len(of_method.drop_duplicates(OBJECT))]
        cells += [of_method["seed"].nunique(), f"{of_method['clicks_first'].mean():.1f}"]
        cells += [_interval(of_method, name) for name in measures]
        cells.append(f"{of_method['failed_90'].mean():.0%}" if of_method["noc_90"].notna().any() else "")
        lines.append(cells)
    return markdown_table([*counted, *(MEASURES[name] for name in measures), "failed"], lines)


def _interval(rows: pd.DataFrame, measure: str) -> str:
    """Mean over patients with its interval, seeds, annotators and slices averaged first."""
    if rows[measure].isna().all():
        return ""
    as_dice = rows[["uid", "patient", "label"]].assign(dice=rows[measure])
    summary = summarise(as_dice).set_index("label").loc[MEAN_OVER_LABELS]
    return f"{summary['mean']:.3f} [{summary['low']:.3f}, {summary['high']:.3f}]"


def _differences(rows: pd.DataFrame, baseline: str, rivals: Sequence[str]) -> str:
    reference, lines = rows[rows["method"] == baseline], []
    for method, of_method in rows[rows["method"].isin(rivals)].groupby("method"):
        for measure in MEASURES:
            if of_method[measure].notna().any() and reference[measure].notna().any():
                table = compare(of_method, reference, measure)
                difference = table[table["label"] == MEAN_OVER_LABELS].iloc[0]
                interval = f"{difference['difference']:+.3f} [{difference['low']:+.3f}, {difference['high']:+.3f}]"
                p_value = difference["wilcoxon_p"]
                shown = "< 0.001" if p_value < 0.001 else f"{p_value:.3f}"
                lines.append([method, MEASURES[measure], interval, shown, int(difference["patients"])])
    return markdown_table(["method", "measure", f"difference to {baseline}", "Wilcoxon p", "patients"], lines)
