"""Losses that are no numbers, and disks that are full: the last good checkpoint is kept."""

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
import yaml
from running import checkpoint, fit, logged_steps
from torch import Tensor

from lesslabel.data.batch import Batch
from lesslabel.methods import DMPLS

LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
from lesslabel.cli import main
sys.exit(main(sys.argv[2:]))
"""


def last_line(capsys: pytest.CaptureFixture[str]) -> str:
    err = capsys.readouterr().err
    assert "Traceback" not in err
    return err.strip().splitlines()[-1]


def require_finite(run: Path, name: str = "last") -> None:
    assert all(bool(torch.isfinite(tensor).all()) for tensor in checkpoint(run, name)["state_dict"].values())


@pytest.mark.parametrize(("value", "workers"), [(np.nan, 0), (-np.inf, 2)])
def test_a_case_with_voxels_that_are_no_numbers_is_named(
    value: float,
    workers: int,
    config: Path,
    store: Path,
    plain_run: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    copy = Path(shutil.copytree(store, tmp_path / "store"))
    training = json.loads((plain_run / "data.json").read_text())["parts"]["train"]
    sick = training[3]
    with h5py.File(copy / "cases" / f"{sick}.h5", "r+") as file:
        file["image"][0, :, 3, 5] = value
    settings = ["--data.store", str(copy), "--data.workers", str(workers), "--data.batch_size", "30"]
    assert fit(config, tmp_path / "run", *settings) == 1
    line = last_line(capsys)
    assert sick in line
    assert "voxels that are NaN or infinite" in line
    assert "lesslabel verify" in line
    assert not (tmp_path / "run").exists()


def test_a_loss_that_is_no_number_keeps_the_last_good_checkpoint(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    losses = DMPLS.losses

    def sick(self: DMPLS, batch: Batch) -> Mapping[str, Tensor]:
        terms = dict(losses(self, batch))
        if self.global_step == 9:
            terms["mixed"] = terms["mixed"] * torch.nan
        return terms

    monkeypatch.setattr(DMPLS, "losses", sick)
    run = tmp_path / "run"
    assert fit(config, run) == 1
    line = last_line(capsys)
    assert "the loss is not finite at iteration 9 (partial_cross_entropy " in line
    assert "mixed nan); cases of the batch: phantom" in line
    assert checkpoint(run)["global_step"] == 8
    require_finite(run)
    require_finite(run, "best")
    assert logged_steps(run) == list(range(9))


def test_a_learning_rate_that_explodes_stops_the_run(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    settings = ["--model.optimiser.name", "sgd", "--model.optimiser.learning_rate", "1e36"]
    assert fit(config, run, *settings) == 1
    line = last_line(capsys)
    assert "not finite" in line
    assert "phantom" in line
    assert not list((run / "checkpoints").glob("*"))


def test_weights_that_are_no_numbers_are_not_saved(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The loss of the last step of an epoch is finite, its gradient is not."""
    losses = DMPLS.losses

    def sick(self: DMPLS, batch: Batch) -> Mapping[str, Tensor]:
        terms = dict(losses(self, batch))
        if self.global_step == 7:
            nothing = 0.0 * next(self.parameters())
            terms["mixed"] = terms["mixed"] + nothing.sqrt().sum()
        return terms

    monkeypatch.setattr(DMPLS, "losses", sick)
    run = tmp_path / "run"
    assert fit(config, run) == 1
    line = last_line(capsys)
    assert "are not finite after iteration 8; cases of the last batch: phantom" in line
    assert "the last good checkpoint is kept" in line
    assert checkpoint(run)["global_step"] == 4
    require_finite(run)


@pytest.mark.parametrize("limit", [200, 20_000])
def test_a_full_disk(limit: int, config: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    command = [sys.executable, "-c", LIMITED, str(limit), "fit", "--config", str(config), "--run", str(run)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 1, result.stderr
    assert "Traceback" not in result.stderr
    line = result.stderr.strip().splitlines()[-1]
    assert line.startswith(f"lesslabel fit: {run}")
    assert "cannot be written (File too large); check the free space" in line
    if limit == 200:  # not even the description
        assert not list(tmp_path.iterdir())
    else:
        assert "best.ckpt" in line
        assert not list((run / "checkpoints").iterdir())
        assert yaml.safe_load((run / "config.yaml").read_text())["name"] == "DMPLS"


def test_a_full_disk_keeps_the_last_good_checkpoint(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    save, saved = torch.save, []

    def refuse_the_fourth(content: object, file: object) -> None:
        saved.append(content)
        if len(saved) < 4:
            save(content, file)
            return
        file.write(b"half")  # type: ignore[attr-defined]  # a file
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", refuse_the_fourth)
    run = tmp_path / "run"
    assert fit(config, run) == 1
    line = last_line(capsys)
    assert ".ckpt: cannot be written (No space left on device); check the free space and rights" in line
    assert checkpoint(run)["global_step"] in (4, 8)
    require_finite(run)
    assert sorted(path.name for path in (run / "checkpoints").iterdir()) == ["best.ckpt", "last.ckpt"]
