"""The base class of strategies."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray

from lesslabel.errors import ConfigError
from lesslabel.selection.budget import Budget, count_units
from lesslabel.selection.pool import Pool
from lesslabel.selection.ranking import Ranking, followed_by_featureless

Need = Literal["source", "model", "several predictions", "gradients"]
"""What a strategy needs besides images: references of a source, a model, several predictions or gradients of it."""

_SEEDS = 2**32  # the limit of scikit-learn


class Strategy(ABC):
    """Ranks the units of a pool; the same random seed and pool give the same ranking; ties are broken by order.

    A subclass defines `name` and `choose`, and `needs` if images alone are not enough.

    Args:
        seed: random seed; deterministic strategies ignore it.

    Raises:
        ConfigError: if the seed is not an integer in [0, 2³²).
    """

    name: ClassVar[str]
    needs: ClassVar[frozenset[Need]] = frozenset()

    def __init__(self, seed: int = 0) -> None:
        if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or not 0 <= seed < _SEEDS:
            raise ConfigError(f"seed: {seed!r} is no seed; pass an integer from 0 to {_SEEDS - 1}")
        self.seed = int(seed)

    def generator(self, pool: Pool) -> np.random.Generator:
        """The random numbers of this round: of the seed in the first, of seed and round afterwards.

        Units leave the pool and the others move up, so the same numbers again would prefer the neighbours of what
        earlier rounds took.
        """
        rounds = 0 if pool.annotated is None else pool.annotated.rounds
        return np.random.default_rng([self.seed, rounds] if rounds else self.seed)

    def followed_by_featureless(self, ranking: Ranking, pool: Pool, count: int) -> Ranking:
        """Append the units without a feature to a ranking of all units with one, see there."""
        return followed_by_featureless(ranking, pool, count, self.generator(pool))

    def fit(self, source: NDArray[np.floating[Any]]) -> Self:  # noqa: ARG002  for strategies that know the source
        """Fit to the features of the source domain; strategies that do not use them ignore it.

        Args:
            source: (M, D) features of source images; a row of NaN for an image without a feature.

        Returns:
            Itself.
        """
        return self

    def rank(self, target: Pool | NDArray[np.floating[Any]], budget: Budget) -> Ranking:
        """Rank as many units as the budget allows.

        Args:
            target: the pool, or its features alone, (N, D).
            budget: share of the units (float in [0, 1], rounded to the nearest count, halves up, above 0 at least one
                unit) or count (int); a count above the number of units means all.

        Returns:
            The ranking, best first.

        Raises:
            ConfigError: if the budget is invalid, or the pool lacks what the strategy ranks by.
            DataError: if the features are damaged or do not fit those of `fit`.
        """
        pool = target if isinstance(target, Pool) else Pool(target)
        return self.choose(pool, count_units(budget, pool.unit_count))

    @abstractmethod
    def choose(self, pool: Pool, count: int) -> Ranking:
        """Rank a number of units.

        Args:
            pool: the pool.
            count: number of units, from 0 to all.
        """
