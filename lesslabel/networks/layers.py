"""Layers by number of dimensions, and functions that the U-shaped networks share."""

from math import gcd
from typing import Literal, cast

import torch
from torch import Tensor, nn

Normalisation = Literal["batch", "instance", "group"]


class Convolution3d(nn.Conv3d):
    """A convolution of volumes that uses oneDNN with channels last for prediction on a CPU.

    PyTorch uses a slow loop for a single volume of few channels, as in the first levels of a network, and elsewhere a
    layout in which few channels do not fill a vector. Results are the same up to the order of summation; with
    gradients, as in training, and on other devices this is `torch.nn.Conv3d`.
    """

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:  # noqa: A002  torch's name
        single = input.dtype == weight.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
        plain = input.ndim == 5 and self.padding_mode == "zeros" and not isinstance(self.padding, str)
        if torch.is_grad_enabled() or input.device.type != "cpu" or not (single and plain and _has_onednn()):
            result: Tensor = super()._conv_forward(input, weight, bias)
            return result
        channels_last = input.contiguous(memory_format=torch.channels_last_3d)
        padding = cast(tuple[int, ...], self.padding)
        result = torch.mkldnn_convolution(channels_last, weight, bias, padding, self.stride, self.dilation, self.groups)
        return result.contiguous()  # normalisation in another layout is slower than this copy


CONVOLUTION: dict[int, type[nn.Conv2d] | type[nn.Conv3d]] = {2: nn.Conv2d, 3: Convolution3d}
TRANSPOSED_CONVOLUTION: dict[int, type[nn.ConvTranspose2d] | type[nn.ConvTranspose3d]] = {
    2: nn.ConvTranspose2d,
    3: nn.ConvTranspose3d,
}
MAX_POOLING: dict[int, type[nn.MaxPool2d] | type[nn.MaxPool3d]] = {2: nn.MaxPool2d, 3: nn.MaxPool3d}
LINEAR_MODE = {2: "bilinear", 3: "trilinear"}
CHANNEL_DROPOUT: dict[int, type[nn.Dropout2d] | type[nn.Dropout3d]] = {2: nn.Dropout2d, 3: nn.Dropout3d}

_BATCH_NORM: dict[int, type[nn.BatchNorm2d] | type[nn.BatchNorm3d]] = {2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
_INSTANCE_NORM: dict[int, type[nn.InstanceNorm2d] | type[nn.InstanceNorm3d]] = {
    2: nn.InstanceNorm2d,
    3: nn.InstanceNorm3d,
}
_LARGEST_GROUP_COUNT = 8


def normalise(dimensions: int, channels: int, normalisation: Normalisation) -> nn.Module:
    """Build a normalisation layer.

    Args:
        dimensions: 2 or 3.
        channels: of the map.
        normalisation: batch; instance, with learned scale and shift; or group, at most eight groups.
    """
    if normalisation == "batch":
        return _BATCH_NORM[dimensions](channels)
    if normalisation == "instance":
        return _INSTANCE_NORM[dimensions](channels, affine=True)
    return nn.GroupNorm(gcd(_LARGEST_GROUP_COUNT, channels), channels)


def convolved(
    dimensions: int,
    in_channels: int,
    out_channels: int,
    normalisation: Normalisation,
    *,
    kernel: int = 3,
    dilation: int = 1,
) -> nn.Sequential:
    """Build a convolution that keeps the size, its normalisation and ReLU.

    Args:
        dimensions: 2 or 3.
        in_channels: of the map.
        out_channels: of the result.
        normalisation: see `normalise`.
        kernel: odd size.
        dilation: distance of its input voxels.
    """
    return nn.Sequential(
        CONVOLUTION[dimensions](
            in_channels, out_channels, kernel, padding=dilation * (kernel // 2), dilation=dilation, bias=False
        ),
        normalise(dimensions, out_channels, normalisation),
        nn.ReLU(),
    )


def enlarge(features: Tensor, like: Tensor) -> Tensor:
    """Resample a map to the size of another by (bi/tri)linear interpolation.

    On CUDA its gradient is not deterministic.
    """
    mode = LINEAR_MODE[features.ndim - 2]
    return nn.functional.interpolate(features, size=like.shape[2:], mode=mode, align_corners=False)


def cut_to(features: Tensor, like: Tensor) -> Tensor:
    """Crop the end of every spatial axis (B×C×[D×]H×W) to the size of another map."""
    for axis, size in enumerate(like.shape[2:], start=2):
        features = features.narrow(axis, 0, size)
    return features


def _has_onednn() -> bool:
    available: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return available and bool(torch.backends.mkldnn.enabled)
