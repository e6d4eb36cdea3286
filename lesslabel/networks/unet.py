"""The full-resolution U-Net of the weakly supervised literature, 2D and 3D."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lesslabel.networks.description import (
    Dimensions,
    Network,
    check_choices,
    check_common,
    check_probabilities,
    check_widths,
    dropout_of_levels,
)
from lesslabel.networks.layers import (
    CONVOLUTION,
    LINEAR_MODE,
    MAX_POOLING,
    TRANSPOSED_CONVOLUTION,
    Normalisation,
    cut_to,
    normalise,
)
from lesslabel.networks.u_shaped import Decoder, Encoder, UShaped

Upsampling = Literal["transposed", "linear"]


@dataclass(frozen=True)
class UNet(Network):
    """A U-Net. The defaults are those published with DMPLS, without encoder dropout; see `UNetModule`.

    Attributes:
        dimensions: 2 for slices, 3 for volumes.
        channels: width of each level, finest first; at least two levels.
        encoder_dropout: probability in [0, 1) that an element is dropped inside each level of the encoder; one per
            level, or none at all. The published code of DMPLS uses (0.05, 0.1, 0.2, 0.3, 0.5).
        upsampling: transposed convolution, or convolution of size 1 and linear interpolation.
        normalisation: batch, instance (for batches of one) or group normalisation.

    Raises:
        ConfigError: if a value is out of its range or the lengths disagree.
    """

    dimensions: Dimensions = 2
    channels: tuple[int, ...] = (16, 32, 64, 128, 256)
    encoder_dropout: tuple[float, ...] = ()
    upsampling: Upsampling = "transposed"
    normalisation: Normalisation = "batch"

    def __post_init__(self) -> None:
        check_common(self.dimensions, self.normalisation)
        check_choices(upsampling=(self.upsampling, get_args(Upsampling)))
        check_widths(channels=self.channels)
        dropout_of_levels(self.channels, self.encoder_dropout)
        check_probabilities(encoder_dropout=self.encoder_dropout)

    @property
    def feature_channels(self) -> int:
        """The width of the finest level."""
        return self.channels[0]

    def _build(self, in_channels: int, out_channels: int) -> "UNetModule":
        return UNetModule(
            dimensions=self.dimensions,
            in_channels=in_channels,
            out_channels=out_channels,
            channels=self.channels,
            encoder_dropout=dropout_of_levels(self.channels, self.encoder_dropout),
            upsampling=self.upsampling,
            normalisation=self.normalisation,
        )


class UNetModule(UShaped):
    """U-Net with two convolutions per level, as published with DMPLS (Luo et al., MICCAI 2022).

    Every level is convolution 3 – normalisation – LeakyReLU – dropout – convolution 3 – normalisation – LeakyReLU.
    In the encoder max-pooling halves the map; in the decoder the map is doubled, concatenated with the skip map and
    passed through a level without dropout. The head is one convolution of size 3.

    Any image size works: an odd map of n voxels is pooled to (n + 1) / 2, and the doubled map is cropped to the
    size of the skip map. If every size is divisible by 2 to the number of poolings, this changes nothing.

    The convolutions before a normalisation have no bias, since the normalisation would remove it.

    Args:
        dimensions: 2 for images B×C×H×W, 3 for B×C×D×H×W.
        in_channels: channels of the image.
        out_channels: classes, background included.
        channels: width of each level, finest first.
        encoder_dropout: dropout probability inside each level of the encoder, finest first; as many as ``channels``.
        upsampling: ``"transposed"``, a transposed convolution of size and stride 2; ``"linear"``, a convolution of size
            1 and (bi/tri)linear interpolation. On CUDA the gradient of the interpolation is not deterministic.
        normalisation: ``"batch"``; ``"instance"``, for batches of one; ``"group"``, at most eight groups.
    """

    def __init__(
        self,
        dimensions: Dimensions,
        in_channels: int,
        out_channels: int,
        channels: Sequence[int],
        encoder_dropout: Sequence[float],
        upsampling: Upsampling = "transposed",
        normalisation: Normalisation = "batch",
    ) -> None:
        super().__init__(
            _Encoder(dimensions, in_channels, channels, encoder_dropout, normalisation),
            _Decoder(dimensions, channels, upsampling, normalisation),
            CONVOLUTION[dimensions](channels[0], out_channels, kernel_size=3, padding=1),
        )


class _Encoder(Encoder):
    def __init__(
        self,
        dimensions: int,
        in_channels: int,
        channels: Sequence[int],
        dropout: Sequence[float],
        normalisation: Normalisation,
    ) -> None:
        super().__init__(channels, [2**level for level in range(len(channels))])
        widths = pairwise((in_channels, *channels))
        self.levels = nn.ModuleList(
            _level(dimensions, coming, going, probability, normalisation)
            for (coming, going), probability in zip(widths, dropout, strict=True)
        )
        self.pool = MAX_POOLING[dimensions](kernel_size=2, ceil_mode=True)

    def forward(self, image: Tensor) -> list[Tensor]:
        features = [self.levels[0](image)]
        for level in list(self.levels)[1:]:
            features.append(level(self.pool(features[-1])))
        return features


class _Decoder(Decoder):
    def __init__(
        self, dimensions: int, channels: Sequence[int], upsampling: Upsampling, normalisation: Normalisation
    ) -> None:
        super().__init__(channels[0])
        steps = [(coarse, fine) for fine, coarse in reversed(list(pairwise(channels)))]
        upsample = _TransposedUpsampling if upsampling == "transposed" else _LinearUpsampling
        self.upsamplings = nn.ModuleList(upsample(dimensions, coarse, fine) for coarse, fine in steps)
        self.levels = nn.ModuleList(_level(dimensions, 2 * fine, fine, 0.0, normalisation) for _, fine in steps)
        self.level_channels = tuple(reversed(channels))

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        return self.level_maps(features)[-1]

    def level_maps(self, features: Sequence[Tensor]) -> list[Tensor]:
        maps = [features[-1]]
        for upsample, level, skip in zip(self.upsamplings, self.levels, reversed(features[:-1]), strict=True):
            maps.append(level(torch.cat([skip, cut_to(upsample(maps[-1]), skip)], dim=1)))
        return maps


class _TransposedUpsampling(nn.Module):
    def __init__(self, dimensions: int, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.convolution = TRANSPOSED_CONVOLUTION[dimensions](in_channels, out_channels, kernel_size=2, stride=2)

    def forward(self, features: Tensor) -> Tensor:
        doubled: Tensor = self.convolution(features)
        return doubled


class _LinearUpsampling(nn.Module):
    def __init__(self, dimensions: int, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.convolution = CONVOLUTION[dimensions](in_channels, out_channels, kernel_size=1)
        self.mode = LINEAR_MODE[dimensions]

    def forward(self, features: Tensor) -> Tensor:
        # A pooled voxel lies between its two source voxels, as align_corners=False assumes.
        return F.interpolate(self.convolution(features), scale_factor=2.0, mode=self.mode, align_corners=False)


def _level(
    dimensions: int, in_channels: int, out_channels: int, dropout: float, normalisation: Normalisation
) -> nn.Sequential:
    convolution = CONVOLUTION[dimensions]
    return nn.Sequential(
        convolution(in_channels, out_channels, kernel_size=3, padding=1, bias=False),
        normalise(dimensions, out_channels, normalisation),
        nn.LeakyReLU(),
        nn.Dropout(dropout) if dropout > 0 else nn.Identity(),
        convolution(out_channels, out_channels, kernel_size=3, padding=1, bias=False),
        normalise(dimensions, out_channels, normalisation),
        nn.LeakyReLU(),
    )
