"""Several decoders on one encoder that differ in how they upsample."""

from collections.abc import Sequence
from copy import deepcopy
from typing import Literal

from torch import Tensor, nn

from lesslabel.networks.dual_decoder import drawn_anew
from lesslabel.networks.layers import CONVOLUTION, LINEAR_MODE
from lesslabel.networks.u_shaped import UShaped

Interpolation = Literal["linear", "nearest"]


class VariedDecoders(nn.Module):
    """One encoder and several decoders with independent weights (MC-Net+, Wu et al., Medical Image Analysis 2022).

    The first decoder is that of the given network. In each further one a convolution of size 1 and interpolation takes
    the place of every transposed convolution of size and stride 2; a decoder without any differs only in its weights.

    Args:
        network: any U-shaped network, 2D or 3D.
        dimensions: 2 or 3, as the network.
        interpolations: of the further decoders.

    Raises:
        ConfigError: if a layer of the decoder or head cannot be initialised again.
    """

    def __init__(self, network: UShaped, dimensions: int, interpolations: Sequence[Interpolation]) -> None:
        super().__init__()
        self.network = network
        self.decoders = nn.ModuleList(
            nn.Sequential(
                drawn_anew(_with_interpolation(network.decoder, LINEAR_MODE[dimensions] if way == "linear" else way)),
                drawn_anew(network.head),
            )
            for way in interpolations
        )

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Compute the logits of all decoders with one pass of the encoder, each B×classes×[D×]H×W."""
        features = self.network.encoder(image)
        first = self.network.head(self.network.decoder(features))
        return (first, *(decoder(features) for decoder in self.decoders))

    def main(self, image: Tensor) -> Tensor:
        """Compute only the logits of the first decoder."""
        logits: Tensor = self.network(image)
        return logits


def _with_interpolation(decoder: nn.Module, mode: str) -> nn.Module:
    """A copy of a decoder that upsamples by interpolation."""
    copy = deepcopy(decoder)
    for parent in list(copy.modules()):
        for name, layer in list(parent.named_children()):
            if isinstance(layer, nn.ConvTranspose2d | nn.ConvTranspose3d):
                channels = layer.in_channels, layer.out_channels
                convolution = CONVOLUTION[len(layer.kernel_size)](*channels, 1, bias=layer.bias is not None)
                upsampling = nn.Upsample(scale_factor=2, mode=mode, align_corners=None if mode == "nearest" else False)
                setattr(parent, name, nn.Sequential(convolution, upsampling))
    return copy
