"""Fewer voxels that say nearly the same: drawn seeds thinned to some that are spread well."""

import numpy as np
from numpy.typing import NDArray

from lesslabel.interaction.prompts.seeds import Mask


def thinned(drawn: Mask, kept: Mask, most: int) -> Mask:
    """Keep so many of the drawn voxels that lie farthest from one another and from those that stay in any case.

    Farthest-first traversal (Gonzalez, "Clustering to minimize the maximum intercluster distance", Theoretical Computer
    Science 1985): no choice of as many leaves a drawn voxel more than half as near to its nearest. Nothing is random:
    the voxel nearest to the mean of all comes first where nothing is kept, and the first in raster order among equals.

    Args:
        drawn: ([D,] H, W) bool.
        kept: the same shape, voxels that stay, such as clicks; those that were drawn as well count as kept alone.
        most: how many stay in all, at least 1; of those kept all stay, even if they are more.

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
