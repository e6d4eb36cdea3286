"""The numbers of the page: one row per method, and each method against the first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from lesslabel.evaluation.statistics import MEAN_OVER_LABELS, compare, summarise
from lesslabel.reports.runs.methods import Method
from lesslabel.runs.reading import SCORES


@dataclass(frozen=True)
class Estimate:
    """A mean over patients with its 95 % bootstrap interval; NaN where there is none.

    Attributes:
        mean: the mean, or the mean difference.
        low: lower end of the interval.
        high: upper end of the interval.
    """

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class ResultRow:
    """One method of the results table.

    Attributes:
        method: its name.
        cost: the annotations of its training, as text.
        seeds: the number of averaged runs with different seeds.
        dice: mean Dice over the labels.
        hd95: 95 % Hausdorff distance over the labels.
        asd: average surface distance over the labels.
        label_dice: Dice of each label, in the order of the labels.
    """

    method: str
    cost: str
    seeds: int
    dice: Estimate
    hd95: Estimate
    asd: Estimate
    label_dice: tuple[Estimate, ...]


@dataclass(frozen=True)
class Comparison:
    """One method against another on one metric, paired by patient.

    Attributes:
        method: the method.
        metric: ``"dice"``, ``"hd95"`` or ``"asd"``.
        difference: method minus the other, with its interval.
        p: two-sided p of the Wilcoxon signed-rank test, NaN if it cannot be computed.
    """

    method: str
    metric: str
    difference: Estimate
    p: float

    @property
    def is_clear(self) -> bool:
        """Whether the interval excludes 0."""
        return self.difference.low > 0 or self.difference.high < 0


@dataclass(frozen=True)
class Results:
    """All numbers of the page.

    Attributes:
        rows: one per method, in the order of the runs.
        comparisons: every later method against the first, by method.
        undefined: values (over cases, labels, metrics and seeds) that do not exist and were left out.
    """

    rows: tuple[ResultRow, ...]
    comparisons: Mapping[str, tuple[Comparison, ...]]
    undefined: int


def tabulate(methods: Sequence[Method]) -> Results:
    """Compute the tables of at least one method."""
    table = summarise(pd.concat([method.rows() for method in methods]), by=("method",))
    over_labels = table[table["label"] == MEAN_OVER_LABELS]
    return Results(
        rows=tuple(_row(method, table[table["method"] == method.name]) for method in methods),
        comparisons={method.name: compare_methods(method, methods[0]) for method in methods[1:]},
        undefined=int(over_labels["undefined"].sum()),
    )


def compare_methods(method: Method, other: Method) -> tuple[Comparison, ...]:
    """Compare two methods on the mean over the labels, one entry per metric."""
    return tuple(_compare(method, other, metric) for metric in SCORES)


def label_cost(method: Method) -> str:
    """The training annotations as text: ``"scribble on 56 cases of 28 patients"``."""
    run = method.runs[0]
    patients = run.data.get("patients") or {}
    if "labelled" not in run.data:
        return "unknown"
    parts = []
    for name, count in run.label_cost.items():
        uids = [uid for uid, annotation in run.labelled.items() if annotation == name]
        known = {patients[uid] for uid in uids if uid in patients}
        of_patients = f" of {_counted(len(known), 'patient')}" if all(uid in patients for uid in uids) else ""
        parts.append(f"{name} on {_counted(count, 'case')}{of_patients}")
    if run.training_cases and (unlabelled := len(run.training_cases) - len(run.labelled)):
        parts.append(f"{_counted(unlabelled, 'case')} without labels")
    patches = run.patch_cost
    by_slice = ", ".join(
        f"{_counted(count, 'slice')} {name}"
        + (f" ({_counted(patches[name], 'patch', 'es')})" if name in patches else "")
        for name, count in run.slice_cost.items()
    )
    return (", ".join(parts) or "none") + (f"; of these in part: {by_slice}" if by_slice else "")


def _row(method: Method, table: pd.DataFrame) -> ResultRow:
    return ResultRow(
        method=method.name,
        cost=label_cost(method),
        seeds=len(method.runs),
        dice=_estimate(table, "dice", MEAN_OVER_LABELS),
        hd95=_estimate(table, "hd95", MEAN_OVER_LABELS),
        asd=_estimate(table, "asd", MEAN_OVER_LABELS),
        label_dice=tuple(_estimate(table, "dice", label) for label in method.labels),
    )


def _estimate(table: pd.DataFrame, metric: str, label: str) -> Estimate:
    row = table[(table["metric"] == metric) & (table["label"] == label)].iloc[0]
    return Estimate(float(row["mean"]), float(row["low"]), float(row["high"]))


def _compare(method: Method, other: Method, metric: str) -> Comparison:
    table = compare(method.rows(), other.rows(), metric)
    row = table[table["label"] == MEAN_OVER_LABELS].iloc[0]
    difference = Estimate(float(row["difference"]), float(row["low"]), float(row["high"]))
    return Comparison(method.name, metric, difference, float(row["wilcoxon_p"]))


def _counted(count: int, noun: str, plural: str = "s") -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}{plural}"
