"""Costs, curves and the difference to published figures in the table of an experiment."""

import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import yaml
from test_experiment import PROTOCOL

from lesslabel.errors import DataError
from lesslabel.tables import add_results, write_table
from lesslabel.tables.costs import RunCost, add_run_costs, read_runs

COST = RunCost(
    method="A, 2 patients",
    series="A",
    fold="0",
    seed=0,
    patients=2,
    cases=4,
    annotation_minutes=10.0,
    minutes=3.0,
    hardware="1 thread",
    commit="abc",
    key="0123456789abcdef",
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One method on two patients with Dice 0.5 and 0.7."""
    rows = [{"uid": f"p{p}", "patient": f"p{p}", "label": "heart", "dice": dice} for p, dice in enumerate((0.5, 0.7))]
    add_results(tmp_path, pd.DataFrame(rows), method="A, 2 patients", fold="0", seed=0, commit="abc")
    (tmp_path / "protocol.yaml").write_text(yaml.safe_dump(PROTOCOL))
    published = 'method,setting,metric,value,source\n"A, 2 patients",full,dice,0.872 (0.06),a paper\n'
    (tmp_path / "published.csv").write_text(published + "B,full,dice,0.9,a paper\n")
    return tmp_path


def test_published_ours_and_the_difference_stand_in_one_row(folder: Path) -> None:
    text = write_table(folder).read_text()
    assert "| A, 2 patients | full | dice | 0.872 (0.06) | 0.600 [0.500, 0.700] | -0.272 | a paper |" in text
    assert "| B | full | dice | 0.9 | – | – | a paper |" in text


def test_the_cost_of_a_method_is_the_mean_of_its_runs(folder: Path) -> None:
    assert "Label cost" not in write_table(folder).read_text()
    (folder / "costs.json").write_text(
        json.dumps({"dense_slice": 4.0, "scribbled_slice": 0.5, "click": 0.04, "source": "a paper"})
    )
    add_run_costs(folder, [COST, replace(COST, seed=1, minutes=5.0, hardware="a GPU")])
    text = write_table(folder).read_text()
    assert "Minutes of an annotator: a dense slice 4, a scribbled slice 0.5, a click 0.04 (a paper)." in text
    assert "| A, 2 patients | 2 | 4 | 10.0 | 2.5 | 2 | 4.0 | 1 thread; a GPU |" in text


def test_a_run_takes_the_place_of_the_earlier_one_and_no_other(folder: Path) -> None:
    add_run_costs(folder, [COST, replace(COST, seed=1), replace(COST, fold="1")])
    add_run_costs(folder, [replace(COST, minutes=9.0)])
    runs = read_runs(folder)
    assert runs[["fold", "seed", "minutes"]].values.tolist() == [["0", 0, 9.0], ["0", 1, 3.0], ["1", 0, 3.0]]
    assert set(runs["key"]) == {"0123456789ab"}
    before = (folder / "runs.csv").read_text()
    add_run_costs(folder, [replace(COST, minutes=9.0)])
    assert (folder / "runs.csv").read_text() == before


def test_curves_are_shown_with_their_area(folder: Path) -> None:
    (folder / "curve.csv").write_text("axis,series,low,high,area\ncases,A,2,8,0.7251\nminutes,A,,,\n")
    text = write_table(folder).read_text()
    assert "| cases | A | 2 – 8 | 0.725 |" in text
    assert "| minutes | A | – | – |" in text
    assert "(curve-cases.svg)" in text


def test_a_damaged_table_of_runs_is_named(folder: Path) -> None:
    (folder / "runs.csv").write_text("method,fold\n")
    with pytest.raises(DataError, match=r"runs\.csv, line 1: column series"):
        write_table(folder)
