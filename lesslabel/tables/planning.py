"""``lesslabel plan``: what the next minutes of annotation would buy, from the runs or the experiment so far."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lesslabel.data.case import Box
from lesslabel.data.store import Store
from lesslabel.data.view import VisibleAnnotation
from lesslabel.errors import ConfigError, DataError, RunError
from lesslabel.evaluation.learning_curve import (
    FEWEST_ROUNDS,
    Expected,
    LearningCurve,
    check_last_round,
    fit_learning_curve,
)
from lesslabel.runs.reading import RunFiles
from lesslabel.tables.costs import read_runs
from lesslabel.tables.label_costs import Costs, LabelCounter
from lesslabel.tables.table import read_scores

_ROUND = re.compile(r", round \d+$")  # of a campaign


@dataclass(frozen=True, eq=False)
class Round:
    """One round of annotation, and the test after it.

    Attributes:
        minutes: of annotation so far.
        dice: of each test patient, by name.
    """

    minutes: float
    dice: "pd.Series[float]"

    @classmethod
    def of(cls, minutes: float, scores: pd.DataFrame) -> "Round":
        """A round with the Dice of each patient: mean over labels, then cases and seeds.

        Args:
            minutes: of annotation so far.
            scores: one row per case, label and seed: ``patient``, ``uid``, ``dice``.
        """
        cases = scores.groupby(["patient", "uid"])["dice"].mean()
        return cls(minutes, cases.groupby(level="patient").mean().dropna())


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

    @property
    def gain(self) -> float:
        """The difference between the curve after the further minutes and the curve now."""
        return self.next.dice - self.curve.at(self.minutes[-1]).dice

    @property
    def holds(self) -> bool | None:
        """Whether the last round lies in the interval that was predicted from those before it; None if not checked."""
        return None if self.held_out is None else self.held_out.low <= self.dice[-1] <= self.held_out.high

    def lines(self) -> Iterator[str]:
        """The plan in words."""
        rounds, spent = len(self.minutes), self.minutes[-1]
        yield f"{self.series}: {rounds} rounds, {spent:.4g} minutes so far, Dice {self.dice[-1]:.3f}"
        yield f"  {self.more_minutes:.4g} minutes more: Dice {_in_words(self.next)}, {self.gain:+.3f}"
        yield f"  without end: {_in_words(self.curve.limit)}"
        if self.held_out is None:
            yield f"  not checked: it takes {FEWEST_ROUNDS + 1} rounds to hold one out"
        else:
            yield (
                f"  check: the last round was predicted as {_in_words(self.held_out)} and is {self.dice[-1]:.3f}: "
                f"{'inside' if self.holds else 'OUTSIDE, so do not rely on this curve'}"
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
        DataError: if there are fewer than three rounds, the rounds were tested on different patients, or runs are no
            rounds: their models differ, or one lacks labels of another with fewer.
        LesslabelError: if a folder cannot be read.
    """
    require_minutes(minutes)
    folders = [Path(path) for path in paths]
    if len(folders) == 1 and (folders[0] / "runs.csv").is_file():
        series = _of_experiment(folders[0])
    else:
        series = {"runs": _of_runs(folders, costs or Costs())}
    plans = [plan_series(name, rounds, minutes) for name, rounds in series.items() if _count(rounds) >= FEWEST_ROUNDS]
    if not plans:
        raise DataError(
            f"{folders[0]}: no series has {FEWEST_ROUNDS} rounds with labels of different cost; name an experiment "
            f"with runs.csv, or {FEWEST_ROUNDS} tested runs"
        )
    return plans


def plan_series(name: str, rounds: Sequence[Round], minutes: float) -> Plan:
    """Fit a learning curve to the rounds of one series; those without any label are left out.

    Args:
        name: of the series.
        rounds: three and more of different minutes.
        minutes: further minutes of annotation, above 0.

    Raises:
        DataError: if there are too few rounds, or they were tested on different patients.
    """
    ordered = sorted((one for one in rounds if one.minutes > 0.0), key=lambda one: one.minutes)
    patients = sorted(set.intersection(*(set(one.dice.index) for one in ordered))) if ordered else []
    if not patients or any(set(one.dice.index) != set(patients) for one in ordered):
        raise DataError(f"{name}: the rounds were tested on different patients; use one split for all")
    columns = [one.dice.loc[patients].to_numpy(np.float64) for one in ordered]
    table: NDArray[np.float64] = np.stack(columns, axis=1)
    amounts = [one.minutes for one in ordered]
    return Plan(
        name,
        tuple(amounts),
        tuple(table.mean(axis=0).tolist()),
        fit_learning_curve(amounts, table),
        check_last_round(amounts, table),
        minutes,
    )


