"""The script for a quarter of an hour on a GPU runs here for twenty iterations, and plans by what it measured."""

import csv
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
from phantom_stores import PhantomStores

from lesslabel.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("published_size", ROOT / "benchmarks" / "published_size.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def test_the_minutes_give_the_number_of_iterations(script: ModuleType) -> None:
    cost = script.Cost(start_s=10.0, step_s=0.02, test_s=30.0)
    assert cost.iterations(340.0, longest=30_000) == 15_000
    assert cost.iterations(3400.0, longest=30_000) == 30_000
    with pytest.raises(ConfigError, match="too few"):
        cost.iterations(40.0, longest=30_000)


def test_twenty_iterations_become_rows(
    script: ModuleType, phantom_store: PhantomStores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, out = phantom_store(cases=16, size=32, depth=3), tmp_path / "rows.csv"
    configs = [str(ROOT / "configs" / "phantom" / f"{name}.yaml") for name in ("dmpls", "pce")]
    given = [store, "--out", out, "--fold", 0, "--minutes", 30, "--config", *configs, "--probe", 1, 3, "--longest", 20]
    monkeypatch.setattr(sys, "argv", ["published_size.py", *map(str, given), "--runs", str(tmp_path / "runs")])
    script.main()
    with out.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["method"], row["iterations"], row["device"]) for row in rows] == [
        ("dmpls", "20", "cpu"),
        ("pce", "20", "cpu"),
    ]
    assert {row["precision"] for row in rows} <= {"32-true", "bf16-mixed"}, "what auto took, not auto"
    assert all(0 <= float(row["dice"]) <= 1 and float(row["milliseconds_a_step"]) > 0 for row in rows)
    assert (tmp_path / "runs" / "dmpls" / "checkpoints" / "last.ckpt").is_file()
