"""Typicality: the most typical image of each cluster."""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from lesslabel.errors import ConfigError
from lesslabel.selection.base import Strategy
from lesslabel.selection.clustering import k_means
from lesslabel.selection.pool import Pool
from lesslabel.selection.ranking import Ranking, ordinal

_BLOCK_PAIRS = 1 << 22  # distances in memory at once


class Typicality(Strategy):
    """Clusters the pool into as many clusters as the budget and takes the most typical unit of each, largest first.

    After "Active learning on a budget: opposite strategies suit high and low budgets" (TypiClust, Hacohen et al., ICML
    2022), on given features: typicality is the inverse of the mean Euclidean distance to the nearest neighbours in the
    cluster (eq. 1), so the score is that distance, small for a typical unit. A budget above `max_clusters` takes the
    most typical unit of each cluster, then the second most typical of each, and so on. Units without a feature come
    last. A larger budget need not contain the smaller, since the clusters change. The cost of the neighbours is the
    sum of the squared sizes of the clusters.

    Args:
        seed: random seed of the clustering.
        neighbours: largest number of neighbours; published 20.
        max_clusters: largest number of clusters; published 500.

    Raises:
        ConfigError: if a number is below 1.
    """

    name: ClassVar[str] = "typicality"

    def __init__(self, seed: int = 0, *, neighbours: int = 20, max_clusters: int = 500) -> None:
        super().__init__(seed)
        for name, value in (("neighbours", neighbours), ("max_clusters", max_clusters)):
            if value < 1:
                raise ConfigError(f"{name}: {value}; pass 1 or more")
        self.neighbours = neighbours
        self.max_clusters = max_clusters

    def choose(self, pool: Pool, count: int) -> Ranking:
        """Rank by typicality inside clusters; see `Strategy.choose`."""
        units = np.flatnonzero(pool.unit_has_feature)
        wanted = min(count, len(units))
        if not wanted:
            return self.followed_by_featureless(Ranking(units[:0], np.empty(0), ()), pool, count)
        features = pool.unit_features()
        if len(units) < len(features):
            features = features[units]
        _, labels = k_means(features, min(wanted, self.max_clusters), self.seed)
        distance = mean_neighbour_distance(features, labels, self.neighbours)
        place = _place_in_cluster(labels, distance)
        size = np.bincount(labels)[labels]
        order = np.lexsort((distance, -size, place))[:wanted]
        reasons = tuple(
            f"typical, {ordinal(place[row] + 1)} in a cluster of {size[row]}: "
            f"mean distance {distance[row]:.3g} to its nearest neighbours"
            for row in order
        )
        return self.followed_by_featureless(Ranking(units[order], distance[order], reasons), pool, count)


def mean_neighbour_distance(
    features: NDArray[np.float32], labels: NDArray[np.int64], neighbours: int
) -> NDArray[np.float64]:
    """Average the Euclidean distance of each row to its nearest neighbours in the same cluster.

    Args:
        features: (N, D), finite.
        labels: (N,) cluster of each row.
        neighbours: number of neighbours; in a smaller cluster all others.

    Returns:
        (N,); 0 for a row that is alone in its cluster.
    """
    result = np.zeros(len(features))
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        count = min(neighbours, len(members) - 1)
        if not count:
            continue
        step = max(1, _BLOCK_PAIRS // len(members))
        for start in range(0, len(members), step):
            rows = members[start : start + step]
            distances = cdist(features[rows], features[members])
            distances[np.arange(len(rows)), start + np.arange(len(rows))] = np.inf  # itself
            nearest = np.partition(distances, count - 1, axis=1)[:, :count]
            result[rows] = np.sort(nearest, axis=1).mean(axis=1)  # sorted, so that equal neighbours have equal sums
    return result


def _place_in_cluster(labels: NDArray[np.int64], distance: NDArray[np.float64]) -> NDArray[np.int64]:
    """Rank of each row in its cluster by distance, from 0, ties by order."""
    order = np.lexsort((distance, labels))
    first = np.searchsorted(labels[order], labels[order])
    place = np.empty(len(labels), np.int64)
    place[order] = np.arange(len(labels)) - first
    return place
