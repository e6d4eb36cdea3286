"""What the command line does with a run: fit, validate, test, predict."""

import logging
import shutil
import sys
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback, RichProgressBar
from pytorch_lightning.loggers import Logger, TensorBoardLogger

from lesslabel.errors import ConfigError, DataError, RunError
from lesslabel.evaluation import summarise
from lesslabel.files import write_json
from lesslabel.runs.callbacks import (
    EpochLine,
    ForgetUnsaved,
    ReplayableSteps,
    SafeCheckpointIO,
    checkpoint_callbacks,
)
from lesslabel.runs.curves import CurveLogger
from lesslabel.runs.folder import RunFolder
from lesslabel.runs.parsing import RunCLI, parse_run
from lesslabel.runs.recorder import PredictionWriter, TestRecorder


def run_fit(arguments: Sequence[str]) -> RunFolder:
    """Train; `arguments` are those of the command line.

    Raises:
        LesslabelError: on bad configuration, bad data, an existing run folder, or a loss that is not finite.
    """
    run = parse_run(arguments)
    folder = _folder_of(run)
    config, data = run.plain_config(), run.datamodule.describe()
    run.datamodule.streams()
    _require_files(run)
    checkpoint = None
    if run.config["ckpt_path"] is None:
        folder.start(config, data, int(run.config["seed"]))
    else:
        folder.resume(config, data)
        checkpoint = folder.checkpoint(run.config["ckpt_path"])
    trainer = _training_trainer(run, folder, validated=bool(data["parts"]["validation"]))
    trainer.fit(run.model, run.datamodule, ckpt_path=checkpoint, weights_only=True)
    return folder


def run_validate(arguments: Sequence[str]) -> dict[str, float]:
    """Score a run on its validation part and return the mean Dice values."""
    run, _, checkpoint = _reopen(arguments)
    scores = _quiet_trainer(run, []).validate(
        run.model, run.datamodule, ckpt_path=checkpoint, verbose=False, weights_only=True
    )
    return {name: float(value) for name, value in scores[0].items()}


def run_test(
    arguments: Sequence[str], *, part: str = "test", unit: str = "mm", hd95: str = "pooled", empty: str = "diagonal"
) -> pd.DataFrame:
    """Test a run and write RUN/test.

    Args:
        arguments: those of the command line that name the run.
        part: ``test``, or ``validation`` for a look that does not touch the test part.
        unit: of the distances, ``mm`` or ``voxel``.
        hd95: convention, see `segmentation_metrics`.
        empty: empty-mask policy, see `segmentation_metrics`.

    Returns:
        Mean, deviation and interval per label and metric.
    """
    run, folder, checkpoint = _reopen(arguments)
    uids = run.datamodule.divide().cases[part]
    if not uids:
        raise DataError(f"{folder.path}: the {part} part holds no case of this store")
    aside = folder.path / f".{part}.part"
    if aside.exists():
        shutil.rmtree(aside)
    metrics = {"hd95": hd95, "empty": empty, "nsd_tolerance": 1.0}
    recorder = TestRecorder(aside / "predictions", run.datamodule.mapping.names, unit, metrics)
    trainer = _quiet_trainer(run, [recorder])
    since = time.monotonic()
    trainer.test(
        run.model,
        run.datamodule.evaluation_loader(uids),
        ckpt_path=checkpoint,
        verbose=False,
        weights_only=True,
    )
    frame = recorder.result()
    if trainer.is_global_zero:
        frame.to_csv(aside / "metrics.csv", index=False)
        minutes = round((time.monotonic() - since) / 60, 2)
        write_json(aside / "summary.json", _summary(run, checkpoint, part, unit, metrics, minutes))
        final = folder.path / part
        if final.exists():
            shutil.rmtree(final)
        aside.rename(final)
    return summarise(frame)


def run_predict(arguments: Sequence[str], *, output: Path, part: str = "test", probabilities: bool = False) -> int:
    """Predict the cases of a store and write NIfTI files with the geometry of the images.

    Args:
        arguments: those of the command line that name the run and, if another, the store.
        output: folder to write to.
        part: ``train``, ``validation``, ``test`` or ``all``.
        probabilities: also write class probabilities.

    Returns:
        Number of cases.
    """
    run, _, checkpoint = _reopen(arguments)
    uids = tuple(record.uid for record in run.datamodule.records(part))
    if not uids:
        raise DataError(f"{run.datamodule.store_path}: no case in part '{part}'")
    trainer = _quiet_trainer(run, [PredictionWriter(output, probabilities=probabilities)])
    loader = run.datamodule.evaluation_loader(uids, with_reference=False)
    trainer.predict(run.model, loader, ckpt_path=checkpoint, return_predictions=False, weights_only=True)
    return len(uids)


