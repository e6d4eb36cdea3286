"""Coarse masks of an object, as other methods segment it."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lesslabel.interaction.prompts.seeds import Mask
from lesslabel.interaction.robots.shapes import RelativeSpacing, bounding_window, depth


def distorted(truth: Mask, generator: np.random.Generator, scale: RelativeSpacing, share: float) -> Mask:
    """Move the boundary of an object by a smooth random field, so that parts are missed and others spill.

    The signed distance to the boundary plus the field is positive inside. The field is Gaussian, with a correlation
    length of half the object's largest depth and a standard deviation of up to `share` of that depth.

    Args:
        truth: ([z,] y, x) bool, at least one voxel.
        generator: random number generator.
        scale: voxel size divided by its smallest side.
        share: the largest standard deviation.

    Returns:
        The same shape; the object itself if nothing would be left of it.
    """
    inward = depth(truth, scale)
    deepest = float(inward.max())
    spread = deepest * share * generator.random()
    window = bounding_window(truth, np.ceil(3 * deepest * share / scale).astype(np.int64))
    inside = truth[window]
    field: NDArray[np.float64] = ndimage.gaussian_filter(generator.standard_normal(inside.shape), deepest / 2 / scale)
    outward = ndimage.distance_transform_edt(~inside, sampling=scale)
    moved = inward[window] - outward + field * (spread / max(float(field.std()), 1e-9)) > 0
    if not moved.any():
        return truth
    coarse = np.zeros_like(truth)
    coarse[window] = moved
    return coarse