def require_minutes(minutes: float) -> None:
    """Check the further minutes that are asked for.

    Raises:
        ConfigError: if they are not above 0 and finite.
    """
    if not 0.0 < minutes < float("inf"):
        raise ConfigError(f"--minutes: {minutes}; pass minutes above 0")


def shown_labels(data: Mapping[str, Any]) -> dict[str, list[VisibleAnnotation]]:
    """The annotations of people that a run was trained on, with their slices, by uid.

    Args:
        data: its ``data.json``.
    """
    pseudo = {str(overlay["annotation"]) for overlay in data.get("overlays") or ()}
    slices, patches = data.get("labelled_slices") or {}, data.get("labelled_patches") or {}
    shown: dict[str, list[VisibleAnnotation]] = {}
    for uid, names in (data.get("labelled") or {}).items():
        for name in [name for name in str(names).split(" + ") if name not in pseudo]:
            of_case = slices.get(uid, {}).get(name)
            boxes = tuple(map(Box.of, patches.get(uid, {}).get(name, ())))
            shown.setdefault(str(uid), []).extend(_shown(name, of_case, boxes))
    return shown


def _shown(name: str, slices: Sequence[int] | None, boxes: tuple[Box, ...]) -> Iterator[VisibleAnnotation]:
    """An annotation of a case: the slices of which patches are shown, and those that are shown as a whole."""
    if slices is None:
        yield VisibleAnnotation(name, None, None)
        return
    in_part = {index for box in boxes for index in box.slices}
    if boxes:
        yield VisibleAnnotation(name, tuple(index for index in slices if index in in_part), boxes)
    if whole := tuple(index for index in slices if index not in in_part):
        yield VisibleAnnotation(name, whole, None)


def _count(rounds: Sequence[Round]) -> int:
    return len({one.minutes for one in rounds if one.minutes > 0.0})


def _of_experiment(folder: Path) -> dict[str, list[Round]]:
    """The rounds of each series."""
    runs, scores = read_runs(folder), read_scores(folder)
    series: dict[str, list[Round]] = {}
    for (name, method), own in runs.groupby(["series", "method"], sort=False):
        tested = scores[scores["method"] == method]
        if len(tested):
            rounds = series.setdefault(without_round(str(name)), [])
            rounds.append(Round.of(float(own["annotation_minutes"].mean()), tested))
    return series


def without_round(name: str) -> str:
    """The name of a method without the round of a campaign, ``"coreset, round 2"`` is ``"coreset"``."""
    return _ROUND.sub("", name)


def model_settings(config: Mapping[str, Any]) -> str:
    """The model of a run's configuration as text, the same for the rounds of a series."""
    return json.dumps(config.get("model"), sort_keys=True, default=str)


def labelled_parts(data: Mapping[str, Any], store: Store) -> frozenset[tuple[str, int | str]]:
    """Case and z index of every slice that people labelled for a run, and corner and size of every patch.

    Args:
        data: its ``data.json``.
        store: of the run; cases that are no longer there are left out.
    """
    parts: set[tuple[str, int | str]] = set()
    for uid, entries in shown_labels(data).items():
        if uid not in store.records:
            continue
        for entry in entries:
            if entry.boxes is not None:
                parts |= {(uid, str(box)) for box in entry.boxes}
            else:
                slices = range(store.records[uid].depth) if entry.slices is None else entry.slices
                parts |= {(uid, index) for index in slices}
    return frozenset(parts)


def _of_runs(folders: Sequence[Path], costs: Costs) -> list[Round]:
    """The rounds that runs are."""
    files, rounds, parts = [RunFiles(folder) for folder in folders], [], []
    for run in files:
        if not run.config:
            raise RunError(f"{run.path}: no run here (no config.yaml); make one with `lesslabel fit`")
        if run.store is None:
            raise RunError(f"{run.path}: its configuration names no store; train the run again")
        store = Store(run.store)
        rounds.append(Round.of(LabelCounter(store).count(shown_labels(run.data)).minutes(costs), run.metrics))
        parts.append((labelled_parts(run.data, store), run))
        if model_settings(run.config) != model_settings(files[0].config):
            raise DataError(f"{run.path}: another model than {files[0].path}; name runs of one configuration")
    for (fewer, before), (more, after) in pairwise(sorted(parts, key=lambda each: len(each[0]))):
        if not fewer <= more:
            raise DataError(f"{after.path}: lacks labels of {before.path}; name rounds of one growing annotation")
    return rounds


def _in_words(dice: Expected) -> str:
    return f"{dice.dice:.3f} [{dice.low:.3f}, {dice.high:.3f}]"
