"""A human hand: it slips, but not across the edge that it aims beside."""

import numpy as np
from numpy.typing import NDArray

from lesslabel.interaction.prompts.positions import line_voxels
from lesslabel.interaction.prompts.seeds import Mask
from lesslabel.interaction.robots.shapes import RelativeSpacing

REACH = 2.0
"""No slip is longer along an axis than this many standard deviations."""

_CORRECTIONS = 6


def slips(rng: np.random.Generator, count: int, jitter_voxel: float, scale: RelativeSpacing) -> NDArray[np.float64]:
    """Draw slips in voxels.

    Args:
        rng: where they come from.
        count: how many.
        jitter_voxel: standard deviation along the finest axes; smaller along others, since a hand moves in mm.
        scale: of the axes, see `shapes`.

    Returns:
        (count, axes).
    """
    normal = rng.standard_normal((count, len(scale)))
    return np.asarray(np.clip(normal, -REACH, REACH) * jitter_voxel / scale)


def slipped(aimed: NDArray[np.float64], offsets: NDArray[np.float64], allowed: Mask) -> NDArray[np.float64]:
    """Let a hand slip from where it aims, and draw it back half-way until all it draws rests where it may.

    Args:
        aimed: (N, axes), positions of a line through allowed voxels; a dot if there is one.
        offsets: (N, axes), by how much it slips.
        allowed: ([z,] y, x) bool.

    Returns:
        (N, axes) positions of a line through allowed voxels: `aimed` if the hand finds no rest.
    """
    for _ in range(_CORRECTIONS):
        moved = aimed + offsets
        in_image = (moved >= -0.5).all() and (moved <= np.asarray(allowed.shape) - 0.5).all()
        if in_image and allowed[tuple(line_voxels(moved, allowed.shape).T)].all():
            return np.asarray(moved)
        offsets = offsets / 2.0
    return aimed
