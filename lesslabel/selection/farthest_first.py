"""Farthest-first traversal: each pick is the farthest from all earlier picks."""

import numpy as np
from numpy.typing import NDArray

from lesslabel.selection.kernels import lower_to_nearest

_TAKEN = -1.0


def farthest_first(
    features: NDArray[np.float32], first: int | None, count: int, before: NDArray[np.float32] | None = None
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Pick rows that lie far from each other.

    The greedy 2-approximation of the k-centre problem (Gonzalez, "Clustering to minimize the maximum intercluster
    distance", 1985). One pass over the features per pick: the cost is linear in N and in `count`.

    Args:
        features: (N, D); rows of NaN are never picked.
        first: the first row; it must have a feature. None takes the one farthest from `before`.
        count: number of rows to pick, from 1 to the number of rows with a feature.
        before: (M, D), finite; vectors that count as picked earlier.

    Returns:
        (count,) rows in order of picking, ties by order; (count,) squared distance of each to the nearest earlier pick,
        infinite for the first if there is no earlier one.
    """
    nearest = np.where(np.isnan(features[:, 0]), _TAKEN, np.inf)
    picked, gaps = np.empty(count, np.int64), np.empty(count)
    if before is not None:
        lower_to_nearest(features, before.astype(np.float64), nearest)
    row = int(np.argmax(nearest)) if first is None else first
    for place in range(count):
        picked[place], gaps[place] = row, nearest[row]
        nearest[row] = _TAKEN
        if place + 1 < count:
            lower_to_nearest(features, features[row : row + 1].astype(np.float64), nearest)
            row = int(np.argmax(nearest))
    return picked, gaps
