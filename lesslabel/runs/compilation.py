"""Networks compiled by `torch.compile`, as a callback of the trainer."""

import shutil

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback

from lesslabel.errors import ConfigError

_COMPILERS = ("c++", "g++", "clang++")


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
        on_cpu = trainer.strategy.root_device.type == "cpu"
        if on_cpu and not any(map(shutil.which, _COMPILERS)):
            raise ConfigError(
                "trainer.callbacks: CompiledNetworks needs a C++ compiler on a CPU and found none; install g++, or "
                "leave it out"
            )
        for network in pl_module.children():
            if next(network.parameters(), None) is not None and type(network).forward is not torch.nn.Module.forward:
                network.compile(options={"fallback_random": True})  # the dropout of the run that is not compiled
