"""Runs with several seeds as one method."""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pandas as pd

from lesslabel.reports.runs.read import Run
from lesslabel.runs.reading import SCORES


@dataclass(frozen=True, eq=False)
class Method:
    """One row of the results: a method, its label cost and its runs.

    Attributes:
        name: its name on the page, unique.
        runs: its runs, ordered by seed; the first one is pictured.
        scores: one row per case and label: ``uid``, ``patient``, ``label`` and the metrics, averaged over the seeds.
            A value that a seed left undefined (NaN) is left out of that average.
    """

    name: str
    runs: tuple[Run, ...]
    scores: pd.DataFrame

    @property
    def seeds(self) -> list[int | str | None]:
        """The seeds, in the order of the runs."""
        return [run.seed for run in self.runs]

    @property
    def labels(self) -> list[str]:
        """Names of the scored labels, in the order of their codes."""
        scored = set(self.scores["label"])
        known = [name for name in self.runs[0].label_names if name in scored]
        return known + [name for name in dict.fromkeys(self.scores["label"]) if name not in known]

    @property
    def annotations(self) -> list[str]:
        """Names of the annotations that supervised its training."""
        return list(self.runs[0].label_cost)

    def rows(self) -> pd.DataFrame:
        """All rows of ``test/metrics.csv`` of all runs, with the column ``method``; seeds repeat a case and label."""
        return pd.concat([run.metrics for run in self.runs]).assign(method=self.name)

    def case_dice(self) -> pd.Series:
        """Mean Dice over the labels, by uid."""
        return self.scores.groupby("uid", sort=True)["dice"].mean()

    def label_dice(self, label: str) -> pd.Series:
        """Dice of one label, by uid."""
        return self.scores[self.scores["label"] == label].set_index("uid")["dice"].sort_index()

    def dice_of(self, uid: str) -> dict[str, float]:
        """Dice of one case in the pictured run (not averaged over seeds), by label."""
        rows = self.runs[0].metrics
        rows = rows[rows["uid"] == uid]
        return {str(label): float(dice) for label, dice in zip(rows["label"], rows["dice"], strict=True)}


def group_methods(runs: Sequence[Run]) -> list[Method]:
    """Group runs that differ only in their seed; the order of the runs is kept.

    Runs belong together if their method's name, label cost, model settings and number of iterations agree and no seed
    occurs twice. Other runs are separate methods, and the folder's name makes their names unique.
    """
    groups: dict[tuple[str, ...], list[Run]] = defaultdict(list)
    for run in runs:
        groups[_settings(run)].append(run)
    members = [part for group in groups.values() for part in _by_seed(group)]
    used = [part[0].method for part in members]
    names = [part[0].method if used.count(part[0].method) == 1 else _with_folder(part[0]) for part in members]
    return [Method(name, tuple(part), _average(part)) for name, part in zip(_unique(names), members, strict=True)]


def _settings(run: Run) -> tuple[str, ...]:
    trainer = run.config.get("trainer") or {}
    limits = [trainer.get(key) for key in ("max_steps", "max_epochs")] if isinstance(trainer, dict) else []
    return run.method, json.dumps(
        [run.label_cost, run.slice_cost, run.patch_cost, run.config.get("model"), limits], sort_keys=True, default=str
    )


def _by_seed(runs: list[Run]) -> list[list[Run]]:
    seeds = [run.seed for run in runs]
    if None in seeds or len(set(seeds)) < len(seeds):
        return [[run] for run in runs]
    return [sorted(runs, key=lambda run: (isinstance(run.seed, str), run.seed))]


def _with_folder(run: Run) -> str:
    return f"{run.method} · {run.name}"


def _unique(names: Iterable[str]) -> list[str]:
    seen: dict[str, int] = defaultdict(int)
    unique = []
    for name in names:
        seen[name] += 1
        unique.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return unique


def _average(runs: Sequence[Run]) -> pd.DataFrame:
    rows = pd.concat([run.metrics for run in runs])
    return rows.groupby(["uid", "patient", "label"], sort=False, as_index=False)[list(SCORES)].mean()
