"""The model zoo: a bundle for each method of a study, and one file with the origin of all weights."""

import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from lesslabel.bundle import Bundle, export_bundle, load_bundle
from lesslabel.bundle.contents import CARD, WEIGHTS
from lesslabel.errors import DataError
from lesslabel.evaluation import MEAN_OVER_LABELS, summarise
from lesslabel.files import parse_yaml, write_text
from lesslabel.runs.reading import RunFiles
from lesslabel.studies.declaration import Study
from lesslabel.studies.job import Job
from lesslabel.studies.recipes import closure
from lesslabel.tables import read_scores

ZOO = "zoo.yaml"
_REFERENCES = 10


def add_to_zoo(folder: Path, study: Study, done: Sequence[Job], store: Path) -> Path:
    """Export the first finished job of each method as a bundle, and add it to ``zoo.yaml``.

    The first fold and seed are taken, so that none is selected by its test score. An existing bundle of
    the same job is kept. An entry does not change: weights that are made again must have its checksum.

    Args:
        folder: of the zoo; made if absent.
        study: the study.
        done: its finished jobs.
        store: the data of the study.

    Returns:
        The path of ``zoo.yaml``.

    Raises:
        LesslabelError: if a run cannot be bundled, or its weights are not those of an entry of the same job.
    """
    first: dict[str, tuple[Job, Path]] = {}
    for job in done:
        for method, run in job.tested.items():
            first.setdefault(method, (job, run))
    entries = read_zoo(folder)
    dice = _dice_of_methods(study) if first else {}
    for method, (job, run) in first.items():
        stage = "" if run == job.folder.run else f"-{run.name}"
        name = f"{study.folder.resolve().name}-{job.folder.path.name}{stage}"
        bundle = folder / name
        made = load_bundle(bundle) if bundle.exists() else export_bundle(run, bundle, store, n_references=_REFERENCES)
        entry = _describe(made, job, method, dice[method])
        _require_same_weights(entry["sha256"], entries.get(name), f"{folder / ZOO}: {name}")
        command = command_of(study, job, folder)
        entries[name] = entry | {"commit": RunFiles(run).commit, "command": command, "key": job.key}
    path = folder / ZOO
    write_text(path, yaml.safe_dump(dict(sorted(entries.items())), sort_keys=False, allow_unicode=True))
    return path


def read_zoo(folder: Path) -> dict[str, Any]:
    """Read ``zoo.yaml``; empty where there is none.

    Raises:
        DataError: if it is damaged.
    """
    path = folder / ZOO
    if not path.is_file():
        return {}
    try:
        content = parse_yaml(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise DataError(f"{path}: not a YAML file ({' '.join(str(error).split())}); restore it") from error
    if not isinstance(content, dict) or not all(
        isinstance(entry, dict) and isinstance(entry.get("sha256"), str) for entry in content.values()
    ):
        raise DataError(f"{path}: expected one entry a model, each with a sha256; restore it")
    return content


def require_entered(bundle: Bundle, folder: Path) -> str:
    """The name of the entry with the weights of a bundle, whatever the name of its folder.

    Raises:
        DataError: if the zoo is absent or damaged, or holds no entry of these weights.
    """
    entries = read_zoo(folder)
    if not entries:
        raise DataError(f"{folder / ZOO}: no such file, or no entry; name the folder of a zoo")
    for name, entry in entries.items():
        if entry["sha256"] == bundle.model_sha256:
            return name
    _require_same_weights(bundle.model_sha256, entries.get(bundle.path.resolve().name), f"{bundle.path}")
    raise DataError(f"{folder / ZOO}: no entry has the weights of {bundle.path}, sha256 {bundle.model_sha256}")


def command_of(study: Study, job: Job, folder: Path) -> str:
    """The shell command that makes the model of a job and its bundle again.

    Args:
        study: the study.
        job: one of its jobs.
        folder: of the zoo.
    """
    method = next(
        method.name
        for method in study.methods
        if method.name == job.series or job.series in closure(study.recipes, method.recipes)
    )
    fold = study.folds[0] if job.fold is None else job.fold
    words = ["lesslabel", "reproduce", _from_here(study.folder), "--only", re.sub(r"([*?[]|^-)", r"[\1]", method)]
    words += ["--folds", str(fold), "--seeds", str(job.seed)]
    for option, count in (("--devices", job.devices), ("--nodes", job.nodes)):
        words += [option, str(count)] if count > 1 else []
    return shlex.join([*words, "--zoo", _from_here(folder)])


def _describe(bundle: Bundle, job: Job, method: str, dice: float) -> dict[str, Any]:
    return {
        "weights": f"{bundle.path.name}/{WEIGHTS}",
        "sha256": bundle.model_sha256,
        "bytes": (bundle.path / WEIGHTS).stat().st_size,
        "card": f"{bundle.path.name}/{CARD}",
        "method": method,
        "fold": job.fold,
        "seed": job.seed,
        "test_dice": round(dice, 4),
    }


def _require_same_weights(sha256: str, entry: dict[str, Any] | None, what: str) -> None:
    if entry is not None and entry["sha256"] != sha256:
        raise DataError(
            f"{what}: the weights have the sha256 {sha256}, that of the zoo is {entry['sha256']}; changed, or "
            "made on other hardware or with other versions: remove the entry to enter these"
        )


def _from_here(path: Path) -> str:
    """A path relative to the current folder, if it is inside."""
    whole, here = path.resolve(), Path.cwd()
    return (whole.relative_to(here) if whole.is_relative_to(here) else path).as_posix()


def _dice_of_methods(study: Study) -> dict[str, float]:
    """Mean test Dice of each method over all its folds and seeds."""
    table = summarise(read_scores(study.folder), by="method")
    table = table[(table["metric"] == "dice") & (table["label"] == MEAN_OVER_LABELS)]
    return {str(method): float(mean) for method, mean in zip(table["method"], table["mean"], strict=True)}
