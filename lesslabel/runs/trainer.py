"""The Lightning trainers of a run: one that trains, one that evaluates."""

import logging
import sys
import warnings
from typing import Any

import pytorch_lightning as pl
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.loggers import Logger

from lesslabel.data.loading.residence import describe_residence
from lesslabel.errors import ConfigError
from lesslabel.runs.callbacks import (
    EpochBar,
    EpochLine,
    ForgetUnsaved,
    OpeningLine,
    ReplayableSteps,
    SafeCheckpointIO,
    checkpoint_callbacks,
)
from lesslabel.runs.curves import CurveLogger
from lesslabel.runs.events import EventLogger
from lesslabel.runs.folder import RunFolder
from lesslabel.runs.parsing import RunCLI

_EVERY_OTHER_TURN = "ddp_find_unused_parameters_true"
"""In a step of one optimiser the weights of the others get no gradient."""
_RESERVED = ("logger", "default_root_dir", "enable_checkpointing", "enable_model_summary", "num_sanity_val_steps")


def training_trainer(run: RunCLI, folder: RunFolder, *, validated: bool) -> pl.Trainer:
    """Make the trainer of `lesslabel fit`; nothing is written yet.

    Args:
        run: the parsed run.
        folder: where logs and checkpoints go.
        validated: the run has a validation part, so there is a best checkpoint.

    Raises:
        ConfigError: if the trainer's settings do not fit each other, this machine or the run.
    """
    if run.trainer_settings.get("max_steps", -1) < 1:
        raise ConfigError("trainer.max_steps is not set: say how many iterations the run has")
    callbacks = [
        *(run.trainer_settings.get("callbacks") or []),
        ReplayableSteps(int(run.config["seed"])),
        ForgetUnsaved(),
        OpeningLine(folder.path, len(run.datamodule.records("train")), _remarks(run)),
        *checkpoint_callbacks(folder.checkpoints, validated=validated),
    ]
    if not sys.stderr.isatty():
        callbacks.append(EpochLine())
    loggers: list[Logger] = [
        CurveLogger(folder.logs / "metrics.csv"),
        EventLogger(folder.logs / "tensorboard"),
    ]
    if run.config["wandb"] is not None:
        loggers.append(_wandb(str(run.config["wandb"]), folder))
    if not run.model.players():
        return _trainer(run.trainer_settings, callbacks, loggers)
    return _trainer_of_several_optimisers(run.trainer_settings, callbacks, loggers)


def _remarks(run: RunCLI) -> list[str]:
    """What this machine decides of a training, for its first line."""
    remarks = [] if run.precision is None else [f"{run.precision.name}, {run.precision.reason}"]
    if run.datamodule.resident:
        remarks.append(describe_residence(run.datamodule.size_of_training_cases()))
    return remarks


def evaluation_trainer(run: RunCLI, callbacks: list[Callback]) -> pl.Trainer:
    """Make the trainer of the commands that evaluate: one device, so that every case is counted once.

    Raises:
        ConfigError: if the trainer's settings do not fit each other or this machine.
    """
    settings = run.trainer_settings
    devices = settings.get("devices")
    one = devices[:1] if isinstance(devices, list) else 1
    return _trainer({**settings, "devices": one, "num_nodes": 1, "strategy": "auto"}, callbacks, [])


def _trainer_of_several_optimisers(
    settings: dict[str, Any], callbacks: list[Callback], loggers: list[Logger]
) -> pl.Trainer:
    """The trainer of a method whose optimisers take turns.

    Raises:
        ConfigError: as `_trainer`, or if a setting is for a single optimiser.
    """
    for name in ("accumulate_grad_batches", "gradient_clip_val"):
        if settings.get(name) not in (None, 1 if name == "accumulate_grad_batches" else None):
            raise ConfigError(f"trainer.{name} is for methods with one optimiser, this one has several; leave it out")
    trainer = _trainer(settings, callbacks, loggers)
    if trainer.world_size == 1:
        return trainer
    strategy = settings.get("strategy") or "auto"
    if strategy not in ("auto", "ddp", _EVERY_OTHER_TURN):
        raise ConfigError(f"trainer.strategy is {strategy}, and the method has several optimisers; take ddp")
    return _trainer({**settings, "strategy": _EVERY_OTHER_TURN}, callbacks, loggers)


def _trainer(settings: dict[str, Any], callbacks: list[Callback], loggers: list[Logger]) -> pl.Trainer:
    for name in _RESERVED:
        if settings.get(name) is not None:
            raise ConfigError(f"trainer.{name} is decided by lesslabel; leave it out")
    _quieten()
    progress_bar = sys.stderr.isatty() and settings.get("enable_progress_bar") is not False
    ours = {
        "callbacks": [*callbacks, EpochBar()] if progress_bar else callbacks,
        "logger": loggers or False,
        "plugins": [*(settings.get("plugins") or []), SafeCheckpointIO()],
        "num_sanity_val_steps": 0,
        "use_distributed_sampler": False,  # the data module divides samples and cases itself
        "enable_progress_bar": progress_bar,
        "enable_model_summary": False,
        "enable_checkpointing": bool(loggers),
    }
    try:
        return pl.Trainer(**{**settings, **ours})
    except (MisconfigurationException, ValueError, TypeError) as error:
        raise ConfigError(f"trainer: {' '.join(str(error).split())}") from error


def _quieten() -> None:
    """Silence advice of Lightning that does not apply here, or that our own messages replace."""
    logging.getLogger("pytorch_lightning.utilities.rank_zero").setLevel(logging.WARNING)
    for message in (
        ".*does not have many workers.*",
        ".*LeafSpec.*is deprecated.*",
        ".*Checkpoint directory.*exists and is not empty.*",
        ".*callbacks used to create the checkpoint need to be provided.*",
        ".*could not find the monitored key.*",  # a run shorter than an epoch is not validated
        ".*sync_dist=True.*",  # validation gathers the cases itself
        ".*GPU available but not used.*",
        ".*number of training batches.*smaller than the logging interval.*",
        ".*Total length of `DataLoader` across ranks is zero.*",  # a split may have no validation part
    ):
        warnings.filterwarnings("ignore", message)


def _wandb(mode: str, folder: RunFolder) -> Logger:
    if mode not in ("offline", "online"):
        raise ConfigError(f"--wandb is 'offline' or 'online', got '{mode}'")
    try:
        from pytorch_lightning.loggers import WandbLogger

        return WandbLogger(project="lesslabel", name=folder.path.name, save_dir=folder.logs, offline=mode == "offline")
    except ModuleNotFoundError as error:
        raise ConfigError("--wandb needs the package wandb; install it with pip install 'lesslabel[wandb]'") from error
