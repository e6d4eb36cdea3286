"""``campaign.csv``, ``campaign.md`` and ``campaign.svg``: the strategies of a campaign over all of its rounds."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lesslabel.evaluation import MEAN_OVER_LABELS, compare
from lesslabel.evaluation.statistics import holm
from lesslabel.files import write_text
from lesslabel.markdown import markdown_table, shown_p_value
from lesslabel.studies.curve import CurvePoint, area_under, draw_curves, read_points
from lesslabel.tables import read_scores
from lesslabel.tables.costs import read_runs

BASELINE = "foreground-random"
_COMPARED = ("difference", "low", "high", "p", "p_corrected", "probability", "patients")
COLUMNS = ("strategy", "rounds", "seeds", "dice", *_COMPARED, "area_by_minutes")
_ROUND = re.compile(r"^(.*), round (\d+)$")
_RESAMPLES = 10_000


def compare_strategies(folder: Path) -> pd.DataFrame:
    """Compare every strategy of a campaign with `BASELINE`, over all rounds.

    The Dice of a case is averaged over the rounds, whose budgets are equal: the area under the curve by rounds. The
    differences are paired by patient; p is of the Wilcoxon signed-rank test, corrected after Holm for the number of
    strategies; the probability is the share of bootstrap samples of patients in which the strategy is better. Random
    seeds are averaged first: all that a strategy has every round of, and for its difference those that the baseline has
    too.

    Args:
        folder: of the experiment, with results.

    Returns:
        A row for each strategy with `COLUMNS`; the baseline has no comparison. ``area_by_minutes`` is the mean Dice
        over the minutes of annotation that all strategies cover, see `lesslabel.studies.curve.area_under`; NaN without
        recorded costs.
    """
    return _compare(folder, _with_rounds(read_scores(folder)))


def _compare(folder: Path, scores: pd.DataFrame) -> pd.DataFrame:
    of_strategy = {str(name): _of_whole_seeds(own) for name, own in scores.groupby("strategy", sort=False)}
    baseline = of_strategy.get(BASELINE)
    rows: list[dict[str, Any]] = []
    for name, own in of_strategy.items():
        dice = _area(own).groupby("uid")["dice"].mean().mean()
        rounds, seeds = own["round"].nunique(), own["seed"].nunique()
        row: dict[str, Any] = {"strategy": name, "rounds": rounds, "seeds": seeds, "dice": float(dice)}
        if name != BASELINE and baseline is not None and rounds == baseline["round"].nunique():
            row |= _against(own, baseline)
        rows.append(row)
    result = pd.DataFrame(rows, columns=list(COLUMNS))
    result["p_corrected"] = holm(result["p"].to_numpy(np.float64))
    result["area_by_minutes"] = result["strategy"].map(_areas_by_minutes(_curves(folder, of_strategy)))
    return result.sort_values("dice", ascending=False, kind="stable").reset_index(drop=True)


def write_campaign(folder: Path) -> None:
    """Write ``campaign.csv``, ``campaign.md`` for readers, and ``campaign.svg``, Dice over minutes of each strategy.

    Without a round of `BASELINE` the experiment is no campaign, and nothing is written.
    """
    scores = _with_rounds(read_scores(folder))
    if not (scores["strategy"] == BASELINE).any():
        return
    compared = _compare(folder, scores)
    write_text(folder / "campaign.csv", compared.to_csv(index=False, float_format="%.4g"))
    write_text(folder / "campaign.md", _page(compared, scores))
    series: dict[str, list[CurvePoint]] = {}
    for point in read_points(folder):
        match = _ROUND.match(point.series)
        if match and point.minutes > 0.0:
            series.setdefault(match[1], []).append(replace(point, series=match[1]))
    if any(len({point.minutes for point in points}) > 1 for points in series.values()):
        write_text(folder / "campaign.svg", draw_curves(series, "minutes") + "\n")


def _curves(folder: Path, of_strategy: Mapping[str, pd.DataFrame]) -> dict[str, list[CurvePoint]]:
    """Dice and minutes of annotation after each round, by strategy; empty if no costs were recorded."""
    if not (folder / "runs.csv").is_file():
        return {}
    minutes = read_runs(folder).groupby(["method", "seed"])["annotation_minutes"].mean()
    series = {}
    for name, own in of_strategy.items():
        spent = own.set_index(["method", "seed"]).index.map(minutes.to_dict())
        rounds = own.assign(minutes=spent).groupby(["round", "uid"])[["minutes", "dice"]].mean().groupby("round").mean()
        points = rounds[rounds["minutes"] > 0.0].to_numpy(np.float64).tolist()
        series[name] = [CurvePoint(name, 0, cost, dice, dice, dice) for cost, dice in points]
    return {name: points for name, points in series.items() if points}


def _areas_by_minutes(series: Mapping[str, Sequence[CurvePoint]]) -> dict[str, float]:
    """The area under each curve, over the minutes that all of them cover."""
    spent = [[point.minutes for point in points] for points in series.values()]
    low, high = max(map(min, spent), default=math.nan), min(map(max, spent), default=math.nan)
    return {name: area_under(points, "minutes", low, high) for name, points in series.items()}


def _page(compared: pd.DataFrame, scores: pd.DataFrame) -> str:
    """The strategies, best first, with their Dice by round and the comparison with the baseline."""
    rounds = sorted(scores["round"].unique())
    whole = pd.concat([_of_whole_seeds(own) for _, own in scores.groupby("strategy", sort=False)])
    cases = whole.groupby(["strategy", "round", "uid"])["dice"].mean()
    by_round = cases.groupby(level=["strategy", "round"]).mean()
    header = ["strategy", *(f"round {number:g}" for number in rounds), "mean", f"difference to {BASELINE}"]
    header += ["p", "p, corrected", "probability of being better", "patients", "seeds", "Dice by minutes"]
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
        area = row["area_by_minutes"]
        rows.append([*cells, f"{row['seeds']:.0f}", "–" if math.isnan(area) else f"{area:.3f}"])
    return f"""# Strategies over all rounds

