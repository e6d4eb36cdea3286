"""Average thresholded confidence: the Dice of a prediction if exactly its confident decisions are right."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

LARGEST_LOGIT = 15.0
BINS = 3000
"""Bins of the logit of a confidence, each a hundredth wide."""

_SMALLEST = 1e-12


@dataclass(frozen=True, eq=False)
class ConfidenceCounts:
    """The confidence in every decision "this voxel is of the class" or "it is not", counted for a case.

    With p the probability of the class, the confidence is p in voxels that are predicted as the class and 1 − p in all
    others; bins are of its logit from −15 to 15.

    Attributes:
        inside: (C, 3000) int64, voxels that are predicted as the class.
        outside: (C, 3000) int64, voxels that are predicted as another one.
    """

    inside: NDArray[np.int64]
    outside: NDArray[np.int64]


@torch.no_grad()
def count_confidence(probabilities: Tensor, labels: Tensor) -> ConfidenceCounts:
    """Count the confidences of one prediction.

    Args:
        probabilities: C×(z, y, x), summing to 1.
        labels: (z, y, x), the predicted classes.
    """
    inside, outside = [], []
    for index, probability in enumerate(probabilities.double()):
        certain = probability.clamp(_SMALLEST, 1.0 - _SMALLEST)
        logit = certain.log() - (-certain).log1p()
        mine = labels == index
        inside.append(_count(logit[mine]))
        outside.append(_count(-logit[~mine]))
    return ConfidenceCounts(np.stack(inside), np.stack(outside))


def thresholded_dice(counts: ConfidenceCounts, thresholds: Sequence[float]) -> NDArray[np.float64]:
    """Estimate the Dice of each class as if exactly the decisions above a threshold were right.

    After average thresholded confidence (Garg et al., "Leveraging unlabeled data to predict out-of-distribution
    performance", ICLR 2022), which estimates accuracy, with a threshold for each class and Dice as in "Estimating model
    performance under domain shifts with class-specific confidence scores" (Li et al., MICCAI 2022, arXiv:2207.09957).
    Voxels of the class above the threshold are true positives, those below false positives; voxels of other classes
    below it are false negatives: ``2·TP / (2·TP + FP + FN)``.

    Args:
        counts: of the case.
        thresholds: the logit of the threshold for each class, background first.

    Returns:
        (C,) in [0, 1]; NaN for a class that is not predicted and nowhere doubted.
    """
    places = np.array([_place(threshold) for threshold in thresholds])
    dice: NDArray[np.float64] = _dice_at_every_place(counts)[np.arange(len(places)), places]
    return dice


def fit_threshold(counts: Sequence[ConfidenceCounts], dice: NDArray[np.float64], index: int) -> float:
    """Find the threshold of a class at which the mean estimated Dice is nearest to the mean real Dice.

    Args:
        counts: of the cases, one at least.
        dice: (N,) the real Dice of the class in each case.
        index: of the class.

    Returns:
        The logit of the threshold; of several equal ones the lowest.
    """
    curves = np.stack([_dice_at_every_place(each)[index] for each in counts])
    error = np.abs(curves.mean(axis=0) - dice.mean())
    return float(int(error.argmin()) * 2.0 * LARGEST_LOGIT / BINS - LARGEST_LOGIT)


def _count(logits: Tensor) -> NDArray[np.int64]:
    places = ((logits + LARGEST_LOGIT) * (BINS / (2.0 * LARGEST_LOGIT))).floor().clamp(0, BINS - 1).long()
    counted: NDArray[np.int64] = torch.bincount(places.flatten(), minlength=BINS).cpu().numpy()
    return counted


def _place(threshold: float) -> int:
    """The number of bins below a threshold."""
    return round((min(max(threshold, -LARGEST_LOGIT), LARGEST_LOGIT) + LARGEST_LOGIT) * BINS / (2.0 * LARGEST_LOGIT))


def _dice_at_every_place(counts: ConfidenceCounts) -> NDArray[np.float64]:
    """(C, 3001): the estimated Dice of each class for a threshold below each bin, and above the last."""
    predicted = counts.inside.sum(axis=1, keepdims=True)
    true_positive = predicted - _below(counts.inside)
    total = true_positive + predicted + _below(counts.outside)
    with np.errstate(invalid="ignore"):
        return np.where(total > 0, 2.0 * true_positive / total, np.nan)


def _below(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.concatenate([np.zeros((len(counts), 1), np.int64), counts.cumsum(axis=1)], axis=1)
