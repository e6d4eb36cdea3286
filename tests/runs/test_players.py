"""Several optimisers take turns in an iteration: against a loop written by hand, in a resumed run, over processes."""

import sys
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from adversarial import Adversarial
from batches import CLASSES, batch_of
from running import checkpoint, curves, fit, interrupt_before, logged_steps, start, write_config
from torch.utils.data import DataLoader

from lesslabel.data.case import Kind
from lesslabel.methods import Optimiser
from lesslabel.networks import UNet

SHAPE = UNet(channels=(4, 8), normalisation="instance")


def adversarial(content: dict[str, Any]) -> None:
    content["name"] = "adversarial"
    content["model"]["class_path"] = "adversarial.Adversarial"


@pytest.fixture(scope="module")
def adversarial_config(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_config(tmp_path_factory.mktemp("configs") / "adversarial.yaml", store, adversarial)


def made() -> Adversarial:
    torch.manual_seed(0)
    return Adversarial(CLASSES, network=SHAPE, optimiser=Optimiser(learning_rate=0.1))


def test_the_steps_are_those_of_a_loop_written_by_hand() -> None:
    batches = [batch_of([Kind.DENSE, Kind.SCRIBBLE], seed=seed) for seed in range(4)]
    method = made()
    trainer = pl.Trainer(
        accelerator="cpu", max_steps=4, logger=False, enable_checkpointing=False, enable_progress_bar=False
    )
    trainer.fit(method, DataLoader(batches, batch_size=None))
    assert trainer.global_step == 4

    expected = made()
    main = torch.optim.SGD(expected.network.parameters(), 0.1, momentum=0.9, weight_decay=1e-4)
    other = torch.optim.Adam(expected.discriminator.parameters(), 0.01, weight_decay=1e-4)
    for step, batch in enumerate(batches):
        main.param_groups[0]["lr"] = 0.1 * (1 - step / 4) ** 0.9
        for optimiser, losses in ((main, expected.losses), (other, expected._told_apart)):
            terms = losses(batch)
            expected.zero_grad()
            sum(terms.values()).backward()
            optimiser.step()
    for name, tensor in expected.state_dict().items():
        torch.testing.assert_close(method.state_dict()[name], tensor, rtol=1e-4, atol=1e-6, msg=name)
    assert not torch.equal(method.discriminator.weight, made().discriminator.weight)


def test_a_resumed_run_equals_an_uninterrupted_one(
    adversarial_config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert fit(adversarial_config, tmp_path / "whole") == 0
    whole = checkpoint(tmp_path / "whole")
    assert whole["global_step"] == 12
    assert logged_steps(tmp_path / "whole") == list(range(12))
    assert {"train/adversarial", "train/discriminator_loss"} <= set(curves(tmp_path / "whole")["name"])
    assert whole["state_dict"]["seen"].tolist() == [10, 0]  # five patients, two phases each, looked at once
    with monkeypatch.context() as patch:
        interrupt_before(6, patch, Adversarial)
        assert fit(adversarial_config, tmp_path / "run") == 130
    assert fit(adversarial_config, tmp_path / "run", "--ckpt_path", "last") == 0
    resumed = checkpoint(tmp_path / "run")
    assert resumed["state_dict"].pop("seen").tolist() == [10, 10]
    whole["state_dict"].pop("seen")
    assert all(torch.equal(tensor, resumed["state_dict"][name]) for name, tensor in whole["state_dict"].items())
    assert len(resumed["optimizer_states"]) == 2


def test_a_loss_of_a_player_that_is_not_finite_stops_the_run(
    adversarial_config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = ["--model.against.learning_rate", "1e30", "--model.against.name", "sgd"]
    assert fit(adversarial_config, tmp_path / "run", *settings) == 1
    assert "the loss is not finite at iteration" in capsys.readouterr().err.splitlines()[-1]


def test_the_total_of_a_player_is_checked_too(
    adversarial_config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told_apart = Adversarial._told_apart
    nan = {"loss": torch.tensor(float("nan"), requires_grad=True)}
    monkeypatch.setattr(Adversarial, "_told_apart", lambda self, batch: {**told_apart(self, batch), **nan})
    assert fit(adversarial_config, tmp_path / "run") == 1
    assert "not finite at iteration 0 (discriminator_loss nan)" in capsys.readouterr().err.splitlines()[-1]


def test_what_fails_in_a_turn_leaves_nothing_frozen() -> None:
    batches = [batch_of([Kind.DENSE, Kind.SCRIBBLE])]
    method = made()
    method._told_apart = lambda _: (_ for _ in ()).throw(KeyError("a player"))  # type: ignore[method-assign]
    trainer = pl.Trainer(
        accelerator="cpu", max_steps=1, logger=False, enable_checkpointing=False, enable_progress_bar=False
    )
    with pytest.raises(KeyError, match="a player"):
        trainer.fit(method, DataLoader(batches, batch_size=None))
    assert all(parameter.requires_grad for parameter in method.parameters())
    assert method.held_iteration is None


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            ["--trainer.accumulate_grad_batches", "2"],
            "trainer.accumulate_grad_batches is for methods with one optimiser",
        ),
        (["--trainer.gradient_clip_val", "1.0"], "trainer.gradient_clip_val is for methods with one optimiser"),
        (["--trainer.devices", "2", "--trainer.strategy", "ddp_spawn"], "the method has several optimisers; take ddp"),
    ],
)
def test_settings_for_one_optimiser_cost_a_line(
    settings: list[str], said: str, adversarial_config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fit(adversarial_config, tmp_path / "run", *settings) == 1
    assert said in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="gloo on a local machine")
def test_two_processes_alternate_too(adversarial_config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    two = ["--trainer.devices", "2", "--data.batch_size", "2"]  # Lightning's own choice is ddp then
    process = start(["fit", "--config", adversarial_config, "--run", tmp_path / "run", *two], threads=1)
    _, err = process.communicate(timeout=900)
    assert process.returncode == 0, err
    assert checkpoint(tmp_path / "run")["global_step"] == 12
