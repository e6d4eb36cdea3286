"""Which cases not to trust, on the page of a run."""

from pathlib import Path

import pytest

from lesslabel.errors import DataError
from lesslabel.reports import write_report

HEAD = "case,expected_dice,low,high,trust,doubts,by_confidence,by_agreement,dice"


def test_the_least_trusted_cases_stand_first_beside_their_dice(report, make_run, store, tmp_path: Path) -> None:
    rows = [
        "q1,,,,no,RV is not predicted,,,",
        "p1_ED,0.41,0.2,0.6,no,unusual,0.4,0.42,0.38",
        "q2,0.9,0.8,1,yes,,1,1,",
    ]
    (tmp_path / "expected.csv").write_text("\n".join([HEAD, *rows]))
    page = report([make_run("a", store=store)], tmp_path / "report.html", expected=tmp_path / "expected.csv")
    shown = page.text.partition("Which cases not to trust")[2].partition("From lesslabel expect")[0]
    words = " ".join(shown.split())
    assert "2 of 3 cases are not to be trusted. The mean Dice to expect of all of them is 0.655." in words
    assert "q1 no – RV is not predicted p1_ED no 0.410 [0.200, 0.600] 0.380 unusual q2 yes 0.900" in words


def test_without_the_file_there_is_no_such_section(report, make_run, store, tmp_path: Path) -> None:
    page = report([make_run("a", store=store)], tmp_path / "report.html")
    assert "Which cases not to trust" not in page.text


def test_many_cases_are_cut_and_a_damaged_file_costs_a_line(report, make_run, store, tmp_path: Path) -> None:
    rows = [f"c{index},0.5,0.4,0.6,yes,,1,1," for index in range(40)]
    path = tmp_path / "expected.csv"
    path.write_text("\n".join([HEAD, *rows]))
    run = make_run("a", store=store)
    assert "10 more cases" in report([run], tmp_path / "report.html", expected=path).text
    path.write_text("case,dice\nc1,0.5\n")
    with pytest.raises(DataError, match="expected_dice"):
        write_report([run], tmp_path / "again.html", expected=path)
