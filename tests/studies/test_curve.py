"""The label-efficiency curve and the area under it."""

import math
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lesslabel.studies.curve import CurvePoint, area_under, read_points, write_curves
from lesslabel.tables import add_results
from lesslabel.tables.costs import RunCost, add_run_costs


def point(cases: float, dice: float, series: str = "A", minutes: float | None = None) -> CurvePoint:
    return CurvePoint(series, cases, cases if minutes is None else minutes, dice, dice - 0.05, dice + 0.05)


def test_the_area_is_the_mean_height_over_doublings() -> None:
    curve = [point(1, 0.2), point(2, 0.4), point(8, 0.8)]
    # from 1 to 2 one doubling at 0.3 in the mean, from 2 to 8 two at 0.6
    assert area_under(curve, "cases", 1, 8) == pytest.approx((0.3 + 2 * 0.6) / 3)
    assert area_under(curve, "cases", 2, 4) == pytest.approx((0.4 + 0.6) / 2)
    assert area_under(curve[::-1], "cases", 1, 8) == area_under(curve, "cases", 1, 8)


def test_a_series_that_does_not_reach_over_the_range_has_none() -> None:
    curve = [point(2, 0.4), point(8, 0.8)]
    assert math.isnan(area_under(curve, "cases", 1, 8))
    assert math.isnan(area_under(curve, "cases", 2, 9))
    assert math.isnan(area_under(curve, "cases", 4, 4))


@given(heights=st.lists(st.floats(0, 1), min_size=2, max_size=6), scale=st.floats(0.1, 100))
def test_the_area_lies_between_the_extremes_and_knows_no_unit(heights: list[float], scale: float) -> None:
    curve = [point(2.0**place, height) for place, height in enumerate(heights)]
    area = area_under(curve, "cases", 1, 2.0 ** (len(heights) - 1))
    assert min(heights) - 1e-9 <= area <= max(heights) + 1e-9
    scaled = [point(scale * 2.0**place, height) for place, height in enumerate(heights)]
    assert area_under(scaled, "cases", scale, scale * 2.0 ** (len(heights) - 1)) == pytest.approx(area)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Scribbles at 2 and 8 cases, a minute each; dense labels at 2 and 4 cases, two minutes each; one at all."""
    dice = {("scribble", 2, 2.0): 0.4, ("scribble", 8, 8.0): 0.8, ("dense", 2, 4.0): 0.5, ("dense", 4, 8.0): 0.7}
    dice[("single", 8, 16.0)] = 0.9
    costs = []
    for (series, cases, minutes), value in dice.items():
        method = f"{series}, {cases} patients"
        frame = pd.DataFrame([{"uid": f"p{p}", "patient": f"p{p}", "label": "heart", "dice": value} for p in range(3)])
        add_results(tmp_path, frame, method=method, fold="0", seed=0, commit="abc")
        costs.append(RunCost(method, series, "0", 0, cases, cases, minutes, 1.0, "a core", "abc", "key"))
    add_run_costs(tmp_path, costs)
    return tmp_path


def test_points_are_read_with_their_cost(folder: Path) -> None:
    points = [point for point in read_points(folder) if point.series == "scribble"]
    assert [(point.cases, point.minutes) for point in points] == [(2.0, 2.0), (8.0, 8.0)]
    assert [point.dice for point in points] == pytest.approx([0.4, 0.8])


def test_the_range_is_the_one_that_all_curves_share(folder: Path) -> None:
    write_curves(folder)
    table = pd.read_csv(folder / "curve.csv").set_index(["axis", "series"])
    assert table.loc[("cases", "dense")].tolist() == pytest.approx([2, 4, 0.6])
    assert table.loc[("cases", "scribble")].tolist() == pytest.approx([2, 4, 0.5])
    assert table.loc[("minutes", "scribble")].tolist() == pytest.approx([4, 8, 0.7])
    assert "single" not in table.index.get_level_values("series")


def test_the_picture_is_whole_and_names_every_series(folder: Path) -> None:
    write_curves(folder)
    for axis in ("cases", "minutes"):
        picture = ElementTree.parse(folder / f"curve-{axis}.svg").getroot()
        space = "{http://www.w3.org/2000/svg}"
        words = {element.text for element in picture.iter(f"{space}text")}
        assert {"scribble", "dense", "Dice"} <= words
        assert len(list(picture.iter(f"{space}circle"))) == 4
        heights = [float(circle.get("cy", "")) for circle in picture.iter(f"{space}circle")]
        assert max(heights) < 360
        assert min(heights) > 30


def test_curves_that_share_no_range_have_no_area(folder: Path) -> None:
    runs = pd.read_csv(folder / "runs.csv")
    runs.loc[runs["series"] == "dense", "annotation_minutes"] *= 10
    runs.to_csv(folder / "runs.csv", index=False)
    write_curves(folder)
    table = pd.read_csv(folder / "curve.csv").set_index("axis")
    assert table.loc["minutes"].drop(columns="series").isna().all(axis=None)
    assert table.loc["cases", "area"].notna().all()


def test_an_experiment_without_budgets_has_no_curve(folder: Path) -> None:
    runs = pd.read_csv(folder / "runs.csv")
    runs[runs["series"] == "single"].to_csv(folder / "runs.csv", index=False)
    write_curves(folder)
    assert not (folder / "curve.csv").exists()
