"""Pseudo labels that are given only where a prediction is confident.

From "FixMatch: Simplifying Semi-Supervised Learning with Consistency and Confidence" (Sohn et al., NeurIPS 2020,
arXiv:2001.07685).
"""

import math

import torch
from torch import Tensor

from lesslabel.data.case import IGNORE
from lesslabel.losses.cross_entropy import partial_cross_entropy


@torch.no_grad()
def confident_label(probabilities: Tensor, threshold: float, *, above: bool = False) -> Tensor:
    """Take the most probable class of every voxel where its probability reaches a threshold.

    Args:
        probabilities: B×C×[D×]H×W.
        threshold: in [0, 1].
        above: whether the probability must be greater than the threshold, as in ScribbleVS.

    Returns:
        B×[D×]H×W int64 class indices, `IGNORE` elsewhere; no gradient flows through them.
    """
    confidence, label = probabilities.max(dim=1)
    return label.masked_fill(confidence <= threshold if above else confidence < threshold, IGNORE)


@torch.no_grad()
def class_balanced_label(probabilities: Tensor, threshold: float, share: float) -> Tensor:
    """Take the most probable class where it is confident: for every class at least its most confident voxels.

    A threshold alone labels the large classes first, since a network is sooner certain of them, and the labels then
    confirm them: in the first hundred steps on scribbled hearts, background only. So each class has its own: the
    threshold, or the confidence that a share of the voxels with this class reach, if that is lower. After "Unsupervised
    Domain Adaptation for Semantic Segmentation via Class-Balanced Self-Training" (Zou et al., ECCV 2018,
    arXiv:1810.07911), which ranks the voxels of each class and has no upper threshold.

    Args:
        probabilities: B×C×[D×]H×W.
        threshold: confidence from which on every voxel is labelled, in [0, 1].
        share: of the voxels of each class in the batch, those that are labelled at least, in [0, 1]; 0 leaves the
            threshold alone.

    Returns:
        B×[D×]H×W int64 class indices, `IGNORE` elsewhere.
    """
    confidence, label = probabilities.max(dim=1)
    limits = torch.full((probabilities.shape[1],), threshold, dtype=confidence.dtype, device=confidence.device)
    for index in range(len(limits)):
        own = confidence[label == index]
        if (kept := math.ceil(share * len(own))) > 0:
            limits[index] = torch.minimum(limits[index], own.kthvalue(len(own) - kept + 1).values)
    return label.masked_fill(confidence < limits[label], IGNORE)


def confident_cross_entropy(logits: Tensor, label: Tensor) -> Tensor:
    """Average the cross-entropy over all voxels; those without a label count as 0 (FixMatch, eq. 4).

    In contrast to `partial_cross_entropy` the loss falls with the share of labelled voxels.

    Args:
        logits: B×C×[D×]H×W.
        label: B×[D×]H×W int64 class indices or `IGNORE`.

    Returns:
        Scalar.
    """
    return partial_cross_entropy(logits, label) * (label != IGNORE).float().mean()
