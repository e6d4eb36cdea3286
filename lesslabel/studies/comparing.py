"""``lesslabel compare``: the methods for the labels of a store, each trained briefly, as one study."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lesslabel.data.store import Store
from lesslabel.data.view import View, map_labels
from lesslabel.errors import ConfigError
from lesslabel.files import write_text
from lesslabel.studies.compared_data import ComparedData, Shown, find_labels
from lesslabel.studies.comparison import write_comparison
from lesslabel.studies.contenders import DESCRIBED, Contender, choose_contenders
from lesslabel.studies.declaration import DECLARATION
from lesslabel.studies.reproduce import Launching, reproduce
from lesslabel.tables.experiment_protocol import PUBLISHED_COLUMNS

TRAINING = "training.yaml"
_NETWORK = {"channels": [16, 32, 64, 128], "encoder_dropout": []}
_BATCH = 8
_LOGGED_EVERY = 10


@dataclass(frozen=True)
class Comparison:
    """A comparison of methods on one store, in 2D.

    Attributes:
        methods: names; none takes every method for the labels.
        iterations: of each training, the same for all.
        size: side in voxels that slices are resized to.
        shown: the supervising annotations; none takes all that people drew.
        reference: annotation that scores.
        split: whose training part trains and whose validation part is scored; empty draws patients.
        fold: of the split.
        seeds: of the trainings; the first one draws patients too.

    Raises:
        ConfigError: if a number is below 1.
    """

    methods: Sequence[str] = ()
    iterations: int = 200
    size: int = 96
    shown: Sequence[Shown] = ()
    reference: str = "dense"
    split: str = ""
    fold: int = 0
    seeds: Sequence[int] = (0,)

    def __post_init__(self) -> None:
        for option, value in (("--budget", self.iterations), ("--size", self.size)):
            if value < 1:
                raise ConfigError(f"{option}: {value}; pass a number from 1")


def run_comparison(data: Path, folder: Path, comparison: Comparison, launching: Launching) -> int:
    """Declare the study in its folder, run it as `lesslabel reproduce` does, and say what to use next.

    Args:
        data: the store, or the folder of an earlier comparison, whose declaration runs as it stands.
        folder: experiment folder to make, or of an earlier call, which goes on; not used with a folder as data.
        comparison: its settings.
        launching: settings for running its jobs.

    Returns:
        1 if a job failed, else 0.

    Raises:
        LesslabelError: if the folder holds another study, or the store does not suit.
    """
    if (data / DECLARATION).is_file():
        folder = data
    else:
        _declare(data, folder, comparison)
    code = reproduce(folder, launching=launching)
    if (folder / "results.csv").is_file():
        print(write_comparison(folder))
    return code


def _declare(data: Path, folder: Path, comparison: Comparison) -> None:
    """Write the files of the study, its declaration last; an equal one stays as it is."""
    store = Store(data)
    found = find_labels(
        store,
        reference=comparison.reference,
        shown=comparison.shown,
        split=comparison.split,
        fold=comparison.fold,
        seed=comparison.seeds[0],
    )
    contenders = choose_contenders(found.labels, comparison.methods)
    print(f"{data}: {DESCRIBED[found.labels]}; {len(found.train)} patients train, {len(found.scored)} are scored")
    if found.hidden:
        print(f"not used: {', '.join(found.hidden)}; --annotation {found.hidden[0]} trains on it")
    files = {
        TRAINING: _yaml(_training(store, folder, comparison, found)),
        "split.yaml": _yaml({"unit": "patient", "folds": {0: _parts(found)}}),
        "order.txt": "".join(f"{patient}\n" for patient in found.train),
        "protocol.yaml": _yaml(_protocol(data, folder, comparison, found)),
        "published.csv": ",".join(PUBLISHED_COLUMNS) + "\n",
    }
    files |= {_file_of(one): _yaml(_method(store, comparison, one)) for one in contenders}
    files[DECLARATION] = _yaml(_study(data, folder, comparison, found, contenders))
    different = [name for name, text in files.items() if not _holds(folder / name, text)]
    if different and (folder / DECLARATION).is_file():
        raise ConfigError(
            f"{folder / different[0]}: differs from what these options declare; choose another folder with "
            f"--experiment, or run it as it stands with `lesslabel compare {folder}`"
        )
    for name in different:
        write_text(folder / name, files[name])


def _holds(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8") == text


def _yaml(content: Mapping[str, Any]) -> str:
    return yaml.safe_dump(dict(content), sort_keys=False, allow_unicode=True, width=120)


def _file_of(contender: Contender) -> str:
    return f"{contender.name.lower().replace(' ', '_').replace('-', '_')}.yaml"


def _study(
    data: Path, folder: Path, comparison: Comparison, found: ComparedData, contenders: Sequence[Contender]
) -> dict[str, Any]:
    methods: list[dict[str, Any]] = []
    for one in contenders:
        methods.append({"name": one.name, "configs": [str(folder / _file_of(one))]})
        if found.unlabelled and one.only_labelled:
            methods[-1]["settings"] = {"data.unlabelled_batch_size": 0}
    return {
        "store": str(data),
        "methods": methods,
        "configs": [str(folder / TRAINING)],
        "seeds": list(comparison.seeds),
        "selection": {"checkpoint": "last"},
    }


def _training(store: Store, folder: Path, comparison: Comparison, found: ComparedData) -> dict[str, Any]:
    """What all methods share: data, network, optimiser and length. Half of a batch is unlabelled if there are such."""
    shown = [
        {"annotation": one.annotation}
        | ({} if one.patients is None else {"patients": one.patients, "order": str(folder / "order.txt")})
        for one in found.shown
    ]
    unlabelled = _BATCH // 2 if found.unlabelled else 0
    data = {
        "store": str(store.path),
        "split": str(folder / "split.yaml"),
        "view": {"supervision": shown, "reference": comparison.reference},
        "size_voxel": [comparison.size, comparison.size],
        "batch_size": _BATCH - unlabelled,
        "unlabelled_batch_size": unlabelled,
        "steps_per_epoch": comparison.iterations,
    }
    return {
        "model": {"init_args": {"network": _NETWORK, "optimiser": {"learning_rate": 0.03}}},
        "data": {"class_path": "lesslabel.data.SegmentationDataModule", "init_args": data},
        "trainer": {
            "max_steps": comparison.iterations,
            "log_every_n_steps": min(_LOGGED_EVERY, comparison.iterations),
        },
    }


def _method(store: Store, comparison: Comparison, contender: Contender) -> dict[str, Any]:
    """What is a method's own."""
    shared = {"num_classes": len(map_labels(View(), store.labels).names), "in_channels": len(store.channels)}
    return {
        "name": contender.name,
        "model": {
            "class_path": f"lesslabel.methods.{contender.class_name}",
            "init_args": {**shared, **contender.arguments(comparison.iterations, comparison.size)},
        },
    }


