"""What can be read off the segmentations of a session."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lesslabel.errors import DataError
from lesslabel.interaction.model import Segmentation
from lesslabel.interaction.prompts import Prompt, rasterise
from lesslabel.interaction.prompts.seeds import Shape

MOST_OBJECTS = 254
"""In a uint8 label map, beside the background and IGNORE."""


def label_map(objects: Sequence[Segmentation], shape: Shape) -> NDArray[np.uint8]:
    """Draw objects into one map.

    Args:
        objects: of one image.
        shape: of the image, ([z,] y, x) in voxels.

    Returns:
        ([z,] y, x): 0, or 1 + the index of the object that has the voxel in its mask; of several the more probable, of
        equally probable ones the first.

    Raises:
        DataError: if there are more than 254 objects.
    """
    if len(objects) > MOST_OBJECTS:
        raise DataError(f"{len(objects)} objects: a label map holds {MOST_OBJECTS}; take each one's mask")
    labels = np.zeros(shape, np.uint8)
    highest = np.full(shape, -1, np.float32)
    for label, seen in enumerate(objects, start=1):
        wins = seen.mask & (seen.probability > highest)
        labels[wins] = label
        highest[wins] = seen.probability[wins]
    return labels


def most_uncertain_voxel(uncertainty: NDArray[np.float32], prompts: Sequence[Prompt]) -> tuple[int, ...] | None:
    """Find where a click on an object would teach most.

    Args:
        uncertainty: ([z,] y, x), at least 0.
        prompts: what was said of the object; voxels of which they say what they are, such as those clicked, are left
            out.

    Returns:
        ([z,] y, x) of the greatest uncertainty, the first in the order of the array among equals; None if all is 0.
    """
    seeds = rasterise(prompts, uncertainty.shape)
    unknown = np.where(seeds.foreground | seeds.background | seeds.boundary, 0, uncertainty)
    voxel = np.unravel_index(np.argmax(unknown), unknown.shape)
    return tuple(map(int, voxel)) if unknown[voxel] > 0 else None
