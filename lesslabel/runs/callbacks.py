"""Callbacks of a run: seeds for each step, safe checkpoints, one line of output per epoch."""

import math
import pickle
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, ModelCheckpoint, RichProgressBar
from pytorch_lightning.plugins.io import TorchCheckpointIO

from lesslabel.errors import RunError
from lesslabel.files import written_aside
from lesslabel.runs.curves import CurveLogger

_FIRST_LINE_S, _NEXT_LINES_S = 15.0, 60.0
"""Seconds until a training without a progress bar tells its pace, and between two such lines."""
_GOLDEN = 0x9E3779B97F4A7C15
_PATHS = ("best_model_path", "last_model_path", "kth_best_model_path")


class ReplayableSteps(Callback):
    """Seeds torch at every step from (seed, step, process), so that dropout and mixing weights repeat after a resume.

    Args:
        seed: of the run.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Seed the step."""
        seen = trainer.fit_loop.epoch_loop.batch_progress.total.processed  # type: ignore[attr-defined]  # Lightning annotates its base class
        seed = step_seed(self.seed, int(seen), trainer.global_rank)
        if trainer.strategy.root_device.type == "cpu":
            torch.default_generator.manual_seed(
                seed
            )  # what manual_seed does on a CPU, without a call for each absent device
        else:
            torch.manual_seed(seed)


def step_seed(seed: int, step: int, rank: int) -> int:
    """Mix three small numbers into one 63-bit seed."""
    mixed = ((seed * _GOLDEN + step) * _GOLDEN + rank) * _GOLDEN
    return (mixed ^ (mixed >> 31)) & (2**63 - 1)


class SafeCheckpointIO(TorchCheckpointIO):
    """Checkpoints that are whole or absent, and that load without running code."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write a temporary file, then rename it.

        Raises:
            DataError: if the file cannot be written.
        """
        with written_aside(Path(path)) as aside, aside.open("wb") as file:
            try:
                torch.save(checkpoint, file)
            except RuntimeError as error:
                # torch has its own message for an error of the disk
                refusal = error.__context__
                raise refusal if isinstance(refusal, OSError) else error from None

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = True) -> dict[str, Any]:
        """Read tensors and plain values only.

        Raises:
            RunError: if the file is damaged or holds anything else.
        """
        try:
            content = torch.load(path, map_location=map_location or "cpu", weights_only=True)
        except pickle.UnpicklingError as error:
            raise RunError(
                f"{path}: refused, it is damaged or holds objects that could run code; use a checkpoint of lesslabel"
            ) from error
        except Exception as error:  # torch raises a different type for each kind of damage
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise RunError(f"{path}: damaged checkpoint ({reason}); use another with --ckpt_path") from error
        if not isinstance(content, dict) or not {"state_dict", "global_step"} <= content.keys():
            raise RunError(f"{path}: not a checkpoint of lesslabel; use one from RUN/checkpoints")
        return content


class PortableCheckpoint(ModelCheckpoint):
    """Stores its files by name, so that a run folder can be moved and a checkpoint contains no path."""

    def state_dict(self) -> dict[str, Any]:
        """The state that a resumed run needs."""
        state = super().state_dict()
        names = {key: Path(state[key]).name for key in _PATHS if state[key]}
        best = {Path(path).name: score for path, score in state["best_k_models"].items()}
        return {**state, **names, "best_k_models": best, "dirpath": ""}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Find the files in the folder where the run lies now."""
        folder = Path(str(self.dirpath))
        paths = {key: str(folder / state_dict[key]) for key in _PATHS if state_dict[key]}
        best = {str(folder / name): score for name, score in state_dict["best_k_models"].items()}
        super().load_state_dict({**state_dict, **paths, "best_k_models": best, "dirpath": self.dirpath})


def checkpoint_callbacks(folder: Path, *, validated: bool) -> list[Callback]:
    """Keep the end of the last epoch, and the best on validation if there is a validation part."""
    last = PortableCheckpoint(folder, "last", save_on_train_epoch_end=True, enable_version_counter=False)
    if not validated:
        return [last]
    best = PortableCheckpoint(
        folder,
        "best",
        monitor="validation/dice",
        mode="max",
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )
    return [best, last]


class ForgetUnsaved(Callback):
    """Makes a resumed run log each step once with its own number, as an uninterrupted run does."""

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Subtract one from the count of logged steps: a resumed Lightning counts the end of the epoch twice."""
        checkpoint["loops"]["fit_loop"]["epoch_loop.state_dict"]["_batches_that_stepped"] -= 1

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Remove rows of the curves after the resumed step."""
        for logger in trainer.loggers:
            if isinstance(logger, CurveLogger):
                logger.forget_after(trainer.global_step)


class OpeningLine(Callback):
    """Prints one line before the first iteration, so that a log shows which run starts.

    Args:
        run: the run folder.
        cases: of the training part.
        remarks: on how it trains, such as the precision that was chosen for this machine.
    """

    def __init__(self, run: Path, cases: int, remarks: Sequence[str] = ()) -> None:
        self.run = run
        self.cases = cases
        self.remarks = remarks

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Print the line."""
        if trainer.is_global_zero:
            where = f"iteration {trainer.global_step}/{trainer.max_steps}"
            parts = [f"training: {self.run}", f"{self.cases} cases", where, *self.remarks]
            print(" · ".join(parts), flush=True)


class EpochLine(Callback):
    """Prints one line per epoch, and of a long one how long it will take, where there is no progress bar."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._begun: tuple[float, int] | None = None
        self._next = math.inf

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock."""
        self._since = time.monotonic()
        if self._begun is None:
            self._begun, self._next = (self._since, trainer.global_step), self._since + _FIRST_LINE_S

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Tell the pace, soon after the start and then every minute."""
        now = time.monotonic()
        if not trainer.is_global_zero or self._begun is None or now < self._next:
            return
        self._next = now + _NEXT_LINES_S
        since, first = self._begun
        if done := trainer.global_step - first:
            pace_s = (now - since) / done
            left_min = pace_s * (trainer.max_steps - trainer.global_step) / 60
            where = f"iteration {trainer.global_step}/{trainer.max_steps}"
            print(f"{where} · {pace_s:.2g} s each, {left_min:.0f} min to go", file=sys.stderr, flush=True)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Print the line."""
        # a resumed run ends the epoch of its checkpoint a second time
        if not trainer.is_global_zero or self._since is None:
            return
        metrics = trainer.callback_metrics
        parts = [f"iteration {trainer.global_step}/{trainer.max_steps}"]
        parts += [f"{name} {float(metrics[name]):.4f}" for name in ("train/loss", "validation/dice") if name in metrics]
        print(" · ".join([*parts, f"{time.monotonic() - self._since:.0f} s"]), file=sys.stderr, flush=True)
        self._since = None


class EpochBar(RichProgressBar):
    """A progress bar that names the last epoch; Lightning shows -2 for it where iterations are given."""

    def _get_train_description(self, current_epoch: int) -> str:
        steps = math.ceil(self.trainer.num_training_batches / self.trainer.accumulate_grad_batches)
        last = math.ceil(self.trainer.max_steps / max(1, steps))
        limit = self.trainer.max_epochs
        return f"Epoch {current_epoch + 1} of {last if limit in (None, -1) else min(last, limit)}"
