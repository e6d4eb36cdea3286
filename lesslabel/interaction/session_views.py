"""Label map and click suggestion from the segmentations of a session."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lesslabel.errors import DataError
from lesslabel.interaction.model import Segmentation
from lesslabel.interaction.prompts import Prompt, rasterise
from lesslabel.interaction.prompts.seeds import Shape

MOST_OBJECTS = 254
"""Number of labels in a uint8 label map without background and IGNORE."""


def label_map(objects: Sequence[Segmentation], shape: Shape) -> NDArray[np.uint8]:
    """Combine objects in one label map.

    Args:
        objects: of one image.
        shape: of the image, ([z,] y, x) in voxels.

    Returns:
        ([z,] y, x): 0, or 1 + the index of the object whose mask holds the voxel; of several the most probable, of
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


def most_uncertain_voxel(
    uncertainty: NDArray[np.float32], prompts: Sequence[Prompt], window: tuple[slice, ...] | None = None
) -> tuple[int, ...] | None:
    """Find the voxel of greatest uncertainty.

    Args:
        uncertainty: ([z,] y, x), at least 0.
        prompts: prompts of the object; the voxels that they mark are excluded.
        window: the part outside of which the uncertainty is 0; None for all.

    Returns:
        ([z,] y, x) of the greatest uncertainty, of equal ones the first in the array; None if all are 0.
    """
    seeds = rasterise(prompts, uncertainty.shape)
    part = tuple(slice(0, side) for side in uncertainty.shape) if window is None else window
    marked = seeds.foreground[part] | seeds.background[part] | seeds.boundary[part]
    unknown = np.where(marked, 0, uncertainty[part])
    if not unknown.size:
        return None
    place = np.unravel_index(np.argmax(unknown), unknown.shape)
    voxel = tuple(int(index) + side.start for index, side in zip(place, part, strict=True))
    return voxel if unknown[place] > 0 else None
