"""Object-contextual representations: features of each voxel with the context of its likely objects."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lesslabel.networks.description import Dimensions
from lesslabel.networks.layers import CONVOLUTION, Normalisation, convolved, enlarge
from lesslabel.networks.u_shaped import Decoder


class ObjectContextDecoder(Decoder):
    """OCR (Yuan et al., "Object-contextual representations for semantic segmentation", ECCV 2020, arXiv:1909.11065).

    The maps are concatenated at the size of the finest one. A small head proposes K soft regions; the mean of the
    voxels' features over region k is its representation f_k (eq. 4). A voxel's context is ρ(Σ_k w_k·δ(f_k)) with
    w = softmax_k(φ(x)ᵀψ(f_k)) (eqs. 3 and 5), and its new feature g([x, context]) (eq. 6).

    Args:
        dimensions: 2 or 3.
        encoder_channels: of the encoder's last maps, finest first; earlier maps are not used, except that the first
            sets the size of the result.
        regions: K, the number of classes.
        width: of features, context and result; keys have half of it.
        normalisation: of every layer.
    """

    def __init__(
        self,
        dimensions: Dimensions,
        encoder_channels: Sequence[int],
        regions: int,
        width: int,
        normalisation: Normalisation,
    ) -> None:
        super().__init__(width)
        joined, key = sum(encoder_channels), max(1, width // 2)
        self.maps = len(encoder_channels)
        self.regions = nn.Sequential(
            convolved(dimensions, joined, joined, normalisation, kernel=1),
            CONVOLUTION[dimensions](joined, regions, kernel_size=1, bias=False),  # a softmax over voxels cancels it
        )
        self.features = convolved(dimensions, joined, width, normalisation)
        self.query = nn.Sequential(
            convolved(dimensions, width, key, normalisation, kernel=1),
            convolved(dimensions, key, key, normalisation, kernel=1),
        )
        # the few values of a region are not normalised
        self.key = nn.Sequential(nn.Conv1d(width, key, 1), nn.ReLU(), nn.Conv1d(key, key, 1), nn.ReLU())
        self.value = nn.Sequential(nn.Conv1d(width, key, 1), nn.ReLU())
        self.context = convolved(dimensions, key, width, normalisation, kernel=1)
        self.fuse = convolved(dimensions, 2 * width, width, normalisation, kernel=1)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Compute the penultimate map, at the size of the first encoder map (the image)."""
        joined = self._joined(features)
        regions = self.regions(joined).flatten(2).softmax(dim=2)  # B×K×voxels, over voxels
        voxels = self.features(joined)
        representations = torch.einsum("bkn,bcn->bck", regions, voxels.flatten(2))
        query = self.query(voxels)
        key, value = self.key(representations), self.value(representations)
        relation = torch.einsum("bcn,bck->bnk", query.flatten(2), key) * key.shape[1] ** -0.5
        context = torch.einsum("bnk,bck->bcn", relation.softmax(dim=2), value).view(query.shape)
        return enlarge(self.fuse(torch.cat([self.context(context), voxels], dim=1)), features[0])

    def region_logits(self, features: Sequence[Tensor]) -> Tensor:
        """Compute the logits of the regions, B×K×[D×]H×W at the image size, for an additional loss."""
        return enlarge(self.regions(self._joined(features)), features[0])

    def _joined(self, features: Sequence[Tensor]) -> Tensor:
        finest, *coarser = features[-self.maps :]
        return torch.cat([finest, *(enlarge(each, finest) for each in coarser)], dim=1)
