"""``table.md``: the results of an experiment, with its protocol and published figures."""

import math
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pandas as pd

from lesslabel.errors import DataError
from lesslabel.evaluation.metrics import METRICS
from lesslabel.evaluation.statistics import MEAN_OVER_LABELS, summarise
from lesslabel.files import write_text
from lesslabel.markdown import markdown_table, shown_p_value
from lesslabel.tables.costs import cost_sections, curve_sections
from lesslabel.tables.experiment_protocol import (
    PUBLISHED_COLUMNS,
    list_protocol,
    published_number,
    read_protocol,
    read_published,
)
from lesslabel.tables.paired import CORRECTED, P_VALUES, paired_differences
from lesslabel.tables.results import FIGURE, list_commits, read_cases, read_results

_COUNTS = ("patients", "undefined", "unpaired")


def write_table(folder: Path, *, seed: int = 0) -> Path:
    """Make ``table.md`` of an experiment folder.

    It states the protocol first, then per method the mean over labels of every metric with its standard deviation over
    patients and its 95 % bootstrap interval, Dice per label, the paired test against the protocol's ``baseline``, the
    cost of labels and time and the label-efficiency curves if a study recorded them, the picture if there is one,
    and at the end the published figures beside ours. The seeds of a patient are averaged before anything else.

    ``baseline`` is the name of a method, which all others are tested against, or a mapping of such names to the methods
    each is compared with, where ``*`` matches any text: ``{"random, 10%": ["*, 10%*"], "random, 20%": ["*, 20%*"]}``.

    Args:
        folder: the experiment folder.
        seed: seed of the bootstrap.

    Returns:
        The path of the table.

    Raises:
        DataError: if a file is missing or damaged, a case has no patient, or a baseline is no such name or mapping,
            has no results, or no rival.
    """
    protocol, published = read_protocol(folder), read_published(folder)
    scores = read_scores(folder)
    summary = summarise(scores, by=("method",), seed=seed)
    sections = [
        f"# {protocol['name']}\n",
        list_protocol(protocol),
        "\n## Results\n",
        "Mean over labels ± standard deviation over patients [95 % bootstrap interval over patients]; "
        "seeds are averaged within a patient first. *Undefined* counts values that do not exist and were left out.\n",
        _results_table(scores, summary),
        f"\n{list_commits(read_results(folder))}{_unequal_runs(scores)}",
    ]
    if (folder / FIGURE).is_file():
        sections.append(f"\n![Dice, patient by patient]({FIGURE})")
    if "dice" in scores.columns:
        sections += ["\n### Dice per label\n", _per_label_table(summary, "dice")]
    for baseline, patterns in read_baselines(folder, protocol.get("baseline")).items():
        table = _paired_table(folder, scores, baseline, patterns, seed)
        sections += [f"\n### Paired against {baseline}\n", table]
    sections += [
        *cost_sections(folder),
        *curve_sections(folder),
        "\n## Published figures\n",
        _published_section(published, summary),
    ]
    path = folder / "table.md"
    write_text(path, "\n".join(sections) + "\n")
    return path


def read_scores(folder: Path) -> pd.DataFrame:
    """Read an experiment's results in the form of `summarise`: a column per metric, and the patient of every case.

    Returns:
        One row per method, case, label, fold and seed, with ``method, uid, patient, label, fold, seed`` and the
        metrics.

    Raises:
        DataError: if the results are missing, damaged or empty, hold a row twice, or a case has no patient.
    """
    path = folder / "results.csv"
    results = read_results(folder)
    unknown = sorted(set(results["metric"]) - set(METRICS))
    if results.empty or unknown:
        raise DataError(f"{path}: {f'unknown metric {unknown[0]}' if unknown else 'no row'}; add a tested run")
    keys = ["method", "case", "label", "fold", "seed"]
    if results.duplicated([*keys, "metric"]).any():
        row = results[results.duplicated([*keys, "metric"])].iloc[0]
        raise DataError(f"{path}: {row['method']}, case {row['case']}, label {row['label']} is there twice; remove one")
    labels = list(results["label"].unique())
    scores = results.pivot(index=keys, columns="metric", values="value").reset_index().rename(columns={"case": "uid"})
    scores = scores.sort_values("label", key=lambda label: label.map(labels.index), kind="stable")
    patient_of = read_cases(folder).set_index("case")["patient"]
    orphans = sorted(set(scores["uid"]) - set(patient_of.index))
    if orphans:
        raise DataError(f"{folder / 'cases.csv'}: case {orphans[0]} has no patient; add a line for it")
    return scores.assign(patient=scores["uid"].map(patient_of)).rename_axis(columns=None)


