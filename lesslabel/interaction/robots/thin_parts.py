"""Thin parts of an object, and the regions in which they are corrected and scored."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from lesslabel.errors import ConfigError
from lesslabel.interaction.prompts.positions import checked_spacing
from lesslabel.interaction.prompts.seeds import Mask
from lesslabel.interaction.robots.shapes import RelativeSpacing, bounding_window, depth

_TOLERANCE_SHARE = 10 / 300


@dataclass(frozen=True)
class ThinParts:
    """What is thin in an object: what an opening with a ball removes, without what it removes at corners.

    The ball's radius is relative to the object: `radius_share` of its greatest depth, the radius of the largest ball
    inside. So a part is thin if it is narrower than that share of the object's thickest place, whatever the size of the
    voxels. A component of the removed voxels is a thin part if it reaches far enough from the opened object; corners
    of 90° reach 0.4 radii. Opening and distances are exact Euclidean ones; beyond the image counts as outside.

    KnifeCut takes its thin parts from Liew et al., "Deep interactive thin object selection", WACV 2021, whose recipe
    is not published. An object of the same thickness everywhere has none here.

    Attributes:
        radius_share: in (0, 1).
        reach: least distance of the farthest voxel of a part from the opened object, in radii, at least 0; with 2 a
            part is at least as long as it may be wide.

    Raises:
        ConfigError: if a value is out of its range.
    """

    radius_share: float = 0.35
    reach: float = 2.0

    def __post_init__(self) -> None:
        if not 0 < self.radius_share < 1:
            raise ConfigError(f"radius_share: {self.radius_share}; give a share of the greatest depth, in (0, 1)")
        if not 0 <= self.reach < math.inf:
            raise ConfigError(f"reach: {self.reach}; give a number of radii of at least 0")

    def of(self, mask: Mask, spacing_mm: Sequence[float] | None = None) -> Mask:
        """Find the thin parts of a mask.

        Args:
            mask: ([z,] y, x) bool.
            spacing_mm: voxel size in the order of the axes; None for equal axes.

        Returns:
            The same shape, a part of the mask; empty for an empty mask.

        Raises:
            DataError: if the spacing does not fit the mask.
        """
        scale = np.ones(mask.ndim) if spacing_mm is None else checked_spacing(spacing_mm, mask.ndim)
        thin = np.zeros_like(mask)
        if not mask.any():
            return thin
        window = bounding_window(mask)
        inside = depth(mask, scale)[window]
        radius = self.radius_share * inside.max()
        opened = (inside > 0) & (ndimage.distance_transform_edt(inside <= radius, sampling=scale) <= radius)
        removed, count = ndimage.label((inside > 0) & ~opened, np.ones((3,) * mask.ndim))
        if count:
            away = ndimage.distance_transform_edt(~opened, sampling=scale)
            reached = np.asarray(ndimage.maximum(away, removed, np.arange(1, count + 1)))
            thin[window] = np.isin(removed, 1 + np.flatnonzero(reached >= self.reach * radius))
        return thin


@dataclass(frozen=True, eq=False)
class ThinPart:
    """One connected thin part and its expanded region, in a window of the image.

    Attributes:
        window: in the image, one slice for each axis.
        part: T_i, bool of the window.
        region: E_i, the same shape: within the tolerance of the part, but not in the object's body.
    """

    window: tuple[slice, ...]
    part: Mask
    region: Mask

    def region_in(self, shape: tuple[int, ...]) -> Mask:
        """The expanded region as a mask of the image."""
        mask = np.zeros(shape, np.bool_)
        mask[self.window] = self.region
        return mask


def tolerance(truth: Mask, scale: RelativeSpacing) -> float:
    """Compute τ = 10 · max(H, W) / 300 from the box around an object (KnifeCut, eq. 5.2).

    Args:
        truth: ([z,] y, x) bool with at least one voxel.
        scale: of the axes; τ is in the same unit.
    """
    lengths = [side.stop - side.start for side in bounding_window(truth)]
    return float(_TOLERANCE_SHARE * np.max(np.array(lengths) * scale))


def expanded_parts(truth: Mask, thin: Mask, scale: RelativeSpacing) -> list[ThinPart]:
    """Divide the thin parts of an object into connected ones, and expand each (KnifeCut, eq. 5.3 and 5.4).

    Args:
        truth: ([z,] y, x) bool, the object.
        thin: its thin parts, see `ThinParts`; all of it for an object that is thin as a whole.
        scale: of the axes.

    Returns:
        The parts in raster order; components are connected over faces, edges or corners.
    """
    labels, _ = ndimage.label(thin, np.ones((3,) * thin.ndim))
    reach = tolerance(truth, scale) if thin.any() else 0.0
    margin = np.ceil(reach / scale).astype(int)
    body = truth & ~thin
    parts = []
    for label, found in enumerate(ndimage.find_objects(labels), start=1):
        window = tuple(
            slice(max(side.start - extra, 0), min(side.stop + extra, length))
            for side, extra, length in zip(found, margin, truth.shape, strict=True)
        )
        part = labels[window] == label
        near = ndimage.distance_transform_edt(~part, sampling=scale) <= reach
        parts.append(ThinPart(window, part, near & ~body[window]))
    return parts


def expanded_region(truth: Mask, thin: Mask, scale: RelativeSpacing) -> Mask:
    """The union of the expanded regions of all thin parts (E of KnifeCut): what IoU_thin and F_thin are measured in."""
    if not thin.any():
        return np.zeros_like(thin)
    near = ndimage.distance_transform_edt(~thin, sampling=scale) <= tolerance(truth, scale)
    return np.asarray(near & ~(truth & ~thin))
