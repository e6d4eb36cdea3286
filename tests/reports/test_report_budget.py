"""Dice against budget."""

import math
import re

import pandas as pd
import pytest

from lesslabel.data.store import Store
from lesslabel.errors import DataError
from lesslabel.reports.runs.budget import (
    BudgetPoint,
    annotated_percent,
    draw_budgets,
    points_of_experiment,
    split_budget,
)
from lesslabel.reports.runs.methods import group_methods
from lesslabel.reports.runs.read import read_run
from lesslabel.reports.runs.results import Estimate, label_cost
from lesslabel.tables import add_results

PSEUDO = "pseudo/adaptation"


def point(
    series: str, percent: float | None, mean: float, low: float = math.nan, high: float = math.nan
) -> BudgetPoint:
    return BudgetPoint(series, percent, Estimate(mean, low, high))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("stdr, 10%", ("stdr", 10.0)),
        ("stdr, 20% + semi", ("stdr + semi", 20.0)),
        ("random 2.5 %", ("random", 2.5)),
        ("foreground-random, 20%", ("foreground-random", 20.0)),
        ("all slices", ("all slices", None)),
        ("Not adapted", ("Not adapted", None)),
        ("20%", ("20%", None)),
        ("a, 250%", ("a, 250%", None)),
    ],
)
def test_a_name_is_split_into_method_and_budget(name, expected):
    assert split_budget(name) == expected


def test_the_points_of_an_experiment_are_means_over_patients(tmp_path):
    for method, dice in {
        "stdr, 10%": (0.6, 0.8, 0.9),
        "stdr, 20%": (0.8, 0.8, 0.9),
        "Not adapted": (0.2, 0.4, 0.5),
    }.items():
        table = pd.DataFrame({"uid": ["a", "b", "c"], "patient": ["p", "p", "q"], "label": "LV", "dice": dice})
        add_results(tmp_path, table, method=method, fold="0", seed=0, commit="x")
    found = {(p.series, p.percent): p.dice for p in points_of_experiment(tmp_path)}
    assert found.keys() == {("stdr", 10.0), ("stdr", 20.0), ("Not adapted", None)}
    # patients 0.7 and 0.9: half of the resamples are one of them twice
    stdr = found["stdr", 10.0]
    assert (stdr.mean, stdr.low, stdr.high) == pytest.approx((0.8, 0.7, 0.9))
    assert found["Not adapted", None].mean == pytest.approx(0.4)


def test_an_experiment_without_results_is_named(tmp_path):
    with pytest.raises(DataError, match=r"results\.csv: no such file"):
        points_of_experiment(tmp_path)


def test_points_are_drawn_at_their_budget_and_lines_across_without_one():
    points = [
        point("all slices", None, 0.9),
        point("stdr", 20.0, 0.8, 0.7, 0.9),
        point("stdr", 10.0, 0.6, 0.5, 0.7),
        point("lost", 10.0, math.nan),
    ]
    drawn = draw_budgets(points)
    assert [name for *_, name in drawn.legend] == ["stdr", "all slices"]
    assert drawn.has_across
    # Dice from 0.5 to 0.9 over 280 pixels; 90 + 290 at 10 %, 580 at 20 %, the first of two methods 2.5 to the left
    dots = re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', drawn.chart)
    assert [(float(x), float(y)) for x, y in dots] == [(377.5, pytest.approx(220)), (667.5, pytest.approx(80))]
    assert re.search(r'<polyline points="377.5,220 667.5,80"', drawn.chart)
    assert re.search(r'<line x1="50" x2="710" y1="10" y2="10" class="across"', drawn.chart)
    assert "stdr, 10 %: 0.600 [0.500, 0.700]" in drawn.chart
    assert "<title>all slices: 0.900</title>" in drawn.chart


