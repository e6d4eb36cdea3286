"""Random: the baseline for all other strategies."""

from typing import ClassVar

import numpy as np

from lesslabel.selection.base import Strategy
from lesslabel.selection.pool import Pool
from lesslabel.selection.ranking import Ranking, ordinal


class Random(Strategy):
    """Samples units uniformly; a larger budget contains the smaller.

    Args:
        seed: random seed.
    """

    name: ClassVar[str] = "random"

    def choose(self, pool: Pool, count: int) -> Ranking:
        """Sample units; see `Strategy.choose`."""
        drawn = self.generator(pool).permutation(pool.unit_count)[:count]
        reasons = tuple(
            f"drawn by chance, {ordinal(place)} of {pool.unit_count} (seed {self.seed})"
            for place in range(1, count + 1)
        )
        return Ranking(drawn, np.full(count, np.nan), reasons)
