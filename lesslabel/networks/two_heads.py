"""A second head on the last feature map of any U-shaped network."""

from typing import Literal

from torch import Tensor, nn

from lesslabel.networks.layers import CONVOLUTION
from lesslabel.networks.u_shaped import UShaped


class TwoHeads(nn.Module):
    """One network with two outputs for every voxel, as in DTC (Luo et al., AAAI 2021).

    The first head is that of the given network, unchanged. The second is a convolution of size 1 on the same features,
    so they share all other weights.

    Args:
        network: any U-shaped network, 2D or 3D.
        features: channels of the input of its head.
        out_channels: channels of the second head.
        dimensions: 2 or 3, as the network.
    """

    def __init__(self, network: UShaped, features: int, out_channels: int, dimensions: Literal[2, 3]) -> None:
        super().__init__()
        self.network = network
        self.second_head = CONVOLUTION[dimensions](features, out_channels, kernel_size=1)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Compute both heads with one pass of encoder and decoder.

        Args:
            image: B×C×[D×]H×W.

        Returns:
            The output of the network and of the second head, B×out_channels×[D×]H×W, both without activation.
        """
        features = self.network.features(image)
        return self.network.head(features), self.second_head(features)
