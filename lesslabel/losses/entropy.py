"""Entropy of a prediction, and the divergence of its class shares from given ones."""

import math

from torch import Tensor

from lesslabel.losses.rules import at_least_float32

_SMALLEST_PROBABILITY = 1e-12


def voxel_entropy(probabilities: Tensor, class_weights: Tensor | None = None) -> Tensor:
    """Compute the entropy −Σ p·ln p of every voxel.

    Args:
        probabilities: B×C×[D×]H×W, summing to 1 over classes.
        class_weights: (C,) factor of each class's term; None counts all alike.

    Returns:
        B×[D×]H×W in nats, without weights in [0, ln C]: 0 where the prediction is certain, ln C where all classes are
        equally likely.
    """
    probabilities = at_least_float32(probabilities)
    terms = probabilities * _logarithm(probabilities)
    if class_weights is not None:
        terms = terms * class_weights.view(-1, *[1] * (terms.ndim - 2))
    return -terms.sum(dim=1)


def self_information(probabilities: Tensor) -> Tensor:
    """Compute −p·ln p of every class in every voxel, whose sum over classes is the entropy.

    Args:
        probabilities: B×C×[D×]H×W.

    Returns:
        Same shape, in [0, 1/e] nats.
    """
    probabilities = at_least_float32(probabilities)
    return -probabilities * _logarithm(probabilities)


def _logarithm(probabilities: Tensor) -> Tensor:
    """Ln p, with a limit that keeps 0·ln 0 and its gradient finite."""
    return probabilities.clamp(min=_SMALLEST_PROBABILITY).log()


def entropy_loss(probabilities: Tensor, class_weights: Tensor | None = None) -> Tensor:
    """Average the entropy over voxels as a share of the largest possible, ln C. It needs no label.

    From "ADVENT: Adversarial Entropy Minimization for Domain Adaptation in Semantic Segmentation" (Vu et al., CVPR
    2019, eq. 2 and 3), averaged instead of summed.

    Args:
        probabilities: B×C×[D×]H×W.
        class_weights: (C,) factor of each class's term; None counts all alike.

    Returns:
        Scalar, without weights in [0, 1].
    """
    return voxel_entropy(probabilities, class_weights).mean() / math.log(probabilities.shape[1])


def class_share_divergence(probabilities: Tensor, class_shares: Tensor) -> Tensor:
    """Compute KL(τ̂ ‖ τ) = Σ τ̂·ln(τ̂/τ) of the mean prediction τ̂ from given class shares τ.

    From "Source-free domain adaptation for image segmentation" (Bateson et al., Medical Image Analysis 2022), with the
    mean over the batch instead of each image.

    Args:
        probabilities: B×C×[D×]H×W.
        class_shares: (C,) positive, summing to 1.

    Returns:
        Scalar in nats, 0 where the mean prediction has the given shares.
    """
    mean = at_least_float32(probabilities).transpose(0, 1).flatten(1).mean(dim=1)
    return (mean * (mean.clamp(min=_SMALLEST_PROBABILITY) / class_shares).log()).sum()
