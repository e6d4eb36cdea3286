"""Pseudo labels that are given only where a prediction is confident.

From "FixMatch: Simplifying Semi-Supervised Learning with Consistency and Confidence" (Sohn et al., NeurIPS 2020,
arXiv:2001.07685).
"""

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