def test_a_colour_that_comes_again_is_drawn_hollow():
    points = [point(name, percent, 0.5) for name in "abcdefgh" for percent in (10.0, 20.0)]
    drawn = draw_budgets(points)
    assert [sign for _, sign, _ in drawn.legend] == ["dot"] * 6 + ["dot hollow"] * 2
    assert drawn.chart.count('class="dot hollow"') == 4
    assert not drawn.has_across


def test_one_budget_is_nothing_to_compare():
    assert draw_budgets([point("a", 10.0, 0.5), point("b", 10.0, 0.6), point("c", None, 0.7)]) is None
    assert draw_budgets([]) is None


def shown_in_part(**data):
    """Whole, in two slices, by pseudo-labels alone, and not at all: four cases of four slices."""
    return {
        "labelled": {"t0": "dense", "t1": f"dense + {PSEUDO}", "t2": PSEUDO},
        "labelled_slices": {"t1": {"dense": [0, 2], PSEUDO: [1, 3]}},
        "overlays": [{"annotation": PSEUDO}],
    } | data


def test_the_budget_of_a_run_counts_slices_that_people_annotated(make_run, store):
    records = Store(store).records
    assert annotated_percent(read_run(make_run("a", data=shown_in_part())), records) == 100 * 6 / 16
    assert annotated_percent(read_run(make_run("b")), records) == 75.0
    assert annotated_percent(read_run(make_run("c", data={"labelled": {}})), records) == 0.0


def test_a_slice_of_which_patches_are_annotated_counts_as_their_share(make_run, store):
    records = Store(store).records
    _, height, width = records["t1"].shape
    patches = {"t1": {"dense": [[0, 0, 0, 1, height // 2, width], [0, height // 2, 0, 1, 1, width]]}}
    share = (height // 2 + 1) / height
    run = read_run(make_run("a", data=shown_in_part(labelled_patches=patches)))
    assert annotated_percent(run, records) == pytest.approx(100 * (4 + share + 1) / 16)
    assert run.patch_cost == {"dense": 2}


def test_a_budget_that_was_not_recorded_is_unknown(make_run, store):
    records = Store(store).records
    assert annotated_percent(read_run(make_run("a", data={"parts": {}})), records) is None
    assert annotated_percent(read_run(make_run("b")), {}) is None
    run = make_run("c")
    (run / "data.json").unlink()
    assert annotated_percent(read_run(run), records) is None


def test_the_page_compares_runs_at_their_budgets(report, make_run, store, tmp_path):
    runs = [make_run(name, method="stdr", store=store, data={"labelled": {"t0": "dense"}}) for name in ("a", "b")]
    page = report(runs, tmp_path / "one.html")
    assert "budget" not in page.attributes("id")
    whole = make_run("c", method="stdr", store=store, data={"labelled": {f"t{i}": "dense" for i in range(4)}})
    page = report([runs[0], whole], tmp_path / "two.html")
    assert "budget" in page.attributes("id")
    chart = page.html.split("Mean Dice over the budget")[1]
    assert "stdr, 25 %: 0.700 [0.500, 0.900]" in chart
    assert "stdr, 100 %: 0.700" in chart


def test_runs_with_other_slices_are_no_seeds_of_one_method(make_run):
    one = {"labelled": {"t0": "dense"}, "labelled_slices": {"t0": {"dense": [1]}}}
    two = {"labelled": {"t0": "dense"}, "labelled_slices": {"t0": {"dense": [1, 2]}}}
    same = {"labelled": {"t1": "dense"}, "labelled_slices": {"t1": {"dense": [3]}}}
    runs = [read_run(make_run(str(i), seed=i, data=data)) for i, data in enumerate((one, two, same))]
    assert [method.seeds for method in group_methods(runs)] == [[0, 2], [1]]


def test_the_label_cost_counts_slices_of_cases_shown_in_part(make_run):
    (method,) = group_methods([read_run(make_run(data=shown_in_part()))])
    assert label_cost(method).endswith(f"; of these in part: 2 slices dense, 2 slices {PSEUDO}")