def _results_table(scores: pd.DataFrame, summary: pd.DataFrame) -> str:
    overall = summary[summary["label"] == MEAN_OVER_LABELS].set_index(["method", "metric"]).T
    metrics = [metric for metric in METRICS if metric in scores.columns]
    rows = []
    for method, runs in scores.groupby("method", sort=True):
        cells = [_spread(overall[method, metric]) for metric in metrics]
        undefined = int(runs[metrics].isna().sum().sum())
        rows.append(
            [method, runs["patient"].nunique(), runs["uid"].nunique(), runs["seed"].nunique(), *cells, undefined]
        )
    return markdown_table(["method", "patients", "cases", "seeds", *metrics, "undefined"], rows)


def _unequal_runs(scores: pd.DataFrame) -> str:
    """A warning if a method lacks folds or seeds that another has; else empty."""
    runs = scores[["method", "fold", "seed"]].drop_duplicates()
    if runs.groupby(["fold", "seed"]).size().eq(runs["method"].nunique()).all():
        return ""
    counts = ", ".join(f"{method} {count}" for method, count in runs.groupby("method").size().items())
    return (
        f"\n\n**The methods do not have the same folds and seeds** (runs: {counts}). The mean of fewer seeds scatters "
        "more, and the paired test does not know of it: run what is missing before a difference is believed."
    )


def _per_label_table(summary: pd.DataFrame, metric: str) -> str:
    chosen = summary[(summary["metric"] == metric) & (summary["label"] != MEAN_OVER_LABELS)]
    labels = list(chosen["label"].unique())
    rows = []
    for method, scores in chosen.groupby("method", sort=True):
        of_label = scores.set_index("label")
        rows.append([method, *(_spread(of_label.loc[label]) if label in of_label.index else "–" for label in labels)])
    return markdown_table(["method", *labels], rows)


def read_baselines(folder: Path, given: object) -> Mapping[str, Sequence[str]]:
    """The baselines, each with patterns of the methods that are compared with it."""
    if not given:
        return {}
    if not isinstance(given, Mapping):
        return {str(given): ["*"]}
    for baseline, patterns in given.items():
        if not isinstance(patterns, list) or not all(isinstance(pattern, str) for pattern in patterns):
            raise DataError(
                f"{folder / 'protocol.yaml'}: baseline {baseline} names no list of methods; write {baseline}: ['*']"
            )
    return {str(baseline): patterns for baseline, patterns in given.items()}


def _paired_table(folder: Path, scores: pd.DataFrame, baseline: str, patterns: Sequence[str], seed: int) -> str:
    reference = scores[scores["method"] == baseline]
    if reference.empty:
        methods = ", ".join(sorted(set(scores["method"])))
        raise DataError(f"{folder / 'protocol.yaml'}: baseline {baseline} has no results; the methods are {methods}")
    fits = scores["method"].map(lambda method: any(fnmatchcase(method, pattern) for pattern in patterns))
    rivals = scores[fits & (scores["method"] != baseline)]
    if rivals.empty:
        raise DataError(
            f"{folder / 'protocol.yaml'}: baseline {baseline} is for {', '.join(patterns)}, and no other method is "
            "called so; name those it is fair for"
        )
    measured = [metric for metric in METRICS if metric in scores.columns]
    rows = []
    for each in paired_differences(rivals, reference, measured, seed):
        p_values = [*each.p_values, shown_p_value(each.found["t_p"])]
        rows.append([each.method, each.measure, each.interval, *p_values, *(int(each.found[name]) for name in _COUNTS)])
    header = ["method", "metric", f"difference to {baseline}", *P_VALUES, "t-test p", *_COUNTS]
    return f"{markdown_table(header, rows)}\n\n{CORRECTED}"


def _published_section(published: pd.DataFrame, summary: pd.DataFrame) -> str:
    if published.empty:
        return "None that these could stand beside."
    text = (
        "Context only: not made by this code; data, split and scoring may differ from the protocol above. *Ours* is "
        "the method of that name above, the difference is ours minus published."
    )
    return f"{text}\n\n{_published_table(published, summary)}"


def _published_table(published: pd.DataFrame, summary: pd.DataFrame) -> str:
    ours = summary[summary["label"] == MEAN_OVER_LABELS].set_index(["method", "metric"])
    rows = []
    for method, setting, metric, value, source in published[list(PUBLISHED_COLUMNS)].itertuples(index=False, name=None):
        mean = difference = "–"
        if (method, metric) in ours.index:
            mine = ours.loc[(method, metric)]
            mean = f"{mine['mean']:.3f} [{mine['low']:.3f}, {mine['high']:.3f}]"
            if not math.isnan(theirs := published_number(value)):
                difference = f"{mine['mean'] - theirs:+.3f}"
        rows.append([method, setting, metric, value, mean, difference, source])
    header = ["method", "setting of the published", "metric", "published", "ours", "difference", "source"]
    return markdown_table(header, rows)


def _spread(row: "pd.Series[Any]") -> str:
    return f"{row['mean']:.3f} ± {row['std']:.3f} [{row['low']:.3f}, {row['high']:.3f}]"
