"""What is done to a label, in a slice or as a whole: its largest part kept, slices between marked ones filled."""

from itertools import pairwise

import numpy as np
from scipy import ndimage

from lesslabel.interaction.prompts.seeds import Mask


def largest_component(mask: Mask) -> Mask:
    """Keep the largest part of a mask ([z,] y, x), connected over faces, edges or corners; of equals the first."""
    parts, count = ndimage.label(mask, np.ones((3,) * mask.ndim))
    if count < 2:
        return mask
    return np.asarray(parts == 1 + np.argmax(np.bincount(parts.reshape(-1))[1:]))


def filled_between(mask: Mask, axis: int) -> Mask:
    """Fill the slices between marked ones along an axis, by signed distances that change linearly from one to the next.

    Raya and Udupa, "Shape-based interpolation of multidimensional objects", IEEE TMI 1990.

    Args:
        mask: (z, y, x) bool.
        axis: across which the slices lie.

    Returns:
        The same with more voxels; slices that were marked stay as they are.
    """
    slices = np.moveaxis(mask, axis, 0)
    filled = slices.copy()
    marked = np.flatnonzero(slices.any(axis=(1, 2)))
    for first, last in pairwise(marked.tolist()):
        if last - first < 2:
            continue
        near, far = _signed_distance(slices[first]), _signed_distance(slices[last])
        for index in range(first + 1, last):
            share = (index - first) / (last - first)
            filled[index] = (1 - share) * near + share * far > 0
    return np.moveaxis(filled, 0, axis)


def _signed_distance(mask: Mask) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """In voxels to the edge between inside, where it is positive, and outside; a slice is never full or empty here."""
    padded = np.pad(mask, 1)  # so that there is an outside
    distance = ndimage.distance_transform_edt(padded) - ndimage.distance_transform_edt(~padded)
    return np.asarray(distance[1:-1, 1:-1])
