"""What the command line does with a run: fit, validate, test, predict."""

import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import pandas as pd
from pytorch_lightning.utilities import rank_zero_only

from lesslabel.data.view import require_reference
from lesslabel.errors import ConfigError, DataError
from lesslabel.evaluation import summarise
from lesslabel.files import write_json, written_aside
from lesslabel.methods import SegmentationMethod
from lesslabel.plain_text import visible
from lesslabel.runs.config_files import values_of
from lesslabel.runs.folder import RunFolder, read_data
from lesslabel.runs.geometry import describe_geometry, list_differences
from lesslabel.runs.parsing import RunCLI, parse_run
from lesslabel.runs.recorder import PredictionWriter, TestRecorder
from lesslabel.runs.reopening import FinishedRun, parse_again, reopen_run, reopen_with_weights
from lesslabel.runs.trainer import looking_trainer, training_trainer
from lesslabel.runs.weights import load_weights


def run_fit(arguments: Sequence[str]) -> RunFolder:
    """Train; `arguments` are those of the command line.

    Raises:
        LesslabelError: on bad configuration, bad data, an existing run folder, or a loss that is not finite.
        KeyboardInterrupt: if the training was interrupted; says how to go on.
    """
    run = parse_run(arguments)
    folder = _folder_of(run)
    config, data = run.plain_config(), run.datamodule.describe()
    _require_training(run)
    if run.config["wandb"] == "online" and "online" not in values_of("--wandb", arguments):
        raise ConfigError("wandb: online sends the curves away, which no configuration decides; pass --wandb online")
    trainer = training_trainer(run, folder, validated=bool(data["parts"]["validation"]))
    checkpoint = None
    if run.config["ckpt_path"] is not None:
        folder.resume(config, data)
        checkpoint = folder.checkpoint(run.config["ckpt_path"])
    else:
        start_from = None if run.config["weights"] is None else Path(str(run.config["weights"]))
        if start_from is not None:
            load_weights(run.model, start_from)
        if is_main_process():
            described = {**data, "geometry": describe_geometry(run.datamodule)}
            folder.start(config, described, int(run.config["seed"]), arguments, start_from)
    try:
        trainer.fit(run.model, run.datamodule, ckpt_path=checkpoint, weights_only=True)
    except SystemExit as error:  # what Lightning makes of Ctrl-C and SIGTERM
        raise KeyboardInterrupt(folder.after_interruption()) from error
    return folder


def run_adopt(arguments: Sequence[str]) -> RunFolder:
    """Make a run of given weights that is not trained; `arguments` are those of `run_fit`, with ``--weights``.

    Raises:
        LesslabelError: on bad configuration, bad data, bad weights or an existing run folder.
    """
    run = parse_run(arguments)
    folder = _folder_of(run)
    if run.config["ckpt_path"] is not None:  # it was complete when it appeared
        folder.resume(run.plain_config(), run.datamodule.describe())
        return folder
    if run.config["weights"] is None:
        raise ConfigError("--weights is missing: name the weights that the run has")
    weights = Path(str(run.config["weights"]))
    run.require_fitting_data()
    load_weights(run.model, weights)
    folder.start(run.plain_config(), run.datamodule.describe(), int(run.config["seed"]), arguments, weights)
    trainer = training_trainer(run, folder, validated=False)
    trainer.strategy.connect(run.model)
    trainer.save_checkpoint(folder.checkpoints / "last.ckpt", weights_only=False)
    return folder


def load_run(folder: RunFolder, settings: Sequence[str] = ()) -> RunCLI:
    """Make a finished run again, its method with the weights of the best or else the last checkpoint.

    Args:
        folder: of the run.
        settings: as on the command line; they override the run's configuration.

    Raises:
        RunError: if there is no finished run, or its data changed.
    """
    return reopen_with_weights(["--run", str(folder.path), *settings]).parsed


def load_model(run: str | Path) -> SegmentationMethod:
    """Make the method of a finished run again, with the weights of its best or else its last checkpoint.

    Its data need not be at hand, so that a model can be used where it was not trained.

    Args:
        run: the run folder.

    Raises:
        RunError: if there is no finished run.
    """
    finished = parse_again(["--run", str(run)])
    finished.load_weights()
    model: SegmentationMethod = finished.parsed.model
    return model


