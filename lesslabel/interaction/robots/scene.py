"""The input of a robot: the truth, the prediction, and their differences."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np

from lesslabel.errors import DataError
from lesslabel.interaction.prompts import Prompt
from lesslabel.interaction.prompts.positions import checked_spacing
from lesslabel.interaction.prompts.seeds import Mask, Side, check_shape
from lesslabel.interaction.robots.shapes import RelativeSpacing, largest_components


@dataclass(frozen=True, eq=False)
class Scene:
    """Truth and prediction of one object of an image.

    Attributes:
        truth: ([z,] y, x) bool, the object.
        prediction: the same shape, the current segmentation.
        has_prediction: whether there is a prediction yet; without one `prediction` is empty.
        scale: voxel size divided by its smallest side, for each axis; axes of one voxel do not count as the smallest.
        earlier: the prompts for the object so far; empty if they do not matter.
    """

    truth: Mask
    prediction: Mask
    has_prediction: bool
    scale: RelativeSpacing
    earlier: tuple[Prompt, ...] = ()

    @classmethod
    def of(
        cls,
        truth: Mask,
        prediction: Mask | None = None,
        spacing_mm: Sequence[float] | None = None,
        earlier: Sequence[Prompt] = (),
    ) -> Self:
        """Check masks and spacing and make a scene.

        Args:
            truth: ([z,] y, x) bool.
            prediction: the same shape; None without one.
            spacing_mm: voxel size in the order of the axes; None for equal axes.
            earlier: the prompts for the object so far.

        Raises:
            DataError: if the masks are not bool of one shape, or the spacing does not fit them.
        """
        check_shape(truth.shape)
        for name, mask in (("truth", truth), ("prediction", prediction)):
            if mask is not None and mask.dtype != np.bool_:
                raise DataError(f"{name}: {mask.dtype}; pass a bool mask, such as labels == 1")
            if mask is not None and mask.shape != truth.shape:
                raise DataError(f"{name}: shape {mask.shape}, the truth {truth.shape}; pass masks of one image")
        spacing = np.ones(truth.ndim) if spacing_mm is None else checked_spacing(spacing_mm, truth.ndim)
        finest = min((side for side, size in zip(spacing, truth.shape, strict=True) if size > 1), default=1.0)
        segmented = np.zeros_like(truth) if prediction is None else prediction
        return cls(truth, segmented, prediction is not None, spacing / finest, tuple(earlier))

    @cached_property
    def missed(self) -> Mask:
        """False negatives: voxels of the object that are not segmented."""
        return np.asarray(self.truth & ~self.prediction)

    @cached_property
    def spilled(self) -> Mask:
        """False positives: segmented voxels outside the object."""
        return np.asarray(self.prediction & ~self.truth)

    def largest_error(self) -> tuple[Mask, Side] | None:
        """The largest connected component of the false negatives or of the false positives.

        Returns:
            Its voxels and their true side; of equal ones the false negatives first. None without an error.
        """
        errors = [
            (part, side)
            for region, side in ((self.missed, Side.FOREGROUND), (self.spilled, Side.BACKGROUND))
            for part in largest_components(region)
        ]
        return max(errors, key=lambda error: np.count_nonzero(error[0]), default=None)
