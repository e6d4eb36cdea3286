"""Training that starts from given weights."""

import hashlib
import json
from pathlib import Path

import pytest
import torch
from running import checkpoint, fit, one_line

from lesslabel.cli import main
from lesslabel.runs.weights import save_weights

# so small a learning rate leaves the weights where they started
STAND_STILL = ("--model.init_args.optimiser.learning_rate", "1e-30")


@pytest.fixture
def weights(plain_run: Path, tmp_path: Path) -> Path:
    path = tmp_path / "weights.safetensors"
    save_weights(checkpoint(plain_run)["state_dict"], path)
    return path


def test_training_starts_from_them_and_the_run_says_so(
    config: Path, plain_run: Path, weights: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    assert fit(config, run, "--weights", str(weights), "--seed", "5", *STAND_STILL) == 0
    given, trained = checkpoint(plain_run)["state_dict"], checkpoint(run)["state_dict"]
    assert all(torch.equal(given[name], trained[name]) for name in given)
    recorded = json.loads((run / "environment.json").read_text())["weights"]
    assert recorded == {"file": "weights.safetensors", "sha256": hashlib.sha256(weights.read_bytes()).hexdigest()}


def test_the_run_does_not_need_the_file_afterwards(config: Path, weights: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert fit(config, run, "--weights", str(weights)) == 0
    weights.unlink()
    assert main(["test", "--run", str(run)]) == 0


def test_a_resumed_run_keeps_what_it_learned(config: Path, weights: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert fit(config, run, "--weights", str(weights)) == 0
    learned = checkpoint(run)["state_dict"]
    assert fit(config, run, "--weights", str(weights), "--ckpt_path", "last") == 0
    assert all(torch.equal(learned[name], tensor) for name, tensor in checkpoint(run)["state_dict"].items())


@pytest.mark.parametrize("damage", ["absent", "cut", "text"])
def test_a_damaged_file_is_refused_before_anything_is_written(
    config: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], damage: str
) -> None:
    if damage == "absent":
        weights.unlink()
    else:
        weights.write_bytes(weights.read_bytes()[:-100] if damage == "cut" else b"weights")
    assert fit(config, tmp_path / "run", "--weights", str(weights)) == 1
    assert f"{weights}: " in one_line(capsys)
    assert not (tmp_path / "run").exists()


def test_the_weights_of_another_network_are_refused(
    config: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wider = ("--model.init_args.network.channels", "[8, 16]")
    assert fit(config, tmp_path / "run", "--weights", str(weights), *wider) == 1
    assert "use the weights of the same method and model.network" in one_line(capsys)
    assert not (tmp_path / "run").exists()
