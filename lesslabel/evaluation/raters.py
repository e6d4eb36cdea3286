"""Agreement of several raters of the same images: Dice and HD95 for every pair.

Multi-rater studies report such a table of their data, for example Wang et al., "Dual-reference source-free active
domain adaptation for nasopharyngeal carcinoma tumor segmentation across multiple hospitals", IEEE TMI 2024.
"""

import math
import re
from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from lesslabel.data.case import IGNORE, Case, Kind
from lesslabel.data.mask_values import require_no_mask
from lesslabel.data.store import Store
from lesslabel.data.view import Target, View, make_target, map_labels
from lesslabel.errors import ConfigError, DataError
from lesslabel.evaluation.metrics import segmentation_metrics
from lesslabel.evaluation.statistics import MEAN_OVER_LABELS, summarise
from lesslabel.markdown import markdown_table

_DIGITS = {"dice": 3, "hd95": 2}
_REPLACED = re.compile(r".+@\d+")

CONVENTIONS = (
    "Dice below the diagonal, HD95 in mm above it: mean ± standard deviation over n patients. HD95 is the "
    "95th percentile of the distances of both borders together. Where one of two raters leaves a label out, Dice is 0 "
    "and HD95 the diagonal of the grid; where both do, the patient does not count."
)
"""Explanation of the tables."""


def compare_raters(store: Store, annotations: Sequence[str] = ()) -> pd.DataFrame:
    """Score every pair of dense annotations of every case against each other.

    Dice and the pooled HD95 are symmetric, so the order of a pair does not matter. Voxels and slices that are unknown
    in one of the two are ignored in both; a label that one of them does not cover is not scored. A case of one
    slice is scored in 2D.

    Args:
        store: the prepared data set.
        annotations: names of two or more; without names all dense annotations except replaced ones (``rater1@1``).
            A case that lacks some is compared in its existing pairs.

    Returns:
        One row per case, pair and label with the columns ``uid, patient, first, second, label, dice, hd95``; dice in
        [0, 1], hd95 in mm, both NaN if neither has the label. Pass it to `summarise_raters`.

    Raises:
        ConfigError: if one annotation alone is named, one twice, one that no case has, or one that is not dense.
        DataError: if no case has two of them, or one is a mask of 0 and 255, of which nothing but background is known.
    """
    known = sorted({name for record in store.records.values() for name in record.annotation_names})
    _require_annotations(annotations, known)
    names = list(annotations) or [name for name in known if not _REPLACED.fullmatch(name)]
    mapping = map_labels(View(), store.labels)
    tables = []
    for record in store.records.values():
        if len(set(record.annotation_names) & set(names)) < 2:
            continue
        case = store.read(record.uid)
        dense = _dense_of(case, names, required=bool(annotations))
        for name in dense:
            require_no_mask(case.annotations[name].labels, f"annotation '{name}' of case {case.uid}")
        targets = {name: make_target(case.annotations[name], mapping) for name in dense}
        for first, second in combinations(targets, 2):
            scores = _score_pair(targets[first], targets[second], mapping.names, case.spacing_mm)
            whose = {"uid": case.uid, "patient": case.patient, "first": first, "second": second}
            tables.append(scores.assign(**whose)[[*whose, "label", *_DIGITS]])
    frame = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
    if frame.empty:
        named = ", ".join(annotations) or "the dense annotations"
        raise DataError(f"{store.path}: no case has two of {named} that cover one label; name others")
    return frame


def summarise_raters(frame: pd.DataFrame) -> pd.DataFrame:
    """Summarise the result of `compare_raters`, per pair and label and for the mean over labels.

    Returns:
        One row per pair, label and metric with the columns ``first, second, label, metric, mean, std, low, high,
        patients, undefined``; see `summarise`.
    """
    return summarise(frame, by=("first", "second"))


def tabulate_raters(summary: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Format a summary as text, one square table per label: Dice below the diagonal, HD95 in mm above it.

    Returns:
        Tables by title: the label, or the mean over several labels, and the number of patients. The first column names
        the rater of the row. If the pairs differ in their patients, the number is in every cell.
    """
    names = list(dict.fromkeys([*summary["first"], *summary["second"]]))
    if summary["label"].nunique() == 2:  # one label and its mean
        summary = summary[summary["label"] != MEAN_OVER_LABELS]
    tables = {}
    for label, rows in summary.groupby("label", sort=False):
        counts = sorted(rows["patients"].unique())
        table = pd.DataFrame("–", index=names, columns=names)
        for first, second, metric, mean, std, patients in rows[
            ["first", "second", "metric", "mean", "std", "patients"]
        ].itertuples(index=False, name=None):
            # Dice of a pair is in the row of the later name, HD95 in that of the earlier
            row, column = sorted((first, second), key=names.index, reverse=metric == "dice")
            table.loc[row, column] = _cell(mean, std, _DIGITS[metric], f" ({patients})" if len(counts) > 1 else "")
        shown = " to ".join(str(count) for count in dict.fromkeys((counts[0], counts[-1])))
        tables[f"{label} (n = {shown})"] = table.rename_axis("").reset_index()
    return tables


def render_raters(summary: pd.DataFrame) -> str:
    """Format a summary as Markdown: an explanation, then the tables of `tabulate_raters`."""
    sections = [CONVENTIONS]
    for title, table in tabulate_raters(summary).items():
        sections += [f"## {title}", markdown_table(list(table.columns), table.to_numpy().tolist())]
    return "\n\n".join(sections) + "\n"


def _require_annotations(annotations: Sequence[str], known: Sequence[str]) -> None:
    if len(annotations) == 1 or len(set(annotations)) < len(annotations):
        raise ConfigError(f"annotations: {', '.join(annotations)}; name two or more, each once")
    if unknown := [name for name in annotations if name not in known]:
        raise ConfigError(f"annotations: no case has '{unknown[0]}'; the store has {', '.join(known) or 'none'}")


def _dense_of(case: Case, names: Sequence[str], *, required: bool) -> list[str]:
    """The dense ones of some annotations of a case; others are skipped, or an error if required."""
    found = {name: case.annotations[name].kind for name in names if name in case.annotations}
    for name, kind in found.items():
        if required and kind is not Kind.DENSE:
            raise ConfigError(f"annotations: '{name}' of case {case.uid} is {kind.name.lower()}; compare dense ones")
    return [name for name, kind in found.items() if kind is Kind.DENSE]


def _score_pair(
    first: Target, second: Target, names: Sequence[str], spacing_mm: tuple[float, float, float]
) -> pd.DataFrame:
    unknown = (first.labels == IGNORE) | (second.labels == IGNORE)
    maps = np.where(unknown, 0, first.labels), np.where(unknown, IGNORE, second.labels)
    covered = first.annotated_labels & second.annotated_labels
    labels = {index: name for index, name in enumerate(names) if index and covered[index]}
    return segmentation_metrics(*maps, spacing=spacing_mm, labels=labels)


def _cell(mean: float, std: float, digits: int, count: str) -> str:
    if math.isnan(mean):
        return "–"
    spread = "" if math.isnan(std) else f" ± {std:.{digits}f}"
    return f"{mean:.{digits}f}{spread}{count}"
