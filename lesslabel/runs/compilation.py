"""Networks compiled by `torch.compile`, as a callback of the trainer."""

import os
import shutil
import sys
from collections.abc import Iterator

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback
from torch import nn

from lesslabel.errors import ConfigError

_COMPILERS = {"linux": "g++", "darwin": "clang++", "win32": "cl"}
"""What torch compiles with, unless CXX names another one."""


class CompiledNetworks(Callback):
    """Compiles the networks of a method before training: shorter steps, after a first one of half a minute.

    ``--trainer.callbacks+=lesslabel.runs.compilation.CompiledNetworks`` on the command line. Weights, checkpoints and
    their names stay the same, and so does dropout. Fused operations round differently: a run is the same again on the
    same machine, but not bit for bit the one that was not compiled. What a method computes outside the forward pass of
    a network is as before.
    """

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Compile every network of the method.

        Raises:
            ConfigError: on a CPU without a C++ compiler.
        """
        compiler = os.environ.get("CXX") or _COMPILERS.get(sys.platform, "g++")
        if trainer.strategy.root_device.type == "cpu" and shutil.which(compiler) is None:
            raise ConfigError(
                f"trainer.callbacks: CompiledNetworks needs the C++ compiler {compiler} on a CPU and found none; "
                "install it, or leave the callback out"
            )
        for network in _networks(pl_module):
            if next(network.parameters(), None) is not None:
                network.compile(options={"fallback_random": True})  # the dropout of the run that is not compiled


def _networks(module: nn.Module) -> Iterator[nn.Module]:
    """The modules inside one, and those in its lists."""
    for part in module.children():
        if isinstance(part, nn.ModuleList | nn.ModuleDict):
            yield from _networks(part)
        else:
            yield part
