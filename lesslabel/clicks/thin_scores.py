"""IoU_thin and F_thin: how well the thin parts of an object are segmented."""

import math
from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from lesslabel.interaction.prompts.seeds import Mask
from lesslabel.interaction.robots import ThinParts, expanded_region
from lesslabel.interaction.robots.scene import Scene
from lesslabel.interaction.robots.shapes import inner_edge

TOLERANCE_VOXEL = 1.0
"""Default distance at which contours agree. The source does not state it; of thin parts, more would accept most."""


class ThinScores:
    """Scores masks by the thin parts of one object, inside their expanded region (KnifeCut, eq. 5.18 and 5.19).

    ``IoU_thin`` is the overlap of the segmentation in the region with the thin parts. ``F_thin`` is the harmonic mean
    of precision and recall of their contours (Perazzi et al., "A benchmark dataset and evaluation methodology for video
    object segmentation", CVPR 2016): the voxels of a contour within the tolerance of the other one.

    Attributes:
        thin: ([z,] y, x) bool, the thin parts.
        region: the same shape, where they are scored.

    Args:
        truth: ([z,] y, x) bool, the object.
        settings: what is thin.
        spacing_mm: voxel size in the order of the axes; None for equal axes.
        tolerance_voxel: of the contours, in voxels along the finest axes.

    Raises:
        DataError: if the spacing does not fit the object.
    """

    def __init__(
        self,
        truth: Mask,
        settings: ThinParts,
        spacing_mm: Sequence[float] | None = None,
        tolerance_voxel: float = TOLERANCE_VOXEL,
    ) -> None:
        scale = Scene.of(truth, None, spacing_mm).scale
        self.thin = settings.of(truth, scale.tolist())
        self.region = expanded_region(truth, self.thin, scale)
        self.tolerance_voxel = tolerance_voxel
        self._scale = scale
        self._contour = inner_edge(self.thin)
        self._near = self._within_tolerance(self._contour)

    def of(self, mask: Mask) -> tuple[float, float]:
        """Score a mask.

        Args:
            mask: ([z,] y, x) bool.

        Returns:
            IoU_thin and F_thin in [0, 1]; NaN for an object without thin parts.
        """
        if not self.thin.any():
            return math.nan, math.nan
        found = mask & self.region
        overlap = np.count_nonzero(found & self.thin) / np.count_nonzero(found | self.thin)
        contour = inner_edge(found)
        if not contour.any():
            return overlap, 0.0
        precision = np.count_nonzero(contour & self._near) / np.count_nonzero(contour)
        near = self._within_tolerance(contour)
        recall = np.count_nonzero(self._contour & near) / np.count_nonzero(self._contour)
        return overlap, 2 * precision * recall / (precision + recall) if precision + recall else 0.0

    def _within_tolerance(self, contour: Mask) -> Mask:
        if not contour.any():
            return contour
        return np.asarray(
            ndimage.distance_transform_edt(~contour, sampling=self._scale.tolist()) <= self.tolerance_voxel
        )
