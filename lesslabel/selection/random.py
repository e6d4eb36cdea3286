"""Random: the baseline that every other strategy has to beat."""

from typing import ClassVar

import numpy as np

from lesslabel.selection.base import Strategy
from lesslabel.selection.pool import Pool
from lesslabel.selection.ranking import Ranking, ordinal


class Random(Strategy):
    """Draws units without looking at them; a larger budget contains the smaller.

    Args:
        seed: of the draw.
    """

    name: ClassVar[str] = "random"

    def choose(self, pool: Pool, count: int) -> Ranking:
        """Draw units; see `Strategy.choose`."""
        drawn = np.random.default_rng(self.seed).permutation(pool.unit_count)[:count]
        reasons = tuple(
            f"drawn by chance, {ordinal(place)} of {pool.unit_count} (seed {self.seed})"
            for place in range(1, count + 1)
        )
        return Ranking(drawn, np.full(count, np.nan), reasons)
