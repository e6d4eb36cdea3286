"""``table.md`` of an experiment of click protocols: the methods on each set of objects."""

import math
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pandas as pd

from lesslabel.clicks.measure_table import (
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
from lesslabel.clicks.measures import BOUNDARY_COLUMN, OBJECT, THIN_COLUMNS
from lesslabel.errors import DataError
from lesslabel.evaluation.statistics import MEAN_OVER_LABELS, summarise
from lesslabel.files import write_text
from lesslabel.markdown import markdown_table
from lesslabel.tables.click_results import CLICK_RESULT_COLUMNS, FURTHER_COLUMNS, read_click_results
from lesslabel.tables.costs import cost_sections
from lesslabel.tables.experiment_protocol import (
    PUBLISHED_COLUMNS,
    list_protocol,
    published_number,
    read_protocol,
    read_published,
)
from lesslabel.tables.paired import CORRECTED, P_VALUES, paired_differences
from lesslabel.tables.results import FIGURE, list_commits
from lesslabel.tables.table import read_baselines

_COMPARED = ("dice_first", "dice_10", "dice_20", "assd_mm_first", "assd_mm_20", "noc_dice_85", "noc_dice_90")
_SECONDS = (SECONDS_FIRST, SECONDS_CORRECTION, SECONDS_ENCODER, SECONDS_HEAD, SECONDS_PASTE)
_BY_KEY = click_measures(columns=[BOUNDARY_COLUMN, *THIN_COLUMNS])
_ALL = {
    measure.column: measure
    for measure in (*_BY_KEY.values(), *EARLY_MEASURES.values(), *REPAIR_MEASURES.values(), *_SECONDS)
    if measure.column in (*CLICK_RESULT_COLUMNS, *FURTHER_COLUMNS)
}
MEASURES = {column: measure.title for column, measure in _ALL.items()}
"""The columns of ``results.csv`` that a table can compare, with their titles."""
_DEFAULT = tuple(_BY_KEY[key].column for key in _COMPARED)


def write_click_table(folder: Path) -> Path:
    """Make ``table.md``: for each set of objects the methods, and their differences to the protocol's baseline.

    The baseline is one method or a mapping, as of `lesslabel.tables.table.write_table`; a set that lacks
    it has no differences. A published figure is listed beside ours if its ``metric`` is one of `MEASURES` and whose
    ``set``, a further column of ``published.csv``, names a set of objects of ours. ``measures`` of the protocol names
    the columns of `MEASURES` that are compared, if they are others than of Dice, ASSD and NoC of Dice.

    Args:
        folder: the experiment folder.

    Returns:
        The path of the table.

    Raises:
        DataError: if a file is missing or damaged.
    """
    results, protocol, published = read_click_results(folder), read_protocol(folder), read_published(folder)
    baselines, measures = read_baselines(folder, protocol.get("baseline")), _measures_of(folder, protocol)
    pieces = [f"# {protocol['name']}", list_protocol(protocol), list_commits(results)]
    if (folder / FIGURE).is_file():
        pieces.append(f"![Dice at the first prompts and after all clicks]({FIGURE})")
    for name, rows in results.groupby("set", sort=False):
        pieces += [f"## {name}", _table_of_set(rows, measures)]
        for baseline, patterns in baselines.items():
            rivals = [method for method in dict.fromkeys(rows["method"]) if _is_fair(method, baseline, patterns)]
            if rivals and (rows["method"] == baseline).any():
                heading = f"Paired against {baseline}, on the same objects, tested over patients:"
                pieces += [heading, _differences(rows, baseline, rivals, measures)]
    if costs := [section.strip() for section in cost_sections(folder)]:
        pieces += [*costs, "Minutes of a method's own jobs; a training that several methods share is none of them."]
    pieces += [
        "## Published figures",
        "Context only: other data, training and scoring. *Ours* is the method of that name above, on the set that is "
        "named beside it; the difference is ours minus published.",
        _published_table(published, results),
    ]
    path = folder / "table.md"
    write_text(path, "\n\n".join(pieces) + "\n")
    return path


def mean_over_patients(rows: pd.DataFrame, measure: str) -> tuple[float, float, float]:
    """Mean over patients and its 95 % interval, seeds, annotators and slices averaged first.

    Args:
        rows: of one method and set, see `read_click_results`.
        measure: one of `MEASURES`.
    """
    as_dice = rows[["uid", "patient", "label"]].assign(dice=rows[measure])
    summary = summarise(as_dice)
    (of_all,) = summary.loc[summary["label"] == MEAN_OVER_LABELS, ["mean", "low", "high"]].to_numpy(float).tolist()
    mean, low, high = of_all
    return mean, low, high


def _is_fair(method: str, baseline: str, patterns: Sequence[str]) -> bool:
    return method != baseline and any(fnmatchcase(method, pattern) for pattern in patterns)


def _measures_of(folder: Path, protocol: Mapping[str, Any]) -> Sequence[str]:
    """The columns that a table compares."""
    chosen = protocol.get("measures", _DEFAULT)
    if not isinstance(chosen, list | tuple) or not chosen:
        raise DataError(f"{folder / 'protocol.yaml'}: measures {chosen!r}; list some of {', '.join(MEASURES)}")
    if unknown := [column for column in chosen if column not in MEASURES]:
        raise DataError(f"{folder / 'protocol.yaml'}: measures: no {unknown[0]}; choose of {', '.join(MEASURES)}")
    return tuple(chosen)


def _table_of_set(rows: pd.DataFrame, compared: Sequence[str]) -> str:
    measures = [name for name in compared if rows[name].notna().any()]
    failures = {f"failed, {MEASURES[name]}": _ALL[name].failed_column for name in measures if _ALL[name].failed_column}
    failures = failures or {"failed, NoC@90": "failed_90"}
    counted = ["method", "patients", "objects", "seeds", CLICKS_FIRST.title]
    lines = []
    for method, of_method in rows.groupby("method"):
        cells = [method, of_method["patient"].nunique(), len(of_method.drop_duplicates(OBJECT))]
        cells += [of_method["seed"].nunique(), f"{of_method['clicks_first'].mean():.1f}"]
        cells += [_interval(of_method, name) for name in measures]
        cells += [_share(of_method[column]) for column in failures.values()]
        lines.append(cells)
    return markdown_table([*counted, *(MEASURES[name] for name in measures), *failures], lines)


def _share(failed: "pd.Series[float]") -> str:
    return f"{failed.mean():.0%}" if failed.notna().any() else ""


def _interval(rows: pd.DataFrame, measure: str) -> str:
    if rows[measure].isna().all():
        return ""
    mean, low, high = mean_over_patients(rows, measure)
    return f"{mean:.3f} [{low:.3f}, {high:.3f}]"


def _differences(rows: pd.DataFrame, baseline: str, rivals: Sequence[str], measures: Sequence[str]) -> str:
    fair, reference = rows[rows["method"].isin(rivals)], rows[rows["method"] == baseline]
    lines = [
        [each.method, MEASURES[each.measure], each.interval, *each.p_values, int(each.found["patients"])]
        for each in paired_differences(fair, reference, measures)
    ]
    header = ["method", "measure", f"difference to {baseline}", *P_VALUES, "patients"]
    return f"{markdown_table(header, lines)}\n\n{CORRECTED}"


def _published_table(published: pd.DataFrame, results: pd.DataFrame) -> str:
    sets = published.get("set", pd.Series("", index=published.index))
    lines = []
    for figure, name in zip(published[list(PUBLISHED_COLUMNS)].itertuples(index=False, name=None), sets, strict=True):
        method, setting, measure, value, source = figure
        rows = results[(results["method"] == method) & (results["set"] == name)]
        ours = difference = "–"
        if measure in MEASURES and rows[measure].notna().any():
            mean, low, high = mean_over_patients(rows, measure)
            ours = f"{mean:.3f} [{low:.3f}, {high:.3f}]"
            if not math.isnan(theirs := published_number(value)):
                difference = f"{mean - theirs:+.3f}"
        lines.append([method, setting, name or "–", MEASURES.get(measure, measure), value, ours, difference, source])
    header = ["method", "setting of the published", "our set", "measure", "published", "ours", "difference", "source"]
    return markdown_table(header, lines)
