"""The tolerance of positions, for all readers and commands."""

from itertools import product

import numpy as np
from numpy.typing import NDArray

TOLERANCE_VOXEL = 0.1
"""Largest distance, as a share of a voxel, between the positions of a corner or a slice in two headers."""


def corners(shape: tuple[int, ...]) -> NDArray[np.float64]:
    """(4, 8): the corners (x, y, z, 1) of a grid (z, y, x), in voxels."""
    return np.array([[*corner, 1.0] for corner in product(*((0, side) for side in shape[::-1]))]).T


def displacement_voxel(affine: NDArray[np.float64], other: NDArray[np.float64], shape: tuple[int, ...]) -> float:
    """Largest distance of a corner of a grid (z, y, x) between two affines, in voxels of the first."""
    expected = corners(shape)
    return float(np.abs(np.linalg.solve(affine, other @ expected) - expected).max())
