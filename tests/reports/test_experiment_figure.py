"""The picture of an experiment: what is drawn is what was measured."""

from pathlib import Path
from xml.etree import ElementTree

import pandas as pd
import pytest

from lesslabel.reports.experiments.figure import draw_figure, read_rows, write_figure
from lesslabel.tables import add_results
from lesslabel.tables.experiment_protocol import published_number

SPACE = "{http://www.w3.org/2000/svg}"
PUBLISHED = """method,setting,metric,value,source
good,100 patients,dice,0.872 (0.06),a paper
good,100 patients,hd95,9.9,a paper
good,with a remark,dice,not given,a paper
unknown,100 patients,dice,0.5,a paper
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two patients, one of them with two cases; two labels, two seeds."""
    for method, shift in (("bad", 0.0), ("good <b>", 0.2), ("good", 0.4)):
        for seed in (0, 1):
            rows = [
                {"uid": f"{patient}_{case}", "patient": patient, "label": label, "dice": dice + shift + 0.1 * seed}
                for patient, case, label, dice in [
                    ("anna", 0, "rv", 0.1),
                    ("anna", 0, "myo", 0.3),
                    ("anna", 1, "rv", 0.3),
                    ("anna", 1, "myo", 0.5),
                    ("bert", 0, "rv", 0.1),
                    ("bert", 0, "myo", 0.1),
                ]
            ]
            add_results(tmp_path, pd.DataFrame(rows), method=method, fold="0", seed=seed, commit="abc")
    (tmp_path / "published.csv").write_text(PUBLISHED)
    return tmp_path


def test_a_patient_is_one_dot_and_the_best_method_stands_first(folder: Path) -> None:
    rows = read_rows(folder)
    assert [row.method for row in rows] == ["good", "good <b>", "bad"]
    # labels, cases and seeds are averaged: (0.2 + 0.4) / 2 and 0.1, seed 1 adds 0.1 to half of them
    assert rows[-1].patients == pytest.approx({"anna": 0.35, "bert": 0.15})
    assert rows[-1].mean == pytest.approx(0.25)
    assert rows[-1].low <= rows[-1].mean <= rows[-1].high


def test_only_published_dice_of_our_method_is_beside_it(folder: Path) -> None:
    assert [row.published for row in read_rows(folder)] == [[("100 patients", 0.872)], [], []]


def test_the_picture_places_means_in_proportion(folder: Path) -> None:
    write_figure(folder)
    picture = ElementTree.parse(folder / "dice.svg").getroot()
    dots = [circle for circle in picture.iter(f"{SPACE}circle") if circle.get("class") == "dot"]
    good, middle, bad = (float(dot.attrib["cx"]) for dot in dots)
    assert good - middle == pytest.approx(middle - bad, abs=0.02)
    assert len([1 for circle in picture.iter(f"{SPACE}circle") if circle.get("class") == "case"]) == 6
    assert len([1 for square in picture.iter(f"{SPACE}rect") if square.get("class") == "published"]) == 1
    assert "good <b>" in {text.text for text in picture.iter(f"{SPACE}text")}


def test_without_dice_there_is_no_picture(tmp_path: Path) -> None:
    frame = pd.DataFrame([{"uid": "a", "patient": "a", "label": "rv", "hd95": 2.0}])
    add_results(tmp_path, frame, method="m", fold="0", seed=0, commit="abc")
    (tmp_path / "published.csv").write_text(PUBLISHED)
    write_figure(tmp_path)
    assert not (tmp_path / "dice.svg").exists()


def test_a_single_patient_has_no_interval(tmp_path: Path) -> None:
    frame = pd.DataFrame([{"uid": "a", "patient": "a", "label": "rv", "dice": 0.7}])
    add_results(tmp_path, frame, method="m", fold="0", seed=0, commit="abc")
    (tmp_path / "published.csv").write_text(PUBLISHED)
    assert "whisker" not in draw_figure(read_rows(tmp_path)).partition("</style>")[2]


@pytest.mark.parametrize(("value", "number"), [("0.872 (0.068)", 0.872), ("1", 1.0)])
def test_a_published_value_begins_with_its_number(value: str, number: float) -> None:
    assert published_number(value) == number


def test_a_published_value_may_have_no_number() -> None:
    assert published_number("not given") != published_number("not given")
