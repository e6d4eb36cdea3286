"""The scores of a run are found again by SimpleITK, also of labels that it did not predict; a wrong one is noticed."""

import sys
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest
from benchmark_scripts import load_script
from running import fit

from lesslabel.cli import main

pytest.importorskip("SimpleITK")


@pytest.fixture(scope="module")
def script() -> ModuleType:
    return load_script("scores_by_simpleitk")


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
