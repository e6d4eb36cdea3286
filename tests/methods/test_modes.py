"""Modes of layers in a run: what a method keeps in evaluation stays there, though Lightning sets no mode itself."""

import pytest
import pytorch_lightning as pl
import torch
from torch import nn
from torch.utils.data import DataLoader

from lesslabel.methods import FeatureAware, ProSFDA, Tent, UncertainDA
from lesslabel.methods.base import SegmentationMethod
from lesslabel.networks import UNet

NETWORK = UNet(channels=(2, 4), encoder_dropout=(0.3, 0.3))


def modes_in_a_run(method: SegmentationMethod, monkeypatch: pytest.MonkeyPatch) -> dict[str, bool]:
    """Whether each module is in training in the first step of a run."""
    seen: dict[str, bool] = {}

    def step(*_: object) -> None:
        seen.update({name: module.training for name, module in method.named_modules()})

    monkeypatch.setattr(method, "training_step", step)
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    trainer = pl.Trainer(accelerator="cpu", max_steps=1, limit_train_batches=1, enable_checkpointing=False, **quiet)
    trainer.fit(method, DataLoader(torch.zeros(1, 1)))  # type: ignore[arg-type]  # a tensor is a dataset
    assert seen
    return seen


@pytest.mark.parametrize("method", [ProSFDA, UncertainDA])
def test_the_source_is_in_evaluation(method: type[SegmentationMethod], monkeypatch: pytest.MonkeyPatch) -> None:
    modes = modes_in_a_run(method(2, network=NETWORK), monkeypatch)
    assert not any(training for name, training in modes.items() if name.startswith("source"))
    assert modes["network"]


def test_dropout_of_tent_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    method = Tent(2, network=NETWORK)
    modes = modes_in_a_run(method, monkeypatch)
    dropouts = [name for name, module in method.named_modules() if isinstance(module, nn.Dropout | nn.Dropout2d)]
    assert dropouts
    assert not any(modes[name] for name in dropouts)


@pytest.mark.parametrize("frozen", [True, False])
def test_a_frozen_network_is_in_evaluation(frozen: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    modes = modes_in_a_run(FeatureAware(network=NETWORK, size_voxel=(16, 16), frozen=frozen), monkeypatch)
    assert modes["network"] is not frozen
    assert modes["attention"]
