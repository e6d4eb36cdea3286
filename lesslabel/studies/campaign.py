"""``lesslabel campaign``: strategies round by round as one study, and their comparison."""

import math
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import yaml

from lesslabel.adaptation.units import AnnotationUnit
from lesslabel.data.queue import UnitName
from lesslabel.errors import ConfigError
from lesslabel.evaluation import MEAN_OVER_LABELS, compare
from lesslabel.evaluation.statistics import holm
from lesslabel.files import write_text
from lesslabel.markdown import markdown_table, shown_p_value
from lesslabel.runs.parsing import parse_run
from lesslabel.runs.settings import settings_of
from lesslabel.selection import STRATEGIES
from lesslabel.studies.curve import CurvePoint, draw_curves, read_points
from lesslabel.studies.declaration import DECLARATION
from lesslabel.studies.reproduce import Launching, reproduce
from lesslabel.tables import read_scores
from lesslabel.tables.experiment_protocol import PUBLISHED_COLUMNS

BASELINE = "foreground-random"
COLUMNS = ("strategy", "rounds", "dice", "difference", "low", "high", "p", "p_corrected", "probability", "patients")
_ROUND = re.compile(r"^(.*), round (\d+)$")
_RESAMPLES = 10_000


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
        raise ConfigError(f"{path}: declares another study; choose another folder, or run `lesslabel reproduce`")
    if not path.is_file():
        protocol = _protocol(experiment, campaign, declaration)
        write_text(experiment / "protocol.yaml", yaml.safe_dump(protocol, sort_keys=False, allow_unicode=True))
        write_text(experiment / "published.csv", ",".join(PUBLISHED_COLUMNS) + "\n")
        write_text(path, text)
    code = reproduce(experiment, launching=launching)
    if (experiment / "results.csv").is_file():
        write_campaign(experiment)
    return code


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
    data = parse_run(settings_of([campaign.config, *campaign.overlays])).plain_config()["data"]["init_args"]
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


def compare_strategies(folder: Path) -> pd.DataFrame:
    """Compare every strategy of a campaign with `BASELINE`, over all rounds.

    The Dice of a case is averaged over the rounds, whose budgets are equal: the area under the curve by rounds. The
    differences are paired by patient; p is of the Wilcoxon signed-rank test, corrected after Holm for the number of
    strategies; the probability is the share of bootstrap samples of patients in which the strategy is better. Random
    seeds are averaged first.

    Args:
        folder: of the experiment, with results.

    Returns:
        A row for each strategy with `COLUMNS`; the baseline has no comparison.
    """
    scores = _with_rounds(read_scores(folder))
    areas = {name: _area(own) for name, own in scores.groupby("strategy", sort=False)}
    rounds = scores.groupby("strategy")["round"].nunique()
    rows: list[dict[str, Any]] = []
    for name, own in areas.items():
        dice = own.groupby("uid")["dice"].mean().mean()
        row: dict[str, Any] = {"strategy": name, "rounds": int(rounds[name]), "dice": float(dice)}
        if name != BASELINE and BASELINE in areas and rounds[name] == rounds[BASELINE]:
            table = compare(own, areas[BASELINE], "dice")
            mean = table[table["label"] == MEAN_OVER_LABELS].iloc[0]
            row |= {key: mean[key] for key in ("difference", "low", "high", "patients")}
            row |= {"p": mean["wilcoxon_p"], "probability": _probability(own, areas[BASELINE])}
        rows.append(row)
    result = pd.DataFrame(rows, columns=list(COLUMNS))
    result["p_corrected"] = holm(result["p"].to_numpy(np.float64))
    return result.sort_values("dice", ascending=False, kind="stable").reset_index(drop=True)


def write_campaign(folder: Path) -> None:
    """Write ``campaign.csv``, ``campaign.md`` for readers, and ``campaign.svg``, Dice over minutes of each strategy."""
    compared = compare_strategies(folder)
    write_text(folder / "campaign.csv", compared.to_csv(index=False, float_format="%.4g"))
    write_text(folder / "campaign.md", _page(compared, _with_rounds(read_scores(folder))))
    series: dict[str, list[CurvePoint]] = {}
    for point in read_points(folder):
        match = _ROUND.match(point.series)
        if match and point.minutes > 0.0:
            series.setdefault(match[1], []).append(replace(point, series=match[1]))
    if any(len({point.minutes for point in points}) > 1 for points in series.values()):
        write_text(folder / "campaign.svg", draw_curves(series, "minutes") + "\n")


def _page(compared: pd.DataFrame, scores: pd.DataFrame) -> str:
    """The strategies, best first, with their Dice by round and the comparison with the baseline."""
    rounds = sorted(scores["round"].unique())
    cases = scores.groupby(["strategy", "round", "uid"])["dice"].mean()
    by_round = cases.groupby(level=["strategy", "round"]).mean()
    header = ["strategy", *(f"round {number:g}" for number in rounds), "mean", f"difference to {BASELINE}"]
    header += ["p", "p, corrected", "probability of being better", "patients"]
    rows = []
    for row in compared.to_dict("records"):
        own = [by_round.get((row["strategy"], number), math.nan) for number in rounds]
        cells = [row["strategy"], *(f"{dice:.3f}" for dice in own), f"{row['dice']:.3f}"]
        if math.isnan(row["difference"]):
            cells += ["–"] * 5
        else:
            cells.append(f"{row['difference']:+.3f} [{row['low']:+.3f}, {row['high']:+.3f}]")
            cells += [shown_p_value(row["p"]), shown_p_value(row["p_corrected"]), f"{row['probability']:.3f}"]
            cells.append(f"{row['patients']:.0f}")
        rows.append(cells)
    return f"""# Strategies over all rounds

Dice on the test part after each round, mean over labels, cases and random seeds. The difference is paired by patient,
with its 95 % bootstrap interval; p is of the Wilcoxon signed-rank test, corrected after Holm for the number of
strategies; the probability is the share of bootstrap samples of patients in which the strategy is better. All metrics
of every round are in `table.md`.

{markdown_table(header, rows)}
"""


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


def _with_rounds(scores: pd.DataFrame) -> pd.DataFrame:
    parts = scores["method"].str.extract(_ROUND)
    named = scores.assign(strategy=parts[0], round=pd.to_numeric(parts[1]))
    return named[named["strategy"].notna()]


def _area(scores: pd.DataFrame) -> pd.DataFrame:
    """Dice by case and label, averaged over rounds and seeds; a value that any round lacks is left out."""
    table = scores.groupby(["patient", "uid", "label", "round"], sort=False)["dice"].mean().unstack("round")
    return table.mean(axis=1, skipna=False).rename("dice").reset_index()


def _probability(own: pd.DataFrame, other: pd.DataFrame) -> float:
    """The share of bootstrap samples of patients in which the first is better."""
    keys = ["patient", "uid", "label"]
    difference = own.set_index(keys)["dice"] - other.set_index(keys)["dice"]
    patients = difference.groupby(level=["patient", "uid"]).mean().groupby(level="patient").mean().dropna().to_numpy()
    drawn = np.random.default_rng(0).integers(len(patients), size=(_RESAMPLES, len(patients)))
    return float((patients[drawn].mean(axis=1) > 0.0).mean())


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
