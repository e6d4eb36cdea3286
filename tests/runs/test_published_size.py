"""The script for a quarter of an hour on a GPU runs here for twenty iterations, and plans by what it measured."""

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
import pytest
from benchmark_scripts import load_script
from phantom_stores import PhantomStores

import lesslabel
from lesslabel.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def script() -> ModuleType:
    return load_script("published_size")


def test_the_minutes_give_the_number_of_iterations(script: ModuleType) -> None:
    cost = script.Cost(start_s=10.0, step_s=0.02, test_s=30.0)
    assert cost.iterations(340.0, longest=30_000) == 15_000
    assert cost.iterations(3400.0, longest=30_000) == 30_000
    with pytest.raises(ConfigError, match="too few"):
        cost.iterations(40.0, longest=30_000)


@pytest.fixture
def given(phantom_store: PhantomStores, tmp_path: Path) -> list[str]:
    store = phantom_store(cases=16, size=32, depth=3)
    configs = [str(ROOT / "configs" / "phantom" / f"{name}.yaml") for name in ("dmpls", "pce")]
    size = ["--fold", 0, "--split", "random", "--minutes", 30, "--probe", 1, 3, "--longest", 20, "--eager"]
    return [
        *map(str, [store, "--out", tmp_path / "rows.csv", "--runs", tmp_path / "runs", *size]),
        *("--config", *configs),
    ]


def run(script: ModuleType, given: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["published_size.py", *given])
    script.main()


def test_twenty_iterations_become_rows(
    script: ModuleType, given: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    study = tmp_path / "study"
    run(script, [*given, "--experiment", str(study)], monkeypatch)
    rows = script.read_rows(tmp_path / "rows.csv")
    assert [(row["method"], row["iterations"], row["device"]) for row in rows] == [
        ("dmpls", "20", "cpu"),
        ("pce", "20", "cpu"),
    ]
    assert {row["precision"] for row in rows} <= {"32-true", "bf16-mixed"}, "what auto took, not auto"
    assert all(0 <= float(row["dice"]) <= 1 and int(row["patients"]) > 0 for row in rows)
    assert set(pd.read_csv(study / "results.csv")["method"]) == {"DMPLS", "pCE"}
    run(script, given, monkeypatch)
    assert "has every row; nothing to do" in capsys.readouterr().out
    assert script.read_rows(tmp_path / "rows.csv") == rows


def test_what_fails_costs_the_others_nothing(
    script: ModuleType, given: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one gets its row, and the same command later adds the missing one."""
    train = lesslabel.fit

    def fails(config: Path, **given: Any) -> Any:
        if Path(config).stem == "dmpls":
            raise MemoryError("out of memory")
        return train(config, **given)

    monkeypatch.setattr(lesslabel, "fit", fails)
    with pytest.raises(SystemExit, match="dmpls: "):
        run(script, given, monkeypatch)
    assert [row["method"] for row in script.read_rows(tmp_path / "rows.csv")] == ["pce"]
    monkeypatch.setattr(lesslabel, "fit", train)
    begun = tmp_path / "runs" / "dmpls-fold0-seed0"  # stopped before anything was saved
    begun.mkdir()
    (begun / "config.yaml").write_text("{}")
    run(script, given, monkeypatch)
    assert [row["method"] for row in script.read_rows(tmp_path / "rows.csv")] == ["pce", "dmpls"]


def test_a_training_that_is_slower_than_planned_stops_and_is_tested(
    script: ModuleType, given: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The probe of the plan is wrong by orders of magnitude; the row says how many iterations there were."""
    monkeypatch.setattr(script, "measure", lambda *_: script.Cost(0.0, 1e-6, 0.0))
    changed = {"30": "0.1", "20": "30000"}
    run(script, [changed.get(word, word) for word in given], monkeypatch)
    rows = script.read_rows(tmp_path / "rows.csv")
    assert [row["method"] for row in rows] == ["dmpls", "pce"]
    assert all(0 < int(row["iterations"]) < 30_000 for row in rows)