Dice on the test part after each round, mean over labels, cases and the random seeds that have all rounds. The
difference is paired by patient and by the seeds that both have, whose number stands last, with its 95 % bootstrap
interval; p is of the Wilcoxon signed-rank test, corrected after Holm for the number of strategies; the probability is
the share of bootstrap samples of patients in which the strategy is better. *Dice by minutes* is the mean over the
minutes of annotation that all strategies cover, on a logarithmic axis. All metrics of every round are in `table.md`.

{markdown_table(header, rows)}
"""


def _with_rounds(scores: pd.DataFrame) -> pd.DataFrame:
    parts = scores["method"].str.extract(_ROUND)
    named = scores.assign(strategy=parts[0], round=pd.to_numeric(parts[1]))
    return named[named["strategy"].notna()]


def _of_whole_seeds(scores: pd.DataFrame) -> pd.DataFrame:
    """The rows of the seeds that have as many rounds as any."""
    rounds = scores.groupby("seed")["round"].nunique()
    return scores[scores["seed"].isin(rounds.index[rounds == rounds.max()])]


def _against(own: pd.DataFrame, baseline: pd.DataFrame) -> dict[str, Any]:
    """The comparison with the baseline by the seeds that both have; nothing if there is none."""
    seeds = set(own["seed"]) & set(baseline["seed"])
    if not seeds:
        return {}
    ours, theirs = (_area(scores[scores["seed"].isin(seeds)]) for scores in (own, baseline))
    table = compare(ours, theirs, "dice")
    mean = table[table["label"] == MEAN_OVER_LABELS].iloc[0]
    compared = {key: mean[key] for key in ("difference", "low", "high", "patients")}
    return {**compared, "p": mean["wilcoxon_p"], "probability": _probability(ours, theirs), "seeds": len(seeds)}


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
