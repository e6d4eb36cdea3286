"""Thin the seeds of strokes and regions to fewer, evenly spread voxels."""

import numpy as np
from numpy.typing import NDArray

from lesslabel.interaction.prompts.seeds import Mask


def thinned(drawn: Mask, kept: Mask, most: int) -> Mask:
    """Keep the drawn voxels that lie farthest from each other and from the voxels that are always kept.

    Farthest-first traversal (Gonzalez, "Clustering to minimize the maximum intercluster distance", Theoretical Computer
    Science 1985): its covering radius is at most twice the optimal one. It is deterministic: without kept voxels
    it starts at the voxel nearest to the mean; of equals it takes the first in raster order.

    Args:
        drawn: ([D,] H, W) bool.
        kept: the same shape, voxels that are always kept, such as clicks; they do not count as drawn.
        most: largest number of voxels in the result, at least 1; exceeded if more voxels are kept.

    Returns:
        ([D,] H, W) bool: the kept voxels and the chosen ones.
    """
    candidates = np.argwhere(drawn & ~kept)
    chosen = kept.copy()
    wanted = min(most - int(np.count_nonzero(kept)), len(candidates))
    if wanted < 1:
        return chosen
    if wanted == len(candidates):
        return chosen | drawn
    fixed = np.argwhere(kept)
    if len(fixed):
        away = np.min([_squared(candidates, voxel) for voxel in fixed], axis=0)
    else:
        away = -_squared(candidates, candidates.mean(axis=0))
    for place in range(wanted):
        farthest = candidates[np.argmax(away)]
        chosen[tuple(farthest)] = True
        reached = _squared(candidates, farthest)
        away = reached if place == 0 and not len(fixed) else np.minimum(away, reached)
    return chosen


def _squared(voxels: NDArray[np.int64], point: NDArray[np.float64] | NDArray[np.int64]) -> NDArray[np.float64]:
    squared: NDArray[np.float64] = np.square(voxels - point).sum(axis=1, dtype=np.float64)
    return squared
