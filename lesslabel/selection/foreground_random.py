"""Foreground-aware random: random among images with predicted foreground."""

from typing import ClassVar

import numpy as np

from lesslabel.selection.base import Strategy
from lesslabel.selection.pool import Pool
from lesslabel.selection.ranking import Ranking


class ForegroundAwareRandom(Strategy):
    """Samples units with predicted foreground, then the rest; a larger budget contains the smaller.

    In many volumes most slices have nothing to segment. This baseline uses that too, like the strategies that need a
    feature, so the comparison with them is fair.

    Args:
        seed: random seed.
    """

    name: ClassVar[str] = "foreground-random"

    def choose(self, pool: Pool, count: int) -> Ranking:
        """Sample units, those with predicted foreground first; see `Strategy.choose`."""
        drawn = self.generator(pool).permutation(pool.unit_count)
        has_foreground = pool.any_in_unit(pool.has_foreground)
        order = drawn[np.argsort(~has_foreground[drawn], kind="stable")][:count]
        total = int(has_foreground.sum())
        wanted = f"drawn by chance among {total} with foreground (seed {self.seed})"
        rest = f"no predicted foreground: drawn by chance after all {total} that have some (seed {self.seed})"
        reasons = tuple(wanted if has_foreground[unit] else rest for unit in order)
        return Ranking(order, np.full(count, np.nan), reasons)
