"""Random displacements of points that do not cross the nearby edge."""

import numpy as np
from numpy.typing import NDArray

from lesslabel.interaction.prompts.positions import line_voxels
from lesslabel.interaction.prompts.seeds import Mask
from lesslabel.interaction.robots.shapes import RelativeSpacing

REACH = 2.0
"""Largest displacement along an axis, in standard deviations."""

_CORRECTIONS = 6

_STEADY_VOXEL = 8
"""Distance along a line between two random displacements."""


def slips(rng: np.random.Generator, count: int, jitter_voxel: float, scale: RelativeSpacing) -> NDArray[np.float64]:
    """Sample displacements in voxels.

    Args:
        rng: random number generator.
        count: number of displacements.
        jitter_voxel: standard deviation along the finest axes; smaller along coarser ones, since a hand moves in mm.
        scale: of the axes, see `shapes`.

    Returns:
        (count, axes).
    """
    normal = rng.standard_normal((count, len(scale)))
    return np.asarray(np.clip(normal, -REACH, REACH) * jitter_voxel / scale)


def slipped(aimed: NDArray[np.float64], offsets: NDArray[np.float64], allowed: Mask) -> NDArray[np.float64]:
    """Displace positions; halve the displacements until all voxels of the line are allowed.

    Args:
        aimed: (N, axes), positions of a line through allowed voxels; a dot if there is one.
        offsets: (N, axes), the displacements.
        allowed: ([z,] y, x) bool.

    Returns:
        (N, axes) positions of a line through allowed voxels; `aimed` if no displacement is allowed.
    """
    for _ in range(_CORRECTIONS):
        moved = aimed + offsets
        in_image = (moved >= -0.5).all() and (moved <= np.asarray(allowed.shape) - 0.5).all()
        if in_image and allowed[tuple(line_voxels(moved, allowed.shape).T)].all():
            return np.asarray(moved)
        offsets = offsets / 2.0
    return aimed


def wobble(rng: np.random.Generator, count: int, jitter_voxel: float, scale: RelativeSpacing) -> NDArray[np.float64]:
    """Sample displacements of neighbouring positions along a line, which change smoothly.

    Args:
        rng: random number generator.
        count: number of positions.
        jitter_voxel: see `slips`.
        scale: of the two axes.

    Returns:
        (count, 2) in voxels.
    """
    knots = np.arange(0, count + _STEADY_VOXEL, _STEADY_VOXEL)
    at_knots = slips(rng, len(knots), jitter_voxel, scale)
    return np.stack([np.interp(np.arange(count), knots, at_knots[:, axis]) for axis in range(2)], axis=1)
