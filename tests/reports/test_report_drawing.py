"""Choosing, cutting and drawing: slices, outlines, charts, words."""

import base64
import io
import math
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from lesslabel.data.case import IGNORE
from lesslabel.reports.drawing import charts
from lesslabel.reports.drawing.overlays import SliceDrawing, field_of_view, grey_levels, outside
from lesslabel.reports.drawing.slice_plots import SlicePlot
from lesslabel.reports.drawing.svg import Scale, element, label_style
from lesslabel.reports.runs import words
from lesslabel.reports.runs.results import Estimate
from lesslabel.reports.runs.run_facts import describe
from lesslabel.reports.runs.slice_plots import choose_cases, choose_slice


def make_plot(truth, predictions=(), spacing_mm=(1.0, 1.0), supervision=None) -> SlicePlot:
    truth = np.asarray(truth, dtype=np.uint8)
    image = np.arange(truth.size, dtype=np.float32).reshape(truth.shape)
    return SlicePlot("case", "best", 0, 1, image, spacing_mm, truth, supervision, tuple(predictions))


def square(shape, rows, columns, code=1):
    labels = np.zeros(shape, dtype=np.uint8)
    labels[rows[0] : rows[1], columns[0] : columns[1]] = code
    return labels


def test_best_median_and_worst_are_chosen_by_the_mean_of_the_methods():
    dice = pd.DataFrame({"A": [0.9, 0.1, 0.5, 0.8, 0.6], "B": [0.9, 0.3, 0.5, 0.2, 0.6]}, index=list("abcde"))
    # means 0.9, 0.2, 0.5, 0.5, 0.6; the methods differ most on d
    assert choose_cases(dice) == [("best", "a"), ("median", "c"), ("worst", "b"), ("methods differ most", "d")]
    assert choose_cases(dice[["A"]]) == [("best", "a"), ("median", "e"), ("worst", "b")]


@pytest.mark.parametrize(
    ("dice", "expected"),
    [
        ([math.nan], []),
        ([0.3, math.nan], [("only case", "a")]),
        ([0.3, 0.4], [("best", "b"), ("worst", "a")]),
        ([0.5, 0.5, 0.5], [("best", "a"), ("median", "b"), ("worst", "c")]),
    ],
)
def test_few_or_tied_cases_are_each_shown_once(dice, expected):
    assert choose_cases(pd.DataFrame({"A": dice}, index=list("abc")[: len(dice)])) == [(w, u) for w, u in expected]


def test_the_slice_is_the_most_wrong_one_well_inside_the_organ():
    truth = np.zeros((4, 6, 6), dtype=np.uint8)
    for z, voxels in enumerate((30, 20, 16, 10)):
        truth[z].flat[:voxels] = 1
    wrong = truth.copy()
    wrong[3] = 1  # 26 wrong, but less than half the foreground of the fullest slice
    wrong[2].flat[:5] = 0
    wrong[1].flat[:3] = 0
    assert choose_slice(truth, [wrong]) == 2
    assert choose_slice(truth, [wrong, wrong]) == 2
    assert choose_slice(truth, [truth]) == 0
    assert choose_slice(truth, []) == 0
    truth[2].flat[:5] = IGNORE  # what is unknown cannot be wrong
    assert choose_slice(truth, [wrong]) == 1


def test_field_of_view_is_square_in_mm_about_the_organs():
    rows, columns = field_of_view(make_plot(square((200, 200), (80, 120), (90, 110)), spacing_mm=(1.0, 2.0)))
    # both sides 40 mm, with 40 % on each side 72 mm: 72 rows, 36 columns raised to the smallest window
    assert (rows.start, rows.stop) == (64, 136)
    assert (columns.start, columns.stop) == (76, 124)


def test_field_of_view_stays_inside_and_without_organ_follows_the_prediction():
    assert field_of_view(make_plot(np.zeros((30, 20)))) == (slice(0, 30), slice(0, 20))
    assert field_of_view(make_plot(square((60, 50), (0, 4), (46, 50)))) == (slice(0, 48), slice(2, 50))
    rows, columns = field_of_view(make_plot(np.zeros((300, 300)), [None, square((300, 300), (100, 110), (200, 210))]))
    assert (rows, columns) == (slice(81, 129), slice(181, 229))