def _folder_of(run: RunCLI) -> RunFolder:
    if run.config["run"] is None:
        raise ConfigError("--run is missing: name the folder of the run")
    return RunFolder(Path(str(run.config["run"])))


def _reopen(arguments: Sequence[str]) -> tuple[RunCLI, RunFolder, Path]:
    """Make a finished run again from its folder; further arguments override its configuration."""
    try:
        path = Path(arguments[list(arguments).index("--run") + 1])
    except (ValueError, IndexError) as error:
        raise ConfigError("--run is missing: name the folder of the run") from error
    folder = RunFolder(path)
    if not folder.config.is_file():
        raise RunError(f"{path}: no run here (no config.yaml); make one with `lesslabel fit`")
    run = parse_run(["--config", str(folder.config), "--ckpt_path", "auto", *arguments])
    return run, folder, folder.checkpoint(str(run.config["ckpt_path"]))


def _training_trainer(run: RunCLI, folder: RunFolder, *, validated: bool) -> pl.Trainer:
    settings = run.trainer_settings
    if settings.get("max_steps", -1) < 1:
        raise ConfigError("trainer.max_steps is not set: say how many iterations the run has")
    callbacks = [
        *(settings.get("callbacks") or []),
        ReplayableSteps(int(run.config["seed"])),
        ForgetUnsaved(),
        *checkpoint_callbacks(folder.checkpoints, validated=validated),
        RichProgressBar() if sys.stderr.isatty() else EpochLine(),
    ]
    loggers: list[Logger] = [
        CurveLogger(folder.logs / "metrics.csv"),
        TensorBoardLogger(folder.logs, name="tensorboard", version=""),
    ]
    if run.config["wandb"] is not None:
        loggers.append(_wandb(str(run.config["wandb"]), folder))
    return _trainer(settings, callbacks, loggers, progress_bar=sys.stderr.isatty())


def _quiet_trainer(run: RunCLI, callbacks: list[Callback]) -> pl.Trainer:
    if sys.stderr.isatty():
        callbacks = [*callbacks, RichProgressBar()]
    return _trainer(run.trainer_settings, callbacks, [], progress_bar=sys.stderr.isatty())


def _trainer(
    settings: dict[str, Any], callbacks: list[Callback], loggers: list[Logger], *, progress_bar: bool
) -> pl.Trainer:
    _quieten()
    ours = {
        "callbacks": callbacks,
        "logger": loggers or False,
        "plugins": [*(settings.get("plugins") or []), SafeCheckpointIO()],
        "num_sanity_val_steps": 0,
        "use_distributed_sampler": False,  # the data module shares samples and cases out itself
        "enable_progress_bar": progress_bar,
        "enable_model_summary": False,
        "enable_checkpointing": bool(loggers),
        "default_root_dir": settings.get("default_root_dir") or ".",
    }
    return pl.Trainer(**{**settings, **ours})


def _quieten() -> None:
    """Silence advice of Lightning that does not apply here, or that our own messages replace."""
    logging.getLogger("pytorch_lightning.utilities.rank_zero").setLevel(logging.WARNING)
    for message in (
        ".*does not have many workers.*",
        ".*LeafSpec.*is deprecated.*",
        ".*Checkpoint directory.*exists and is not empty.*",
        ".*callbacks used to create the checkpoint need to be provided.*",
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


def _require_files(run: RunCLI) -> None:
    """Nothing fails late: every case of the run has its file before the first step."""
    store = run.datamodule.store
    missing = [
        uid for uids in run.datamodule.divide().cases.values() for uid in uids if not store.case_path(uid).is_file()
    ]
    if missing:
        raise DataError(
            f"{store.path}: {len(missing)} case files are missing ({', '.join(missing[:3])}); run `lesslabel verify`"
        )


def _summary(
    run: RunCLI, checkpoint: Path, part: str, unit: str, metrics: dict[str, Any], minutes: float
) -> dict[str, Any]:
    iteration = int(SafeCheckpointIO().load_checkpoint(checkpoint)["global_step"])
    rule = "highest validation Dice" if checkpoint.stem == "best" else "end of the last finished epoch"
    return {
        "method": _method_name(run),
        "checkpoint": checkpoint.stem,
        "checkpoint_rule": rule,
        "iteration": iteration,
        "max_iterations": int(run.trainer_settings["max_steps"]),
        "part": part,
        "unit": unit,
        **metrics,
        "seed": int(run.config["seed"]),
        "minutes": minutes,
    }


def _method_name(run: RunCLI) -> str:
    """The name that tables show: the configuration's own, or else the class."""
    return str(run.config["name"] or type(run.model).__name__)
