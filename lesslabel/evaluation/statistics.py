"""Tables over patients: mean, spread, bootstrap interval, and the paired test between two runs.

Statistics are over patients: the cases of one patient are averaged first and the bootstrap resamples patients, because
two images of one heart are not independent observations. The mean over labels is computed in each case, with the label
``mean``.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lesslabel.errors import ConfigError, DataError
from lesslabel.evaluation.metrics import METRICS

MEAN_OVER_LABELS = "mean"
INTERVAL = (0.025, 0.975)


def summarise(
    frame: pd.DataFrame, *, by: str | Sequence[str] = (), seed: int = 0, resamples: int = 10_000
) -> pd.DataFrame:
    """Summarise the metrics of a test per label and for the mean over labels.

    Args:
        frame: one row per case and label with the columns ``uid, patient, label`` and any of `METRICS`, as in a run's
            ``test/metrics.csv``. Repeated rows of a case and label (random seeds) are averaged first.
        by: further columns to group by, for example ``"method"``.
        seed: random seed of the bootstrap. Every row of the result resamples its own patients with it, so a row does
            not depend on other labels, metrics or methods in the frame.
        resamples: bootstrap samples.

    Returns:
        One row per group, label and metric with the columns ``*by, label, metric, mean, std, low, high, patients,
        undefined``: mean and standard deviation (n − 1) over patients, the 95 % percentile bootstrap interval of the
        mean, the number of patients that have a value, and the number of values left out because they were NaN.
        With one patient the spread is NaN.

    Raises:
        DataError: if a column is missing, the frame is empty, or a case has two patients.
    """
    by = [by] if isinstance(by, str) else list(by)
    _require_columns(frame, ["uid", "patient", "label", *by])
    groups = frame.groupby(by, sort=False, dropna=False) if by else [((), frame)]
    rows: list[dict[str, Any]] = []
    for key, group in groups:
        for metric in _metrics_of(frame):
            undefined = _with_total(_undefined(group, metric))
            patients = _per_patient(_per_case(group, metric))
            rows.extend(
                dict(zip(by, key, strict=True))
                | {"label": label, "metric": metric}
                | _describe(patients[label].dropna().to_numpy(np.float64), seed, resamples)
                | {"undefined": undefined[label]}
                for label in patients.columns
            )
    columns = [*by, "label", "metric", "mean", "std", "low", "high", "patients", "undefined"]
    return pd.DataFrame(rows, columns=columns)


def compare(a: pd.DataFrame, b: pd.DataFrame, metric: str, *, seed: int = 0, resamples: int = 10_000) -> pd.DataFrame:
    """Compare two tests on one metric, paired case by case and tested over patients.

    The difference a − b is taken per case and label, averaged over the labels for ``mean``, then averaged over the
    cases of each patient. A case and label counts only where both tests have a value.

    Args:
        a: one row per case and label with ``uid, patient, label`` and the metric; repeats (random seeds) are averaged
            first.
        b: the same for the other run.
        metric: name of the column.
        seed: seed of the bootstrap.
        resamples: bootstrap samples.

    Returns:
        One row per label and one for ``mean`` with the columns ``label, metric, difference, low, high, wilcoxon_p, t_p,
        patients, undefined, unpaired``: the mean difference over patients with its 95 % bootstrap interval, the
        two-sided p values of the Wilcoxon signed-rank test and of the paired t test (NaN below two patients, 1 if no
        patient differs), the number of values left out because they are NaN, or infinite in both tests, and the
        number of case and label pairs left out because only one test has them.

    Raises:
        DataError: if a column is missing, or the tests have no case in common.
    """
    for frame in (a, b):
        _require_columns(frame, ["uid", "patient", "label", metric])
    cases_a, cases_b = _per_case(a, metric), _per_case(b, metric)
    if cases_a.index.intersection(cases_b.index).empty:
        raise DataError(f"compare {metric}: the two tests have no case in common; compare runs on one test set")
    with np.errstate(invalid="ignore"):  # infinity minus infinity: both distances undefined
        difference = cases_a - cases_b
    difference = difference[_labels_in_order(cases_a, cases_b)]
    in_a, in_b = (_rows_of(frame).reindex_like(difference).eq(1) for frame in (a, b))
    unpaired = _with_total((in_a ^ in_b).sum())
    both_infinite = difference.isna() & cases_a.notna() & cases_b.notna()
    undefined = _with_total(_undefined(a, metric).add(_undefined(b, metric), fill_value=0) + both_infinite.sum())
    patients = _per_patient(difference)
    rows = []
    for label in patients.columns:
        values = patients[label].dropna().to_numpy(np.float64)
        described = _describe(values, seed, resamples)
        wilcoxon_p, t_p = _paired_tests(values)
        rows.append(
            {"label": label, "metric": metric, "difference": described["mean"]}
            | {"low": described["low"], "high": described["high"], "wilcoxon_p": wilcoxon_p, "t_p": t_p}
            | {"patients": len(values), "undefined": undefined[label], "unpaired": unpaired[label]}
        )
    return pd.DataFrame(rows)


def bootstrap_interval(values: NDArray[np.float64], seed: int, resamples: int = 10_000) -> tuple[float, float]:
    """Return the 95 % percentile bootstrap interval of the mean of independent values; NaN for fewer than two."""
    if len(values) < 2:
        return math.nan, math.nan
    drawn = np.random.default_rng(seed).integers(len(values), size=(resamples, len(values)))
    # No interpolation between order statistics, so that infinite means stay infinite instead of becoming NaN.
    low, high = np.quantile(values[drawn].mean(axis=1), INTERVAL, method="inverted_cdf")
    return float(low), float(high)


def holm(p_values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Correct p values for the number of tests, step down.

    Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 1979.

    Args:
        p_values: any number; NaN is no test.

    Returns:
        The corrected values in the same order, at most 1; NaN stays.
    """
    corrected = np.full(len(p_values), np.nan)
    tests = np.flatnonzero(~np.isnan(p_values))
    order = tests[np.argsort(p_values[tests], kind="stable")]
    largest = 0.0
    for place, index in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - place) * float(p_values[index])))
        corrected[index] = largest
    return corrected


