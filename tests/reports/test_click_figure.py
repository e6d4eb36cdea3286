"""The picture of click protocols: rings at the first prompts, dots after all clicks."""

from pathlib import Path
from xml.etree import ElementTree

import pandas as pd
import pytest

from lesslabel.reports.experiments.click_figure import draw_click_figure, read_gains, write_click_figure
from lesslabel.tables.click_results import read_click_results

COMMITTED = Path(__file__).parents[2] / "experiments" / "interactive"
SPACE = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def results() -> pd.DataFrame:
    """Two patients; "GP" is corrected, "box & <b>" is not; "GP" of seed 1 is 0.2 better."""
    rows = []
    for method, seed, first, last in (("GP", 0, 0.2, 0.5), ("GP", 1, 0.4, 0.7), ("box & <b>", 0, 0.8, float("nan"))):
        for patient, better in (("p1", 0.0), ("p2", 0.1)):
            place = {"set": "unseen", "method": method, "seed": seed, "uid": f"{patient}_ed", "patient": patient}
            rows.append(place | {"label": "LV", "dice_first": first + better, "dice_20": last + better})
    return pd.DataFrame(rows)


def test_seeds_are_averaged_and_the_best_stands_first(results: pd.DataFrame) -> None:
    (best, second) = read_gains(results)["unseen"]
    assert (best.method, second.method) == ("box & <b>", "GP")
    assert best.last is None
    assert best.first == pytest.approx((0.85, 0.8, 0.9))
    assert second.first == pytest.approx((0.35, 0.3, 0.4))
    assert second.last == pytest.approx((0.65, 0.6, 0.7))


def test_marks_stand_where_the_scale_says(results: pd.DataFrame) -> None:
    picture = ElementTree.fromstring(draw_click_figure(read_gains(results)))
    ticks = {float(item.text or ""): float(item.attrib["x"]) for item in picture.iter(f"{SPACE}text") if _number(item)}
    low, high = min(ticks), max(ticks)
    marks = {}
    for circle in picture.iter(f"{SPACE}circle"):
        share = (float(circle.attrib["cx"]) - ticks[low]) / (ticks[high] - ticks[low])
        marks[circle.attrib["class"], circle[0].text] = low + share * (high - low)
    assert sorted(marks.values()) == pytest.approx([0.35, 0.65, 0.85], abs=1e-3)
    assert ("dot", "GP, 20 clicks: 0.650 [0.600, 0.700]") in marks
    assert ("published", "box & <b>, first prompts: 0.850 [0.800, 0.900]") in marks


def test_one_patient_has_a_mark_and_no_interval(results: pd.DataFrame) -> None:
    picture = ElementTree.fromstring(draw_click_figure(read_gains(results[results["patient"] == "p1"])))
    assert len(list(picture.iter(f"{SPACE}circle"))) == 3
    assert not [item for item in picture.iter(f"{SPACE}line") if item.attrib["class"] == "whisker"]


def test_the_committed_picture_is_of_the_committed_results(tmp_path: Path) -> None:
    (tmp_path / "results.csv").write_bytes((COMMITTED / "results.csv").read_bytes())
    write_click_figure(tmp_path)
    assert (tmp_path / "dice.svg").read_text() == (COMMITTED / "dice.svg").read_text()
    titles = {item.text for item in ElementTree.parse(tmp_path / "dice.svg").getroot().iter(f"{SPACE}text")}
    assert set(read_click_results(COMMITTED)["set"]) <= titles


def _number(item: ElementTree.Element) -> bool:
    return (item.text or "").replace(".", "").isdigit()
