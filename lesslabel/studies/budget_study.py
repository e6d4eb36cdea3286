"""``lesslabel curve``: a study of methods over label budgets, declared from the command line."""

import argparse
import shlex
from typing import Any

import yaml

from lesslabel.errors import ConfigError
from lesslabel.files import write_text
from lesslabel.runs.parsing import parse_run
from lesslabel.studies.declaration import DECLARATION
from lesslabel.studies.reproduce import run_reproduce
from lesslabel.tables.protocol import PUBLISHED_COLUMNS


def run_curve(options: argparse.Namespace) -> int:
    """Declare the study in its folder, then run it as `lesslabel reproduce` would; 1 if a job failed.

    Raises:
        LesslabelError: if the folder holds another study, or a configuration is wrong.
    """
    resolved = [_resolve([config, *options.overlay]) for config in options.config]
    stores = {config["data"]["init_args"]["store"] for config in resolved}
    if len(stores) > 1:
        raise ConfigError(f"--config: their stores differ ({', '.join(sorted(stores))}); a curve is of one data set")
    declaration = _declare(options, resolved, stores.pop())
    path = options.experiment / DECLARATION
    text = yaml.safe_dump(declaration, sort_keys=False, allow_unicode=True)
    if path.is_file() and path.read_text(encoding="utf-8") != text:
        raise ConfigError(
            f"{path}: declares another study; choose another folder, or run it with `lesslabel reproduce`"
        )
    if not path.is_file():
        protocol = yaml.safe_dump(_protocol(options, resolved), sort_keys=False, allow_unicode=True)
        write_text(options.experiment / "protocol.yaml", protocol)
        write_text(options.experiment / "published.csv", ",".join(PUBLISHED_COLUMNS) + "\n")
        write_text(path, text)
    return run_reproduce(argparse.Namespace(**vars(options), only=None, dry_run=False, table=False, zoo=None))


def _resolve(configs: list[str]) -> dict[str, Any]:
    return parse_run([text for config in configs for text in ("--config", config)]).plain_config()


def _declare(options: argparse.Namespace, resolved: list[dict[str, Any]], store: str) -> dict[str, Any]:
    budgets: list[int | str] = [int(budget) if budget.isdigit() else budget for budget in options.budgets]
    return {
        "store": store,
        "methods": [
            {"name": _name(config), "configs": [path]} for config, path in zip(resolved, options.config, strict=True)
        ],
        "configs": options.overlay,
        "folds": options.folds,
        "seeds": options.seeds,
        "budgets": {"order": options.order, "patients": budgets},
        "selection": {"checkpoint": options.checkpoint},
    }


def _protocol(options: argparse.Namespace, resolved: list[dict[str, Any]]) -> dict[str, Any]:
    """What the declaration says of itself; whoever publishes the folder says the rest."""
    data = resolved[0]["data"]["init_args"]
    lengths = sorted({config["trainer"]["max_steps"] for config in resolved})
    best = "highest mean Dice on the validation part; never on test"
    names = [text for config in options.config for text in ("--config", config)]
    names += [text for overlay in options.overlay for text in ("--overlay", overlay)]
    return {
        "name": f"Label efficiency of {', '.join(_name(config) for config in resolved)}",
        "data": data["store"],
        "split": f"{data['split']}, folds {', '.join(map(str, options.folds))}",
        "subset": "the whole store" if not data["allow_missing"] else "patients that the store lacks are left out",
        "seeds": options.seeds,
        "iterations": lengths,
        "checkpoint_rule": best if options.checkpoint == "best" else "last iteration",
        "metrics": "3D, native resolution, mm; HD95 of pooled distances; an empty prediction scores the image diagonal",
        "hardware": "see the table of costs",
        "commands": [
            shlex.join(["lesslabel", "curve", f"experiments/{options.experiment.resolve().name}", *names])
            + f" --order {options.order} --budgets {' '.join(options.budgets)}"
        ],
    }


def _name(config: dict[str, Any]) -> str:
    return str(config["name"] or config["model"]["class_path"].rsplit(".", 1)[-1])
