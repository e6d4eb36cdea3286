"""A head on each of several levels of a decoder."""

from torch import Tensor, nn

from lesslabel.networks.layers import CONVOLUTION, enlarge
from lesslabel.networks.u_shaped import UShaped


class PyramidHeads(nn.Module):
    """One network that predicts at several scales, as in URPC (Luo et al., MICCAI 2021).

    The finest head is that of the given network, unchanged. Each coarser one is a convolution of size 1 on a coarser
    map of the decoder, whose logits are upsampled to the image; on CUDA the gradient of that is not deterministic.

    Args:
        network: any U-shaped network, 2D or 3D, whose decoder has levels.
        out_channels: classes, background included.
        dimensions: 2 or 3, as the network.
        scales: at most so many of the finest maps of the decoder get a head.
    """

    def __init__(self, network: UShaped, out_channels: int, dimensions: int, scales: int) -> None:
        super().__init__()
        self.network = network
        coarser = network.decoder.level_channels[-scales:-1]
        self.heads = nn.ModuleList(
            CONVOLUTION[dimensions](channels, out_channels, kernel_size=1) for channels in coarser
        )

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Compute the logits of all scales, finest first, each B×classes×[D×]H×W of the image size."""
        maps = self.network.decoder.level_maps(self.network.encoder(image))
        finest: Tensor = self.network.head(maps[-1])
        coarser = zip(self.heads, maps[-1 - len(self.heads) : -1], strict=True)
        return (finest, *reversed([enlarge(head(level), finest) for head, level in coarser]))

    def finest(self, image: Tensor) -> Tensor:
        """Compute only the finest logits."""
        logits: Tensor = self.network(image)
        return logits
