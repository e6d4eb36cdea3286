"""Losses that penalise the difference of two predictions of the same image. They need no label."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from lesslabel.losses.pseudo_label import hard_label, pseudo_label_loss
from lesslabel.losses.rules import at_least_float32


def consistency_loss(first: Tensor, second: Tensor) -> Tensor:
    """Average the squared difference of two probability maps over voxels and classes (consistency regularisation, CR).

    The gradient flows into both maps; detach one to make it a teacher.

    Args:
        first: B×C×[D×]H×W in [0, 1].
        second: same shape.

    Returns:
        Scalar in [0, 1].
    """
    return F.mse_loss(at_least_float32(first), at_least_float32(second))


def cross_pseudo_loss(first: Tensor, second: Tensor) -> Tensor:
    """Compare each branch with the hard label of the other by Dice, and average (cross pseudo supervision, CPS).

    After Chen et al., "Semi-supervised semantic segmentation with cross pseudo supervision", CVPR 2021, with Dice in
    place of cross-entropy, so that it differs from DMPLS in its labels only. No gradient flows through the labels.

    Args:
        first: probabilities, B×C×[D×]H×W.
        second: same shape.

    Returns:
        Scalar in [0, 1].
    """
    by_second = pseudo_label_loss(first, hard_label(second))
    by_first = pseudo_label_loss(second, hard_label(first))
    return (by_second + by_first) / 2


def soft_dice_distance(first: Tensor, second: Tensor, smooth: float = 1e-5) -> Tensor:
    """One minus the Dice of two probability maps, the mean over classes, with squared sums over the batch.

    Args:
        first: B×C×[D×]H×W in [0, 1].
        second: same shape.
        smooth: added to numerator and denominator; positive.

    Returns:
        Scalar in [0, 1], 0 if the maps are equal.
    """
    pair = [at_least_float32(values).transpose(0, 1).flatten(1) for values in (first, second)]
    overlap = (pair[0] * pair[1]).sum(dim=1)
    size = pair[0].square().sum(dim=1) + pair[1].square().sum(dim=1)
    return (1 - (2 * overlap + smooth) / (size + smooth)).mean()


def uncertainty_rectified_loss(predictions: Sequence[Tensor]) -> Tensor:
    """Draw several predictions of an image to their mean, less where they are far from it.

    From "Efficient Semi-supervised Gross Target Volume of Nasopharyngeal Carcinoma Segmentation via Uncertainty
    Rectified Pyramid Consistency" (URPC, Luo et al., MICCAI 2021). With p̄ the mean and D_s = KL(p̄ ‖ p_s) in every
    voxel, the mean over s of ``Σ_v |p_s − p̄|²·exp(−D_s) / Σ_v exp(−D_s) + mean_v D_s``, where the square is the mean
    over classes. As in the public code the divergence is that of the mean from the scale, and gradients flow into all.

    Args:
        predictions: logits, each B×C×[D×]H×W.

    Returns:
        Scalar.
    """
    logs = [at_least_float32(logits).log_softmax(dim=1) for logits in predictions]
    mean = torch.stack([log.exp() for log in logs]).mean(dim=0)
    terms = []
    for log in logs:
        divergence = F.kl_div(log, mean, reduction="none").sum(dim=1)
        certainty = (-divergence).exp()
        difference = (log.exp() - mean).square().mean(dim=1)
        terms.append((difference * certainty).sum() / certainty.sum() + divergence.mean())
    return torch.stack(terms).mean()
