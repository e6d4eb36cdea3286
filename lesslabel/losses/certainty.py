"""Consistency on the voxels where the teacher is certain.

From "Uncertainty-Aware Self-ensembling Model for Semi-supervised 3D Left Atrium Segmentation" (UA-MT, Yu et al.,
MICCAI 2019, arXiv:1907.07034).
"""

import math

from torch import Tensor

from lesslabel.losses.entropy import voxel_entropy
from lesslabel.losses.ramps import gaussian_ramp
from lesslabel.losses.rules import at_least_float32


def certainty_threshold(progress: float, largest_entropy: float = math.log(2)) -> float:
    """Compute the entropy below which a voxel counts as certain; it rises over the run.

    ``(¾ + ¼·exp(−5·(1 − progress)²))·largest_entropy``.

    Args:
        progress: share of the run that is done, in [0, 1].
        largest_entropy: value at the end of the run, in nats. ln 2 is the largest entropy of two classes; the published
            code uses it for more classes too.
    """
    return (0.75 + 0.25 * gaussian_ramp(progress, 1.0)) * largest_entropy


def certain_voxels(probabilities: Tensor, threshold: float) -> Tensor:
    """Mark the voxels whose entropy is below a threshold.

    Args:
        probabilities: B×C×[D×]H×W, the mean of several stochastic predictions.
        threshold: in nats.

    Returns:
        B×[D×]H×W bool.
    """
    return voxel_entropy(probabilities) < threshold


def certain_consistency_loss(student: Tensor, teacher: Tensor, certain: Tensor) -> Tensor:
    """Average the squared difference of two probability maps over certain voxels and all classes.

    Args:
        student: B×C×[D×]H×W in [0, 1].
        teacher: same shape.
        certain: B×[D×]H×W bool.

    Returns:
        Scalar in [0, 1]; 0 if no voxel is certain.
    """
    difference = (at_least_float32(student) - at_least_float32(teacher)).square().mean(dim=1)
    return difference.masked_fill(~certain, 0).sum() / certain.sum().clamp(min=1)
