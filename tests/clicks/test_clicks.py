"""Numbers of click protocols, beside figures worked out by hand and a loop that looks everything up."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from lesslabel.clicks.measures import (
    CLICK_COLUMNS,
    area_under_curve,
    at_clicks,
    clicks_needed,
    curve_over_clicks,
    summarise_clicks,
)
from lesslabel.clicks.object_scores import object_scores
from lesslabel.clicks.seconds import seconds_per_phase, seconds_per_turn
from lesslabel.errors import ConfigError, DataError
from lesslabel.evaluation import bootstrap_interval, segmentation_metrics

Curve = list[tuple[int, float]]
"""Clicks and Dice after each turn."""


def frame_of(curves: dict[tuple[str, str, int, str], Curve]) -> pd.DataFrame:
    """Rows of objects (patient, uid, slice, label); the ASSD is 10·(1 − Dice), a turn takes its number in seconds."""
    rows = []
    for (patient, uid, place, label), curve in curves.items():
        for turn, (clicks, dice) in enumerate([(0, 0.0), *curve]):
            seconds = math.nan if turn == 0 else float(turn)
            rows.append((uid, patient, place, label, turn, clicks, dice, 10 * (1 - dice), seconds))
    return pd.DataFrame(rows, columns=list(CLICK_COLUMNS))


QUICK: Curve = [(4, 0.5), (5, 0.86), (6, 0.95)]
SLOW: Curve = [(5, 0.4), (6, 0.2), (9, 0.85), (10, 0.84), (20, 0.9), (21, 1.0)]
HOPELESS: Curve = [(3, 0.1), (4, 0.3)]
THREE = frame_of({("a", "a1", 0, "LV"): QUICK, ("a", "a1", 1, "LV"): SLOW, ("b", "b1", 0, "LV"): HOPELESS})


@st.composite
def scored(draw):
    shape = draw(array_shapes(min_dims=2, max_dims=3, min_side=1, max_side=6))
    masks = draw(arrays(np.bool_, shape)), draw(arrays(np.bool_, shape))
    return *masks, draw(st.tuples(*[st.sampled_from([0.5, 1.0, 3.0])] * len(shape)))


@settings(max_examples=60)
@given(scored())
def test_an_object_is_scored_as_segmentation_metrics_scores_it(given_masks):
    prediction, truth, spacing_mm = given_masks
    if not truth.any():
        with pytest.raises(DataError, match="truth: empty"):
            object_scores(prediction, truth, spacing_mm)
        return
    row = segmentation_metrics(prediction, truth, spacing=spacing_mm, labels=[1]).iloc[0]
    np.testing.assert_allclose(object_scores(prediction, truth, spacing_mm), (row["dice"], row["assd"]), rtol=1e-12)


def test_an_object_that_is_not_found_is_the_diagonal_away():
    truth = np.ones((3, 4), np.bool_)
    assert object_scores(~truth, truth, (1.0, 1.0)) == (0.0, 5.0)
    assert object_scores(truth[:, ::-1], truth, (1.0, 1.0)) == (1.0, 0.0)
    with pytest.raises(DataError, match="one grid"):
        object_scores(truth[:2], truth, (1.0, 1.0))


def test_between_turns_an_object_has_what_it_had():
    table = at_clicks(THREE, [0, 3, 4, 5, 8, 10, 20])
    assert list(table.index) == [("a", "a1", "LV", 0), ("a", "a1", "LV", 1), ("b", "b1", "LV", 0)]
    assert table.to_numpy().tolist() == [
        [0.0, 0.0, 0.5, 0.86, 0.95, 0.95, 0.95],
        [0.0, 0.0, 0.0, 0.4, 0.2, 0.84, 0.9],  # the 21st click comes too late
        [0.0, 0.1, 0.3, 0.3, 0.3, 0.3, 0.3],
    ]
    assert at_clicks(THREE, [5], "assd_mm")[5].tolist() == pytest.approx([1.4, 6.0, 7.0])


@pytest.mark.parametrize(
    ("threshold", "overlap", "cap", "clicks", "failed"),
    [
        (0.85, "dice", 20, [5, 9, 20], [False, False, True]),
        (0.90, "dice", 20, [6, 20, 20], [False, False, True]),
        (0.90, "dice", 10, [6, 10, 10], [False, True, True]),
        (0.95, "dice", 20, [6, 20, 20], [False, True, True]),
        (0.85, "iou", 20, [6, 20, 20], [False, True, True]),  # a Dice of 0.9189
        (0.10, "dice", 3, [3, 3, 3], [True, True, False]),  # the first prompts of two need more
    ],
)
def test_noc_counts_to_the_first_time_and_failures_as_the_cap(threshold, overlap, cap, clicks, failed):
    needed = clicks_needed(THREE, threshold, overlap=overlap, cap=cap)
    assert needed["clicks"].tolist() == clicks
    assert needed["failed"].tolist() == failed


def test_an_overlap_equal_to_the_threshold_reaches_it():
    for iou in (0.5, 0.85, 0.9):
        frame = frame_of({("a", "a", 0, "LV"): [(3, 2 * iou / (1 + iou))]})
        assert clicks_needed(frame, iou, overlap="iou")["clicks"].tolist() == [3]
        assert clicks_needed(frame, iou + 1e-6, overlap="iou")["failed"].tolist() == [True]


def test_the_area_is_the_mean_over_the_clicks():
    areas = area_under_curve(THREE, cap=10).to_numpy()
    assert areas == pytest.approx(
        [(0.5 + 0.86 + 5 * 0.95) / 10, (0.4 + 3 * 0.2 + 0.85 + 0.84) / 10, (0.1 + 7 * 0.3) / 10]
    )
    perfect = frame_of({("a", "a", 0, "LV"): [(1, 1.0)]})
    assert area_under_curve(perfect).tolist() == [1.0]


def random_frame(seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    curves = {}
    for patient in range(4):
        for place in range(int(rng.integers(1, 4))):
            for label in ("RV", "LV"):
                counts = np.cumsum(rng.integers(1, 6, int(rng.integers(1, 8))))
                curve = [(int(count), float(dice)) for count, dice in zip(counts, rng.random(len(counts)), strict=True)]
                curves[f"p{patient}", f"p{patient}-{patient % 2}", place, label] = curve
    return frame_of(curves)


@pytest.mark.parametrize("seed", range(3))
def test_everything_agrees_with_looking_it_up_turn_by_turn(seed):
    frame, cap = random_frame(seed), 12
    table, needed, areas = (
        at_clicks(frame, range(cap + 1)),
        clicks_needed(frame, 0.6, cap=cap),
        area_under_curve(frame, cap),
    )
    for (patient, uid, label, place), rows in frame.groupby(["patient", "uid", "label", "slice"]):

        def value(k, rows=rows):
            return [dice for clicks, dice in zip(rows["clicks"], rows["dice"], strict=True) if clicks <= k][-1]

        key = (patient, uid, label, place)
        assert table.loc[key].tolist() == [value(k) for k in range(cap + 1)]
        first = next((k for k in range(1, cap + 1) if value(k) >= 0.6), None)
        visited = [c for c, d in zip(rows["clicks"], rows["dice"], strict=True) if c <= cap and d >= 0.6]
        assert (min(visited) if visited else None) == first
        assert (needed.loc[key, "clicks"], needed.loc[key, "failed"]) == (
            cap if first is None else first,
            first is None,
        )
        assert areas.loc[key] == pytest.approx(np.mean([value(k) for k in range(1, cap + 1)]))


def test_a_patient_is_the_unit():
    table = summarise_clicks(THREE).set_index(["label", "measure"])
    row = table.loc["LV", "noc_dice_85"]
    # patient a: slices of 5 and 9 clicks; patient b: 20
    assert row[["mean", "patients", "objects", "failures"]].tolist() == [(7 + 20) / 2, 2, 3, 1]
    assert (row["low"], row["high"]) == bootstrap_interval(np.array([7.0, 20.0]), seed=0)
    assert table.loc["mean", "noc_dice_85"].equals(row)
    assert table.loc["LV", "dice_first"]["mean"] == pytest.approx(((0.5 + 0.4) / 2 + 0.1) / 2)
    assert table.loc["LV", "dice_10"]["mean"] == pytest.approx(((0.95 + 0.84) / 2 + 0.3) / 2)
    assert table.loc["LV", "assd_mm_20"]["mean"] == pytest.approx(10 - 10 * ((0.95 + 0.9) / 2 + 0.3) / 2)
    assert math.isnan(table.loc["LV", "dice_auc"]["failures"])


def test_labels_are_averaged_inside_each_case():
    frame = frame_of(
        {("a", "a1", 0, "LV"): [(2, 0.9)], ("a", "a1", 0, "RV"): [(6, 0.9)], ("a", "a2", 0, "RV"): [(10, 0.9)]}
    )
    table = summarise_clicks(frame).set_index(["measure", "label"]).loc["noc_dice_90"]
    assert table["mean"].to_dict() == {"LV": 2.0, "RV": 8.0, "mean": 7.0}
    assert table["objects"].to_dict() == {"LV": 1, "RV": 2, "mean": 3}
    assert table["low"].isna().all()  # one patient has no interval


@pytest.mark.parametrize(("cap", "measures"), [(20, {"dice_5", "dice_10", "dice_20"}), (7, {"dice_5", "dice_7"})])
def test_dice_is_read_below_the_cap_and_at_it(cap, measures):
    found = set(summarise_clicks(THREE, cap=cap)["measure"])
    assert {name for name in found if name.removeprefix("dice_").isdecimal()} == measures


def test_a_mean_curve_begins_where_all_have_begun():
    curve = curve_over_clicks(THREE, cap=10)
    assert curve["clicks"].tolist() == [5, 6, 7, 8, 9, 10]
    assert curve["mean"].iloc[0] == pytest.approx(((0.86 + 0.4) / 2 + 0.3) / 2)
    assert curve_over_clicks(THREE, "assd_mm", cap=10)["mean"].to_numpy() == pytest.approx(10 - 10 * curve["mean"])
    assert curve_over_clicks(THREE, cap=4).empty


def test_seconds_are_medians_of_the_first_and_of_the_later_turns():
    assert seconds_per_turn(THREE) == {"first": 1.0, "correction": 3.0}  # of 2, 3; 2, 3, 4, 5, 6; 2
    alone = seconds_per_turn(frame_of({("a", "a", 0, "LV"): [(3, 0.5)]}))
    assert alone["first"] == 1.0
    assert math.isnan(alone["correction"])


def test_the_order_of_the_rows_does_not_matter():
    shuffled = THREE.sample(frac=1.0, random_state=3)
    pd.testing.assert_frame_equal(*(summarise_clicks(rows, resamples=100) for rows in (shuffled, THREE)))


@pytest.mark.parametrize(
    "damaged",
    [
        THREE.drop(columns="dice"),
        THREE.iloc[:0],
        THREE[THREE["turn"] > 0],
        THREE[THREE["turn"] < 1],
        pd.concat([THREE, THREE.iloc[:2]]),
    ],
)
def test_a_damaged_frame_is_refused(damaged):
    with pytest.raises(DataError, match="clicks: "):
        at_clicks(damaged, [5])


def test_arguments_out_of_range_are_refused():
    for threshold in (0.0, 1.5, math.nan):
        with pytest.raises(ConfigError, match="threshold"):
            clicks_needed(THREE, threshold)
    with pytest.raises(ConfigError, match="overlap"):
        clicks_needed(THREE, 0.9, overlap="jaccard")
    for function in (summarise_clicks, area_under_curve, curve_over_clicks):
        with pytest.raises(ConfigError, match="cap: 0"):
            function(THREE, cap=0)


def test_the_iou_is_that_of_the_dice():
    table = summarise_clicks(THREE).set_index(["label", "measure"])

    def iou(dice):
        return dice / (2 - dice)

    assert table.loc["LV", "iou_first"]["mean"] == pytest.approx(((iou(0.5) + iou(0.4)) / 2 + iou(0.1)) / 2)
    assert table.loc["LV", "iou_5"]["mean"] == pytest.approx(((iou(0.86) + iou(0.4)) / 2 + iou(0.3)) / 2)
    areas = area_under_curve(THREE, 10, overlap="iou").tolist()
    assert areas[2] == pytest.approx((iou(0.1) + 7 * iou(0.3)) / 10)


def test_a_cap_of_a_hundred_counts_with_twenty_too():
    frame = frame_of({("a", "a", 0, "LV"): [(1, 0.5), (60, 0.96)], ("b", "b", 0, "LV"): [(1, 0.5), (90, 0.6)]})
    table = summarise_clicks(frame, cap=100).set_index(["label", "measure"]).loc["LV"]
    assert table.loc["noc_iou_90", ["mean", "failures"]].tolist() == [(60 + 100) / 2, 1]
    assert table.loc["noc_iou_90_cap_20", ["mean", "failures"]].tolist() == [20, 2]
    assert table.loc["dice_20", "mean"] == 0.5
    assert table.loc["dice_100", "mean"] == pytest.approx(0.78)


def test_boundary_iou_is_measured_where_a_frame_has_it():
    frame = THREE.assign(biou=THREE["dice"] / 2)
    table = summarise_clicks(frame).set_index(["label", "measure"])
    assert table.loc["LV", "biou_first"]["mean"] == pytest.approx(table.loc["LV", "dice_first"]["mean"] / 2)
    assert "biou_first" not in set(summarise_clicks(THREE)["measure"])


def test_seconds_of_phases_are_medians():
    unknown = seconds_per_phase(THREE)
    assert all(map(math.isnan, unknown.values()))
    turns = THREE["turn"].to_numpy(float)
    frame = THREE.assign(
        encoder_s=np.where(turns == 1, 5.0, 0.25), head_s=np.where(turns > 0, turns, math.nan), paste_s=0.5
    )
    assert seconds_per_phase(frame) == {"encoder": 5.0, "head": 2.0, "paste": 0.5}  # head: 1 2 3, 1 … 6, 1 2
