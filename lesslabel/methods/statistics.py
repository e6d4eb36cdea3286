"""How far the statistics of a batch are from those that batch normalisation has stored."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from lesslabel.errors import ConfigError


def require_batch_normalisation(network: nn.Module, method: str) -> None:
    """Refuse a network, or a part of one, without batch normalisation.

    Raises:
        ConfigError: names the method.
    """
    if not any(isinstance(module, _BatchNorm) for module in network.modules()):
        raise ConfigError(f"{method} needs a network with batch normalisation in its encoder; choose another method")


@contextmanager
def differences_of_statistics(network: nn.Module) -> Iterator[list[tuple[Tensor, Tensor]]]:
    """Collect, while the block runs, how what each layer of batch normalisation is given differs from what it has seen.

    Args:
        network: any module; its layers are read as they run.

    Yields:
        A list that receives μ − m and σ² − v, (channels,) each, each time a layer runs: mean and variance of the batch,
        less the running ones.
    """
    differences: list[tuple[Tensor, Tensor]] = []

    def compare(layer: nn.Module, given: tuple[Tensor, ...]) -> None:
        assert isinstance(layer, _BatchNorm)
        assert layer.running_mean is not None
        assert layer.running_var is not None
        variance, mean = torch.var_mean(given[0].float().transpose(0, 1).flatten(1), dim=1)
        differences.append((mean - layer.running_mean, variance - layer.running_var))

    hooks = [one.register_forward_pre_hook(compare) for one in network.modules() if isinstance(one, _BatchNorm)]
    try:
        yield differences
    finally:
        for hook in hooks:
            hook.remove()
