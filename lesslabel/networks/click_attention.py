"""Feature-aware attention for any network: clicks as distances between the features of voxels."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lesslabel.networks.description import Dimensions
from lesslabel.networks.layers import CONVOLUTION, LINEAR_MODE, MAX_POOLING, Normalisation, convolved

_REFINEMENT_DILATIONS = (2, 4, 8, 16)
_TINY = 1e-12


@dataclass(frozen=True, eq=False)
class ImageFeatures:
    """The features of an image in the module; a click does not change them.

    Attributes:
        levels: for each map of the encoder, B×C×[D×]H×W, integrated with all the others, on one grid.
        embeddings: for each of them, B×E×[D×]H×W, the features of the distances.
        context: B×C×[D×]H×W, of the network's penultimate map.
        coarse: B×1×[D×]H×W, the probability of the object without a click, on the same grid.
    """

    levels: tuple[Tensor, ...]
    embeddings: tuple[Tensor, ...]
    context: Tensor
    coarse: Tensor

    def __getitem__(self, sample: int) -> "ImageFeatures":
        """The features of one image of a batch, as a batch of one."""
        one = slice(sample, sample + 1)
        return ImageFeatures(
            tuple(each[one] for each in self.levels),
            tuple(each[one] for each in self.embeddings),
            self.context[one],
            self.coarse[one],
        )


class FeatureAwareAttention(nn.Module):
    """Guidance by clicks on every scale, and its refinement (Sun et al., Symmetry 2022, eq. 1–5 and table 1).

    Args:
        dimensions: 2 or 3.
        encoder_channels: of the used maps of the encoder.
        context_channels: of the network's penultimate map.
        width: of all maps of the module.
        normalisation: of every layer.
        refine: whether to use the refinement; without it the result is the mean guidance.
    """

    def __init__(
        self,
        dimensions: Dimensions,
        encoder_channels: Sequence[int],
        context_channels: int,
        width: int,
        normalisation: Normalisation,
        *,
        refine: bool = True,
    ) -> None:
        super().__init__()

        def narrow(channels: int) -> nn.Sequential:
            return convolved(dimensions, channels, width, normalisation, kernel=1)

        levels = range(len(encoder_channels))
        self.scales = nn.ModuleList(narrow(channels) for channels in encoder_channels)
        self.all_scales = narrow(width * len(encoder_channels))
        self.integrate = nn.ModuleList(convolved(dimensions, 2 * width, width, normalisation) for _ in levels)
        self.embed = nn.ModuleList(CONVOLUTION[dimensions](width, width, kernel_size=3, padding=1) for _ in levels)
        self.attention = nn.ModuleList(ClickAttention(dimensions, width) for _ in levels)
        self.context: nn.Module = narrow(context_channels) if refine else nn.Identity()
        coming = 1 + 2 * len(encoder_channels) + width
        self.refine = _refinement(dimensions, coming, width, normalisation) if refine else None

    def image_features(
        self, maps: Sequence[Tensor], penultimate: Tensor, coarse: Tensor, grid: Sequence[int]
    ) -> ImageFeatures:
        """Compute the features that do not depend on clicks.

        Args:
            maps: of the encoder.
            penultimate: of the network, at the image's size.
            coarse: B×1×[D×]H×W, the object without a click, at the image's size.
            grid: ([d,] h, w), the size at which the module works.
        """
        scales = [resampled(narrow(each), grid) for narrow, each in zip(self.scales, maps, strict=True)]
        together = self.all_scales(torch.cat(scales, dim=1))
        levels = tuple(
            integrate(torch.cat([each, together], dim=1))
            for integrate, each in zip(self.integrate, scales, strict=True)
        )
        embeddings = tuple(embed(each) for embed, each in zip(self.embed, levels, strict=True))
        context = self.context(resampled(penultimate, grid))
        return ImageFeatures(levels, embeddings, context, resampled(coarse, grid))

    def forward(self, features: ImageFeatures, inside: Tensor, outside: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Segment by clicks.

        Args:
            features: of the image.
            inside: B×[D×]H×W bool, the clicked voxels of the object, on the grid of the features.
            outside: the same of the background.

        Returns:
            Logits B×2×[D×]H×W on that grid, and those of every scale's guidance.
        """
        guidance = [
            attention(level, embedded, inside, outside)
            for attention, level, embedded in zip(self.attention, features.levels, features.embeddings, strict=True)
        ]
        if self.refine is None:
            return torch.stack(guidance).mean(dim=0), guidance
        logits: Tensor = self.refine(torch.cat([features.coarse, *guidance, features.context], dim=1))
        return logits, guidance


