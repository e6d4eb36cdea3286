"""Pseudo labels (mixed, confident, soft) and the losses they supervise."""

import torch
from torch import Tensor
from torch.nn import functional as F

from lesslabel.losses.dice import dice_loss
from lesslabel.losses.rules import at_least_float32


def hard_label(probabilities: Tensor) -> Tensor:
    """Take the most probable class of every voxel; no gradient flows through it.

    Args:
        probabilities: B×C×[D×]H×W, or logits.

    Returns:
        B×[D×]H×W int64 class indices; ties go to the lower index.
    """
    # On CPU, max over the class axis is eight times as fast as argmax over it.
    return probabilities.detach().max(dim=1).indices


@torch.no_grad()
def mixed_pseudo_label(first: Tensor, second: Tensor, alpha: float | Tensor) -> Tensor:
    """Mix two predictions and take the most probable class (eq. 4-2 of DMPLS): argmax(α·y₁ + (1 − α)·y₂).

    No gradient flows through the result, so the branches it supervises stay independent.

    Args:
        first: probabilities y₁, B×C×[D×]H×W.
        second: probabilities y₂, same shape.
        alpha: the share of the first in [0, 1], a number or a scalar tensor; DMPLS samples it in every iteration.

    Returns:
        B×[D×]H×W int64 class indices; ties go to the lower index.
    """
    mixed = alpha * at_least_float32(first) + (1 - alpha) * at_least_float32(second)
    return hard_label(mixed)


def pseudo_label_loss(probabilities: Tensor, labels: Tensor) -> Tensor:
    """Compute the Dice loss of one branch against a pseudo label, background included (a term of eq. 4-3 of DMPLS).

    Args:
        probabilities: B×C×[D×]H×W.
        labels: B×[D×]H×W int64; voxels with `IGNORE` are ignored.

    Returns:
        Scalar in [0, 1].
    """
    return dice_loss(probabilities, labels)


def soft_label_loss(logits: Tensor, label: Tensor) -> Tensor:
    """Average the cross-entropy −Σ q·log y against a soft label q over all voxels (eq. 5 of DMSPS).

    Args:
        logits: B×C×[D×]H×W.
        label: probabilities q, same shape; no gradient flows into them.

    Returns:
        Scalar in nats; its smallest value is the mean entropy of the label.
    """
    log_probabilities = F.log_softmax(at_least_float32(logits), dim=1)
    return -(label.detach() * log_probabilities).sum(dim=1).mean()


@torch.no_grad()
def sharpened(logits: Tensor, temperature: float) -> Tensor:
    """Make a prediction more decided: p^(1/T) / Σ p^(1/T), the soft pseudo label of MC-Net (Wu et al., MICCAI 2021).

    Args:
        logits: B×C×[D×]H×W.
        temperature: T, positive; 1 changes nothing, near 0 the result is nearly one class.

    Returns:
        Probabilities, same shape; no gradient flows through them.
    """
    return (at_least_float32(logits) / temperature).softmax(dim=1)