def run_validate(arguments: Sequence[str]) -> dict[str, float]:
    """Score a run on its validation part and return the mean Dice values.

    Raises:
        RunError: if store, split or view are not those that the run was trained with.
    """
    finished = reopen_run(arguments)
    finished.require_same_data()
    _uids_of(finished, "validation")
    run = finished.parsed
    require_reference(run.datamodule.view, run.datamodule.records("validation"), "validation")
    scores = looking_trainer(run, []).validate(
        run.model, run.datamodule, ckpt_path=finished.checkpoint, verbose=False, weights_only=True
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

    Raises:
        RunError: if store, split or view are not those that the run was trained with.
    """
    finished = reopen_run(arguments)
    finished.require_same_data()
    run = finished.parsed
    loader = run.datamodule.evaluation_loader(_uids_of(finished, part))
    require_reference(run.datamodule.view, run.datamodule.records(part), part)
    _say_differences(finished, part)
    metrics = {"hd95": hd95, "empty": empty, "nsd_tolerance": 1.0}
    final = finished.folder.path / part
    with written_aside(final) as aside:
        recorder = TestRecorder(aside / "predictions", run.datamodule.mapping.names, unit, metrics)
        trainer = looking_trainer(run, [recorder])
        since = time.monotonic()
        trainer.test(run.model, loader, ckpt_path=finished.checkpoint, verbose=False, weights_only=True)
        frame = recorder.result()
        frame.to_csv(aside / "metrics.csv", index=False)
        minutes = round((time.monotonic() - since) / 60, 2)
        write_json(aside / "summary.json", _summary(finished, part, unit, metrics, minutes))
        if final.exists():
            shutil.rmtree(final)
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

    Raises:
        DataError: if the folder exists, so that the predictions of two runs never mix.
    """
    if output.exists():
        raise DataError(f"{output}: exists already; remove it, or choose another folder with --output")
    finished = reopen_run(arguments)
    run = finished.parsed
    finished.folder.require_same_data({"label_names": list(run.datamodule.mapping.names)}, ["label_names"])
    uids = _uids_of(finished, part)
    _say_differences(finished, part)
    trainer = looking_trainer(run, [PredictionWriter(output, probabilities=probabilities)])
    loader = run.datamodule.evaluation_loader(uids, with_reference=False)
    trainer.predict(run.model, loader, ckpt_path=finished.checkpoint, return_predictions=False, weights_only=True)
    return len(uids)


def is_main_process() -> bool:
    """Whether this is the process that writes and speaks; with several devices there are others."""
    return bool(rank_zero_only.rank == 0)  # type: ignore[attr-defined]  # set by Lightning on import


def _folder_of(run: RunCLI) -> RunFolder:
    if run.config["run"] is None:
        raise ConfigError("--run is missing: name the folder of the run")
    return RunFolder(Path(str(run.config["run"])))


def _uids_of(finished: FinishedRun, part: str) -> tuple[str, ...]:
    data = finished.parsed.datamodule
    uids = tuple(record.uid for record in data.records(part))
    if not uids:
        raise DataError(f"{finished.folder.path}: the {part} part holds no case of {data.store_path}")
    return uids


def _say_differences(finished: FinishedRun, part: str) -> None:
    """Say on stderr how images lie otherwise than those of the training; the work goes on."""
    data = finished.parsed.datamodule
    for line in list_differences(data, data.records(part), read_data(finished.folder).get("geometry")):
        print(f"{data.store_path}: {visible(line)}", file=sys.stderr)


def _require_training(run: RunCLI) -> None:
    """Nothing fails late: method and data fit, and every case of the run can be opened, before anything is written."""
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


def _summary(finished: FinishedRun, part: str, unit: str, metrics: dict[str, Any], minutes: float) -> dict[str, Any]:
    run, checkpoint = finished.parsed, finished.checkpoint
    rule = "highest validation Dice" if checkpoint.stem == "best" else "end of the last finished epoch"
    return {
        "method": _method_name(run),
        "checkpoint": checkpoint.stem,
        "checkpoint_rule": rule,
        "iteration": finished.read_iteration(),
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
