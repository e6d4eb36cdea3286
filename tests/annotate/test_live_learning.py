"""The measurement of learning between cases, with settings of a minute."""

import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from benchmark_scripts import load_script
from desks import make_store, truth

from lesslabel.data.store import Store
from lesslabel.errors import DataError
from lesslabel.general.loading import load_model


@pytest.fixture(scope="module")
def script() -> ModuleType:
    return load_script("live_learning")


def test_a_robot_works_off_a_slice_until_the_goal(script: ModuleType, store: Store) -> None:
    (sheet, _) = script.sheets(store, None, 2, "dense")
    assert sheet.slice == 1, "the first of those with the most labels"
    assert sheet.labels == [1, 2]
    worked, drawn = script.work_off(load_model("general"), sheet, script.Setting(goal=0.8, cap=6), 0)
    assert 1 <= worked.clicks <= 6
    for label in (1, 2):
        mask, there = drawn == label, truth()[1] == label
        assert worked.clicks == 6 or 2 * (mask & there).sum() / (mask.sum() + there.sum()) >= 0.75
    (picture,) = script.drawn_pictures(sheet, drawn)
    np.testing.assert_array_equal(picture.labels, drawn)


def test_a_goal_that_is_never_reached_costs_the_cap(script: ModuleType, store: Store) -> None:
    (sheet, _) = script.sheets(store, None, 2, "dense")
    worked, _ = script.work_off(load_model("general"), sheet, script.Setting(goal=1.1, cap=2), 0)
    assert worked.clicks == 2


def test_the_first_case_is_the_same_with_and_without(
    script: ModuleType, store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--cases", "2", "--steps", "1", "--cap", "2", "--seeds", "0", "1"]
    monkeypatch.setattr(sys, "argv", ["live_learning.py", str(store.path), *options])
    script.main()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "| case | clicks, fixed | clicks, learning | Dice 1, fixed | Dice 1, learning |"
    _, case, fixed, learning, dice_fixed, dice_learning, _ = (cell.strip() for cell in lines[2].split("|"))
    assert (case, fixed, dice_fixed) == ("1", learning, dice_learning)
    assert any(line.startswith("clicks: ") and "by seed" in line for line in lines)


def test_one_case_is_too_few(script: ModuleType, tmp_path: Path) -> None:
    from desks import make_case

    with pytest.raises(DataError, match="1 cases with labels"):
        list(script.sheets(make_store(tmp_path / "one", [make_case(0)]), None, 5, "dense"))
