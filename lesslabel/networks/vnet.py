"""The V-Net of the semi-supervised literature, 2D and 3D."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F

from lesslabel.networks.description import (
    Dimensions,
    Network,
    check_common,
    check_probabilities,
    check_widths,
    dropout_of_levels,
)
from lesslabel.networks.layers import (
    CHANNEL_DROPOUT,
    CONVOLUTION,
    TRANSPOSED_CONVOLUTION,
    Normalisation,
    cut_to,
    normalise,
)
from lesslabel.networks.u_shaped import Decoder, Encoder, UShaped

_MOST_CONVOLUTIONS = 3


@dataclass(frozen=True)
class VNet(Network):
    """A V-Net in the form that UA-MT and DTC use; see `VNetModule`.

    Attributes:
        dimensions: 2 for slices, 3 for volumes.
        channels: width of each level, finest first; at least two levels.
        encoder_dropout: probability in [0, 1) that a whole channel is dropped after each level of the encoder; one per
            level, or none at all. The V-Net of DTC uses (0, 0, 0, 0, 0.5).
        normalisation: batch, instance (for batches of one) or group normalisation.
        decoder_dropout: probability that a channel is dropped before the head; the V-Net of DTC uses 0.5.

    Raises:
        ConfigError: if a value is out of its range or the lengths disagree.
    """

    dimensions: Dimensions = 2
    channels: tuple[int, ...] = (16, 32, 64, 128, 256)
    encoder_dropout: tuple[float, ...] = ()
    normalisation: Normalisation = "batch"
    decoder_dropout: float = 0.0

    def __post_init__(self) -> None:
        check_common(self.dimensions, self.normalisation)
        check_widths(channels=self.channels)
        dropout_of_levels(self.channels, self.encoder_dropout)
        check_probabilities(encoder_dropout=self.encoder_dropout, decoder_dropout=self.decoder_dropout)

    @property
    def feature_channels(self) -> int:
        """The width of the finest level."""
        return self.channels[0]

    def _build(self, in_channels: int, out_channels: int) -> "VNetModule":
        return VNetModule(
            dimensions=self.dimensions,
            in_channels=in_channels,
            out_channels=out_channels,
            channels=self.channels,
            encoder_dropout=dropout_of_levels(self.channels, self.encoder_dropout),
            decoder_dropout=self.decoder_dropout,
            normalisation=self.normalisation,
        )


class VNetModule(UShaped):
    """V-Net (Milletari et al., 3DV 2016) in the form that UA-MT and DTC use: no residuals inside a level.

    Level n (from 1) holds min(n, 3) times convolution 3 – normalisation – ReLU. In the encoder a convolution of size
    and stride 2 halves the map and changes its width; in the decoder a transposed convolution does the reverse and the
    skip map is added, not concatenated. Both are followed by normalisation and ReLU. The head is one convolution of
    size 1. Dropout drops whole channels after a level. With the widths 16 to 256 in 3D it has 9.4 million parameters.

    Any image size works: an odd map is padded with zeros at its end before it is halved, and the doubled map is cropped
    to the size of the skip map. If every size is divisible by 2 to the number of halvings, this changes nothing.

    The convolutions before a normalisation have no bias, since the normalisation would remove it.

    Args:
        dimensions: 2 for images B×C×H×W, 3 for B×C×D×H×W.
        in_channels: channels of the image.
        out_channels: classes, background included.
        channels: width of each level, finest first.
        encoder_dropout: probability that a channel is dropped after each level of the encoder, finest first; published
            with 0.5 after the last and 0 elsewhere.
        decoder_dropout: the same after the last level of the decoder, before the head; published with 0.5.
        normalisation: ``"batch"``; ``"instance"``, for batches of one; ``"group"``, at most eight groups.
    """

    def __init__(
        self,
        dimensions: Dimensions,
        in_channels: int,
        out_channels: int,
        channels: Sequence[int],
        encoder_dropout: Sequence[float],
        decoder_dropout: float = 0.0,
        normalisation: Normalisation = "batch",
    ) -> None:
        super().__init__(
            _Encoder(dimensions, in_channels, channels, encoder_dropout, normalisation),
            _Decoder(dimensions, channels, decoder_dropout, normalisation),
            CONVOLUTION[dimensions](channels[0], out_channels, kernel_size=1),
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
        self.halvings = nn.ModuleList(
            nn.Sequential(
                CONVOLUTION[dimensions](fine, coarse, kernel_size=2, stride=2, bias=False),
                normalise(dimensions, coarse, normalisation),
                nn.ReLU(),
            )
            for fine, coarse in pairwise(channels)
        )
        coming = (in_channels, *channels[1:])
        self.levels = nn.ModuleList(
            _level(dimensions, depth, coming[depth], width, dropout[depth], normalisation)
            for depth, width in enumerate(channels)
        )

    def forward(self, image: Tensor) -> list[Tensor]:
        features = [self.levels[0](image)]
        for halve, level in zip(self.halvings, list(self.levels)[1:], strict=True):
            features.append(level(halve(_padded_to_even(features[-1]))))
        return features


class _Decoder(Decoder):
    def __init__(self, dimensions: int, channels: Sequence[int], dropout: float, normalisation: Normalisation) -> None:
        super().__init__(channels[0])
        steps = [(coarse, fine) for fine, coarse in reversed(list(pairwise(channels)))]
        self.doublings = nn.ModuleList(
            nn.Sequential(
                TRANSPOSED_CONVOLUTION[dimensions](coarse, fine, kernel_size=2, stride=2, bias=False),
                normalise(dimensions, fine, normalisation),
                nn.ReLU(),
            )
            for coarse, fine in steps
        )
        depths = range(len(steps) - 1, -1, -1)
        self.levels = nn.ModuleList(
            _level(dimensions, depth, fine, fine, dropout if depth == 0 else 0.0, normalisation)
            for depth, (_, fine) in zip(depths, steps, strict=True)
        )
        self.level_channels = tuple(reversed(channels))

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        return self.level_maps(features)[-1]

    def level_maps(self, features: Sequence[Tensor]) -> list[Tensor]:
        maps = [features[-1]]
        for double, level, skip in zip(self.doublings, self.levels, reversed(features[:-1]), strict=True):
            maps.append(level(cut_to(double(maps[-1]), skip) + skip))
        return maps


def _level(
    dimensions: int, depth: int, in_channels: int, out_channels: int, dropout: float, normalisation: Normalisation
) -> nn.Sequential:
    layers: list[nn.Module] = []
    for index in range(min(depth + 1, _MOST_CONVOLUTIONS)):
        coming = in_channels if index == 0 else out_channels
        layers += [
            CONVOLUTION[dimensions](coming, out_channels, kernel_size=3, padding=1, bias=False),
            normalise(dimensions, out_channels, normalisation),
            nn.ReLU(),
        ]
    if dropout > 0:
        layers.append(CHANNEL_DROPOUT[dimensions](dropout))
    return nn.Sequential(*layers)


def _padded_to_even(features: Tensor) -> Tensor:
    padding = [amount for size in reversed(features.shape[2:]) for amount in (0, size % 2)]
    return F.pad(features, padding) if any(padding) else features
