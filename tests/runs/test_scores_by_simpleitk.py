"""The scores of a run are found again by SimpleITK, also of labels that it did not predict; a wrong one is noticed."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest
from running import fit

from lesslabel.cli import main

pytest.importorskip("SimpleITK")
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("scores_by_simpleitk", ROOT / "benchmarks" / "scores_by_simpleitk.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_score_is_found_again(
    script: ModuleType,
    config: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = tmp_path / "run"
    assert fit(config, run, "--trainer.max_steps", "1", "--trainer.accelerator", "cpu") == 0
    assert main(["test", "--run", str(run)]) == 0
    scores = pd.read_csv(run / "test" / "metrics.csv")
    assert (scores["dice"] == 0).any()  # a label that was not predicted is among them
    monkeypatch.setattr(sys, "argv", ["scores_by_simpleitk.py", str(run)])
    script.main()
    assert f"{len(scores)} rows" in capsys.readouterr().out
    scores.loc[0, "hd95"] += 0.01
    scores.to_csv(run / "test" / "metrics.csv", index=False)
    with pytest.raises(AssertionError, match="hd95"):
        script.main()
