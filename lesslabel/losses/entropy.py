"""How unsure a prediction is."""

import math

from torch import Tensor

from lesslabel.losses.rules import at_least_float32

_SMALLEST_PROBABILITY = 1e-12


def voxel_entropy(probabilities: Tensor) -> Tensor:
    """Compute the entropy −Σ p·ln p of every voxel.

    Args:
        probabilities: B×C×[D×]H×W, summing to 1 over classes.

    Returns:
        B×[D×]H×W in nats, in [0, ln C]: 0 where the prediction is sure, ln C where all classes are equally likely.
    """
    probabilities = at_least_float32(probabilities)
    # the limit keeps 0·ln 0 and its gradient finite
    return -(probabilities * probabilities.clamp(min=_SMALLEST_PROBABILITY).log()).sum(dim=1)


def entropy_loss(probabilities: Tensor) -> Tensor:
    """Average the entropy over voxels as a share of the largest possible, ln C. It needs no label.

    From "ADVENT: Adversarial Entropy Minimization for Domain Adaptation in Semantic Segmentation" (Vu et al., CVPR
    2019, eq. 2 and 3), averaged instead of summed.

    Args:
        probabilities: B×C×[D×]H×W.

    Returns:
        Scalar in [0, 1].
    """
    return voxel_entropy(probabilities).mean() / math.log(probabilities.shape[1])
