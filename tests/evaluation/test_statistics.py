"""Means, intervals and tests over patients, beside scipy and figures worked out by hand."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from lesslabel.errors import ConfigError, DataError
from lesslabel.evaluation import bootstrap_interval, compare, summarise


def table(rows, columns=("uid", "patient", "label", "dice")):
    return pd.DataFrame(rows, columns=list(columns))


def random_test(seed, patients=12, labels=("rv", "lv")):
    """Two cases per patient, as in cardiac cine data."""
    rng = np.random.default_rng(seed)
    rows = [
        (f"p{p}-{phase}", f"p{p}", label, rng.random()) for p in range(patients) for phase in "ds" for label in labels
    ]
    return table(rows)


def by_label(frame, metric="dice"):
    return frame[frame["metric"] == metric].set_index("label")


def test_cases_of_a_patient_are_averaged_first():
    frame = table([("a1", "a", 1, 0.2), ("a2", "a", 1, 0.4), ("a3", "a", 1, 0.6), ("b1", "b", 1, 0.8)])
    row = by_label(summarise(frame)).loc[1]
    assert row["mean"] == pytest.approx(0.6)
    assert row["std"] == pytest.approx(math.sqrt(0.08))
    assert row["patients"] == 2
    assert (row["low"], row["high"]) == (pytest.approx(0.4), pytest.approx(0.8))


def test_the_mean_over_labels_is_taken_inside_each_case():
    frame = table([("a", "a", "rv", 0.2), ("a", "a", "lv", 0.6), ("b", "b", "rv", 1.0), ("b", "b", "lv", 0.4)])
    summary = by_label(summarise(frame))
    assert list(summary.index) == ["rv", "lv", "mean"]
    assert summary.loc["mean", "mean"] == pytest.approx(0.55)
    assert summary.loc["mean", "std"] == pytest.approx(np.std([0.4, 0.7], ddof=1))


def test_undefined_values_are_left_out_and_counted():
    rows = [("a", "a", 1, 0.5), ("a", "a", 2, np.nan), ("b", "b", 1, 0.7), ("b", "b", 2, 0.9), ("c", "c", 2, np.nan)]
    summary = by_label(summarise(table(rows)))
    assert summary.loc[2, "mean"] == 0.9
    assert summary.loc[2, ["patients", "undefined"]].tolist() == [1, 2]
    assert summary.loc[1, ["patients", "undefined"]].tolist() == [2, 0]
    assert summary.loc["mean", "mean"] == pytest.approx((0.5 + 0.8) / 2)
    assert summary.loc["mean", ["patients", "undefined"]].tolist() == [2, 2]
    assert summary.loc[2, ["std", "low", "high"]].isna().all()


def test_infinite_distances_stay_infinite():
    frame = table([("a", "a", 1, np.inf), ("b", "b", 1, 2.0)], ("uid", "patient", "label", "hd95"))
    row = by_label(summarise(frame), "hd95").loc[1]
    assert (row["mean"], row["low"], row["high"]) == (np.inf, 2.0, np.inf)
    assert math.isnan(row["std"])


def test_groups_and_metrics_each_get_their_rows():
    first, second = random_test(0).assign(method="pce"), random_test(1).assign(method="dmpls", hd95=3.0)
    summary = summarise(pd.concat([first, second]), by=("method",))
    assert list(summary.columns[:3]) == ["method", "label", "metric"]
    assert len(summary) == 2 * 3 * 2
    pd.testing.assert_frame_equal(summarise(pd.concat([first, second]), by="method"), summary)
    alone = summarise(random_test(1))
    pd.testing.assert_frame_equal(
        by_label(summary[summary["method"] == "dmpls"]).drop(columns="method"), by_label(alone), check_dtype=False
    )
    distances = by_label(summary, "hd95")
    assert distances[distances["method"] == "pce"].loc["mean", ["patients", "undefined"]].tolist() == [0, 48]


def test_the_interval_is_the_percentile_bootstrap_over_patients():
    values = np.random.default_rng(3).random(20)
    low, high = bootstrap_interval(values, seed=7)
    rng = np.random.default_rng(7)
    means = sorted(np.mean(values[sample]) for sample in rng.integers(20, size=(10_000, 20)))
    assert (low, high) == (pytest.approx(means[249]), pytest.approx(means[9749]))
    reference = stats.bootstrap((values,), np.mean, method="percentile", n_resamples=10_000, rng=1).confidence_interval
    np.testing.assert_allclose((low, high), reference, atol=0.01)
    assert bootstrap_interval(values, seed=7) == (low, high)
    assert bootstrap_interval(values, seed=8) != (low, high)


def test_repeating_every_case_does_not_narrow_the_interval():
    frame = random_test(0)
    copies = [frame.assign(uid=frame["uid"] + str(copy)) for copy in range(5)]
    pd.testing.assert_frame_equal(summarise(pd.concat(copies)), summarise(frame))


def test_seeds_are_averaged_within_a_case():
    first, second = random_test(0), random_test(1)
    average = first.assign(dice=(first["dice"] + second["dice"]) / 2)
    pd.testing.assert_frame_equal(summarise(pd.concat([first, second])), summarise(average))


@settings(max_examples=30)
@given(st.randoms(use_true_random=False))
def test_the_order_of_the_rows_does_not_matter(random):
    frame = random_test(0, patients=5)
    order = list(frame.index)
    random.shuffle(order)
    shuffled = by_label(summarise(frame.loc[order], resamples=200)).loc[["rv", "lv", "mean"]]
    pd.testing.assert_frame_equal(shuffled, by_label(summarise(frame, resamples=200)))


def test_a_paired_comparison_equals_scipy_on_patient_means():
    a, b = random_test(0), random_test(1)
    result = compare(a, b, "dice").set_index("label")
    for label in ("rv", "lv", "mean"):
        means = [
            (frame if label == "mean" else frame[frame["label"] == label]).groupby("patient")["dice"].mean()
            for frame in (a, b)
        ]
        row = result.loc[label]
        assert row["difference"] == pytest.approx((means[0] - means[1]).mean())
        assert row["wilcoxon_p"] == pytest.approx(stats.wilcoxon(*means).pvalue)
        assert row["t_p"] == pytest.approx(stats.ttest_rel(*means).pvalue)
        assert row["low"] < row["difference"] < row["high"]
        assert row[["patients", "undefined", "unpaired"]].tolist() == [12, 0, 0]


def test_swapping_the_runs_turns_the_sign():
    there, back = (compare(*pair, "dice").set_index("label") for pair in ((random_test(0), random_test(1)),) * 2)
    pd.testing.assert_frame_equal(there, back)
    back = compare(random_test(1), random_test(0), "dice").set_index("label")
    np.testing.assert_allclose(there["difference"], -back["difference"])
    np.testing.assert_allclose(there["wilcoxon_p"], back["wilcoxon_p"])


def test_only_pairs_that_both_runs_have_count():
    a = table([("a", "a", 1, 0.5), ("b", "b", 1, 0.7), ("c", "c", 1, 0.9), ("d", "d", 1, np.nan)])
    b = table([("a", "a", 1, 0.4), ("b", "b", 1, np.nan), ("d", "d", 1, 0.2), ("e", "e", 1, 0.1)])
    result = compare(a, b, "dice").set_index("label")
    for label in (1, "mean"):
        assert result.loc[label, "difference"] == pytest.approx(0.1)
        assert result.loc[label, ["patients", "undefined", "unpaired"]].tolist() == [1, 2, 2]
        assert result.loc[label, ["wilcoxon_p", "t_p", "low", "high"]].isna().all()


def test_a_label_that_only_one_run_has_is_unpaired():
    a = random_test(0, labels=("rv", "lv", "myo"))
    result = compare(a, random_test(1), "dice").set_index("label")
    assert result.loc["myo", ["patients", "unpaired"]].tolist() == [0, 24]
    assert result.loc["mean", ["patients", "unpaired"]].tolist() == [12, 24]


def test_equal_runs_do_not_differ():
    result = compare(random_test(0), random_test(0), "dice")
    assert (result["difference"] == 0).all()
    assert (result[["wilcoxon_p", "t_p"]] == 1).all(axis=None)


def test_distances_infinite_in_both_runs_are_undefined():
    columns = ("uid", "patient", "label", "hd95")
    a = table([("a", "a", 1, np.inf), ("b", "b", 1, 3.0), ("c", "c", 1, 4.0)], columns)
    b = table([("a", "a", 1, np.inf), ("b", "b", 1, 1.0), ("c", "c", 1, 1.0)], columns)
    row = compare(a, b, "hd95").set_index("label").loc[1]
    assert row[["difference", "patients", "undefined"]].tolist() == [2.5, 2, 1]


@pytest.mark.parametrize(
    ("frame", "error", "message"),
    [
        (table([("a", "a", 1, 0.5)]).drop(columns="patient"), DataError, "column patient is missing"),
        (table([("a", "a", 1, 0.5)]).drop(columns="dice"), DataError, "no metric in the table"),
        (table([]), DataError, "the table has no row"),
        (table([("a", "a", 1, 0.5), ("a", "b", 2, 0.5)]), DataError, "case a has two patients"),
        (table([("a", None, 1, 0.5)]), DataError, "a row has no uid, patient or label"),
        (table([("a", "a", "mean", 0.5)]), ConfigError, "a label is named 'mean'"),
    ],
)
def test_tables_that_do_not_fit(frame, error, message):
    with pytest.raises(error, match=message):
        summarise(frame)


def test_runs_that_cannot_be_compared():
    with pytest.raises(DataError, match="column hd95 is missing"):
        compare(random_test(0), random_test(1), "hd95")
    other = random_test(1)
    with pytest.raises(DataError, match="no case in common"):
        compare(random_test(0), other.assign(uid="x" + other["uid"], patient="x" + other["patient"]), "dice")