def test_outside_counts_the_predicted_pixels_that_are_cut_off():
    labels = square((20, 20), (0, 3), (0, 1))
    labels[19, 19] = 2
    assert outside(labels, (slice(0, 10), slice(0, 10))) == pytest.approx(0.25)
    assert outside(np.zeros((20, 20), np.uint8), (slice(0, 10), slice(0, 10))) == 0.0


def path_area(data: str) -> float:
    """Shoelace area of all closed rings of an SVG path, holes subtracted."""
    total = 0.0
    for ring in data.strip("MZ").split("ZM"):
        x, y = np.array([point.split() for point in ring.split("L")], dtype=float).T
        total += 0.5 * float(x @ np.roll(y, -1) - y @ np.roll(x, -1))
    return abs(total)


def test_outlines_lie_on_the_pixels_of_the_label():
    drawing = SliceDrawing(make_plot(square((48, 48), (10, 20), (5, 30))), "key", ["LV"])
    data = re.search(r'<path d="([^"]+)" class="outline"', drawing.truth()).group(1)
    x, y = np.array(re.findall(r"([\d.]+) ([\d.]+)", data), dtype=float).T
    assert (x.min(), x.max(), y.min(), y.max()) == (5, 30, 10, 20)
    assert path_area(data) == pytest.approx(10 * 25 - 4 * 0.125)  # the four corners are cut


def test_a_ring_keeps_its_hole():
    ring = square((48, 48), (10, 30), (10, 30)) - square((48, 48), (15, 25), (15, 25))
    data = re.search(r'<path d="([^"]+)"', SliceDrawing(make_plot(ring), "key", ["MYO"]).truth()).group(1)
    assert data.count("Z") == 2
    assert path_area(data) == pytest.approx(400 - 100 - 4 * 0.125 + 4 * 0.125)


def test_a_scribble_covers_its_pixels_and_nothing_else():
    labels = np.full((48, 48), IGNORE, dtype=np.uint8)
    labels[3, 4:9], labels[5, 6], labels[40, 0:2] = 0, 0, 2
    drawn = SliceDrawing(make_plot(np.zeros((48, 48))), "key", ["RV", "LV"]).supervision(labels)
    paths = re.findall(r'<path d="([^"]+)" class="scribble" style="([^"]+)"', drawn)
    assert [data for data, _ in paths] == ["M4 3h5v1h-5zM6 5h1v1h-1z", "M0 40h2v1h-2z"]
    assert [style for _, style in paths] == ["--ink: #fff", label_style(1)]


def test_the_picture_is_the_image_and_keeps_its_proportions():
    plot = make_plot(np.zeros((30, 20)), spacing_mm=(1.0, 3.0))
    drawn = SliceDrawing(plot, "key", []).image()
    assert 'viewBox="0 0 60 30"' in drawn
    assert 'transform="scale(3.0000 1)"' in drawn
    png = re.search(r"base64,([^\"]+)", drawn).group(1)
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(png))))
    np.testing.assert_array_equal(pixels, grey_levels(plot.image))


def test_grey_levels_span_the_percentiles_and_survive_bad_values():
    image = np.linspace(0, 100, 101, dtype=np.float32).reshape(1, 101)
    grey = grey_levels(image)[0]
    assert (grey[0], grey[1], grey[50], grey[99], grey[100]) == (0, 0, 128, 255, 255)
    image[0, :2] = np.nan, np.inf
    assert grey_levels(image)[0, :2].tolist() == [0, 0]
    assert grey_levels(np.full((2, 2), np.nan, np.float32)).tolist() == [[0, 0], [0, 0]]
    assert grey_levels(np.full((2, 2), 7, np.float32)).max() == 0


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6))
def test_ticks_are_inside_evenly_spaced_and_neither_few_nor_many(low, extent):
    scale = Scale(low, low + extent, 0.0, 100.0)
    if scale.high - scale.low < 1e-9 * abs(low):
        return
    ticks = scale.ticks()
    assert 2 <= len(ticks) <= 6
    assert all(-1e-3 <= scale(tick) <= 100.001 for tick in ticks)
    assert np.ptp(np.diff(ticks)) <= 1e-6 * max(abs(low), extent)


