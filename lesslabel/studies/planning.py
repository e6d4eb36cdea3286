"""``lesslabel plan``: what the next minutes of annotation would buy, from the runs or the experiment so far."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lesslabel.errors import ConfigError, DataError
from lesslabel.evaluation.learning_curve import (
    FEWEST_ROUNDS,
    Expected,
    LearningCurve,
    check_last_round,
    fit_learning_curve,
)
from lesslabel.runs.reading import RunFiles
from lesslabel.runs.reopening import parse_again
from lesslabel.studies.declaration import Costs
from lesslabel.studies.labels import LabelCounter
from lesslabel.tables import read_scores
from lesslabel.tables.costs import read_runs


@dataclass(frozen=True, eq=False)
class Plan:
    """A series of rounds, its learning curve, and what more annotation would buy.

    Attributes:
        series: name of the method without its budget.
        minutes: of annotation after each round, rising.
        dice: mean over patients after each round.
        curve: fitted to all rounds.
        held_out: the last round as predicted from those before it; None with three rounds.
        more_minutes: the further minutes that were asked for.
    """

    series: str
    minutes: tuple[float, ...]
    dice: tuple[float, ...]
    curve: LearningCurve
    held_out: Expected | None
    more_minutes: float

    @property
    def next(self) -> Expected:
        """The Dice after the further minutes."""
        return self.curve.at(self.minutes[-1] + self.more_minutes)

    def lines(self) -> Iterator[str]:
        """The plan in words."""
        rounds, spent = len(self.minutes), self.minutes[-1]
        yield f"{self.series}: {rounds} rounds, {spent:.4g} minutes so far, Dice {self.dice[-1]:.3f}"
        expected = self.next
        now = self.curve.at(self.minutes[-1]).dice
        yield (
            f"  {self.more_minutes:.4g} minutes more: Dice {expected.dice:.3f} "
            f"[{expected.low:.3f}, {expected.high:.3f}], {expected.dice - now:+.3f}"
        )
        limit = self.curve.limit
        yield f"  without end: {limit.dice:.3f} [{limit.low:.3f}, {limit.high:.3f}]"
        if self.held_out is None:
            yield f"  not checked: it takes {FEWEST_ROUNDS + 1} rounds to hold one out"
        else:
            held, inside = self.held_out, self.held_out.low <= self.dice[-1] <= self.held_out.high
            yield (
                f"  check: the last round was predicted as {held.dice:.3f} [{held.low:.3f}, {held.high:.3f}] and is "
                f"{self.dice[-1]:.3f}: {'inside' if inside else 'OUTSIDE, so do not rely on this curve'}"
            )


def plan(paths: Sequence[Path | str], *, minutes: float = 60.0, costs: Costs | None = None) -> list[Plan]:
    """Fit a learning curve to rounds of annotation.

    Args:
        paths: one experiment folder, whose series with three and more budgets are taken, or three and more tested run
            folders, which are the rounds of one series.
        minutes: further minutes of annotation, above 0.
        costs: prices of labels in run folders that were not timed; an experiment has its own.

    Returns:
        A plan for each series.

    Raises:
        ConfigError: if the minutes are not above 0.
        DataError: if there are fewer than three rounds, or the rounds were tested on different patients.
        LesslabelError: if a folder cannot be read.
    """
    if not 0.0 < minutes < float("inf"):
        raise ConfigError(f"--minutes: {minutes}; pass minutes above 0")
    folders = [Path(path) for path in paths]
    if len(folders) == 1 and (folders[0] / "runs.csv").is_file():
        series = _of_experiment(folders[0])
    else:
        series = {"runs": [_of_run(folder, costs or Costs()) for folder in folders]}
    plans = [_plan(name, rounds, minutes) for name, rounds in series.items() if _count(rounds) >= FEWEST_ROUNDS]
    if not plans:
        raise DataError(
            f"{folders[0]}: no series has {FEWEST_ROUNDS} rounds with labels of different cost; name an experiment "
            f"with runs.csv, or {FEWEST_ROUNDS} tested runs"
        )
    return plans


_ROUND = re.compile(r", round \d+$")  # of a campaign
_Round = tuple[float, "pd.Series[float]"]


def _count(rounds: Sequence[_Round]) -> int:
    return len({minutes for minutes, _ in rounds if minutes > 0.0})


def _of_experiment(folder: Path) -> dict[str, list[_Round]]:
    """The rounds of each series: minutes, and Dice by patient."""
    runs, scores = read_runs(folder), read_scores(folder)
    series: dict[str, list[_Round]] = {}
    for (name, method), own in runs.groupby(["series", "method"], sort=False):
        tested = scores[scores["method"] == method]
        if len(tested):
            rounds = series.setdefault(_ROUND.sub("", str(name)), [])
            rounds.append((float(own["annotation_minutes"].mean()), _by_patient(tested)))
    return series


def _of_run(folder: Path, costs: Costs) -> _Round:
    """The minutes and the Dice by patient of one run."""
    data = parse_again(folder).parsed.datamodule
    minutes = LabelCounter(data.training_store).count(data.shown()).minutes(costs)
    return minutes, _by_patient(RunFiles(folder).metrics)


def _by_patient(scores: pd.DataFrame) -> "pd.Series[float]":
    """Dice of each patient: mean over labels, then cases and seeds."""
    cases = scores.groupby(["patient", "uid"])["dice"].mean()
    return cases.groupby(level="patient").mean().dropna()


def _plan(name: str, rounds: Sequence[_Round], minutes: float) -> Plan:
    ordered = sorted((one for one in rounds if one[0] > 0.0), key=lambda one: one[0])
    patients = sorted(set.intersection(*(set(dice.index) for _, dice in ordered)))
    if not patients or any(set(dice.index) != set(patients) for _, dice in ordered):
        raise DataError(f"{name}: the rounds were tested on different patients; use one split for all")
    table: NDArray[np.float64] = np.stack([dice.loc[patients].to_numpy(np.float64) for _, dice in ordered], axis=1)
    amounts = [amount for amount, _ in ordered]
    return Plan(
        name,
        tuple(amounts),
        tuple(table.mean(axis=0).tolist()),
        fit_learning_curve(amounts, table),
        check_last_round(amounts, table),
        minutes,
    )