def holm_within(groups: Sequence[str], p_values: Sequence[float]) -> list[float]:
    """Correct p values for the number of tests in their own group, see `holm`.

    Args:
        groups: of each value; the tests of one measure.
        p_values: as many; NaN is no test.

    Returns:
        The corrected values in the same order.
    """
    values, of_group = np.asarray(p_values, np.float64), np.asarray(groups, np.str_)
    corrected = np.full(len(values), np.nan)
    for group in np.unique(of_group):
        corrected[of_group == group] = holm(values[of_group == group])
    return corrected.tolist()


def _describe(values: NDArray[np.float64], seed: int, resamples: int) -> dict[str, float]:
    mean = float(values.mean()) if len(values) else math.nan
    spread = float(values.std(ddof=1)) if len(values) > 1 and math.isfinite(mean) else math.nan
    low, high = bootstrap_interval(values, seed, resamples)
    return {"mean": mean, "std": spread, "low": low, "high": high, "patients": len(values)}


def _paired_tests(differences: NDArray[np.float64]) -> tuple[float, float]:
    if len(differences) < 2:
        return math.nan, math.nan
    if not differences.any():
        return 1.0, 1.0
    from scipy import stats  # slow to import

    wilcoxon_p = float(stats.wilcoxon(differences).pvalue)
    t_p = float(stats.ttest_1samp(differences, 0.0).pvalue) if np.isfinite(differences).all() else math.nan
    return wilcoxon_p, t_p


def _per_case(frame: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return one row per (patient, uid) and one column per label in order of appearance; NaN where undefined."""
    table = frame.groupby(["patient", "uid", "label"])[metric].mean().unstack("label")
    return table[list(frame["label"].unique())]


def _rows_of(frame: pd.DataFrame) -> pd.DataFrame:
    """Return 1 where the frame has a row for that (patient, uid) and label, else NaN."""
    return frame.groupby(["patient", "uid", "label"]).size().clip(upper=1).unstack("label")


def _per_patient(cases: pd.DataFrame) -> pd.DataFrame:
    """Add the mean over labels to every case, then average the cases of each patient, undefined values left out."""
    return cases.assign(**{MEAN_OVER_LABELS: cases.mean(axis=1)}).groupby(level="patient").mean()


def _undefined(frame: pd.DataFrame, metric: str) -> "pd.Series[int]":
    return frame[metric].isna().astype(int).groupby(frame["label"]).sum()


def _with_total(counts: "pd.Series[int]") -> dict[Any, int]:
    per_label = {label: int(count) for label, count in counts.items()}
    return per_label | {MEAN_OVER_LABELS: sum(per_label.values())}


def _labels_in_order(first: pd.DataFrame, second: pd.DataFrame) -> list[Any]:
    return [*first.columns, *(label for label in second.columns if label not in first.columns)]


def _metrics_of(frame: pd.DataFrame) -> list[str]:
    found = [metric for metric in METRICS if metric in frame.columns]
    if not found:
        raise DataError(f"no metric in the table; expected one of the columns {', '.join(METRICS)}")
    return found


def _require_columns(frame: pd.DataFrame, columns: Sequence[str]) -> None:
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        raise DataError(f"column {', '.join(missing)} is missing; the table has {', '.join(map(str, frame.columns))}")
    if frame.empty:
        raise DataError("the table has no row; test the run first")
    if frame[["uid", "patient", "label"]].isna().any(axis=None):
        raise DataError("a row has no uid, patient or label; fill it in")
    if (frame["label"] == MEAN_OVER_LABELS).any():
        raise ConfigError(f"a label is named '{MEAN_OVER_LABELS}', the name of the mean over labels; rename it")
    several = frame.groupby("uid")["patient"].nunique()
    if (several > 1).any():
        raise DataError(f"case {several.idxmax()} has two patients; every case belongs to one")
