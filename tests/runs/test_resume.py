"""Interrupted and resumed equals uninterrupted, bit for bit."""

import os
import signal
from pathlib import Path

import pytest
from running import checkpoint, curves, fit, interrupt_before, logged_steps, require_same_training, start, wait_for_step

from lesslabel.cli import main
from lesslabel.data.loading import residence


@pytest.mark.parametrize(("step", "workers"), [(4, 0), (6, 0), (7, 2), (11, 0)])
def test_ctrl_c_then_resume(
    step: int,
    workers: int,
    config: Path,
    plain_run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = tmp_path / "run"
    settings = ["--data.workers", str(workers)]
    with monkeypatch.context() as patch:
        interrupt_before(step, patch)
        assert fit(config, run, *settings) == 130
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said.startswith("lesslabel fit: interrupted")
    assert "the same command and --ckpt_path last" in said
    assert checkpoint(run)["global_step"] == step // 4 * 4
    assert fit(config, run, *settings, "--ckpt_path", "last") == 0
    require_same_training(run, plain_run)
    assert logged_steps(run) == list(range(12))


def test_ctrl_c_in_the_first_epoch_says_that_nothing_is_saved(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as patch:
        interrupt_before(2, patch)
        assert fit(config, tmp_path / "run") == 130
    assert "interrupted before the first epoch was saved; remove the folder" in capsys.readouterr().err
    assert fit(config, tmp_path / "run", "--ckpt_path", "last") == 1
    assert "no checkpoint 'last'" in capsys.readouterr().err


def test_resuming_again_and_again_and_resuming_a_finished_run(
    config: Path, plain_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    for step, resume in ((5, []), (6, ["--ckpt_path", "last"]), (9, ["--ckpt_path", "last"])):
        with monkeypatch.context() as patch:
            interrupt_before(step, patch)
            assert fit(config, run, *resume) == 130
    for _ in range(2):
        assert fit(config, run, "--ckpt_path", "last") == 0
        require_same_training(run, plain_run)


def test_what_changes_no_number_may_change_between(
    config: Path, plain_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    with monkeypatch.context() as patch:
        interrupt_before(6, patch)
        assert fit(config, run) == 130
    others = ["--data.workers", "1", "--name", "Another", "--trainer.enable_progress_bar", "false"]
    assert fit(config, run, "--ckpt_path", "last", *others) == 0
    require_same_training(run, plain_run)


@pytest.mark.parametrize("places", [("true", "true"), ("true", "false"), ("false", "true")])
def test_resident_cases_resume_there_and_elsewhere(
    places: tuple[str, str], config: Path, plain_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, (first, second) = tmp_path / "run", places
    with monkeypatch.context() as patch:
        interrupt_before(6, patch)
        assert fit(config, run, "--data.resident", first) == 130
    assert fit(config, run, "--ckpt_path", "last", "--data.resident", second) == 0
    require_same_training(run, plain_run)


def test_cases_that_do_not_fit_are_refused_before_there_is_a_folder(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(residence, "_free_bytes", lambda _: 10)
    assert fit(config, tmp_path / "run", "--data.resident", "true") == 1
    assert "set it to false" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
    assert fit(config, tmp_path / "run", "--data.resident", "false") == 0


def test_accumulated_gradients_resume_too(config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = ["--trainer.accumulate_grad_batches", "3", "--trainer.max_steps", "6"]
    assert fit(config, tmp_path / "whole", *settings) == 0
    with monkeypatch.context() as patch:
        interrupt_before(3, patch)
        assert fit(config, tmp_path / "run", *settings) == 130
    assert fit(config, tmp_path / "run", *settings, "--ckpt_path", "last") == 0
    require_same_training(tmp_path / "run", tmp_path / "whole")


def test_the_best_checkpoint_survives_a_resume(config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = ["--trainer.max_steps", "60", "--data.steps_per_epoch", "10", "--trainer.check_val_every_n_epoch", "2"]
    assert fit(config, tmp_path / "whole", *settings) == 0
    with monkeypatch.context() as patch:
        interrupt_before(45, patch)
        assert fit(config, tmp_path / "run", *settings) == 130
    assert fit(config, tmp_path / "run", *settings, "--ckpt_path", "last") == 0
    require_same_training(tmp_path / "run", tmp_path / "whole")
    dice = curves(tmp_path / "whole").query("name == 'validation/dice'")
    assert dice["step"].tolist() == [19, 39, 59]
    best = dice.loc[dice["value"].idxmax(), "step"] + 1
    assert checkpoint(tmp_path / "run", "best")["global_step"] == best
    assert checkpoint(tmp_path / "whole", "best")["global_step"] == best


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
def test_kill_nine_in_the_middle_of_an_epoch(workers: int, config: Path, tmp_path: Path) -> None:
    settings = ["--trainer.max_steps", "120", "--data.steps_per_epoch", "40", "--data.workers", str(workers)]
    run = tmp_path / "run"
    process = start(["fit", "--config", config, "--run", run, *settings])
    try:
        wait_for_step(run, 50, process)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    assert process.returncode == -signal.SIGKILL
    saved = checkpoint(run)["global_step"]
    assert 40 <= saved < 120
    assert len(logged_steps(run)) % 40, "killed between two epochs"
    assert fit(config, run, *settings, "--ckpt_path", "last") == 0
    assert fit(config, tmp_path / "whole", *settings) == 0
    require_same_training(run, tmp_path / "whole")
    assert not list(run.rglob("*.part"))


@pytest.mark.slow
def test_ctrl_c_of_a_whole_process_group_ends_the_training(config: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    settings = ["--trainer.max_steps", "100000", "--data.steps_per_epoch", "20", "--data.workers", "2"]
    process = start(["fit", "--config", config, "--run", run, *settings])
    try:
        wait_for_step(run, 25, process)
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=600)  # of 100 000 steps, which take hours
    finally:
        process.kill()
    assert process.returncode == 130
    assert "Traceback" not in err
    assert err.strip().splitlines()[-1].startswith("lesslabel fit: interrupted; go on with the same command")
    assert [line.split(":")[0] for line in out.splitlines()] == ["training"]  # nothing after what it began with
    assert main(["validate", "--run", str(run), "--ckpt_path", "last"]) == 0


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(
    config: Path, plain_run: Path, tmp_path: Path
) -> None:
    assert fit(config, tmp_path / "again") == 0
    require_same_training(tmp_path / "again", plain_run)
    assert fit(config, tmp_path / "other", "--seed", "1") == 0
    ours, theirs = checkpoint(plain_run)["state_dict"], checkpoint(tmp_path / "other")["state_dict"]
    weights = [name for name in ours if name.endswith("weight") and ours[name].ndim == 4]
    assert weights
    assert all(not ours[name].equal(theirs[name]) for name in weights)
    assert curves(plain_run)["value"].tolist() != curves(tmp_path / "other")["value"].tolist()
