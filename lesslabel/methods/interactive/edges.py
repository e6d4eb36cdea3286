"""Edges of masks, of targets and of images."""

import torch
from torch import Tensor

from lesslabel.data.case import IGNORE
from lesslabel.networks.layers import MAX_POOLING


def boundary(mask: Tensor, width_voxel: int) -> Tensor:
    """The voxels within a distance of the boundary of a mask, on either side; B×[D×]H×W bool."""
    return _near(mask, width_voxel) & _near(~mask, width_voxel)


def edge_target(target: Tensor, width_voxel: int) -> Tensor:
    """The edge of the object as a target: 1 near its boundary, 0 elsewhere, `IGNORE` where nobody can tell.

    A voxel is on the edge if object and background are near, whatever else is. Near an unknown voxel, where only one of
    them is known, it may be on the edge.

    Args:
        target: B×[D×]H×W int64, 0, 1 or `IGNORE`.
        width_voxel: half the width of the edge.
    """
    inside, outside, unknown = (_near(target == value, width_voxel) for value in (1, 0, IGNORE))
    edge = inside & outside
    return edge.long().masked_fill((target == IGNORE) | (unknown & ~edge), IGNORE)


def sobel_edges(image: Tensor) -> Tensor:
    """The magnitude of the Sobel gradient of an image, the mean of its channels, as a share of the largest.

    Args:
        image: B×C×[D×]H×W.

    Returns:
        B×1×[D×]H×W in [0, 1]; 0 everywhere in a constant image.
    """
    axes = range(2, image.ndim)
    square = torch.zeros_like(image)
    for across in axes:
        gradient = image
        for axis in axes:
            gradient = _slid(gradient, axis, (-1.0, 0.0, 1.0) if axis == across else (1.0, 2.0, 1.0))
        square += gradient.square()
    magnitude = square.sqrt().mean(dim=1, keepdim=True)
    return magnitude / magnitude.amax(dim=tuple(range(1, image.ndim)), keepdim=True).clamp_min(1e-6)


def _near(mask: Tensor, width_voxel: int) -> Tensor:
    pool = MAX_POOLING[mask.ndim - 1](kernel_size=2 * width_voxel + 1, stride=1, padding=width_voxel)
    near: Tensor = pool(mask[:, None].float()) > 0
    return near[:, 0]


def _slid(image: Tensor, axis: int, weights: tuple[float, float, float]) -> Tensor:
    """The weighted sum of a voxel and its two neighbours along an axis; the border is repeated."""
    length = image.shape[axis]
    padded = torch.cat([image.narrow(axis, 0, 1), image, image.narrow(axis, length - 1, 1)], dim=axis)
    return torch.stack([weight * padded.narrow(axis, at, length) for at, weight in enumerate(weights)]).sum(dim=0)
