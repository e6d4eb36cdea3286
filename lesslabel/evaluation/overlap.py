"""Dice of all classes in one pass, for validation in every epoch."""

import numpy as np
from numpy.typing import NDArray

from lesslabel.data.case import IGNORE


def dice_per_class(prediction: NDArray[np.uint8], reference: NDArray[np.uint8], classes: int) -> NDArray[np.float64]:
    """Compute the Dice of every class from one joint histogram.

    Args:
        prediction: class indices below `classes`, any shape.
        reference: same shape; `IGNORE` voxels are left out.
        classes: number of classes, background included.

    Returns:
        (classes,) Dice in [0, 1]; NaN for a class that is in neither map.
    """
    known = reference != IGNORE
    joint = prediction[known].astype(np.int64) * classes + reference[known]
    counts = np.bincount(joint, minlength=classes * classes).reshape(classes, classes)
    total = counts.sum(axis=0) + counts.sum(axis=1)
    with np.errstate(invalid="ignore"):
        return np.where(total > 0, 2.0 * counts.diagonal() / total, np.nan)
