"""First-click attention of FCA-Net on low-level features, for any network."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lesslabel.errors import ConfigError
from lesslabel.networks.description import Dimensions
from lesslabel.networks.layers import CONVOLUTION, Normalisation, enlarge, normalise
from lesslabel.networks.u_shaped import UShaped

_LAYERS = 6
_LOW_LEVEL_STRIDE = 4


class FirstClickAttention(nn.Module):
    """Six convolutions on the low-level features and the map of the first click (FCA-Net, section 3.3).

    Published: a network whose last map lies at a 16th of the image's size; layers 1 and 4 halve the map, and the
    channels are 256, 256, 256, 512, 512, 512. In networks of other strides as many layers halve as lie between the low
    level and the last map, spread evenly. Normalisation and activation are not stated; each layer has both here.

    Args:
        dimensions: 2 or 3.
        low_level_channels: of the encoder's input map.
        halvings: number of halvings of the map, at most six.
        channels: of the first three and the last three layers.
        normalisation: of every layer.
    """

    def __init__(
        self,
        dimensions: Dimensions,
        low_level_channels: int,
        halvings: int,
        channels: tuple[int, int],
        normalisation: Normalisation,
    ) -> None:
        super().__init__()
        halving = {index * _LAYERS // halvings for index in range(halvings)}
        coming, layers = low_level_channels + 1, []
        for index in range(_LAYERS):
            going = channels[index * 2 // _LAYERS]
            stride = 2 if index in halving else 1
            layers += [
                CONVOLUTION[dimensions](coming, going, kernel_size=3, stride=stride, padding=1, bias=False),
                normalise(dimensions, going, normalisation),
                nn.ReLU(),
            ]
            coming = going
        self.layers = nn.Sequential(*layers)

    def forward(self, low_level: Tensor, first_click: Tensor) -> Tensor:
        """Compute the features of the first click.

        Args:
            low_level: B×C×[D×]H×W.
            first_click: B×1×[D×]H×W in [0, 1], at the image's size.
        """
        seen = torch.cat([low_level, enlarge(first_click, low_level)], dim=1)
        features: Tensor = self.layers(seen)
        return features


class FirstClickNetwork(nn.Module):
    """A segmentation network whose last encoder map is joined with the features of the first click.

    The published network concatenates them in front of its ASPP. Here a convolution of size 1 joins them and keeps the
    channels, so that the map fits the decoder of any network. A head of size 1 on the features of the first click is
    used by its loss; the text does not describe it.

    Args:
        network: any network of this library.
        dimensions: 2 or 3.
        classes: of the head.
        channels: see `FirstClickAttention`.
        normalisation: see `FirstClickAttention`.

    Raises:
        ConfigError: if the encoder has no map at a quarter of the size or finer before its last one.
    """

    def __init__(
        self,
        network: UShaped,
        dimensions: Dimensions,
        classes: int,
        channels: tuple[int, int] = (256, 512),
        normalisation: Normalisation = "batch",
    ) -> None:
        super().__init__()
        self.network = network
        encoder = network.encoder
        self.low_level = low_level_of(encoder.strides)
        halvings = (encoder.strides[-1] // encoder.strides[self.low_level]).bit_length() - 1
        self.attention = FirstClickAttention(
            dimensions, encoder.channels[self.low_level], halvings, channels, normalisation
        )
        last = encoder.channels[-1]
        self.join = CONVOLUTION[dimensions](last + channels[1], last, kernel_size=1)
        self.first_click_head = CONVOLUTION[dimensions](channels[1], classes, kernel_size=1)

    @property
    def encoder(self) -> nn.Module:
        """The encoder of the network."""
        return self.network.encoder

    def forward(self, image: Tensor, first_click: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the logits and those of the first click.

        Args:
            image: B×C×[D×]H×W, the image and its click maps.
            first_click: B×1×[D×]H×W in [0, 1].

        Returns:
            Two tensors B×classes×[D×]H×W.
        """
        maps = list(self.network.encoder(image))
        focused = enlarge(self.attention(maps[self.low_level], first_click), maps[-1])
        maps[-1] = self.join(torch.cat([maps[-1], focused], dim=1))
        logits = self.network.head(self.network.decoder(maps))
        return logits, enlarge(self.first_click_head(focused), logits)


def low_level_of(strides: Sequence[int]) -> int:
    """The index of the coarsest encoder map, before the last one, whose stride is at most 4.

    Raises:
        ConfigError: if there is none.
    """
    for index in reversed(range(len(strides) - 1)):
        if strides[index] <= _LOW_LEVEL_STRIDE and strides[index] < strides[-1]:
            return index
    raise ConfigError(f"network: maps at strides {tuple(strides)}; a low-level map in front of the last one is needed")
