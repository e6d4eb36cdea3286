"""How far apart two places of a voxel may be and still be one: the one number for all readers and commands."""

from itertools import product

import numpy as np
from numpy.typing import NDArray

TOLERANCE_VOXEL = 0.1
"""How far, as a share of a voxel, a corner or a slice may lie from where another header puts it."""


def corners(shape: tuple[int, ...]) -> NDArray[np.float64]:
    """(4, 8): the corners (x, y, z, 1) of a grid (z, y, x), in voxels."""
    return np.array([[*corner, 1.0] for corner in product(*((0, side) for side in shape[::-1]))]).T


def displacement_voxel(affine: NDArray[np.float64], other: NDArray[np.float64], shape: tuple[int, ...]) -> float:
    """How far the farthest corner of a grid (z, y, x) lies from its place in another affine, in voxels of the first."""
    expected = corners(shape)
    return float(np.abs(np.linalg.solve(affine, other @ expected) - expected).max())
