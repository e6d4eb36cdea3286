"""MHPL: images whose neighbours are near and yet predicted differently."""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import entr

from lesslabel.errors import ConfigError
from lesslabel.selection.base import Need, Strategy
from lesslabel.selection.clustering import k_means
from lesslabel.selection.pool import Pool
from lesslabel.selection.ranking import Ranking
from lesslabel.selection.scaling import to_unit_length

_BLOCK_ROWS = 1024
_ALONE = -2.0  # below every cosine


class MHPL(Strategy):
    """Takes units whose neighbourhood is dense and disagrees, and no near neighbour of a unit already taken.

    After "MHPL: minimum happy points learning for active source free domain adaptation" (Wang et al., CVPR 2023): the
    score is the entropy of the classes among the nearest neighbours times their mean cosine similarity; going down the
    scores, a unit in the neighbourhood of one taken before waits until all others are taken. The paper classifies, so
    that a neighbour has one class. A segmented image has a share of every class: here the entropy is the Jensen–Shannon
    divergence of the neighbours' shares, the entropy of their mean less the mean of their entropies, which is the
    paper's where every image has one class. A negative similarity counts as 0. Units that earlier rounds annotated
    count as taken. The paper's focal loss of the neighbourhood belongs to training and is not here. A larger budget
    contains the smaller. Units without a feature come last.

    Args:
        seed: random seed of the division of large pools, and of the units without a feature.
        neighbours: number of neighbours, 1 or more; at most a third of the pool, whose units are else all near.
        part: in a pool of more units than this the neighbours are sought in one of the parts into which K-means divides
            it, about so large on average.

    Raises:
        ConfigError: if a number is below 1.
    """

    name: ClassVar[str] = "mhpl"
    needs: ClassVar[frozenset[Need]] = frozenset({"model"})

    def __init__(self, seed: int = 0, *, neighbours: int = 10, part: int = 4096) -> None:
        super().__init__(seed)
        if neighbours < 1 or part < 1:
            raise ConfigError(f"mhpl: neighbours {neighbours}, part {part}; pass 1 or more")
        self.neighbours = neighbours
        self.part = part

    def choose(self, pool: Pool, count: int) -> Ranking:
        """Rank by the neighbourhood; see `Strategy.choose`."""
        if pool.class_shares is None:
            raise ConfigError(f"strategy '{self.name}' ranks by the share of each class; pass a Pool that has it")
        units = np.flatnonzero(pool.unit_has_feature)
        if not len(units):
            return self.followed_by_featureless(Ranking(units, np.empty(0), ()), pool, count)
        features = to_unit_length(pool.unit_features()[units])
        labels = np.zeros(len(units), np.int64)
        if len(units) > self.part:
            _, labels = k_means(features, -(-len(units) // self.part), self.seed)
        count_near = min(self.neighbours, max(len(units) // 3, 1))
        nearest, similarity = nearest_by_cosine(features, labels, count_near)
        shares = pool.average_in_units(pool.class_shares, pool.has_feature)[units].astype(np.float64)
        spread = neighbourhood_divergence(shares, nearest)
        affinity = np.where(nearest >= 0, similarity, 0.0).sum(axis=1) / np.maximum((nearest >= 0).sum(axis=1), 1)
        score = spread * np.maximum(affinity, 0.0)
        near = _near_annotated(features, to_unit_length(pool.annotated_features()), similarity)
        order = _spread_out(np.argsort(-score, kind="stable"), nearest, near, min(count, len(units)))
        reasons = tuple(
            f"near images are predicted differently: divergence {spread[row]:.3g} of their classes, mean similarity "
            f"{affinity[row]:.3g}"
            for row in order
        )
        return self.followed_by_featureless(Ranking(units[order], score[order], reasons), pool, count)


def nearest_by_cosine(
    features: NDArray[np.float32], labels: NDArray[np.int64], count: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The rows of the same part with the largest cosine similarity.

    Args:
        features: (N, D), of unit length.
        labels: (N,) part of each row.
        count: number of neighbours.

    Returns:
        (N, count) rows, the nearest first, and their similarity; −1 and −2 where a part has too few.
    """
    nearest = np.full((len(features), count), -1, np.int64)
    similarity = np.full((len(features), count), _ALONE, np.float32)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        found = min(count, len(members) - 1)
        for start in range(0, len(members) if found else 0, _BLOCK_ROWS):
            rows = members[start : start + _BLOCK_ROWS]
            cosine = features[rows] @ features[members].T
            cosine[np.arange(len(rows)), start + np.arange(len(rows))] = _ALONE
            best = np.argpartition(-cosine, found - 1, axis=1)[:, :found]
            values = np.take_along_axis(cosine, best, axis=1)
            order = np.lexsort((best, -values))
            nearest[rows, :found] = members[np.take_along_axis(best, order, axis=1)]
            similarity[rows, :found] = np.take_along_axis(values, order, axis=1)
    return nearest, similarity


def neighbourhood_divergence(shares: NDArray[np.float64], nearest: NDArray[np.int64]) -> NDArray[np.float64]:
    """The Jensen–Shannon divergence of the class shares of each row's neighbours.

    Args:
        shares: (N, C), rows that sum to 1.
        nearest: (N, K) rows; −1 for none.

    Returns:
        (N,) nats, from 0 to ln C; 0 without a neighbour.
    """
    there = nearest >= 0
    counts = np.maximum(there.sum(axis=1), 1)
    entropies = entr(shares).sum(axis=1)
    mean, own = np.zeros_like(shares), np.zeros(len(shares))
    for place in range(nearest.shape[1]):
        rows = nearest[:, place]
        mean += np.where(there[:, place, None], shares[rows], 0.0)
        own += np.where(there[:, place], entropies[rows], 0.0)
    divergence: NDArray[np.float64] = np.maximum(entr(mean / counts[:, None]).sum(axis=1) - own / counts, 0.0)
    return divergence


def _near_annotated(
    features: NDArray[np.float32], annotated: NDArray[np.float32], similarity: NDArray[np.float32]
) -> NDArray[np.bool_]:
    """Which rows have an annotated unit among what would be their nearest neighbours: (N,) bool."""
    closest = np.full(len(features), _ALONE, np.float32)
    for start in range(0, len(features) if len(annotated) else 0, _BLOCK_ROWS):
        closest[start : start + _BLOCK_ROWS] = (features[start : start + _BLOCK_ROWS] @ annotated.T).max(axis=1)
    near: NDArray[np.bool_] = closest > similarity[:, -1]
    return near


def _spread_out(
    by_score: NDArray[np.int64], nearest: NDArray[np.int64], near: NDArray[np.bool_], count: int
) -> NDArray[np.int64]:
    """Rows in the order of their scores, those near one taken before after all others."""
    waits = near.copy()
    taken: list[int] = []
    waiting: list[int] = []
    for row in by_score.tolist():
        (waiting if waits[row] else taken).append(row)
        if not waits[row]:
            neighbours = nearest[row]
            waits[neighbours[neighbours >= 0]] = True
    return np.array([*taken, *waiting][:count], np.int64)
