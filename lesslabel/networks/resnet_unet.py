"""A U-Net on a residual encoder."""

from dataclasses import dataclass

from lesslabel.networks.description import Dimensions, Network
from lesslabel.networks.layers import CONVOLUTION, Normalisation
from lesslabel.networks.pretrained import check_pretrained, load_pretrained
from lesslabel.networks.resnet import Depth, ResNetEncoder, check_residual
from lesslabel.networks.skip_decoder import SkipDecoder, check_decoder_widths
from lesslabel.networks.u_shaped import UShaped

_LEVELS = 5


@dataclass(frozen=True)
class ResNetUNet(Network):
    """A residual encoder (He et al., CVPR 2016) with the decoder of a U-Net (Ronneberger et al., MICCAI 2015).

    The decoder also has a skip connection from the image, so that the finest level has full resolution.

    Attributes:
        dimensions: 2 for slices, 3 for volumes.
        depth: layers of the encoder.
        decoder_channels: width of each decoder level, finest first; five.
        normalisation: batch, instance (for batches of one) or group normalisation; ImageNet's weights are for batch.
        pretrained: file of ImageNet's weights for the encoder, in 2D; see `load_pretrained`.

    Raises:
        ConfigError: if a value is out of its range.
    """

    dimensions: Dimensions = 2
    depth: Depth = 34
    decoder_channels: tuple[int, ...] = (16, 32, 64, 128, 256)
    normalisation: Normalisation = "batch"
    pretrained: str | None = None

    def __post_init__(self) -> None:
        check_residual(self.dimensions, self.depth, 32, self.normalisation)
        check_decoder_widths(self.decoder_channels, _LEVELS)
        check_pretrained(self.pretrained, self.dimensions)

    @property
    def feature_channels(self) -> int:
        """The width of the finest decoder level."""
        return self.decoder_channels[0]

    def _build(self, in_channels: int, out_channels: int) -> UShaped:
        encoder = ResNetEncoder(self.dimensions, in_channels, self.depth, 32, self.normalisation)
        network = UShaped(
            encoder,
            SkipDecoder(self.dimensions, encoder.channels, self.decoder_channels, self.normalisation),
            CONVOLUTION[self.dimensions](self.feature_channels, out_channels, kernel_size=1),
        )
        load_pretrained(encoder, self.pretrained)
        return network
