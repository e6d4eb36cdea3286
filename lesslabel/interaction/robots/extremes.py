"""Voxels of a set that lie farthest out along each axis."""

import numpy as np
from numpy.typing import NDArray

from lesslabel.interaction.robots.shapes import RelativeSpacing


def near_extremes(voxels: NDArray[np.int64], slack_voxel: float, scale: RelativeSpacing) -> list[NDArray[np.bool_]]:
    """Find the voxels near both ends of every axis.

    Args:
        voxels: (N, axes), N ≥ 1.
        slack_voxel: largest distance from the end, in voxels along the finest axes, less along coarser ones.
        scale: of the axes.

    Returns:
        (N,) bool for the low end and the high end of the first axis, then of the next.
    """
    slack = slack_voxel / scale
    near_low = voxels <= voxels.min(axis=0) + slack
    near_high = voxels >= voxels.max(axis=0) - slack
    return [near[:, axis] for axis in range(voxels.shape[1]) for near in (near_low, near_high)]