def test_scale_and_ticks_by_hand():
    scale = Scale(0.5, 1.0, 100.0, 200.0)
    assert scale(0.75) == 150.0
    assert scale.ticks() == pytest.approx([0.5, 0.6, 0.7, 0.8, 0.9, 1.0])


@pytest.mark.parametrize(
    ("values", "low"), [([0.83, 0.9], 0.8), ([0.7], 0.7), ([0.99], 0.9), ([-0.1], 0), ([math.nan], 0)]
)
def test_the_dice_axis_begins_at_the_next_lower_tenth(values, low):
    assert charts.dice_axis_low(values) == pytest.approx(low)


def test_strips_draw_every_case_at_its_place_with_its_name():
    cases = pd.Series({"a": 0.5, "b": 1.0, "c": 0.75, "d": math.nan})
    drawn = charts.strips([("pCE", cases)], 0.5, "", "")
    circles = re.findall(r'<circle cx="([\d.]+)"[^>]*><title>(\w): ([\d.]+)</title>', drawn)
    assert [(uid, dice) for _, uid, dice in circles] == [("a", "0.500"), ("b", "1.000"), ("c", "0.750")]
    left, right, middle = (float(x) for x, _, _ in circles)
    assert middle == pytest.approx((left + right) / 2)
    assert "no finite value" in charts.strips([("pCE", cases[["d"]])], 0.5, "", "")


def test_long_curves_are_averaged_and_short_ones_kept():
    steps = np.arange(10_000, dtype=float)
    thin_steps, thin_values = charts.thinned(steps, 3 * steps)
    assert len(thin_steps) == charts.POINTS_PER_CURVE
    np.testing.assert_allclose(thin_values, 3 * thin_steps)
    assert thin_values.mean() == pytest.approx((3 * steps).mean())
    assert charts.thinned(steps[:200], steps[:200])[0] is not None
    np.testing.assert_array_equal(charts.thinned(steps[:200], steps[:200])[0], steps[:200])


@pytest.mark.parametrize("values", [[0.5], [0.5, 0.5], [0.0, 0.0], [-3.0, 1e9]])
def test_curves_draw_constant_and_single_values(values):
    steps = np.arange(len(values), dtype=float)
    drawn = charts.curves([charts.Curve("pCE", 0, steps, np.array(values))], "loss")
    assert "nan" not in drawn
    assert ("<circle" in drawn) == (len(values) == 1)


def test_an_interval_that_does_not_exist_is_not_drawn():
    assert charts.interval(0.9, math.nan, math.nan, 0.5) == ""
    assert "<circle" in charts.interval(0.9, 0.8, 0.95, 0.5)


def test_elements_escape_names_and_text():
    assert element("text", {"class": '"><script>'}, "<b>&") == (
        '<text class="&#34;&gt;&lt;script&gt;">&lt;b&gt;&amp;</text>'
    )


def test_numbers_in_words():
    assert [words.number(value, 2) for value in (1.005, -0.5, math.nan, math.inf, -math.inf)] == [
        "1.00", "−0.50", "–", "∞", "−∞",
    ]  # fmt: skip
    assert words.span(Estimate(0.5, math.nan, math.nan), 2) == ""
    assert words.span(Estimate(0.5, -0.1, math.inf), 1) == "[−0.1, ∞]"
    assert [words.p_value(p) for p in (0.0004, 0.0126, math.nan)] == ["p < 0.001", "p = 0.013", ""]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "unknown"),
        ("", "unknown"),
        (True, "yes"),
        (0, "0"),
        (0.5, "0.5"),
        ([], "none"),
        ({"a": [1, None]}, "a 1, unknown"),
    ],
)
def test_recorded_values_in_words(value, shown):
    assert describe(value) == shown
