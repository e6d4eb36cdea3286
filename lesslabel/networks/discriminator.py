"""A discriminator of predictions, for adversarial methods."""

from itertools import pairwise

from torch import Tensor, nn

from lesslabel.networks.description import Dimensions
from lesslabel.networks.layers import CONVOLUTION


class Discriminator(nn.Module):
    """Convolutions of stride 2 and the mean of their last map: one score for each sample, of any size.

    After the discriminator of "Unsupervised representation learning with deep convolutional generative adversarial
    networks" (Radford et al., ICLR 2016), without normalisation, since a batch holds both kinds of samples.

    Args:
        dimensions: 2 or 3.
        in_channels: of the map that is judged.
        channels: of the convolutions, finest first.
    """

    def __init__(self, dimensions: Dimensions, in_channels: int, channels: tuple[int, ...] = (16, 32, 64, 128)) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for coming, going in pairwise((in_channels, *channels)):
            layers += [CONVOLUTION[dimensions](coming, going, 3, stride=2, padding=1), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers)
        self.score = nn.Linear(channels[-1], 1)

    def forward(self, judged: Tensor) -> Tensor:
        """Compute the score of each sample, (B,): a logit, high for samples that look labelled.

        Args:
            judged: B×in_channels×[D×]H×W.
        """
        score: Tensor = self.score(self.layers(judged).flatten(2).mean(dim=2))
        return score[:, 0]
