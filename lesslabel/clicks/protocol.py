"""Click protocols of a run, on its own data or on a store of other organs."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import pandas as pd

from lesslabel.clicks.chosen_data import OtherStore, data_of, describe_data, labels_of, require_fit, uids_of
from lesslabel.clicks.folder import CLICKS, FORMAT, MASKS, PROMPTS, SUMMARY, WORST, write_worst
from lesslabel.clicks.kept_masks import KeptMasks
from lesslabel.clicks.measures import revision, summarise_clicks
from lesslabel.clicks.objects import iterate_objects
from lesslabel.clicks.seconds import seconds_per_phase, seconds_per_turn
from lesslabel.clicks.simulator import NOTHING, PREDICTIONS, ClickProtocol, ClickSimulator
from lesslabel.data.loading.module import SegmentationDataModule
from lesslabel.data.verify.soundness import keep_sound
from lesslabel.errors import ConfigError, DataError
from lesslabel.files import write_json, written_aside
from lesslabel.interaction.encoding import Encoding
from lesslabel.interaction.model import InteractiveModel
from lesslabel.interaction.robots import Robot
from lesslabel.interaction.wrappers import wrapped
from lesslabel.methods import SegmentationMethod
from lesslabel.privacy import argument_without_folders
from lesslabel.runs.parsing import RunCLI
from lesslabel.runs.reopening import reopen_with_weights
from lesslabel.runs.settings import Overrides, settings_of
from lesslabel.runs.trainer import evaluation_trainer
from lesslabel.terminal import print_warning


def run_clicks(
    run: Path,
    protocol: ClickProtocol,
    out: Path,
    *,
    store: OtherStore | None = None,
    part: str = "test",
    labels: Sequence[str] = (),
    wrappers: Sequence[str] = (),
    overrides: Overrides | None = None,
    predictions: Path | None = None,
    keep_masks: bool = False,
    skip_damaged: bool = False,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> dict[str, Any]:
    """Simulate prompts for every object of a part, correct the segmentation click by click, and write `out`.

    Args:
        run: folder of a finished run of an interactive method.
        protocol: the rules of the clicks.
        out: folder to make, see `docs/click_protocols.md`.
        store: take the objects from there; None for the run's own store and split.
        part: ``train``, ``validation``, ``test`` or ``all``.
        labels: names of the classes; none takes all.
        wrappers: names of `WRAPPERS` around the method, the last one outermost.
        overrides: values of settings; they override the configuration of the run.
        predictions: folder of predictions that objects start from if `protocol` says so, see `iterate_objects`; objects
            that are not in them start from nothing, with first prompts.
        keep_masks: whether to write what every object ended with, see `KeptMasks`.
        skip_damaged: skip and list the cases in which `lesslabel verify` finds an error.
        progress: called with the cases that are done and their number.

    Returns:
        What was written to ``summary.json``.

    Raises:
        DataError: if the folder exists, there is no object, or a case is damaged.
        ConfigError: if the method is not interactive, or method, data and protocol do not fit.
        RunError: if there is no finished run, or its data changed.
    """
    settings = settings_of(overrides=overrides)
    finished = reopen_with_weights(run, settings)
    opened = finished.parsed
    model, pointing = _interactive(opened)
    data = opened.datamodule if store is None else data_of(store, opened.datamodule, model.in_channels)
    opened.model.to(evaluation_trainer(opened, []).strategy.root_device)
    simulator = ClickSimulator(wrapped(model, wrappers), pointing, protocol)
    _require_taken(simulator.correcting, opened.model)
    facts = {
        "method": str(opened.config["name"] or type(opened.model).__name__),
        "run": run.resolve().name,
        "settings": [argument_without_folders(setting) for setting in settings.words()],
        "checkpoint": finished.checkpoint.stem,
        "unseen_store": store is not None,
        "device": opened.model.device.type,
        **({"wrappers": list(wrappers)} if wrappers else {}),
    }
    return play_protocol(
        simulator,
        data,
        out,
        facts,
        part=part,
        labels=labels,
        predictions=predictions,
        keep_masks=keep_masks,
        skip_damaged=skip_damaged,
        progress=progress,
    )


def play_protocol(
    simulator: ClickSimulator,
    data: SegmentationDataModule,
    out: Path,
    facts: Mapping[str, Any],
    *,
    part: str,
    labels: Sequence[str],
    predictions: Path | None,
    keep_masks: bool,
    skip_damaged: bool,
    progress: Callable[[int, int], None],
) -> dict[str, Any]:
    """Simulate every object of a part of a data set, and write the folder `out`.

    Args:
        simulator: the model and the robots, before their first object.
        data: brings the cases to the model's grid.
        out: folder to make.
        facts: what the summary says of the model.
        part: see `run_clicks`, also for the others.
        labels: names of the classes.
        predictions: folder of predictions that objects start from.
        keep_masks: whether to write what every object ended with.
        skip_damaged: whether damaged cases are left out.
        progress: called with the cases that are done and their number.

    Returns:
        What was written to ``summary.json``.

    Raises:
        DataError: see `run_clicks`.
        ConfigError: likewise.
    """
    if out.exists():
        raise DataError(f"{out}: exists already; remove it, or choose another folder with --out")
    protocol = simulator.protocol
    if (protocol.start == PREDICTIONS) != (predictions is not None):
        raise ConfigError(f"start: {protocol.start}, with predictions {predictions}; {PREDICTIONS} goes with a folder")
    require_fit(simulator.model, data)
    names = labels_of(data, labels)
    uids, left_out = keep_sound(
        data.store, uids_of(data, part, protocol), skip_damaged=skip_damaged, tell=print_warning
    )
    with written_aside(out) as aside:
        aside.mkdir()
        kept = KeptMasks(aside / MASKS, data) if keep_masks else None
        _simulate(simulator, data, uids, names, predictions, aside / PROMPTS, kept, progress)
        if not simulator.rows:
            raise DataError(
                f"{data.store_path}: no object of {', '.join(names)} in the {part} part"
                f"{_why_none(simulator)}; choose another part"
            )
        frame = pd.DataFrame(simulator.rows, columns=list(simulator.columns))
        frame.to_csv(aside / CLICKS, index=False)
        write_worst(aside / WORST, simulator.worst)
        summary = {
            "format": FORMAT,
            "protocol": asdict(protocol),
            "first_robot": simulator.pointing.name if protocol.annotation is None else None,
            "data": describe_data(data, part, names),
            "without_prompts": simulator.without_prompts,
            **({"without_start": simulator.without_start} if protocol.start != NOTHING else {}),
            **({} if predictions is None else {"predictions": predictions.resolve().name, "revision": revision(frame)}),
            **facts,
            **({"left_out": {case.uid: case.reason for case in left_out}} if left_out else {}),
            **_numbers(frame, protocol.cap),
        }
        write_json(aside / SUMMARY, summary)
    return summary


def _simulate(
    simulator: ClickSimulator,
    data: SegmentationDataModule,
    uids: Sequence[str],
    labels: Sequence[str],
    predictions: Path | None,
    prompts: Path,
    kept: KeptMasks | None,
    progress: Callable[[int, int], None],
) -> None:
    """Simulate every object of every case, and write the prompts of each object when it is finished."""
    protocol = simulator.protocol
    with prompts.open("w", encoding="utf-8") as file:
        for done, uid in enumerate(uids):
            progress(done, len(uids))
            objects = iterate_objects(
                data,
                [uid],
                labels,
                min_voxels=protocol.min_voxels,
                slices=protocol.slices,
                annotation=protocol.annotation,
                start_annotation=protocol.start_annotation,
                predictions=predictions,
            )
            for entry in objects:
                line = simulator.simulate(entry)
                file.write(line)
                if line and kept is not None and simulator.mask is not None:
                    kept.add(entry, simulator.mask)
            if kept is not None:
                kept.write(uid)
    progress(len(uids), len(uids))


def _interactive(run: RunCLI) -> tuple[InteractiveModel, Robot]:
    """The run's method as an interactive model, and the robot of its first prompts."""
    robot = getattr(run.model, "first_robot", None)
    if not isinstance(robot, Robot) or not hasattr(run.model, "prepare_image"):
        raise ConfigError(f"{type(run.model).__name__} takes no clicks; name a run of an interactive method")
    return cast(InteractiveModel, run.model), robot


