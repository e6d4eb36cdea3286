"""The decoder of a U-Net for any encoder that declares its maps."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from lesslabel.errors import ConfigError
from lesslabel.networks.description import Dimensions
from lesslabel.networks.layers import Normalisation, convolved, enlarge
from lesslabel.networks.u_shaped import Decoder


class SkipDecoder(Decoder):
    """From the bottleneck up: upsample the map, concatenate it with the next finer one, convolve twice.

    Convolutions have size 3 and are followed by normalisation and ReLU; upsampling is (bi/tri)linear; its gradient
    is not deterministic on CUDA.

    Args:
        dimensions: 2 or 3.
        encoder_channels: of the encoder's maps, finest first.
        widths: of the decoder levels, finest first; one less than the number of maps.
        normalisation: of every level.
    """

    def __init__(
        self,
        dimensions: Dimensions,
        encoder_channels: Sequence[int],
        widths: Sequence[int],
        normalisation: Normalisation,
    ) -> None:
        super().__init__(widths[0])
        steps = pairwise((*widths, encoder_channels[-1]))
        self.levels = nn.ModuleList(
            nn.Sequential(
                convolved(dimensions, skip + coarse, fine, normalisation),
                convolved(dimensions, fine, fine, normalisation),
            )
            for skip, (fine, coarse) in reversed(list(zip(encoder_channels[:-1], steps, strict=True)))
        )
        self.level_channels = (encoder_channels[-1], *reversed(widths))

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Compute the penultimate map, at the size of the finest encoder map."""
        return self.level_maps(features)[-1]

    def level_maps(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Compute the maps of all levels, coarsest first; see `Decoder.level_maps`."""
        maps = [features[-1]]
        for level, skip in zip(self.levels, reversed(features[:-1]), strict=True):
            maps.append(level(torch.cat([skip, enlarge(maps[-1], skip)], dim=1)))
        return maps


def check_decoder_widths(widths: Sequence[int], levels: int) -> None:
    """Raise an error unless the decoder widths are one positive number for every level.

    Raises:
        ConfigError: names the setting.
    """
    if len(widths) != levels or min(widths) < 1:
        raise ConfigError(f"network.decoder_channels: {tuple(widths)} must be {levels} positive widths, finest first")
