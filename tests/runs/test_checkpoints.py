"""Checkpoints: whole or absent, of this method and network, loaded without running code, at home in any folder."""

import re
import shutil
from pathlib import Path

import pytest
import torch
from running import checkpoint, curves, fit, interrupt_before, one_line, require_same_training

from lesslabel.cli import main


class Bomb:
    """Runs code when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.mark,)


def test_a_checkpoint_that_holds_code_is_refused_without_running_it(
    plain_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, mark = tmp_path / "evil.ckpt", tmp_path / "ran"
    torch.save({**checkpoint(plain_run), "bomb": Bomb(mark)}, path)
    assert main(["test", "--run", str(plain_run), "--ckpt_path", str(path)]) == 1
    assert f"{path}: refused, it is damaged or holds objects that could run code" in one_line(capsys)
    assert not mark.exists()
    assert not (plain_run / "test").exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([1.0, 2.0], "not a checkpoint of lesslabel"),
        ({"state_dict": {}}, "not a checkpoint of lesslabel"),
        ({"state_dict": {}, "global_step": 3, "pytorch-lightning_version": "2.6.0"}, "written by another program"),
    ],
)
def test_a_checkpoint_of_another_program_is_refused(
    content: object, said: str, plain_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "foreign.ckpt"
    torch.save(content, path)
    assert main(["validate", "--run", str(plain_run), "--ckpt_path", str(path)]) == 1
    assert said in one_line(capsys)


def test_a_checkpoint_of_another_method_or_network_is_refused(
    config: Path, plain_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other"
    method = ["--model", "lesslabel.methods.PartialCrossEntropy", "--model.num_classes", "4"]
    network = ["--model.network.channels", "[4, 8]", "--model.network.encoder_dropout", "[0, 0]"]
    assert fit(config, other, *method, *network, "--trainer.max_steps", "4") == 0
    capsys.readouterr()
    foreign = other / "checkpoints" / "last.ckpt"
    assert main(["test", "--run", str(plain_run), "--ckpt_path", str(foreign)]) == 1
    assert "written by PartialCrossEntropy, this run is DMPLS" in one_line(capsys)
    assert main(["test", "--run", str(plain_run), "--model.network.channels", "[4, 6]"]) == 1
    assert "the same model.network" in one_line(capsys)
    assert not (plain_run / "test").exists()
    assert not list(plain_run.glob(".*"))


def test_a_checkpoint_that_was_cut_short_is_named(
    config: Path, plain_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Path(shutil.copytree(plain_run, tmp_path / "run"))
    last = run / "checkpoints" / "last.ckpt"
    last.write_bytes(last.read_bytes()[:20_000])
    assert fit(config, run, "--ckpt_path", "last") == 1
    assert re.search(rf"{last}: (refused, it is )?damaged", one_line(capsys))
    assert main(["test", "--run", str(run), "--ckpt_path", "last"]) == 1
    assert str(last) in one_line(capsys)
    assert not (run / "test").exists()


def test_a_checkpoint_that_does_not_exist_is_named(
    config: Path, plain_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["predict", "--run", str(plain_run), "--output", str(tmp_path / "p"), "--ckpt_path", "lost"]) == 1
    assert "no checkpoint 'lost'; there is best, last" in one_line(capsys)
    run = Path(shutil.copytree(plain_run, tmp_path / "run"))
    shutil.rmtree(run / "checkpoints")
    assert fit(config, run, "--ckpt_path", "last") == 1
    assert "there is none yet; remove the folder and start the run again" in one_line(capsys)
    assert not (tmp_path / "p").exists()


def test_a_run_folder_may_be_moved_before_it_is_resumed(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = ["--trainer.max_steps", "60", "--data.steps_per_epoch", "10"]
    assert fit(config, tmp_path / "whole", *settings) == 0
    dice = curves(tmp_path / "whole").query("name == 'validation/dice'").reset_index(drop=True)
    stop = min(int(dice["value"].idxmax()) + 2, 5)
    assert stop > 1, "the best is not before the interruption"
    with monkeypatch.context() as patch:
        interrupt_before(10 * stop + 3, patch)
        assert fit(config, tmp_path / "here", *settings) == 130
    (tmp_path / "here").rename(tmp_path / "there")
    assert fit(config, tmp_path / "there", *settings, "--ckpt_path", "last") == 0
    require_same_training(tmp_path / "there", tmp_path / "whole")
    best = int(dice["step"][dice["value"].idxmax()]) + 1
    assert checkpoint(tmp_path / "there", "best")["global_step"] == best
    assert sorted(path.name for path in (tmp_path / "there" / "checkpoints").iterdir()) == ["best.ckpt", "last.ckpt"]


@pytest.mark.parametrize("name", ["best", "last"])
def test_a_checkpoint_names_no_folder(name: str, plain_run: Path) -> None:
    content = (plain_run / "checkpoints" / f"{name}.ckpt").read_bytes()
    assert str(plain_run).encode() not in content
    assert str(plain_run.parent).encode() not in content
