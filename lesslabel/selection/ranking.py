"""The result of a strategy: units, their order, and the reasons."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lesslabel.selection.pool import Pool


@dataclass(frozen=True, eq=False)
class Ranking:
    """Units to annotate, best first; no unit occurs twice.

    Attributes:
        indices: (n,) int64 into the units of the pool, see `Pool`.
        scores: (n,) float64, the score that the strategy used; NaN without one. Not monotone for a strategy that takes
            from two ends or in rounds.
        reasons: n lines of text.
    """

    indices: NDArray[np.int64]
    scores: NDArray[np.float64]
    reasons: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.indices)


def followed_by_featureless(ranking: Ranking, pool: Pool, count: int, generator: np.random.Generator) -> Ranking:
    """Append the units without a feature to a ranking of all units with one, by chance, patient by patient.

    Args:
        ranking: at most `count` units; fewer only if no other unit has a feature.
        pool: the ranked pool.
        count: number of units in the budget.
        generator: of the strategy.
    """
    rest = generator.permutation(np.flatnonzero(~pool.unit_has_feature))
    patients = pool.unit_patients
    turns = turn_of_each(patients[np.concatenate([ranking.indices, rest])])[len(ranking) :]
    in_turn = np.argsort(turns + pool.turns_of_patients()[rest], kind="stable")
    rest = rest[in_turn][: count - len(ranking)]
    reason = "no predicted foreground, hence no feature: by chance, after all that have one"
    return Ranking(
        np.concatenate([ranking.indices, rest]),
        np.concatenate([ranking.scores, np.full(len(rest), np.nan)]),
        ranking.reasons + (reason,) * len(rest),
    )


def turn_of_each(patients: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many earlier entries have the same patient: (units,)."""
    order = np.argsort(patients, kind="stable")
    grouped = patients[order]
    turns = np.empty(len(patients), np.int64)
    turns[order] = np.arange(len(patients)) - np.searchsorted(grouped, grouped)
    return turns


def ordinal(position: int) -> str:
    """Write 1, 2, 3, 11 as 1st, 2nd, 3rd, 11th."""
    ending = "th" if position % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(position % 10, "th")
    return f"{position}{ending}"
