"""Statistics of batch normalisation: means over batches, by hand; a network without them is refused."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hospitals import EAST, WITHOUT_LABELS
from torch import nn

from lesslabel.adaptation.stages import adapt_without_labels
from lesslabel.adaptation.without_labels.batch_statistics import replace_statistics
from lesslabel.bundle import Bundle
from lesslabel.bundle.contents import WEIGHTS
from lesslabel.bundle.manifest import MethodConfig
from lesslabel.command_words import read_settings
from lesslabel.errors import ConfigError
from lesslabel.files import hash_file
from lesslabel.methods import Supervised
from lesslabel.networks import UNet
from lesslabel.runs.weights import save_weights


def test_every_layer_has_the_mean_over_batches_of_what_it_sees_in_training() -> None:
    torch.manual_seed(0)
    method = Supervised(3, network=UNet(channels=(4, 8))).eval()
    batches = [torch.randn(4, 1, 16, 16), 3.0 + 2.0 * torch.randn(2, 1, 16, 16)]
    layers = {name: each for name, each in method.named_modules() if isinstance(each, nn.BatchNorm2d)}
    seen: dict[str, list[torch.Tensor]] = {name: [] for name in layers}
    hooks = [
        layer.register_forward_pre_hook(lambda _, inputs, name=name: seen[name].append(inputs[0].detach()))
        for name, layer in layers.items()
    ]
    assert replace_statistics(method, batches) == len(layers) > 3
    for hook in hooks:
        hook.remove()
    for name, layer in layers.items():
        means = torch.stack([each.mean(dim=(0, 2, 3)) for each in seen[name]])
        variances = torch.stack([each.var(dim=(0, 2, 3)) for each in seen[name]])
        torch.testing.assert_close(layer.running_mean, means.mean(dim=0), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(layer.running_var, variances.mean(dim=0), rtol=1e-4, atol=1e-5)
        assert layer.momentum == nn.BatchNorm2d(1).momentum
    assert not any(module.training for module in method.modules())


def test_without_batch_normalisation_there_is_nothing_to_replace(bundle: Bundle, store: Path, tmp_path: Path) -> None:
    settings = dict(bundle.manifest.method.settings)
    network = dict(settings["network"])
    network["init_args"] = {**network["init_args"], "normalisation": "instance"}
    method = MethodConfig("Supervised", {**settings, "network": network})
    path = tmp_path / "other" / WEIGHTS
    path.parent.mkdir()
    save_weights(method.build().state_dict(), path)
    other = replace(
        bundle,
        path=path.parent,
        manifest=replace(bundle.manifest, method=method),
        model_sha256=hash_file(path),
    )
    given = read_settings([*WITHOUT_LABELS, *EAST])
    with pytest.raises(ConfigError, match="no batch normalisation"):
        adapt_without_labels(other, store, "batch-statistics", tmp_path / "out", overrides=given)
    assert not (tmp_path / "out" / "batch-statistics").exists()
