"""How much of a prediction would have to be corrected."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lesslabel.reports.runs.revision import count_revisions, revision_degree


def test_degrees_and_bins_by_hand():
    dice = [1.0, 0.95, 0.9499, 0.90, 0.86, 0.85, 0.8499, 0.0, math.nan]
    degrees = revision_degree(dice)
    np.testing.assert_allclose(degrees, [0, 5, 5.01, 10, 14, 15, 15.01, 100, math.nan], atol=1e-9)
    # 0 and 5; 5.01 and 10; 14 and 15; 15.01 and 100
    assert count_revisions(degrees) == (2, 2, 2, 2)


def test_no_case_is_in_no_bin():
    assert count_revisions(np.array([])) == (0, 0, 0, 0)
    assert count_revisions(np.array([math.nan])) == (0, 0, 0, 0)


@given(st.lists(st.floats(0, 1), max_size=30))
def test_every_case_is_in_the_bin_whose_ends_hold_it(dice):
    degrees = revision_degree(dice)
    expected = [
        sum(low < degree <= high for degree in degrees) for low, high in [(-1, 5), (5, 10), (10, 15), (15, 100)]
    ]
    assert list(count_revisions(degrees)) == expected


def test_the_page_counts_cases_and_averages_patients(report, make_run, tmp_path):
    better = {"p1_ED": (0.97,) * 3, "p1_ES": (0.91,) * 3, "p2_ED": (0.88,) * 3, "p3_ED": (0.96,) * 3}
    page = report([make_run("a"), make_run("b", method="DMPLS", dice=better)], tmp_path / "report.html")
    header, first, second = next(table for table in page.tables if "mean revision ↓" in table[0])
    assert header[3:] == ["0–5 %", "5–10 %", "10–15 %", "over 15 %"]
    # cases 20, 40, 10 and 50; patients 30, 10 and 50
    assert first == ["pCE", "30.0 % [10.0, 50.0]", "", "0 0 %", "1 25 %", "0 0 %", "3 75 %"]
    # cases 3, 9, 12 and 4; patients 6, 12 and 4
    assert second == ["DMPLS", "7.3 % [4.0, 12.0]", "", "2 50 %", "1 25 %", "1 25 %", "0 0 %"]
    bar = page.html.split("Revision of DMPLS")[1].split("</svg>")[0]
    assert 'x="130" y="0" width="65"' in bar  # half of 260, then a quarter


def test_a_case_without_dice_is_counted_apart(report, make_run, tmp_path):
    dice = {"p1_ED": (math.nan,) * 3, "p2_ED": (0.9,) * 3}
    page = report([make_run(dice=dice)], tmp_path / "report.html")
    assert "1 case without a Dice" in page.text
    (row,) = [table[1] for table in page.tables if "mean revision ↓" in table[0]]
    assert row[3:] == ["0 0 %", "1 100 %", "0 0 %", "0 0 %"]


def test_a_run_without_any_dice_is_still_written(report, make_run, tmp_path):
    page = report([make_run(dice={"p1_ED": (math.nan,) * 3})], tmp_path / "report.html")
    (row,) = [table[1] for table in page.tables if "mean revision ↓" in table[0]]
    assert row[1] == "– %"
    assert row[3:] == ["0 0 %"] * 4
