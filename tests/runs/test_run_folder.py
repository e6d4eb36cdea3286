"""What a run folder says about its run, and what it keeps to itself."""

import json
import re
import socket
import subprocess
from pathlib import Path

import pytest
import torch
import yaml
from running import checkpoint, fit

from lesslabel.errors import RunError
from lesslabel.runs.callbacks import step_seed
from lesslabel.runs.curves import CurveLogger
from lesslabel.runs.folder import RunFolder, flatten, git_state


def test_the_folder_holds_what_the_documentation_says(plain_run: Path, store: Path) -> None:
    files = {str(path.relative_to(plain_run)) for path in plain_run.rglob("*") if path.is_file()}
    expected = {"config.yaml", "data.json", "environment.json", "logs/metrics.csv"}
    expected |= {"checkpoints/best.ckpt", "checkpoints/last.ckpt"}
    assert {file for file in files if not file.startswith(("logs/tensorboard/", "test/"))} == expected
    config = yaml.safe_load((plain_run / "config.yaml").read_text())
    assert config["data"]["init_args"]["store"] == str(store)
    assert config["seed"] == 0
    assert not {"run", "ckpt_path", "config"} & config.keys()
    data = json.loads((plain_run / "data.json").read_text())
    assert data["label_names"] == ["background", "RV", "Myo", "LV"]
    assert data["labelled"] == dict.fromkeys(data["parts"]["train"], "scribble")
    assert {part: len(uids) for part, uids in data["parts"].items()} == {"train": 10, "validation": 2, "test": 4}


def test_no_file_is_named_after_the_machine(plain_run: Path) -> None:
    files = [path.name for path in (plain_run / "logs").rglob("*")]
    assert any("tfevents" in name for name in files)
    assert not any(socket.gethostname() in name for name in files)


def test_a_training_says_at_once_what_it_is_about(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fit(config, tmp_path / "run", "--trainer.max_steps", "4") == 0
    opening, trained, _ = capsys.readouterr().out.splitlines()
    assert opening == f"training: {tmp_path / 'run'} · 10 cases · iteration 0/4"
    assert trained == f"trained: {tmp_path / 'run'}"


def test_the_environment_names_no_person_and_no_machine(plain_run: Path) -> None:
    text = (plain_run / "environment.json").read_text()
    environment = json.loads(text)
    assert environment["command"] == "lesslabel fit --config tiny.yaml --run plain"
    assert environment["threads"] == torch.get_num_threads()
    assert environment["packages"]["torch"] == torch.__version__
    assert environment["seed"] == 0
    words = re.findall(r"[\w.-]+", text)
    assert socket.gethostname() not in words
    assert str(Path.home()) not in text
    assert not re.search(r'[ "=]/\w', text), "an absolute path"


def test_a_checkpoint_is_found_by_name_or_path(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.checkpoints.mkdir()
    for name in ("best", "last"):
        (folder.checkpoints / f"{name}.ckpt").touch()
    other = tmp_path / "other.ckpt"
    other.touch()
    assert folder.checkpoint("auto").name == "best.ckpt"
    assert folder.checkpoint("last").name == "last.ckpt"
    assert folder.checkpoint(str(other)) == other
    (folder.checkpoints / "best.ckpt").unlink()
    assert folder.checkpoint("auto").name == "last.ckpt"
    with pytest.raises(RunError, match="no checkpoint 'best'; there is last"):
        folder.checkpoint("best")


def test_a_run_without_validation_part_keeps_its_last_checkpoint(config: Path, tmp_path: Path) -> None:
    run, split = tmp_path / "run", tmp_path / "split.yaml"
    split.write_text("folds: {0: {train: [phantom001, phantom002], test: [phantom003]}}")
    assert fit(config, run, "--data.split", str(split)) == 0
    assert [path.name for path in (run / "checkpoints").iterdir()] == ["last.ckpt"]
    assert checkpoint(run)["global_step"] == 12


def test_curves_forget_what_came_after_the_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    logger = CurveLogger(path)
    for step in range(3):
        logger.log_metrics({"train/loss": 1.0 / 3, "epoch": 0.0}, step)
    with path.open("a") as file:
        file.write("3,train/lo")  # killed in the middle of a line
    logger.forget_after(2)
    assert path.read_text().split() == ["step,name,value", "0,train/loss,0.333333", "1,train/loss,0.333333"]


def test_curves_that_cannot_be_written_are_named(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").mkdir()
    with pytest.raises(RunError, match=r"metrics\.csv: cannot be written \(Is a directory\); free some space"):
        CurveLogger(tmp_path / "metrics.csv").log_metrics({"train/loss": 1.0}, 0)


def test_step_seeds_differ_by_seed_step_and_process() -> None:
    seeds = [step_seed(seed, step, rank) for seed in range(5) for step in range(200) for rank in range(4)]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_flatten() -> None:
    assert flatten({"a": {"b": 1, "c": {}}, "d": [1]}) == {"a.b": 1, "a.c": {}, "d": [1]}


def test_wandb_offline_writes_a_local_run(config: Path, tmp_path: Path) -> None:
    wandb = pytest.importorskip("wandb")
    run = tmp_path / "run"
    assert fit(config, run, "--wandb", "offline", "--trainer.max_steps", "4") == 0
    assert list((run / "logs" / "wandb").glob("offline-run-*/run-*.wandb"))
    wandb.teardown()


def test_what_a_study_writes_is_no_change_of_the_code(tmp_path: Path) -> None:
    def git(*arguments: str) -> None:
        subprocess.run(["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a", *arguments], check=True)

    study = tmp_path / "experiments" / "clicks"
    package = tmp_path / "lesslabel"
    for path in (study / "results.csv", study / "costs.json", study / "study.yaml", package / "cli.py"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("before")
    git("init", "--quiet")
    git("add", ".")
    git("commit", "--quiet", "--message", "before")
    assert git_state(package)["dirty"] is False
    (study / "results.csv").write_text("after")
    (study / "costs.json").write_text("after")
    assert git_state(package)["dirty"] is False
    for path in (study / "study.yaml", package / "cli.py"):
        path.write_text("after")
        assert git_state(package)["dirty"] is True
        path.write_text("before")
    assert git_state(package)["dirty"] is False
