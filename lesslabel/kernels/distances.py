"""Exact Euclidean distances between two sets of voxels of one grid.

The squared distance is separable by axis (Meijster et al., "A general algorithm for computing distance transforms in
linear time", 2000; Felzenszwalb and Huttenlocher, "Distance transforms of sampled functions", 2012). In each
slice the two passes run over the bounding box of both sets. Along z there is no transform: for each point only the
few slices that can be nearer are searched.
"""

import numpy as np
from numpy.typing import NDArray

from lesslabel.kernels.compiled import compiled

Points = NDArray[np.int32]
FAR = 1 << 30  # larger than the number of voxels of any axis


@compiled
def nearest_distances(points: Points, targets: Points, spacing: tuple[float, float, float]) -> NDArray[np.float64]:
    """Return the distance from every point to its nearest target.

    Args:
        points: (N, 3) int32 voxel indices (z, y, x), N ≥ 1.
        targets: (M, 3) int32 voxel indices (z, y, x), ordered by z, M ≥ 1.
        spacing: voxel size (z, y, x); its unit is the unit of the result.

    Returns:
        (N,) float64 distances.
    """
    origin = np.empty(3, np.int64)
    shape = np.empty(3, np.int64)
    for axis in range(3):
        origin[axis] = min(points[:, axis].min(), targets[:, axis].min())
        shape[axis] = max(points[:, axis].max(), targets[:, axis].max()) - origin[axis] + 1
    squared = _squared_distances_in_slices(targets, origin, (shape[0], shape[1], shape[2]), spacing)
    distances = np.empty(len(points), np.float64)
    for i in range(len(points)):
        z, y, x = points[i, 0] - origin[0], points[i, 1] - origin[1], points[i, 2] - origin[2]
        distances[i] = np.sqrt(_nearest_across_slices(squared, z, y, x, spacing[0]))
    return distances


@compiled
def _nearest_across_slices(squared: NDArray[np.float64], z: int, y: int, x: int, spacing_z: float) -> float:
    depth = squared.shape[0]
    nearest: float = squared[z, y, x]
    for step in range(1, max(z, depth - 1 - z) + 1):
        across = (step * spacing_z) ** 2
        if across >= nearest:
            break
        if z >= step:
            nearest = min(nearest, across + squared[z - step, y, x])
        if z + step < depth:
            nearest = min(nearest, across + squared[z + step, y, x])
    return nearest


@compiled
def _squared_distances_in_slices(
    targets: Points, origin: NDArray[np.int64], shape: tuple[int, int, int], spacing: tuple[float, float, float]
) -> NDArray[np.float64]:
    """Return for every voxel of the box the squared distance to the nearest target of its own slice, or infinity."""
    squared = np.full(shape, np.inf)
    steps = np.empty(shape[1:], np.int32)
    envelope = np.empty(shape[2], np.int64), np.empty(shape[2], np.float64), np.empty(shape[2] + 1, np.float64)
    i = 0
    while i < len(targets):
        z = targets[i, 0]
        steps[:] = FAR
        while i < len(targets) and targets[i, 0] == z:
            steps[targets[i, 1] - origin[1], targets[i, 2] - origin[2]] = 0
            i += 1
        _sweep_columns(steps)
        for y in range(shape[1]):
            _lower_envelope(steps[y], spacing[1], spacing[2], envelope, squared[z - origin[0], y])
    return squared


@compiled
def _sweep_columns(steps: NDArray[np.int32]) -> None:
    """Convert 0 at targets and FAR elsewhere to the number of steps along y to the nearest target of the column."""
    height, width = steps.shape
    for y in range(1, height):
        for x in range(width):
            steps[y, x] = min(steps[y, x], steps[y - 1, x] + 1)
    for y in range(height - 2, -1, -1):
        for x in range(width):
            steps[y, x] = min(steps[y, x], steps[y + 1, x] + 1)


@compiled
def _lower_envelope(
    steps: NDArray[np.int32],
    spacing_y: float,
    spacing_x: float,
    envelope: tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]],
    squared: NDArray[np.float64],
) -> None:
    """Write min over x' of (spacing_x·(x − x'))² + (spacing_y·steps[x'])² into `squared`, one row, in linear time."""
    apex, height, start = envelope
    last = -1
    for x in range(len(steps)):
        if steps[x] >= FAR:
            continue
        lift = (steps[x] * spacing_y) ** 2
        crossing = -np.inf
        while last >= 0:
            crossing = 0.5 * (x + apex[last] + (lift - height[last]) / (spacing_x * spacing_x * (x - apex[last])))
            if crossing > start[last]:
                break
            last -= 1
        if last < 0:
            crossing = -np.inf
        last += 1
        apex[last], height[last], start[last] = x, lift, crossing
    start[last + 1] = np.inf
    piece = 0
    for x in range(len(steps)):
        while start[piece + 1] < x:
            piece += 1
        squared[x] = height[piece] + (spacing_x * (x - apex[piece])) ** 2
