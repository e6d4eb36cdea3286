"""How compact the structures of a label map are: area by squared perimeter."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

_OF_BALL = {2: 4.0 * math.pi, 3: 36.0 * math.pi}
"""perimeter² / area of a disc, and surface³ / volume² of a ball."""


def structures(label: Tensor, classes: int) -> Tensor:
    """The structures of a label map B×[D×]H×W as B×(C−1)×[D×]H×W, 1 inside and 0 outside."""
    return torch.stack([label == index for index in range(1, classes)], dim=1).float()


def compactness(label: Tensor, classes: int) -> Tensor:
    """Compute 4π·area / perimeter² of each structure, in 3D 36π·volume² / surface³, at most 1, about that of a ball.

    The perimeter counts the voxels that share a side with a voxel outside; what lies at the edge of the image counts as
    going on there.

    Args:
        label: B×[D×]H×W, class indices.
        classes: C, background included.

    Returns:
        B×(C−1), in [0, 1]; 0 for a structure without a voxel, 1 for one that fills the image.
    """
    dimensions = label.ndim - 1
    inside = structures(label, classes)
    edge = torch.zeros_like(inside)
    for axis in range(2, 2 + dimensions):
        edge = torch.maximum(edge, inside * _beside(1.0 - inside, axis))
    area, perimeter = inside.flatten(2).sum(2), edge.flatten(2).sum(2)
    ratio = _OF_BALL[dimensions] * area ** (dimensions - 1) / perimeter.clamp(min=1.0) ** dimensions
    return ratio.clamp(max=1.0)


def _beside(mask: Tensor, axis: int) -> Tensor:
    """Where one of the two neighbours along an axis is in a mask."""
    padding = [0, 0] * (mask.ndim - 1 - axis) + [1, 1]
    padded = F.pad(mask, padding)
    return torch.maximum(padded.narrow(axis, 0, mask.shape[axis]), padded.narrow(axis, 2, mask.shape[axis]))
