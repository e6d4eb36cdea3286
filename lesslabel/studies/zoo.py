"""The model zoo: a bundle for each method of a study, and one file that says how every weight came to be."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from lesslabel.bundle import Bundle, export_bundle, load_bundle
from lesslabel.bundle.contents import CARD, WEIGHTS
from lesslabel.errors import DataError
from lesslabel.evaluation import MEAN_OVER_LABELS, read_scores, summarise
from lesslabel.files import write_text
from lesslabel.studies.declaration import Study
from lesslabel.studies.job import Job

ZOO = "zoo.yaml"
_REFERENCES = 10


def add_to_zoo(folder: Path, study: Study, done: Sequence[Job], store: Path) -> Path:
    """Export the first finished job of each method as a bundle, and enter it in ``zoo.yaml``.

    Nobody chooses among folds and seeds by their test figures: the first of each counts. A bundle that is there from
    the same job is kept.

    Args:
        folder: of the zoo; made if absent.
        study: the study.
        done: its finished jobs.
        store: the data of the study.

    Returns:
        The path of ``zoo.yaml``.

    Raises:
        LesslabelError: if a run cannot be bundled.
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
        entries[name] = _describe(made, study, job, method, dice[method])
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
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise DataError(f"{path}: not a YAML file ({' '.join(str(error).split())}); restore it") from error
    if not isinstance(content, dict):
        raise DataError(f"{path}: expected one entry a model; restore it")
    return content


def _describe(bundle: Bundle, study: Study, job: Job, method: str, dice: float) -> dict[str, Any]:
    return {
        "weights": f"{bundle.path.name}/{WEIGHTS}",
        "sha256": bundle.model_sha256,
        "bytes": (bundle.path / WEIGHTS).stat().st_size,
        "card": f"{bundle.path.name}/{CARD}",
        "method": method,
        "fold": job.fold,
        "seed": job.seed,
        "test_dice": round(dice, 4),
        "command": f"lesslabel reproduce experiments/{study.folder.resolve().name}",
        "key": job.key,
    }


def _dice_of_methods(study: Study) -> dict[str, float]:
    """Mean test Dice of each method over all its folds and seeds."""
    table = summarise(read_scores(study.folder), by="method")
    table = table[(table["metric"] == "dice") & (table["label"] == MEAN_OVER_LABELS)]
    return {str(method): float(mean) for method, mean in zip(table["method"], table["mean"], strict=True)}
