"""DeepLabV3+ on a residual encoder."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lesslabel.errors import ConfigError
from lesslabel.networks.description import Dimensions, Network
from lesslabel.networks.layers import CONVOLUTION, Normalisation, convolved, enlarge
from lesslabel.networks.pretrained import check_pretrained, load_pretrained
from lesslabel.networks.resnet import Depth, OutputStride, ResNetEncoder, check_residual
from lesslabel.networks.u_shaped import Decoder, UShaped

_LOW_LEVEL = 2
"""Index of the encoder map at a quarter of the image size."""

_LOW_LEVEL_CHANNELS = 48


@dataclass(frozen=True)
class DeepLab(Network):
    """DeepLabV3+ (Chen et al., "Encoder-decoder with atrous separable convolution", ECCV 2018) on a residual encoder.

    The last stages are dilated, an ASPP processes their map at several scales, and a decoder concatenates it with the
    map at a quarter of the size. Its convolutions are plain, not separable. Its map is upsampled to the image size
    before the head; since the head is a convolution of size 1, this equals upsampling the logits.

    Attributes:
        dimensions: 2 for slices, 3 for volumes.
        depth: layers of the encoder.
        output_stride: of the last encoder map; 32 means no dilation.
        rates: dilations of the ASPP, in addition to its convolution of size 1; published (6, 12, 18) at 16, doubled at
            8.
        decoder_channels: of the ASPP and the decoder. Narrower saves memory, above all in 3D.
        normalisation: batch, instance (for batches of one) or group normalisation; ImageNet's weights are for batch.
        pretrained: file of ImageNet's weights for the encoder, in 2D; see `load_pretrained`.

    Raises:
        ConfigError: if a value is out of its range.
    """

    dimensions: Dimensions = 2
    depth: Depth = 50
    output_stride: OutputStride = 16
    rates: tuple[int, ...] = (6, 12, 18)
    decoder_channels: int = 256
    normalisation: Normalisation = "batch"
    pretrained: str | None = None

    def __post_init__(self) -> None:
        check_residual(self.dimensions, self.depth, self.output_stride, self.normalisation)
        if not self.rates or min(self.rates) < 1 or self.decoder_channels < 1:
            raise ConfigError(
                f"network.rates and decoder_channels: {self.rates} and {self.decoder_channels} must be positive"
            )
        check_pretrained(self.pretrained, self.dimensions)

    @property
    def feature_channels(self) -> int:
        """The width of the decoder."""
        return self.decoder_channels

    def _build(self, in_channels: int, out_channels: int) -> UShaped:
        encoder = ResNetEncoder(self.dimensions, in_channels, self.depth, self.output_stride, self.normalisation)
        decoder = DeepLabDecoder(
            self.dimensions, encoder.channels, self.rates, self.decoder_channels, self.normalisation
        )
        head = CONVOLUTION[self.dimensions](self.feature_channels, out_channels, kernel_size=1)
        network = UShaped(encoder, decoder, head)
        load_pretrained(encoder, self.pretrained)
        return network


class ASPP(nn.Module):
    """Atrous spatial pyramid pooling: one map at several scales and as a whole (Chen et al., arXiv:1706.05587).

    A convolution of size 1, dilated ones of size 3 and the mean of the whole map, combined by a convolution of size 1.
    The mean is a single voxel, which cannot be normalised over voxels, so its branch has no normalisation.

    Args:
        dimensions: 2 or 3.
        in_channels: of the map.
        out_channels: of every branch and of the result.
        rates: dilations.
        normalisation: of every branch except that of the mean.
    """

    def __init__(
        self,
        dimensions: Dimensions,
        in_channels: int,
        out_channels: int,
        rates: Sequence[int],
        normalisation: Normalisation,
    ) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            [
                convolved(dimensions, in_channels, out_channels, normalisation, kernel=1),
                *(convolved(dimensions, in_channels, out_channels, normalisation, dilation=rate) for rate in rates),
            ]
        )
        self.whole = nn.Sequential(CONVOLUTION[dimensions](in_channels, out_channels, kernel_size=1), nn.ReLU())
        joined = (len(rates) + 2) * out_channels
        self.join = convolved(dimensions, joined, out_channels, normalisation, kernel=1)

    def forward(self, features: Tensor) -> Tensor:
        """Compute a map of the same size."""
        mean = features.mean(dim=tuple(range(2, features.ndim)), keepdim=True)
        whole = self.whole(mean).expand(-1, -1, *features.shape[2:])
        joined: Tensor = self.join(torch.cat([*(branch(features) for branch in self.branches), whole], dim=1))
        return joined


class DeepLabDecoder(Decoder):
    """The decoder of DeepLabV3+: concatenates the ASPP map with a low-level map; two convolutions of size 3.

    Args:
        dimensions: 2 or 3.
        encoder_channels: of the encoder's maps, finest first; the third has a quarter of the image size.
        rates: dilations of the ASPP.
        width: of every convolution.
        normalisation: of every layer.
    """

    def __init__(
        self,
        dimensions: Dimensions,
        encoder_channels: Sequence[int],
        rates: Sequence[int],
        width: int,
        normalisation: Normalisation,
    ) -> None:
        super().__init__(width)
        self.aspp = ASPP(dimensions, encoder_channels[-1], width, rates, normalisation)
        low_level = encoder_channels[_LOW_LEVEL]
        self.low_level = convolved(dimensions, low_level, _LOW_LEVEL_CHANNELS, normalisation, kernel=1)
        self.fuse = nn.Sequential(
            convolved(dimensions, width + _LOW_LEVEL_CHANNELS, width, normalisation),
            convolved(dimensions, width, width, normalisation),
        )

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Compute the penultimate map, at the size of the first encoder map (the image)."""
        low_level = self.low_level(features[_LOW_LEVEL])
        fused = self.fuse(torch.cat([low_level, enlarge(self.aspp(features[-1]), low_level)], dim=1))
        return enlarge(fused, features[0])
