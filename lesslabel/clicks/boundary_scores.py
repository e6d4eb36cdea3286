"""Boundary IoU: how well the neighbourhood of an object's boundary is segmented."""

import math
from collections.abc import Sequence

import numpy as np

from lesslabel.interaction.prompts.seeds import Mask
from lesslabel.interaction.robots.scene import Scene
from lesslabel.interaction.robots.shapes import depth

SHARE_OF_DIAGONAL = 0.02
"""Default depth of the band, as published, as a share of the diagonal of the image."""


class BoundaryScores:
    """Scores masks by their overlap near the boundaries: the IoU of the bands that lie inside both boundaries.

    "Boundary IoU: Improving Object-Centric Image Segmentation Evaluation" (Cheng et al., CVPR 2021, arXiv:2103.16562):
    |B(G) ∩ B(P)| / |B(G) ∪ B(P)|, where B(X) are the voxels of X that are at most d away from its outside. Beyond the
    image counts as outside. Distances are Euclidean, where the public code erodes by squares.

    Args:
        truth: ([z,] y, x) bool, the object.
        spacing_mm: voxel size in the order of the axes; None for equal axes.
        share: of the image's diagonal, above 0; d is at least one voxel along the finest axis.

    Raises:
        DataError: if the spacing does not fit the object.
    """

    def __init__(
        self, truth: Mask, spacing_mm: Sequence[float] | None = None, share: float = SHARE_OF_DIAGONAL
    ) -> None:
        self._scale = Scene.of(truth, None, spacing_mm).scale
        sides = [size * side for size, side in zip(truth.shape, self._scale, strict=True) if size > 1]
        self.depth_voxel = max(share * math.hypot(*sides), 1.0)
        self._band = self._band_of(truth)

    def of(self, mask: Mask) -> float:
        """Score a mask ([z,] y, x) bool.

        Returns:
            The boundary IoU in [0, 1]; 0 for an empty mask.
        """
        band = self._band_of(mask)
        union = np.count_nonzero(band | self._band)
        return np.count_nonzero(band & self._band) / union if union else 0.0

    def _band_of(self, mask: Mask) -> Mask:
        inside = depth(mask, self._scale)
        return np.asarray((inside > 0) & (inside <= self.depth_voxel))
