"""``lesslabel campaign``: strategies round by round as one study, and their comparison."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from lesslabel.adaptation.units import AnnotationUnit
from lesslabel.data.queue import UnitName
from lesslabel.disagreement import has_dropout
from lesslabel.errors import ConfigError
from lesslabel.files import write_text
from lesslabel.runs.parsing import parse_run
from lesslabel.runs.settings import settings_of
from lesslabel.selection import STRATEGIES
from lesslabel.studies.campaign_results import BASELINE
from lesslabel.studies.declaration import DECLARATION
from lesslabel.studies.reproduce import Launching, reproduce
from lesslabel.tables.experiment_protocol import PUBLISHED_COLUMNS


@dataclass(frozen=True)
class Campaign:
    """A simulated campaign: each round a strategy chooses, the store's labels are shown, and a model trains anew.

    Attributes:
        config: configuration file of the training.
        strategies: to compare, besides `BASELINE`. One that needs a model takes the first round by `BASELINE`.
        overlays: further configuration files.
        rounds: number of rounds, 2 or more.
        budget: of each round, as for `lesslabel select`.
        unit: slices, cases or patches.
        patch_voxel: size of the patches, as for `lesslabel select`.
        annotation: of the store, shown where a unit was chosen.
        folds: of the split; none takes that of the configuration.
        seeds: of strategies and trainings.
        checkpoint: ``best`` on validation, or the ``last``.
    """

    config: str
    strategies: Sequence[str]
    overlays: Sequence[str] = ()
    rounds: int = 3
    budget: str = "5%"
    unit: UnitName = "slice"
    patch_voxel: Sequence[int] | None = None
    annotation: str = "dense"
    folds: Sequence[int] = ()
    seeds: Sequence[int] = (0,)
    checkpoint: Literal["best", "last"] = "last"


def run_campaign(experiment: Path, campaign: Campaign, launching: Launching) -> int:
    """Declare the study in its folder, run it as `lesslabel reproduce` does, and compare the strategies.

    Args:
        experiment: folder to make, or one of an earlier call, which goes on.
        campaign: the study.
        launching: settings for running its jobs.

    Returns:
        1 if a job failed, else 0.

    Raises:
        LesslabelError: if the folder holds another study, or a configuration or a strategy is wrong.
    """
    declaration = declare_campaign(campaign)
    path = experiment / DECLARATION
    text = yaml.safe_dump(declaration, sort_keys=False, allow_unicode=True, width=1000)
    if path.is_file() and path.read_text(encoding="utf-8") != text:
        raise ConfigError(
            f"{path}: declares another study; choose another folder, or change it there and run `lesslabel reproduce`"
        )
    if not path.is_file():
        protocol = _protocol(experiment, campaign, declaration)
        write_text(experiment / "protocol.yaml", yaml.safe_dump(protocol, sort_keys=False, allow_unicode=True))
        write_text(experiment / "published.csv", ",".join(PUBLISHED_COLUMNS) + "\n")
        write_text(path, text)
    return reproduce(experiment, launching=launching)


def declare_campaign(campaign: Campaign) -> dict[str, Any]:
    """The declaration of a campaign: one recipe for each round, which needs the round before.

    Raises:
        ConfigError: if there is no such strategy or unit, one needs the references of a source, or there are too few
            rounds.
    """
    if campaign.rounds < 2:
        raise ConfigError(f"--rounds: {campaign.rounds}; pass 2 or more")
    strategies = list(dict.fromkeys([BASELINE, *campaign.strategies]))
    for name in strategies:
        if name not in STRATEGIES or "source" in STRATEGIES[name].needs:
            known = ", ".join(each for each, kind in STRATEGIES.items() if "source" not in kind.needs)
            raise ConfigError(f"--strategies: '{name}' is not one of {known}")
    parsed = parse_run(settings_of([campaign.config, *campaign.overlays]))
    if not has_dropout(parsed.model):
        for name in strategies:
            if "several predictions" in STRATEGIES[name].needs:
                raise ConfigError(
                    f"--strategies: '{name}' compares predictions with dropout, and the model of {campaign.config} has "
                    "none; add model.network.encoder_dropout, or leave it out"
                )
    data = parsed.plain_config()["data"]["init_args"]
    last = f"round{campaign.rounds}"
    return {
        "store": data["store"],
        "recipes": {f"round{index}": _recipe(campaign, data, index) for index in range(1, campaign.rounds + 1)},
        "methods": [
            {
                "name": name,
                "recipes": [f"round{index}" for index in range(1, campaign.rounds)] + [last],
                "values": {"strategy": name, "first": BASELINE if STRATEGIES[name].needs else name},
            }
            for name in strategies
        ],
        "folds": list(campaign.folds) or [data["fold"]],
        "seeds": list(campaign.seeds),
        "selection": {"checkpoint": campaign.checkpoint},
    }


def _recipe(campaign: Campaign, data: Mapping[str, Any], index: int) -> dict[str, Any]:
    before, unit = f"round{index - 1}", AnnotationUnit.of(campaign.unit, campaign.patch_voxel)
    select = ["select", "--store", "{store}", "--strategy", "{first}" if index == 1 else "{strategy}"]
    if index > 1:
        select += ["--run", f"{{{before}}}/run", "--previous", f"{{{before}}}/queue.csv"]
    select += ["--budget", campaign.budget, *unit.words(), "--split", data["split"], "--fold", "{fold}"]
    select += ["--allow-missing"] if data["allow_missing"] else []
    select += ["--centres", *data["centres"]] if data["centres"] else []
    select += ["--seed", "{seed}", "--out", "{job}/queue.csv"]
    shown = f'[{{annotation: {campaign.annotation}, queue: "{{job}}/queue.csv"}}]'
    configs = [word for path in (campaign.config, *campaign.overlays) for word in ("--config", path)]
    fit = ["fit", *configs, "--data.store", "{store}", "--data.view.supervision", shown, "--data.fold", "{fold}"]
    fit += ["--name", f"{{method}}, round {index}", "--seed", "{seed}", "--run", "{job}/run"]
    recipe: dict[str, Any] = {} if index == 1 else {"needs": [before]}
    recipe["steps"] = [shlex.join(select), shlex.join(fit), "test --run {job}/run"]
    recipe["scores"] = {f"{{method}}, round {index}": "{job}/run"}
    return recipe


def _protocol(experiment: Path, campaign: Campaign, declaration: Mapping[str, Any]) -> dict[str, Any]:
    words = ["lesslabel", "campaign", f"experiments/{experiment.resolve().name}", "--config", campaign.config]
    words += [word for path in campaign.overlays for word in ("--overlay", path)]
    unit = AnnotationUnit.of(campaign.unit, campaign.patch_voxel)
    configs = " and ".join([campaign.config, *campaign.overlays])
    words += ["--strategies", *campaign.strategies, "--rounds", str(campaign.rounds), "--budget", campaign.budget]
    words += unit.words() if unit.name != "slice" else []
    words += ["--seeds", *map(str, campaign.seeds), "--checkpoint", campaign.checkpoint]
    return {
        "name": f"Campaign of {campaign.rounds} rounds by {len(campaign.strategies)} strategies",
        "data": declaration["store"],
        "split": f"that of {configs}, folds {', '.join(map(str, declaration['folds']))}",
        "subset": f"{campaign.budget} of the training {unit.plural} a round",
        "seeds": list(campaign.seeds),
        "iterations": f"those of {configs}, in every round anew",
        "checkpoint_rule": "last iteration"
        if campaign.checkpoint == "last"
        else "highest mean Dice on the validation part; never on test",
        "metrics": "3D, native resolution, mm; HD95 of pooled distances; an empty prediction scores the image diagonal",
        "baseline": {f"{BASELINE}, round {index}": [f"*, round {index}"] for index in range(1, campaign.rounds + 1)},
        "hardware": "see the table of costs",
        "commands": [shlex.join(words)],
    }
