"""ProbCover: units whose neighbourhoods together hold as much of the pool as possible."""

import math
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from lesslabel.errors import ConfigError
from lesslabel.selection.base import Strategy
from lesslabel.selection.clustering import k_means
from lesslabel.selection.cover import blocks_of_squared_distances, greedy_cover
from lesslabel.selection.farthest_first import farthest_first
from lesslabel.selection.kernels import lower_to_nearest
from lesslabel.selection.pool import Pool
from lesslabel.selection.ranking import Ranking
from lesslabel.selection.scaling import to_unit_length

_SAMPLE = 1000


class ProbCover(Strategy):
    """Covers the pool with balls of one radius: takes the unit whose ball holds the most units not covered yet.

    From "Active learning through a covering lens" (Yehuda et al., NeurIPS 2022, algorithm 1), on given features, scaled
    to unit length as there. The radius is the largest at which a share `purity` of balls hold units of one cluster only
    (section 3.3; the clusters of K-means stand for the unknown classes). Units that earlier rounds annotated cover
    their balls. When all is covered, the rest of the budget goes to the units farthest from the chosen ones, which is
    ours. The score is the share of the pool that a pick newly covers. Units without a feature come last.

    Two bounds keep the cost linear in the number of units, and both are ours: at most `max_centres` units, drawn by
    chance, may be chosen for their ball, and the radius is found on at most 1000.

    Args:
        seed: random seed of the clustering and of the samples.
        radius: of the balls, Euclidean between unit-length features, in (0, 2]; None finds it.
        purity: share of pure balls, published 0.95.
        n_clusters: clusters that stand for classes.
        max_centres: the largest number of candidates.

    Raises:
        ConfigError: if a setting is out of its range.
    """

    name: ClassVar[str] = "probcover"

    def __init__(
        self,
        seed: int = 0,
        *,
        radius: float | None = None,
        purity: float = 0.95,
        n_clusters: int = 10,
        max_centres: int = 10_000,
    ) -> None:
        super().__init__(seed)
        if radius is not None and not 0.0 < radius <= 2.0:
            raise ConfigError(f"radius: {radius}; pass a distance between unit-length features, above 0 to 2")
        if not 0.0 < purity <= 1.0 or min(n_clusters, max_centres) < 1:
            raise ConfigError(f"probcover: purity {purity}, n_clusters {n_clusters}, max_centres {max_centres}")
        self.radius = radius
        self.purity = purity
        self.n_clusters = n_clusters
        self.max_centres = max_centres

    def choose(self, pool: Pool, count: int) -> Ranking:
        """Rank by newly covered units; see `Strategy.choose`."""
        units = np.flatnonzero(pool.unit_has_feature)
        wanted = min(count, len(units))
        if not wanted:
            return self.followed_by_featureless(Ranking(units[:0], np.empty(0), ()), pool, count)
        features = to_unit_length(pool.unit_features()[units])
        before = to_unit_length(pool.annotated_features())
        rng = self.generator(pool)
        radius = self.radius or self.find_radius(features)
        centres = np.arange(len(features))
        if len(features) > self.max_centres:
            centres = np.sort(rng.choice(len(features), self.max_centres, replace=False))
        nearest = np.full(len(features), np.inf)
        lower_to_nearest(features, before.astype(np.float64), nearest)
        chosen, gained = greedy_cover(features, centres, nearest <= radius * radius, radius, wanted)
        picked = centres[chosen]
        reasons = [
            f"its neighbourhood of radius {radius:.3g} holds {gain} of {len(features)} that no earlier one holds"
            for gain in gained
        ]
        scores = gained / len(features)
        if len(picked) < wanted:
            before = np.concatenate([before, features[picked]])
            features[picked] = np.nan  # so that none is picked again
            rest, gaps = farthest_first(features, None, wanted - len(picked), before)
            picked = np.concatenate([picked, rest])
            reasons += [f"all is covered: squared distance {gap:.3g} to the nearest chosen before" for gap in gaps]
            scores = np.concatenate([scores, np.zeros(len(rest))])
        return self.followed_by_featureless(Ranking(units[picked], scores, tuple(reasons)), pool, count)

    def find_radius(self, features: NDArray[np.float32]) -> float:
        """Find the largest radius at which enough balls are pure, on a sample.

        Args:
            features: (N, D) of unit length, finite.

        Returns:
            The radius; 1 if there is one cluster only.
        """
        rng = np.random.default_rng(self.seed)
        rows = features
        if len(features) > _SAMPLE:
            rows = features[np.sort(rng.choice(len(features), _SAMPLE, replace=False))]
        _, labels = k_means(rows, min(self.n_clusters, len(rows)), self.seed)
        to_other = np.full(len(rows), np.inf)
        start = 0
        for squared in blocks_of_squared_distances(rows, rows):
            block = labels[start : start + len(squared)]
            to_other[start : start + len(squared)] = np.where(block[:, None] != labels, squared, np.inf).min(axis=1)
            start += len(squared)
        # a ball is pure if its radius is smaller than the distance to the next unit of another cluster
        limit = np.sort(np.sqrt(to_other))[len(rows) - math.ceil(self.purity * len(rows))]
        return float(np.nextafter(limit, 0.0)) if 0.0 < limit < np.inf else 1.0
