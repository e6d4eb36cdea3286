"""Losses that penalise the difference of two predictions of the same image. They need no label."""

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
