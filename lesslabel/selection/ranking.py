"""What a strategy answers: which units, in which order, and why."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lesslabel.selection.pool import Pool


@dataclass(frozen=True, eq=False)
class Ranking:
    """Units to annotate, the most wanted first; no unit occurs twice.

    Attributes:
        indices: (n,) int64 into the units of the pool, see `Pool`.
        scores: (n,) float64, what the strategy looked at, in its own unit; NaN where it has none. Not monotone for a
            strategy that takes from two ends or in rounds.
        reasons: n lines that a person can read.
    """

    indices: NDArray[np.int64]
    scores: NDArray[np.float64]
    reasons: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.indices)


def followed_by_featureless(ranking: Ranking, pool: Pool, count: int) -> Ranking:
    """Fill a ranking of all units that have a feature up with those that have none, in order.

    Args:
        ranking: at most `count` units; fewer only if no other unit has a feature.
        pool: what was ranked.
        count: how many units the budget allows.
    """
    rest = np.flatnonzero(~pool.unit_has_feature)[: count - len(ranking)]
    reason = "no predicted foreground, hence no feature: after all that have one"
    return Ranking(
        np.concatenate([ranking.indices, rest]),
        np.concatenate([ranking.scores, np.full(len(rest), np.nan)]),
        ranking.reasons + (reason,) * len(rest),
    )


def ordinal(position: int) -> str:
    """Write 1, 2, 3, 11 as 1st, 2nd, 3rd, 11th."""
    ending = "th" if position % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(position % 10, "th")
    return f"{position}{ending}"