def _require_taken(robot: Robot, method: SegmentationMethod) -> None:
    """Refuse a robot whose kind of prompt the method ignores."""
    encoding = getattr(method, "encoding", None)
    roles = {cue.role for cue in encoding.cues} if isinstance(encoding, Encoding) else {robot.role}
    if robot.role and not roles & {robot.role, "marked"}:
        raise ConfigError(
            f"--robot {robot.name}: {type(method).__name__} takes no {robot.role}; choose another robot, such as "
            "error-centre"
        )


def _why_none(simulator: ClickSimulator) -> str:
    """What no object had, for a message; empty if there was no object."""
    if simulator.without_prompts:
        return f" has a stroke of {simulator.protocol.annotation}"
    return f" has a mask to start from ({simulator.protocol.start})" if simulator.without_start else ""


def _numbers(frame: pd.DataFrame, cap: int) -> dict[str, Any]:
    """The summary of the clicks; absent numbers are null."""
    return {
        "objects": len(frame[frame["turn"] == 0]),
        "seconds": {turn: _finite(value) for turn, value in seconds_per_turn(frame).items()},
        "seconds_of_phases": {phase: _finite(value) for phase, value in seconds_per_phase(frame).items()},
        "results": json.loads(summarise_clicks(frame, cap=cap).to_json(orient="records")),
    }


def _finite(value: float) -> float | None:
    return round(value, 6) if math.isfinite(value) else None
