"""TypiClust: the most typical unit of the largest cluster that has no annotated unit."""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from lesslabel.errors import ConfigError
from lesslabel.selection.base import Strategy
from lesslabel.selection.clustering import k_means
from lesslabel.selection.pool import Pool
from lesslabel.selection.ranking import Ranking
from lesslabel.selection.scaling import to_unit_length
from lesslabel.selection.typicality import mean_neighbour_distance


class TypiClust(Strategy):
    """Clusters pool and annotated units, and takes the most typical of the largest cluster without an annotated one.

    From "Active learning on a budget: opposite strategies suit high and low budgets" (Hacohen et al., ICML 2022,
    algorithm 1) as published: unit-length features; as many clusters as annotated units and budget together, at most
    `max_clusters`; clusters below `smallest` units are left out; typicality is the inverse mean distance to the nearest
    `neighbours` of the cluster. `Typicality` is our shorter form of it, without annotated units. If all clusters have
    one, the cluster with the fewest is next. The paper clusters features of self-supervision (SimCLR); here they are
    those of the pool. The score is the mean distance, small for a typical unit. A larger budget need not contain the
    smaller. Units without a feature come last.

    Args:
        seed: random seed of the clustering.
        neighbours: largest number of neighbours; published 20.
        max_clusters: largest number of clusters; published 500.
        smallest: least size of a cluster; published 5. If no cluster is left, all count.

    Raises:
        ConfigError: if a number is below 1.
    """

    name: ClassVar[str] = "typiclust"

    def __init__(self, seed: int = 0, *, neighbours: int = 20, max_clusters: int = 500, smallest: int = 5) -> None:
        super().__init__(seed)
        if min(neighbours, max_clusters, smallest) < 1:
            raise ConfigError(f"typiclust: {neighbours}, {max_clusters}, {smallest}; pass numbers of 1 or more")
        self.neighbours = neighbours
        self.max_clusters = max_clusters
        self.smallest = smallest

    def choose(self, pool: Pool, count: int) -> Ranking:
        """Rank by typicality in uncovered clusters; see `Strategy.choose`."""
        units = np.flatnonzero(pool.unit_has_feature)
        wanted = min(count, len(units))
        if not wanted:
            return self.followed_by_featureless(Ranking(units[:0], np.empty(0), ()), pool, count)
        before = pool.annotated_features()
        features = to_unit_length(np.concatenate([pool.unit_features()[units], before]))
        clusters = min(len(before) + wanted, self.max_clusters, len(features))
        _, labels = k_means(features, clusters, self.seed)
        distance = mean_neighbour_distance(features, labels, self.neighbours)
        annotated = np.bincount(labels[len(units) :], minlength=clusters)
        rows = self._in_turn(labels, distance[: len(units)], annotated, wanted)
        size = np.bincount(labels, minlength=clusters)
        reasons = tuple(
            f"typical of a cluster of {size[labels[row]]} with {annotated[labels[row]]} annotated before: mean "
            f"distance {distance[row]:.3g} to its nearest neighbours"
            for row in rows
        )
        return self.followed_by_featureless(Ranking(units[rows], distance[rows], reasons), pool, count)

    def _in_turn(
        self,
        labels: NDArray[np.int64],
        distance: NDArray[np.float64],
        annotated: NDArray[np.int64],
        wanted: int,
    ) -> NDArray[np.int64]:
        """The rows in order: fewest annotated or taken first, then the largest cluster, then the most typical."""
        size = np.bincount(labels, minlength=len(annotated))
        own = labels[: len(distance)]
        order = np.lexsort((distance, own))
        place = np.empty(len(own), np.int64)
        place[order] = np.arange(len(own)) - np.searchsorted(own[order], own[order])
        small = (size < self.smallest)[own]  # a row of a small cluster comes after all others
        in_order = np.lexsort((distance, -size[own], place + annotated[own], small))
        taken: NDArray[np.int64] = in_order[:wanted]
        return taken
