"""Layers by number of dimensions, and what the U-shaped networks share."""

from math import gcd
from typing import Literal

from torch import Tensor, nn

Normalisation = Literal["batch", "instance", "group"]

CONVOLUTION: dict[int, type[nn.Conv2d] | type[nn.Conv3d]] = {2: nn.Conv2d, 3: nn.Conv3d}
TRANSPOSED_CONVOLUTION: dict[int, type[nn.ConvTranspose2d] | type[nn.ConvTranspose3d]] = {
    2: nn.ConvTranspose2d,
    3: nn.ConvTranspose3d,
}
CHANNEL_DROPOUT: dict[int, type[nn.Dropout2d] | type[nn.Dropout3d]] = {2: nn.Dropout2d, 3: nn.Dropout3d}

_BATCH_NORM: dict[int, type[nn.BatchNorm2d] | type[nn.BatchNorm3d]] = {2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
_INSTANCE_NORM: dict[int, type[nn.InstanceNorm2d] | type[nn.InstanceNorm3d]] = {
    2: nn.InstanceNorm2d,
    3: nn.InstanceNorm3d,
}
_LARGEST_GROUP_COUNT = 8


def normalise(dimensions: int, channels: int, normalisation: Normalisation) -> nn.Module:
    """Make a normalisation layer.

    Args:
        dimensions: 2 or 3.
        channels: of the map.
        normalisation: batch; instance, with learnt scale and shift; or group, at most eight groups.
    """
    if normalisation == "batch":
        return _BATCH_NORM[dimensions](channels)
    if normalisation == "instance":
        return _INSTANCE_NORM[dimensions](channels, affine=True)
    return nn.GroupNorm(gcd(_LARGEST_GROUP_COUNT, channels), channels)


def cut_to(features: Tensor, like: Tensor) -> Tensor:
    """Cut the end of every spatial axis (B×C×[D×]H×W) to the size of another map."""
    for axis, size in enumerate(like.shape[2:], start=2):
        features = features.narrow(axis, 0, size)
    return features
