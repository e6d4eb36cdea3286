"""Training: from settings to a run folder."""

import sys
from pathlib import Path

import h5py
from pytorch_lightning.utilities import rank_zero_only

from lesslabel.data.loading.module import SegmentationDataModule
from lesslabel.data.loading.residence import require_room
from lesslabel.data.verify.leakage import require_apart
from lesslabel.data.verify.soundness import check_cases, require_sound
from lesslabel.errors import ConfigError, DataError
from lesslabel.runs.folder import RunFolder
from lesslabel.runs.geometry import describe_geometry
from lesslabel.runs.parsing import RunCLI, parse_run
from lesslabel.runs.settings import Config, Overrides, Settings, settings_of
from lesslabel.runs.trainer import training_trainer
from lesslabel.runs.weights import load_weights

_ANNOUNCED_BYTES = 100_000_000
"""Less is checked in a few seconds."""


def fit(
    config: Config,
    *,
    overrides: Overrides | None = None,
    run: str | Path | None = None,
    weights: str | Path | None = None,
    resume: bool = False,
) -> RunFolder:
    """Train a method, or resume a training.

    Args:
        config: a configuration file, or the content of one.
        overrides: values of settings by their dotted names, ``{"trainer.max_steps": 400}``; they override it.
        run: folder to make; None takes the one that the settings name.
        weights: safetensors file that training starts from.
        resume: continue from the last checkpoint of the run.

    Returns:
        The run folder.

    Raises:
        LesslabelError: on bad configuration, bad data, an existing run folder, or a loss that is not finite.
        KeyboardInterrupt: if the training was interrupted; the message explains how to resume.
    """
    settings = _settings(config, overrides, run, weights, resume=resume)
    parsed = parse_run(settings)
    folder = _folder_of(parsed)
    description, data = parsed.plain_config(), parsed.datamodule.describe()
    _require_training(parsed)
    if parsed.config["wandb"] == "online" and "online" not in settings.values_of("wandb"):
        raise ConfigError("wandb: online sends the curves away, which no configuration decides; pass --wandb online")
    trainer = training_trainer(parsed, folder, validated=bool(data["parts"]["validation"]))
    if parsed.datamodule.resident:  # refused before there is a folder
        needed, interactive = (
            parsed.datamodule.size_of_training_cases(),
            getattr(parsed.model, "annotator", None) is not None,
        )
        device, processes = trainer.strategy.root_device, trainer.num_devices
        require_room(device, needed, interactive=interactive, processes=processes)
    checkpoint = None
    if parsed.config["ckpt_path"] is not None:
        folder.resume(description, data)
        checkpoint = folder.checkpoint(parsed.config["ckpt_path"])
    else:
        start_from = None if parsed.config["weights"] is None else Path(str(parsed.config["weights"]))
        if start_from is not None:
            load_weights(parsed.model, start_from)
        if is_main_process():
            described = {**data, "geometry": describe_geometry(parsed.datamodule)}
            folder.start(description, described, int(parsed.config["seed"]), settings, start_from)
    try:
        trainer.fit(parsed.model, parsed.datamodule, ckpt_path=checkpoint, weights_only=True)
    except SystemExit as error:  # Lightning turns Ctrl-C and SIGTERM into this
        raise KeyboardInterrupt(folder.after_interruption()) from error
    return folder


def adopt(
    config: Config,
    *,
    overrides: Overrides | None = None,
    run: str | Path | None = None,
    weights: str | Path | None = None,
    resume: bool = False,
) -> RunFolder:
    """Make a run of given weights that is not trained.

    Args:
        config: as in `fit`.
        overrides: as in `fit`.
        run: folder to make.
        weights: safetensors file of the weights that the run has.
        resume: check that the run exists and has these settings.

    Returns:
        The run folder.

    Raises:
        LesslabelError: on bad configuration, bad data, bad weights or an existing run folder.
    """
    settings = _settings(config, overrides, run, weights, resume=resume)
    parsed = parse_run(settings)
    folder = _folder_of(parsed)
    description, data = parsed.plain_config(), parsed.datamodule.describe()
    if parsed.config["ckpt_path"] is not None:  # it was complete when it appeared
        folder.resume(description, data)
        return folder
    if parsed.config["weights"] is None:
        raise ConfigError("--weights is missing: name the weights that the run has")
    start_from = Path(str(parsed.config["weights"]))
    parsed.require_fitting_data()
    load_weights(parsed.model, start_from)
    folder.start(description, data, int(parsed.config["seed"]), settings, start_from)
    trainer = training_trainer(parsed, folder, validated=False)
    trainer.strategy.connect(parsed.model)
    trainer.save_checkpoint(folder.checkpoints / "last.ckpt", weights_only=False)
    return folder


def is_main_process() -> bool:
    """Whether this process writes files and messages; with several devices there are other processes."""
    return bool(rank_zero_only.rank == 0)  # type: ignore[attr-defined]  # set by Lightning on import


def _settings(
    config: Config, overrides: Overrides | None, run: str | Path | None, weights: str | Path | None, *, resume: bool
) -> Settings:
    settings = settings_of(config)
    if run is not None:
        settings = settings.with_value("run", run)
    settings += settings_of(overrides=overrides)
    if weights is not None:
        settings = settings.with_value("weights", weights)
    return settings.with_value("ckpt_path", "last") if resume else settings


def _folder_of(run: RunCLI) -> RunFolder:
    if run.config["run"] is None:
        raise ConfigError("--run is missing: name the folder of the run")
    return RunFolder(Path(str(run.config["run"])))


def _require_sound_cases(data: SegmentationDataModule) -> None:
    """Refuse cases with errors, and a patient or an image in two parts; reads every case of the split once."""
    cases = data.divide().cases
    uids = [*cases["train"], *cases["validation"]]
    size = sum(data.store.case_path(uid).stat().st_size for uid in (*uids, *cases["test"]))
    if size > _ANNOUNCED_BYTES:
        print(f"checking {size / 1e9:.1f} GB of cases before training", file=sys.stderr, flush=True)
    digests: dict[str, str] = {}
    require_sound(data.store, uids, workers=data.workers, digests=digests)
    tested = check_cases(data.store, cases["test"], data.workers)  # its errors are those of `lesslabel test`
    require_apart(data.store, digests | {report.uid: report.image_digest for report in tested}, data.split, data.fold)


def _require_training(run: RunCLI) -> None:
    """Check before anything is written that method and data fit and that every case of the run is sound."""
    run.require_fitting_data()
    run.datamodule.streams()
    store = run.datamodule.store
    for uid in (uid for uids in run.datamodule.divide().cases.values() for uid in uids):
        path = store.case_path(uid)
        try:
            h5py.File(path, "r").close()
        except OSError as error:
            reason = "missing" if not path.is_file() else "cut short or no HDF5 file"
            raise DataError(f"{path}: {reason}; run `lesslabel verify {store.path}`, then prepare it again") from error
    if is_main_process():  # the others need not read every case too
        _require_sound_cases(run.datamodule)