class ClickAttention(nn.Module):
    """Non-local attention with the distances to clicks as query and features as keys (eq. 1).

    The text gives no equation. As in SAGAN (Zhang et al., "Self-attention generative adversarial networks", ICML
    2019), which it names: A = softmax(QᵀK / √d), the result γ·A·V + features with γ = 0 at first; Q is a convolution of
    size 3 of foreground probability and both distances, K and V are convolutions of size 1 of the features, on a grid
    of half the size. The result has two channels of guidance, background and object, so five scales give the ten of
    the text.

    Args:
        dimensions: 2 or 3.
        width: of the features.
    """

    def __init__(self, dimensions: Dimensions, width: int) -> None:
        super().__init__()
        convolution, self.width = CONVOLUTION[dimensions], max(1, width // 4)
        self.unclicked = nn.Parameter(torch.ones(2))  # the distance to clicks of a side without a click
        self.query = convolution(3, self.width, kernel_size=3, padding=1)
        self.key = convolution(width, self.width, kernel_size=1)
        self.value = convolution(width, width, kernel_size=1)
        self.pool = MAX_POOLING[dimensions](kernel_size=2, ceil_mode=True)
        self.gain = nn.Parameter(torch.zeros(()))
        self.guide = convolution(width, 2, kernel_size=1)

    def forward(self, features: Tensor, embedded: Tensor, inside: Tensor, outside: Tensor) -> Tensor:
        """Compute the guidance B×2×[D×]H×W.

        Args:
            features: B×C×[D×]H×W.
            embedded: B×E×[D×]H×W, the features of the distances.
            inside: B×[D×]H×W bool, the clicked voxels of the object.
            outside: the same of the background.
        """
        to_inside = click_distances(embedded, inside, self.unclicked[0])
        to_outside = click_distances(embedded, outside, self.unclicked[1])
        probability = torch.sigmoid(to_outside - to_inside)  # eq. 4
        evidence = torch.cat([probability, *(each / (1 + each) for each in (to_inside, to_outside))], dim=1)
        pooled = self.pool(features)
        query, key, value = (each.flatten(2) for each in (self.query(evidence), self.key(pooled), self.value(pooled)))
        attended = F.scaled_dot_product_attention(*(each.transpose(1, 2) for each in (query, key, value)))
        result = features + self.gain * attended.transpose(1, 2).view(features.shape)
        guidance: Tensor = self.guide(result)
        return guidance


def resampled(features: Tensor, grid: Sequence[int]) -> Tensor:
    """Resample a map to a grid: means of its voxels if the grid is coarser, (bi/tri)linear interpolation if finer."""
    if features.shape[2] >= grid[0]:
        pool: Callable[[Tensor, tuple[int, ...]], Tensor] = (
            F.adaptive_avg_pool2d if len(grid) == 2 else F.adaptive_avg_pool3d  # type: ignore[assignment]  # torch's stubs
        )
        return pool(features, tuple(grid))
    return F.interpolate(features, size=tuple(grid), mode=LINEAR_MODE[len(grid)], align_corners=False)


def click_distances(embedded: Tensor, clicked: Tensor, unclicked: Tensor) -> Tensor:
    """Compute the distance of every voxel to the nearest click in the space of features (eq. 2 and 3).

    Args:
        embedded: B×E×[D×]H×W.
        clicked: B×[D×]H×W bool.
        unclicked: a number, the distance in a sample without a click; not given in the text. Nonnegative
            distances are its absolute value.

    Returns:
        B×1×[D×]H×W, not negative.
    """
    voxels = embedded.float().flatten(2).transpose(1, 2)
    distances = []
    for each, marked in zip(voxels, clicked.flatten(1), strict=True):
        if marked.any():
            squared = (each[:, None] - each[marked][None]).square().sum(dim=2)
            distances.append((squared.amin(dim=1) + _TINY).sqrt())
        else:
            distances.append(unclicked.abs().expand(len(each)))
    return torch.stack(distances).view(len(embedded), 1, *embedded.shape[2:])


def _refinement(dimensions: Dimensions, coming: int, width: int, normalisation: Normalisation) -> nn.Sequential:
    """Six convolutions, those of size 3 dilated; the last gives logits, without normalisation and activation."""
    layers: list[nn.Module] = [convolved(dimensions, coming, width, normalisation, kernel=1)]
    layers += [convolved(dimensions, width, width, normalisation, dilation=rate) for rate in _REFINEMENT_DILATIONS]
    return nn.Sequential(*layers, CONVOLUTION[dimensions](width, 2, kernel_size=1))
