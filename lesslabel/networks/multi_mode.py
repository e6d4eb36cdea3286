"""The network of multi-mode interaction: a feature pyramid of the image, and two light blocks that use it."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lesslabel.networks.description import Dimensions
from lesslabel.networks.layers import CONVOLUTION, MAX_POOLING, Normalisation, convolved, enlarge
from lesslabel.networks.u_shaped import Encoder


class FeaturePyramid(nn.Module):
    """Features of the image alone, one map of equal width for every level (eq. 6.4).

    ``G_i = D_i(up(G_{i+1}) ⊕ R_i(F_i))`` for the maps F_i of an encoder; the coarsest map is an additional
    convolution on the pooled last one. Published is VGG-16 with five maps and 32 channels.

    Args:
        encoder: of any network of this library.
        dimensions: 2 or 3.
        width: channels of every map.
        normalisation: of every convolution; not stated.
    """

    def __init__(self, encoder: Encoder, dimensions: Dimensions, width: int, normalisation: Normalisation) -> None:
        super().__init__()
        self.encoder = encoder
        self.coarsest = nn.Sequential(
            MAX_POOLING[dimensions](kernel_size=2, ceil_mode=True),
            convolved(dimensions, encoder.channels[-1], width, normalisation),
        )
        self.reductions = nn.ModuleList(
            convolved(dimensions, channels, width, normalisation) for channels in encoder.channels
        )
        self.levels = nn.ModuleList(_twice(dimensions, 2 * width, width, normalisation) for _ in encoder.channels)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Compute the maps of an image B×C×[D×]H×W, the finest first: one more than the encoder has."""
        maps = self.encoder(image)
        pyramid = [self.coarsest(maps[-1])]
        for features, reduce, level in reversed(list(zip(maps, self.reductions, self.levels, strict=True))):
            reduced = reduce(features)
            pyramid.append(level(torch.cat([enlarge(pyramid[-1], reduced), reduced], dim=1)))
        return pyramid[::-1]


class Hourglass(nn.Module):
    """A block that reads a pyramid and a guidance: the initial segmentation and the detail refinement (eq. 6.5, 6.6).

    Down: ``F_1 = E_1(G_1 ⊕ A)``, ``F_i = E_i(G_i ⊕ down(F_{i−1}))``; up: ``H_n = D_n(G_n ⊕ down(F_{n−1}))`` at the
    coarsest map, where the text leaves out the down-sampling, and ``H_i = D_i(up(H_{i+1}) ⊕ F_i)``. Down-sampling is
    max pooling and up-sampling linear, which are not stated.

    Args:
        dimensions: 2 or 3.
        levels: number of maps of the pyramid.
        width: channels of every map.
        guidance_channels: of A.
        normalisation: of every convolution.
        kernel: size of the last convolution, to one channel.
    """

    def __init__(
        self,
        dimensions: Dimensions,
        levels: int,
        width: int,
        guidance_channels: int,
        normalisation: Normalisation,
        kernel: int,
    ) -> None:
        super().__init__()
        coming = [width + guidance_channels, *[2 * width] * (levels - 1)]
        self.down = nn.ModuleList(_twice(dimensions, channels, width, normalisation) for channels in coming)
        self.up = nn.ModuleList(_twice(dimensions, 2 * width, width, normalisation) for _ in range(levels - 1))
        self.head = CONVOLUTION[dimensions](width, 1, kernel_size=kernel, padding=kernel // 2)

    def forward(self, pyramid: Sequence[Tensor], guidance: Tensor) -> Tensor:
        """Compute B×1×[D×]H×W from the pyramid and the guidance B×channels×[D×]H×W at the size of its finest map."""
        features = [self.down[0](torch.cat([pyramid[0], guidance], dim=1))]
        for level, block in zip(pyramid[1:], list(self.down)[1:], strict=True):
            features.append(block(torch.cat([level, _shrunk(features[-1], level)], dim=1)))
        result = features[-1]
        for skip, block in reversed(list(zip(features[:-1], self.up, strict=True))):
            result = block(torch.cat([enlarge(result, skip), skip], dim=1))
        logits: Tensor = self.head(result)
        return logits


class MultiModeNetwork(nn.Module):
    """The extractor and both blocks (Lin et al., "Multi-Mode Interactive Image Segmentation", ACM Multimedia 2022).

    Args:
        encoder: of the extractor.
        dimensions: 2 or 3.
        width: channels of every map; published 32.
        initial_channels: of the initial guidance.
        repair_channels: of the repair guidance, without the mask.
        normalisation: of every convolution.
    """

    def __init__(
        self,
        encoder: Encoder,
        dimensions: Dimensions,
        width: int,
        initial_channels: int,
        repair_channels: int,
        normalisation: Normalisation,
    ) -> None:
        super().__init__()
        self.extractor = FeaturePyramid(encoder, dimensions, width, normalisation)
        levels = len(encoder.channels) + 1
        self.initial_block = Hourglass(dimensions, levels, width, initial_channels, normalisation, kernel=3)
        self.repair_block = Hourglass(dimensions, levels, width, repair_channels + 1, normalisation, kernel=1)

    @property
    def encoder(self) -> nn.Module:
        """The encoder of the extractor."""
        return self.extractor.encoder

    def features(self, image: Tensor) -> list[Tensor]:
        """The pyramid of an image B×C×[D×]H×W; see `FeaturePyramid`."""
        pyramid: list[Tensor] = self.extractor(image)
        return pyramid

    def initial(self, pyramid: Sequence[Tensor], guidance: Tensor) -> Tensor:
        """The logits B×1×[D×]H×W of the initial mask."""
        logits: Tensor = self.initial_block(pyramid, guidance)
        return logits

    def residual(self, pyramid: Sequence[Tensor], mask: Tensor, guidance: Tensor) -> Tensor:
        """The residual B×1×[D×]H×W that repairs a mask of the same shape."""
        residual: Tensor = self.repair_block(pyramid, torch.cat([mask, guidance], dim=1))
        return residual


def _twice(dimensions: Dimensions, coming: int, going: int, normalisation: Normalisation) -> nn.Sequential:
    return nn.Sequential(
        convolved(dimensions, coming, going, normalisation), convolved(dimensions, going, going, normalisation)
    )


def _shrunk(features: Tensor, like: Tensor) -> Tensor:
    """Pool a map to the size of another, which is the same or about half."""
    size, wanted = features.shape[2:], like.shape[2:]
    if size == wanted:
        return features
    flat = features.ndim == 4
    if wanted == tuple(-(-length // 2) for length in size):
        pool = F.max_pool2d if flat else F.max_pool3d
        return pool(features, kernel_size=2, ceil_mode=True)
    adaptive = F.adaptive_max_pool2d if flat else F.adaptive_max_pool3d
    return adaptive(features, tuple(wanted))
