"""Agreement of several predictions with dropout: the Dice that the model has with itself."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from lesslabel.evaluation.overlap import dice_per_class


def pairwise_dice(predictions: Sequence[NDArray[np.uint8]], classes: int) -> NDArray[np.float64]:
    """Average the Dice of all pairs of predictions, class by class.

    One of the structure-wise measures of "Bayesian QuickNAT: Model uncertainty in deep whole-brain segmentation for
    structure-wise quality control" (Roy et al., NeuroImage 2019).

    Args:
        predictions: label maps of one shape, two at least.
        classes: number of classes, background included.

    Returns:
        (C,) in [0, 1]; NaN for a class that no prediction holds.
    """
    dice = np.stack([dice_per_class(one, other, classes) for one, other in combinations(predictions, 2)])
    known = ~np.isnan(dice)
    total = np.where(known, dice, 0.0).sum(axis=0)
    with np.errstate(invalid="ignore"):
        return np.where(known.any(axis=0), total / known.sum(axis=0), np.nan)