def _parts(found: ComparedData) -> dict[str, list[str]]:
    return {"train": list(found.train), "validation": [], "test": list(found.scored)}


def _protocol(data: Path, folder: Path, comparison: Comparison, found: ComparedData) -> dict[str, Any]:
    words = ["lesslabel", "compare", str(data), "--experiment", str(folder), "--budget", str(comparison.iterations)]
    words += ["--methods", *comparison.methods] if comparison.methods else []
    shown = [one.annotation if one.patients is None else f"{one.annotation}:{one.patients}" for one in comparison.shown]
    words += ["--annotation", *shown] if shown else []
    words += ["--split", comparison.split, "--fold", str(comparison.fold)] if comparison.split else []
    words += ["--size", str(comparison.size), "--reference", comparison.reference]
    words += ["--seeds", *map(str, comparison.seeds)]
    return {
        "name": f"Methods for {DESCRIBED[found.labels]}, a short comparison",
        "data": str(data),
        "split": f"{len(found.train)} patients train; scored are {found.described}",
        "subset": f"labels: {', '.join(shown) or 'all that people drew'}",
        "seeds": list(comparison.seeds),
        "iterations": f"{comparison.iterations} of each method; whoever needs more time for one is not charged for it",
        "checkpoint_rule": "last iteration; nothing was selected",
        "input": f"whole slices resized to {comparison.size}×{comparison.size}",
        "metrics": "3D, native resolution, mm; HD95 of pooled distances; an empty prediction scores the image diagonal",
        "hardware": "see the table of costs",
        "commands": [shlex.join(words)],
    }
