"""Middle lines and contours of regions, as paths of pixels."""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra
from scipy.spatial import cKDTree

from lesslabel.interaction.prompts.seeds import Mask

_NEIGHBOURS_WITHIN = 1.5  # 1 over edges, √2 over corners


def middle_line(region: Mask) -> NDArray[np.int64]:
    """Pixels of the skeleton of a connected region (y, x) that is not empty: (N, 2) in raster order."""
    from skimage.morphology import skeletonize  # slow to import

    line = np.argwhere(skeletonize(region))
    return line if len(line) else np.argwhere(region)[:1]


def path_along(line: NDArray[np.int64], rng: np.random.Generator | None = None) -> NDArray[np.int64]:
    """A shortest path along a middle line from one of its ends to another.

    An end has at most one neighbour. In a line without two ends, such as a ring, any pixel can be an end.

    Args:
        line: (N, 2), connected over edges or corners.
        rng: random number generator for the ends; None takes the two ends that are farthest from each other along the
            line, in a ring the first pixel and the one farthest from it.

    Returns:
        (M, 2) pixels, neighbours in order.
    """
    pairs = cKDTree(line).query_pairs(_NEIGHBOURS_WITHIN, output_type="ndarray")
    lengths = np.linalg.norm(line[pairs[:, 0]] - line[pairs[:, 1]], axis=1)
    graph = csr_array((lengths, (pairs[:, 0], pairs[:, 1])), shape=(len(line), len(line)))
    ends = np.flatnonzero(np.bincount(pairs.ravel(), minlength=len(line)) <= 1)
    has_ends = len(ends) > 1
    goals = ends if has_ends else np.arange(len(line))
    farthest_from = ends if has_ends else goals[:1]
    starts = farthest_from if rng is None else rng.choice(goals, 1)
    distances, before = dijkstra(graph, directed=False, indices=starts, return_predecessors=True)
    to_goals = distances[:, goals]
    if rng is None:
        row, column = divmod(int(np.argmax(to_goals)), len(goals))
    else:
        others = np.flatnonzero(to_goals[0] > 0)
        row, column = 0, int(rng.choice(others)) if len(others) else 0
    path = [int(goals[column])]
    while before[row, path[-1]] >= 0:
        path.append(int(before[row, path[-1]]))
    return np.asarray(line[path[::-1]])


def contours(region: Mask) -> list[NDArray[np.int64]]:
    """Every contour of a region (y, x) that is not empty: (N, 2) pixels of its edge, the last beside the first.

    A part of one pixel has a contour of one; a pixel where the region is thin may occur twice.
    """
    from skimage.measure import find_contours  # slow to import

    padded = np.pad(region, 1)
    found = []
    for between in find_contours(padded.astype(np.float64), 0.5, fully_connected="high"):
        low, high = np.floor(between).astype(np.int64), np.ceil(between).astype(np.int64)
        edge = np.where(padded[tuple(low.T)][:, None], low, high) - 1
        changed = (edge != np.roll(edge, 1, axis=0)).any(axis=1)
        found.append(edge[changed] if changed.any() else edge[:1])
    return found
