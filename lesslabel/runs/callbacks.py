"""What a run does beside training: replayable steps, safe checkpoints, a word per epoch."""

import sys
import time
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, ModelCheckpoint
from pytorch_lightning.plugins.io import TorchCheckpointIO

from lesslabel.errors import RunError
from lesslabel.files import written_aside
from lesslabel.runs.curves import CurveLogger

_GOLDEN = 0x9E3779B97F4A7C15


class ReplayableSteps(Callback):
    """Seeds torch at every step from (seed, step, process), so that dropout and mixing weights replay after a resume.

    Args:
        seed: of the run.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Seed the step."""
        torch.manual_seed(step_seed(self.seed, trainer.global_step, trainer.global_rank))


def step_seed(seed: int, step: int, rank: int) -> int:
    """Mix three small numbers into one 63-bit seed."""
    mixed = ((seed * _GOLDEN + step) * _GOLDEN + rank) * _GOLDEN
    return (mixed ^ (mixed >> 31)) & (2**63 - 1)


class SafeCheckpointIO(TorchCheckpointIO):
    """Checkpoints that are whole or absent, and that load without running code."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write aside, then rename."""
        with written_aside(Path(path)) as aside:
            torch.save(checkpoint, aside)

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = True) -> dict[str, Any]:
        """Read tensors and plain values only.

        Raises:
            RunError: if the file is damaged or holds anything else.
        """
        try:
            content: dict[str, Any] = torch.load(path, map_location=map_location or "cpu", weights_only=True)
        except Exception as error:  # torch raises a different type for each kind of damage
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise RunError(f"{path}: not a readable checkpoint ({reason}); use another checkpoint") from error
        return content


def checkpoint_callbacks(folder: Path, *, validated: bool) -> list[Callback]:
    """Keep the end of the last epoch, and the best on validation if there is a validation part."""
    last = ModelCheckpoint(folder, "last", save_on_train_epoch_end=True, enable_version_counter=False)
    if not validated:
        return [last]
    best = ModelCheckpoint(
        folder,
        "best",
        monitor="validation/dice",
        mode="max",
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )
    return [best, last]


class ForgetUnsaved(Callback):
    """On resuming, drops from the curves what was logged after the checkpoint."""

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Cut the curves back to the resumed step."""
        for logger in trainer.loggers:
            if isinstance(logger, CurveLogger):
                logger.forget_after(trainer.global_step)


class EpochLine(Callback):
    """One line an epoch, for logs and terminals without a progress bar."""

    def __init__(self) -> None:
        self._since = time.monotonic()

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock."""
        self._since = time.monotonic()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Print the line."""
        if not trainer.is_global_zero:
            return
        metrics = trainer.callback_metrics
        parts = [f"iteration {trainer.global_step}/{trainer.max_steps}"]
        parts += [f"{name} {float(metrics[name]):.4f}" for name in ("train/loss", "validation/dice") if name in metrics]
        print(" · ".join([*parts, f"{time.monotonic() - self._since:.0f} s"]), file=sys.stderr, flush=True)
