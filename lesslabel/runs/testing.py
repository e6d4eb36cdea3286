"""Validate, test and predict with a finished run."""

import shutil
import time
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from lesslabel.data.verify.soundness import LeftOut, keep_sound
from lesslabel.data.view import require_reference
from lesslabel.errors import DataError
from lesslabel.evaluation import EmptyPolicy, HD95Convention, summarise
from lesslabel.files import write_json, written_aside
from lesslabel.runs.fitting import is_main_process
from lesslabel.runs.folder import read_data
from lesslabel.runs.geometry import warn_of_differences
from lesslabel.runs.parsing import RunCLI
from lesslabel.runs.recorder import PredictionWriter, TestRecorder, prediction_path
from lesslabel.runs.reopening import FinishedRun, reopen_run
from lesslabel.runs.settings import Overrides
from lesslabel.runs.trainer import evaluation_trainer
from lesslabel.terminal import print_warning

Part = Literal["train", "validation", "test", "all"]


def validate(
    run: str | Path,
    *,
    overrides: Overrides | None = None,
    checkpoint: str = "auto",
    skip_damaged: bool = False,
) -> dict[str, float]:
    """Score a run on its validation part.

    Args:
        run: the run folder.
        overrides: values of settings by their dotted names; they override the run's configuration.
        checkpoint: ``best``, ``last`` or a file; ``auto`` takes the best if there is one, else the last.
        skip_damaged: skip and list the cases in which `lesslabel verify` finds an error.

    Returns:
        Mean Dice values, 0 to 1, by name.

    Raises:
        RunError: if store, split or view are not those that the run was trained with.
        DataError: if `lesslabel verify` finds an error in a case; names it.
    """
    finished = reopen_run(Path(run), overrides, checkpoint)
    finished.require_same_data()
    parsed = finished.parsed
    require_reference(parsed.datamodule.view, parsed.datamodule.records("validation"), "validation")
    uids, _ = _sound_uids_of(finished, "validation", skip_damaged=skip_damaged)
    loader = parsed.datamodule.evaluation_loader(uids)
    scores = evaluation_trainer(parsed, []).validate(
        parsed.model, loader, ckpt_path=finished.checkpoint, verbose=False, weights_only=True
    )
    return {name: float(value) for name, value in scores[0].items()}


def test(
    run: str | Path,
    *,
    overrides: Overrides | None = None,
    checkpoint: str = "auto",
    part: Literal["test", "validation"] = "test",
    unit: Literal["mm", "voxel"] = "mm",
    hd95: HD95Convention = "pooled",
    empty: EmptyPolicy = "diagonal",
    skip_damaged: bool = False,
) -> pd.DataFrame:
    """Test a run and write RUN/test.

    Args:
        run: the run folder.
        overrides: values of settings by their dotted names; they override the run's configuration.
        checkpoint: ``best``, ``last`` or a file; ``auto`` takes the best if there is one, else the last.
        part: ``test``, or ``validation``, which leaves the test part unused.
        unit: of the distances.
        hd95: convention, see `segmentation_metrics`.
        empty: empty-mask policy, see `segmentation_metrics`.
        skip_damaged: skip and list the cases in which `lesslabel verify` finds an error.

    Returns:
        Mean, deviation and interval per label and metric.

    Raises:
        RunError: if store, split or view are not those that the run was trained with.
        DataError: if `lesslabel verify` finds an error in a case; names it.
    """
    finished = reopen_run(Path(run), overrides, checkpoint)
    finished.require_same_data()
    parsed = finished.parsed
    require_reference(parsed.datamodule.view, parsed.datamodule.records(part), part)
    uids, left_out = _sound_uids_of(finished, part, skip_damaged=skip_damaged)
    data = parsed.datamodule
    warn_of_differences(data, data.records(part), read_data(finished.folder).get("geometry"))
    loader = parsed.datamodule.evaluation_loader(uids)
    metrics = {"hd95": hd95, "empty": empty, "nsd_tolerance": 1.0}
    final = finished.folder.path / part
    with written_aside(final) as aside:
        recorder = TestRecorder(aside / "predictions", parsed.datamodule.mapping.names, unit, metrics)
        trainer = evaluation_trainer(parsed, [recorder])
        since = time.monotonic()
        trainer.test(parsed.model, loader, ckpt_path=finished.checkpoint, verbose=False, weights_only=True)
        frame = recorder.result()
        frame.to_csv(aside / "metrics.csv", index=False)
        minutes = round((time.monotonic() - since) / 60, 2)
        summary = _summary(finished, part, unit, metrics, minutes)
        if left_out:
            summary["left_out"] = {case.uid: case.reason for case in left_out}
        write_json(aside / "summary.json", summary)
        if final.exists():
            shutil.rmtree(final)
    return summarise(frame)


def predict(
    run: str | Path,
    out: str | Path,
    *,
    overrides: Overrides | None = None,
    checkpoint: str = "auto",
    part: Part = "test",
    probabilities: bool = False,
    skip_damaged: bool = False,
) -> list[Path]:
    """Predict the cases of a store and write NIfTI files with the geometry of the images.

    Args:
        run: the run folder.
        out: folder to make.
        overrides: values of settings by their dotted names; ``data.store`` names another store.
        checkpoint: ``best``, ``last`` or a file; ``auto`` takes the best if there is one, else the last.
        part: of the store.
        probabilities: also write class probabilities, ``<uid>_probabilities.nii.gz``.
        skip_damaged: skip and list the cases in which `lesslabel verify` finds an error; ``left_out.json`` of
            the folder lists them.

    Returns:
        The label maps, in the order in which the cases are stored.

    Raises:
        DataError: if the folder exists (predictions of two runs must not mix), or `lesslabel verify` finds an
            error in a case; names it.
    """
    folder = Path(out)
    if folder.exists():
        raise DataError(f"{folder}: exists already; remove it, or choose another folder with --output")
    finished = reopen_run(Path(run), overrides, checkpoint)
    parsed = finished.parsed
    finished.folder.require_same_data({"label_names": list(parsed.datamodule.mapping.names)}, ["label_names"])
    uids, left_out = _sound_uids_of(finished, part, skip_damaged=skip_damaged)
    data = parsed.datamodule
    warn_of_differences(data, data.records(part), read_data(finished.folder).get("geometry"))
    trainer = evaluation_trainer(parsed, [PredictionWriter(folder, probabilities=probabilities)])
    loader = parsed.datamodule.evaluation_loader(uids, with_reference=False)
    trainer.predict(parsed.model, loader, ckpt_path=finished.checkpoint, return_predictions=False, weights_only=True)
    if left_out and is_main_process():
        write_json(folder / "left_out.json", {case.uid: case.reason for case in left_out})
    return [prediction_path(folder, uid) for uid in uids]


def _uids_of(finished: FinishedRun, part: str) -> tuple[str, ...]:
    data = finished.parsed.datamodule
    uids = tuple(record.uid for record in data.records(part))
    if not uids:
        raise DataError(f"{finished.folder.path}: the {part} part holds no case of {data.store_path}")
    return uids


def _sound_uids_of(
    finished: FinishedRun, part: str, *, skip_damaged: bool
) -> tuple[tuple[str, ...], tuple[LeftOut, ...]]:
    """The cases of a part in which `lesslabel verify` finds no error, and those that are left out."""
    store = finished.parsed.datamodule.store
    return keep_sound(store, _uids_of(finished, part), skip_damaged=skip_damaged, tell=print_warning)


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
