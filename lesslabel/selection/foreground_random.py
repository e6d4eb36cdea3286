"""Foreground-aware random: chance, but only where the model sees something."""

from typing import ClassVar

import numpy as np

from lesslabel.selection.base import Strategy
from lesslabel.selection.pool import Pool
from lesslabel.selection.ranking import Ranking


class ForegroundAwareRandom(Strategy):
    """Draws among units with predicted foreground, then among the rest; a larger budget contains the smaller.

    In many volumes most slices show nothing to segment. This baseline knows as much of that as the strategies that
    need a feature, so that they are not credited for it.

    Args:
        seed: of the draw.
    """

    name: ClassVar[str] = "foreground-random"

    def choose(self, pool: Pool, count: int) -> Ranking:
        """Draw units, those with predicted foreground first; see `Strategy.choose`."""
        drawn = np.random.default_rng(self.seed).permutation(pool.unit_count)
        has_foreground = pool.any_in_unit(pool.has_foreground)
        order = drawn[np.argsort(~has_foreground[drawn], kind="stable")][:count]
        total = int(has_foreground.sum())
        wanted = f"drawn by chance among {total} with predicted foreground (seed {self.seed})"
        rest = f"no predicted foreground: drawn by chance after all {total} that have some (seed {self.seed})"
        reasons = tuple(wanted if has_foreground[unit] else rest for unit in order)
        return Ranking(order, np.full(count, np.nan), reasons)
