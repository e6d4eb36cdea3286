"""CoreSet: choose units such that all others are near to a chosen one."""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from lesslabel.selection.base import Strategy
from lesslabel.selection.farthest_first import farthest_first
from lesslabel.selection.kernels import lower_to_nearest
from lesslabel.selection.pool import BLOCK_ROWS, Pool
from lesslabel.selection.ranking import Ranking


class CoreSet(Strategy):
    """Covers the pool: k-centre greedy on the features; a larger budget contains the smaller.

    From "Active learning for convolutional neural networks: a core-set approach" (Sener and Savarese, ICLR 2018),
    algorithm 1, whose first centres are the units that earlier rounds annotated. Without them it starts with the unit
    nearest to the mean of all. The score is the
    squared Euclidean distance to the nearest unit chosen before, that of the first to the mean. Units without a feature
    come last. The cost is linear in the number of units and in the budget, so quadratic for a share.

    Args:
        seed: ignored.
    """

    name: ClassVar[str] = "coreset"

    def choose(self, pool: Pool, count: int) -> Ranking:
        """Rank by k-centre greedy; see `Strategy.choose`."""
        features = pool.unit_features()
        total = int(pool.unit_has_feature.sum())
        covering = min(count, total)
        units, distance = np.empty(0, np.int64), np.empty(0)
        before = pool.annotated_features()
        if covering and len(before):
            units, distance = farthest_first(features, None, covering, before)
        elif covering:
            first, distance_to_mean = _nearest_to_mean(features, pool.unit_has_feature)
            units, distance = farthest_first(features, first, covering)
            distance[0] = distance_to_mean
        reasons = [f"unlike all chosen before: distance {gap:.3g} to the nearest of them" for gap in distance]
        if not len(before):
            reasons[:1] = [f"nearest to the mean of all {total}: distance {gap:.3g}" for gap in distance[:1]]
        return self.followed_by_featureless(Ranking(units, distance, tuple(reasons)), pool, count)


def _nearest_to_mean(features: NDArray[np.float32], rows: NDArray[np.bool_]) -> tuple[int, float]:
    total = np.zeros(features.shape[1])
    for start in range(0, len(features), BLOCK_ROWS):
        block = slice(start, start + BLOCK_ROWS)
        total += features[block][rows[block]].sum(axis=0, dtype=np.float64)
    distance = np.full(len(features), np.inf)
    lower_to_nearest(features, total[None] / rows.sum(), distance)
    first = int(np.argmin(distance))
    return first, float(distance[first])
