"""KnifeCut's modules on the features of any network: similarity to a cut line, and its local and global repair."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lesslabel.networks.click_attention import resampled
from lesslabel.networks.description import Dimensions
from lesslabel.networks.layers import CONVOLUTION, MAX_POOLING, Normalisation, convolved, normalise

BRANCHES = ("local", "global")
"""The branch of the part under the line, and that of all parts like it."""

_TINY = 1e-6
_TINY_NORM = 1e-3


@dataclass(frozen=True, eq=False)
class LineFeatures:
    """The features of an image for cut lines; a line does not change them.

    Attributes:
        features: F, B×C×[D×]H×W.
        first: for each block its first convolution of F, B×W×[D×]H×W.
    """

    features: Tensor
    first: Mapping[str, Tensor]


@dataclass(frozen=True, eq=False)
class LineOutput:
    """The outputs for a line, all on the grid of the features.

    Attributes:
        line: logits of the thin part on the line, B×1×[D×]H×W; P_line is their probability times the line.
        similarity: S, the same shape, in [-1, 1].
        repair: logits of M for each of `BRANCHES`.
        refined: logits of R for each of them.
    """

    line: Tensor
    similarity: Tensor
    repair: Mapping[str, Tensor]
    refined: Mapping[str, Tensor]


class ConvolutionBlock(nn.Module):
    """Convolutions of size 3 with normalisation and ReLU; the last gives one channel of logits.

    Its input is the features of an image and further maps, concatenated. The first convolution is computed as the sum
    of two, so that the one of the features is computed once for an image.

    Args:
        dimensions: 2 or 3.
        channels: of the features.
        maps: number of further maps; 0 for none.
        width: channels of all layers but the last.
        depth: number of convolutions, at least 2.
        normalisation: of all layers but the last.
    """

    def __init__(
        self,
        dimensions: Dimensions,
        channels: int,
        maps: int,
        width: int,
        depth: int,
        normalisation: Normalisation,
    ) -> None:
        super().__init__()
        convolution = CONVOLUTION[dimensions]
        self.of_features = convolution(channels, width, kernel_size=3, padding=1, bias=False)
        self.of_maps = convolution(maps, width, kernel_size=3, padding=1, bias=False) if maps else None
        self.later = nn.Sequential(
            normalise(dimensions, width, normalisation),
            nn.ReLU(),
            *(convolved(dimensions, width, width, normalisation) for _ in range(depth - 2)),
            convolution(width, 1, kernel_size=3, padding=1),
        )

    def forward(self, first: Tensor, *maps: Tensor) -> Tensor:
        """Compute logits B×1×[D×]H×W from `of_features` of the features, and the maps, each B×1×[D×]H×W."""
        total = first if self.of_maps is None else first + self.of_maps(torch.cat(maps, dim=1))
        logits: Tensor = self.later(total)
        return logits


class CutLineModule(nn.Module):
    """The similarity and refinement modules of KnifeCut (Lin et al., ACM Multimedia 2022).

    A block predicts the thin part on the line; its mean feature gives the similarity map (eq. 5.8 and 5.9). Each branch
    predicts a repair mask M from features, similarity and, in the local branch, the distance to the line, and a refined
    result R from features and M. The text gives seven layers for the first block, and for the others the same
    structure; it does not give widths. No block shares weights.

    Args:
        dimensions: 2 or 3.
        channels: of the features.
        width: of all layers.
        depth: convolutions of a block; published 7.
        normalisation: of all layers.
        similarity: whether the branches use the similarity map.
        distance: whether the local branch uses the distance to the line.
    """

    def __init__(
        self,
        dimensions: Dimensions,
        channels: int,
        width: int,
        depth: int,
        normalisation: Normalisation,
        *,
        similarity: bool = True,
        distance: bool = True,
    ) -> None:
        super().__init__()

        def block(maps: int) -> ConvolutionBlock:
            return ConvolutionBlock(dimensions, channels, maps, width, depth, normalisation)

        self.similarity = similarity
        self.distance = distance
        self.blocks = nn.ModuleDict({"line": block(1)})
        for branch in BRANCHES:
            self.blocks[f"repair_{branch}"] = block(int(similarity) + int(distance and branch == "local"))
            self.blocks[f"refine_{branch}"] = block(1)

    def image_features(self, penultimate: Tensor, grid: tuple[int, ...]) -> LineFeatures:
        """Compute what does not depend on a line.

        Args:
            penultimate: B×C×[D×]H×W, of a network.
            grid: ([d,] h, w), the size at which the module works.
        """
        features = resampled(penultimate, grid)
        first = {name: self._block(name).of_features(features) for name in self.blocks}
        return LineFeatures(features, first)

    def forward(self, features: LineFeatures, line: Tensor, distance: Tensor) -> LineOutput:
        """Predict the repair of a mask.

        Args:
            features: of the images.
            line: L, B×1×[D×]H×W, 0 or 1, on a grid as fine as the features' or finer.
            distance: D, the same shape: a map of the distance to the line.
        """
        grid = tuple(features.features.shape[2:])
        on_line = line_on_grid(line, grid)
        logits = self._predict("line", features, on_line)
        similarity = similarity_map(features.features, logits.sigmoid() * on_line)
        repair, refined = {}, {}
        for branch in BRANCHES:
            maps = [similarity] if self.similarity else []
            if self.distance and branch == "local":
                maps.append(resampled(distance, grid))
            repair[branch] = self._predict(f"repair_{branch}", features, *maps)
            refined[branch] = self._predict(f"refine_{branch}", features, repair[branch].sigmoid())
        return LineOutput(logits, similarity, repair, refined)

    def _block(self, name: str) -> ConvolutionBlock:
        block = self.blocks[name]
        assert isinstance(block, ConvolutionBlock)
        return block

    def _predict(self, name: str, features: LineFeatures, *maps: Tensor) -> Tensor:
        logits: Tensor = self._block(name)(features.first[name], *maps)
        return logits


def line_on_grid(line: Tensor, grid: tuple[int, ...]) -> Tensor:
    """Bring a line B×1×[D×]H×W to a coarser grid: a cell is on it if one of its voxels is."""
    sizes = line.shape[2:]
    if tuple(sizes) == grid:
        return line
    strides = tuple(-(-size // cells) for size, cells in zip(sizes, grid, strict=True))
    pooled: Tensor = MAX_POOLING[len(grid)](kernel_size=strides, stride=strides, ceil_mode=True)(line)
    return pooled


def similarity_map(features: Tensor, share: Tensor) -> Tensor:
    """Compare every voxel's feature with the mean feature of a part (KnifeCut, eq. 5.8 and 5.9).

    Args:
        features: F, B×C×[D×]H×W.
        share: P_line, B×1×[D×]H×W, in [0, 1]: how far a voxel belongs to the part.

    Returns:
        B×1×[D×]H×W in [-1, 1], the cosine; 0 in a sample without a part.
    """
    axes = tuple(range(2, features.ndim))
    weights = share.float()
    mean = (features * weights).sum(dim=axes, keepdim=True) / (weights.sum(dim=axes, keepdim=True) + _TINY)
    return F.cosine_similarity(mean.expand_as(features), features, dim=1, eps=_TINY_NORM)[:, None]
