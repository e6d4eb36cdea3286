"""A small U-Net of residual blocks that computes most at half and less of the resolution."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor, nn

from lesslabel.networks.description import (
    Dimensions,
    Network,
    check_common,
    check_probabilities,
    check_widths,
    dropout_of_levels,
)
from lesslabel.networks.layers import CONVOLUTION, Normalisation, enlarge, normalise
from lesslabel.networks.u_shaped import Decoder, Encoder, UShaped


@dataclass(frozen=True)
class ResidualUNet(Network):
    """A U-Net of residual blocks for processors without a graphics card.

    The finest level has one convolution on either side, since half of the time of a usual U-Net goes into it. Below,
    every level halves the map by a convolution of stride 2 and has residual blocks (He et al., ECCV 2016, without their
    pre-activation); the decoder adds the skip map to the enlarged one and has one block per level.

    Attributes:
        dimensions: 2 for slices, 3 for volumes.
        channels: width of each level, finest first; at least two levels.
        encoder_dropout: probability in [0, 1) that an element is dropped after each level of the encoder; one per
            level, or none at all.
        coarse_blocks: residual blocks of the coarsest level; the others have one.
        normalisation: batch, instance (for batches of one) or group normalisation.

    Raises:
        ConfigError: if a value is out of its range.
    """

    dimensions: Dimensions = 2
    channels: tuple[int, ...] = (16, 24, 48, 96, 160)
    encoder_dropout: tuple[float, ...] = ()
    coarse_blocks: int = 2
    normalisation: Normalisation = "group"

    def __post_init__(self) -> None:
        check_common(self.dimensions, self.normalisation)
        check_widths(channels=self.channels, coarse_blocks=(self.coarse_blocks, 1))
        dropout_of_levels(self.channels, self.encoder_dropout)
        check_probabilities(encoder_dropout=self.encoder_dropout)

    @property
    def feature_channels(self) -> int:
        """The width of the finest level."""
        return self.channels[0]

    def _build(self, in_channels: int, out_channels: int) -> UShaped:
        return UShaped(
            _Encoder(
                self.dimensions,
                in_channels,
                self.channels,
                dropout_of_levels(self.channels, self.encoder_dropout),
                self.coarse_blocks,
                self.normalisation,
            ),
            _Decoder(self.dimensions, self.channels, self.normalisation),
            CONVOLUTION[self.dimensions](self.channels[0], out_channels, kernel_size=1),
        )


class _Encoder(Encoder):
    def __init__(
        self,
        dimensions: int,
        in_channels: int,
        channels: Sequence[int],
        dropout: Sequence[float],
        coarse_blocks: int,
        normalisation: Normalisation,
    ) -> None:
        super().__init__(channels, [2**level for level in range(len(channels))])
        levels = [_convolved(dimensions, in_channels, channels[0], normalisation)]
        for level, (fine, coarse) in enumerate(pairwise(channels), start=2):
            blocks = coarse_blocks if level == len(channels) else 1
            levels.append(
                nn.Sequential(
                    _convolved(dimensions, fine, coarse, normalisation, stride=2),
                    *[_Block(dimensions, coarse, normalisation) for _ in range(blocks)],
                )
            )
        for made, probability in zip(levels, dropout, strict=True):
            if probability > 0:
                made.append(nn.Dropout(probability))
        self.levels = nn.ModuleList(levels)

    def forward(self, image: Tensor) -> list[Tensor]:
        features = [self.levels[0](image)]
        for level in list(self.levels)[1:]:
            features.append(level(features[-1]))
        return features


class _Decoder(Decoder):
    def __init__(self, dimensions: int, channels: Sequence[int], normalisation: Normalisation) -> None:
        super().__init__(channels[0])
        steps = list(reversed(list(pairwise(channels))))
        convolution = CONVOLUTION[dimensions]
        self.narrowings = nn.ModuleList(convolution(coarse, fine, kernel_size=1) for fine, coarse in steps)
        self.levels = nn.ModuleList(
            [_Block(dimensions, fine, normalisation) for fine, _ in steps[:-1]]
            + [_convolved(dimensions, channels[0], channels[0], normalisation)]
        )

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        result = features[-1]
        for narrow, level, skip in zip(self.narrowings, self.levels, reversed(features[:-1]), strict=True):
            result = level(skip + enlarge(narrow(result), skip))
        return result


class _Block(nn.Module):
    """Two convolutions whose result is added to their input."""

    def __init__(self, dimensions: int, channels: int, normalisation: Normalisation) -> None:
        super().__init__()
        convolution = CONVOLUTION[dimensions]
        self.first = _convolved(dimensions, channels, channels, normalisation)
        self.second = convolution(channels, channels, kernel_size=3, padding=1, bias=False)
        self.normalisation = normalise(dimensions, channels, normalisation)
        self.activation = nn.ReLU()

    def forward(self, features: Tensor) -> Tensor:
        result: Tensor = self.activation(features + self.normalisation(self.second(self.first(features))))
        return result


def _convolved(
    dimensions: int, in_channels: int, out_channels: int, normalisation: Normalisation, *, stride: int = 1
) -> nn.Sequential:
    return nn.Sequential(
        CONVOLUTION[dimensions](in_channels, out_channels, kernel_size=3, stride=stride, padding=1, bias=False),
        normalise(dimensions, out_channels, normalisation),
        nn.ReLU(),
    )
