"""``lesslabel plan`` on an experiment folder and on runs."""

from pathlib import Path

import pandas as pd
import pytest

from lesslabel.cli import main
from lesslabel.tables import add_results
from lesslabel.tables.costs import RunCost, add_run_costs
from lesslabel.tables.planning import plan

MINUTES = (10.0, 20.0, 40.0, 80.0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A series of four rounds, Dice 0.9 − 2·minutes^−0.8, and one of two."""
    costs = []
    for series, rounds in (("scribble", MINUTES), ("dense", MINUTES[:2])):
        for minutes in rounds:
            method = f"{series}, {minutes:g} min"
            rows = [
                {"uid": f"p{p}", "patient": f"p{p}", "label": "heart", "dice": 0.9 - 2 * minutes**-0.8 + 0.01 * (p - 1)}
                for p in range(3)
            ]
            add_results(tmp_path, pd.DataFrame(rows), method=method, fold="0", seed=0, commit="abc")
            costs.append(RunCost(method, series, "0", 0, 1, 1, minutes, 1.0, "a core", "abc", "key"))
    add_run_costs(tmp_path, costs)
    return tmp_path


def test_a_series_of_an_experiment(folder: Path) -> None:
    (only,) = plan([folder], minutes=80.0)
    assert only.series == "scribble"
    assert only.minutes == MINUTES
    assert only.next.dice == pytest.approx(0.9 - 2 * 160**-0.8, abs=1e-3)
    assert only.next.low < only.next.dice < only.next.high
    assert only.held_out is not None
    assert only.held_out.dice == pytest.approx(only.dice[-1], abs=1e-3)


def test_the_command_says_what_more_would_buy_and_whether_it_was_right(folder: Path, capsys) -> None:
    assert main(["plan", str(folder), "--minutes", "80"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "scribble: 4 rounds, 80 minutes so far, Dice 0.840"
    assert lines[1].startswith("  80 minutes more: Dice 0.86")
    assert lines[-1].endswith("and is 0.840: inside")


def test_too_few_rounds_and_no_minutes_cost_a_line(folder: Path, tmp_path: Path, capsys) -> None:
    frame = pd.read_csv(folder / "runs.csv")
    frame[frame["series"] == "dense"].to_csv(folder / "runs.csv", index=False)
    assert main(["plan", str(folder)]) == 1
    assert "no series has 3 rounds" in capsys.readouterr().err
    assert main(["plan", str(folder), "--minutes", "0"]) == 1
    assert "--minutes: 0.0; pass minutes above 0" in capsys.readouterr().err
    assert main(["plan", str(tmp_path / "absent")]) == 1
    assert "no run here" in capsys.readouterr().err
