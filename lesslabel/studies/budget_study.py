"""``lesslabel curve``: a study of methods over label budgets, declared from the command line."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from lesslabel.errors import ConfigError
from lesslabel.files import write_text
from lesslabel.runs.parsing import parse_run
from lesslabel.runs.settings import settings_of
from lesslabel.studies.declaration import DECLARATION
from lesslabel.studies.reproduce import Launching, reproduce
from lesslabel.tables.experiment_protocol import PUBLISHED_COLUMNS


@dataclass(frozen=True)
class Curve:
    """A study of methods over label budgets.

    Attributes:
        configs: configuration file of each method.
        order: the order of patients for budgets: a committed one, or a file.
        overlays: configuration files for all methods.
        budgets: labelled patients, ``all`` for all of them.
        folds: of the split.
        seeds: of the trainings.
        checkpoint: ``best`` on validation, or the ``last``.
    """

    configs: Sequence[str]
    order: str
    overlays: Sequence[str] = ()
    budgets: Sequence[str] = ("1", "2", "4", "8", "all")
    folds: Sequence[int] = (0,)
    seeds: Sequence[int] = (0,)
    checkpoint: Literal["best", "last"] = "best"


def run_curve(experiment: Path, curve: Curve, launching: Launching) -> int:
    """Declare the study in its folder, then run it as `lesslabel reproduce` does.

    Args:
        experiment: folder to make, or one of an earlier call.
        curve: the study.
        launching: settings for running its jobs.

    Returns:
        1 if a job failed, else 0.

    Raises:
        LesslabelError: if the folder holds another study, or a configuration is wrong.
    """
    resolved = [parse_run(settings_of([config, *curve.overlays])).plain_config() for config in curve.configs]
    stores = {config["data"]["init_args"]["store"] for config in resolved}
    if len(stores) > 1:
        raise ConfigError(f"--config: their stores differ ({', '.join(sorted(stores))}); a curve is of one data set")
    declaration = _declare(curve, resolved, stores.pop())
    path = experiment / DECLARATION
    text = yaml.safe_dump(declaration, sort_keys=False, allow_unicode=True)
    if path.is_file() and path.read_text(encoding="utf-8") != text:
        raise ConfigError(
            f"{path}: declares another study; choose another folder, or run it with `lesslabel reproduce`"
        )
    if not path.is_file():
        protocol = yaml.safe_dump(_protocol(experiment, curve, resolved), sort_keys=False, allow_unicode=True)
        write_text(experiment / "protocol.yaml", protocol)
        write_text(experiment / "published.csv", ",".join(PUBLISHED_COLUMNS) + "\n")
        write_text(path, text)
    return reproduce(experiment, launching=launching)


def _declare(curve: Curve, resolved: list[dict[str, Any]], store: str) -> dict[str, Any]:
    budgets: list[int | str] = [int(budget) if budget.isdigit() else budget for budget in curve.budgets]
    return {
        "store": store,
        "methods": [
            {"name": _name(config), "configs": [path]} for config, path in zip(resolved, curve.configs, strict=True)
        ],
        "configs": list(curve.overlays),
        "folds": list(curve.folds),
        "seeds": list(curve.seeds),
        "budgets": {"order": curve.order, "patients": budgets},
        "selection": {"checkpoint": curve.checkpoint},
    }


def _protocol(experiment: Path, curve: Curve, resolved: list[dict[str, Any]]) -> dict[str, Any]:
    """The part of the protocol that the declaration defines; the author of the experiment writes the rest."""
    data = resolved[0]["data"]["init_args"]
    lengths = sorted({config["trainer"]["max_steps"] for config in resolved})
    best = "highest mean Dice on the validation part; never on test"
    names = [text for config in curve.configs for text in ("--config", config)]
    names += [text for overlay in curve.overlays for text in ("--overlay", overlay)]
    return {
        "name": f"Label efficiency of {', '.join(_name(config) for config in resolved)}",
        "data": data["store"],
        "split": f"{data['split']}, folds {', '.join(map(str, curve.folds))}",
        "subset": "the whole store" if not data["allow_missing"] else "patients that the store lacks are left out",
        "seeds": list(curve.seeds),
        "iterations": lengths,
        "checkpoint_rule": best if curve.checkpoint == "best" else "last iteration",
        "metrics": "3D, native resolution, mm; HD95 of pooled distances; an empty prediction scores the image diagonal",
        "hardware": "see the table of costs",
        "commands": [
            shlex.join(["lesslabel", "curve", f"experiments/{experiment.resolve().name}", *names])
            + f" --order {curve.order} --budgets {' '.join(curve.budgets)}"
        ],
    }


def _name(config: dict[str, Any]) -> str:
    return str(config["name"] or config["model"]["class_path"].rsplit(".", 1)[-1])
