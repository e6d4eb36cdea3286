"""The region around marks whose outline runs along the strongest edges: one solve of the training-free model."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lesslabel.interaction.geodesic import geodesic_distance
from lesslabel.interaction.prompts.seeds import Mask, Seeds
from lesslabel.interaction.structure import clicked_parts

_CANDIDATES = 128
_LEAST_SHARE, _LARGEST_SHARE = 0.002, 0.7
SHARE_OF_BOX = 0.6
"""Of a box or polygon, that an object in it fills."""
_KNOWN_DEVIATION = 0.4
"""Deviation of the logarithm of the size, where something tells it."""
_SMOOTHING = 1 / 160
_LENGTH_VOXEL = 96.0
"""Side of an image, in voxels, for which the spatial weight is meant; a larger grid has more and shorter steps."""


@dataclass(frozen=True)
class SizePrior:
    """How large an object probably is: its share of the image is distributed log-normally.

    Attributes:
        share: the median, in (0, 1).
        deviation: of the natural logarithm.
        weight: of the squared deviation, against the contrast of the outline as a share of the strongest outline's.
    """

    share: float = 0.082
    deviation: float = 1.5
    weight: float = 0.6


@dataclass(frozen=True, eq=False)
class EdgeImage:
    """An image, and how much it changes between neighbours.

    Attributes:
        image: (C, [z,] y, x) in [0, 1], smoothed.
        spatial_weight: cost of a step over one voxel, beside its change of intensity.
    """

    image: NDArray[np.float32]
    spatial_weight: float = 0.01

    @cached_property
    def changes(self) -> list[NDArray[np.float32]]:
        """For each axis the change to the next voxel along it, summed over channels."""
        return [np.abs(np.diff(self.image, axis=axis)).sum(axis=0) for axis in range(1, self.image.ndim)]

    def distance(self, marks: Mask) -> NDArray[np.float64]:
        """Geodesic distance to the nearest mark; infinite without any."""
        step = self.spatial_weight * _LENGTH_VOXEL / max(marks.shape)
        spacing = (1.0,) * marks.ndim
        return geodesic_distance(self.image, marks, spacing, spatial_weight=step, scale=None).astype(np.float64)


def stable_region(
    edges: EdgeImage, foreground: Mask, background: Mask, prior: SizePrior
) -> tuple[Mask, NDArray[np.float32]]:
    """Segment what the marks on the object belong to.

    Candidates are the voxels nearer to a mark on the object than a threshold, and nearer than to a mark on the
    background; distances are geodesic. Of all thresholds the one is taken whose outline crosses the largest mean change
    of intensity, as far as the size of the object is probable. The idea is that of maximally stable extremal regions
    (Matas et al., BMVC 2002), with the distance from the marks in place of the intensity.

    Args:
        edges: the image.
        foreground: ([z,] y, x) bool, at least one mark.
        background: the same shape, other voxels than those.
        prior: of the size.

    Returns:
        The mask, whose every part has a mark, without holes; and a probability in [0, 1] that falls with the distance.
    """
    near = edges.distance(foreground)
    allowed = near < edges.distance(background) if background.any() else np.isfinite(near)
    allowed |= foreground
    field = np.where(allowed, near, near[np.isfinite(near)].max() + 1 + near)
    threshold = _best_threshold(field, edges.changes, prior)
    mask = ndimage.binary_fill_holes((near <= threshold) & allowed) & ~background
    mask = clicked_parts(_smoothed(mask) & ~background | foreground, foreground)
    beyond = np.where(allowed, near, np.inf) / max(threshold, 1e-9)
    probability = np.where(mask, 1 - 0.499 * np.minimum(beyond, 1) ** 2, 0.5 * np.exp(-np.maximum(beyond - 0.9, 0.05)))
    return mask, probability.astype(np.float32)


def region_map(image: NDArray[np.float32], seeds: Seeds, region: Mask | None) -> NDArray[np.float32]:
    """The probability of `stable_region` from the seeds of an object, as a map for a network.

    Args:
        image: (C, [z,] y, x), about in [0, 1].
        seeds: of both sides; without any in the object the middle of the region is one.
        region: ([z,] y, x) bool, inside of boxes and polygons, whose size tells that of the object; None for none.

    Returns:
        ([z,] y, x) float32 in [0, 1]; 0 everywhere if nothing marks or encloses the object.
    """
    enclosed = region is not None and bool(region.any())
    foreground = seeds.foreground
    prior = SizePrior()
    if region is not None and enclosed:
        prior = prior_of(SHARE_OF_BOX * np.count_nonzero(region) / region.size)
        foreground = foreground if foreground.any() else middle(region & ~seeds.background)
    if not foreground.any():
        return np.zeros(foreground.shape, np.float32)
    return stable_region(EdgeImage(smoothed(distinct(image))), foreground, seeds.background & ~foreground, prior)[1]


def distinct(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """An image (C, …) whose changes, summed over channels, are the mean change; one channel if all are equal."""
    if all(np.array_equal(image[0], other) for other in image[1:]):
        return image[:1]
    return image / np.float32(len(image))


def smoothed(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Gaussian smoothing of an image (C, …) by a share of the longest side of its grid, up to that of one voxel."""
    deviation = _SMOOTHING * min(max(image.shape[1:]), 1 / _SMOOTHING)
    return np.stack([ndimage.gaussian_filter(channel, deviation) for channel in image])


def prior_of(share: float) -> SizePrior:
    """The prior where a box, a mask or a first look tells the size, as a share of the image."""
    return SizePrior(float(np.clip(share, 1e-5, 0.9)), _KNOWN_DEVIATION)


def middle(region: Mask) -> Mask:
    """The inner part of a region: at least half as deep as its deepest voxel; empty for an empty region."""
    depth = ndimage.distance_transform_edt(np.pad(region, 1))[(slice(1, -1),) * region.ndim]
    return np.asarray(region & (depth >= 0.5 * depth.max()))


def nearest_class(edges: EdgeImage, marks: NDArray[np.uint8], unknown: int) -> NDArray[np.uint8]:
    """Give every voxel the class of the mark that is nearest to it along the image.

    Args:
        edges: the image.
        marks: ([z,] y, x) class indices, `unknown` where nothing is marked; at least one mark.
        unknown: the value of unmarked voxels.

    Returns:
        The same shape; of equally near marks the smallest class.
    """
    classes = [int(index) for index in np.unique(marks) if index != unknown]
    distances = np.stack([edges.distance(marks == index) for index in classes])
    return np.asarray(np.asarray(classes, np.uint8)[distances.argmin(axis=0)])


def _best_threshold(field: NDArray[np.float64], changes: list[NDArray[np.float32]], prior: SizePrior) -> float:
    """The threshold of the field whose outline crosses the largest mean change, weighed by the prior of the size."""
    values = np.sort(field[np.isfinite(field)], axis=None)
    shares = np.linspace(_LEAST_SHARE, _LARGEST_SHARE, _CANDIDATES)
    levels = np.unique(values[(shares * (len(values) - 1)).astype(np.int64)])
    change, count = np.zeros(len(levels) + 1), np.zeros(len(levels) + 1)
    for axis, steps in enumerate(changes):
        first, second = np.delete(field, -1, axis), np.delete(field, 0, axis)
        # a pair lies across the outline of every level from the smaller of its two values to below the larger
        enters = np.searchsorted(levels, np.minimum(first, second).ravel())
        leaves = np.searchsorted(levels, np.maximum(first, second).ravel())
        for total, weights in ((change, steps.ravel()), (count, None)):
            total += np.bincount(enters, weights, len(total)) - np.bincount(leaves, weights, len(total))
    contrast = (change.cumsum() / np.maximum(count.cumsum(), 1))[: len(levels)]
    share = np.searchsorted(values, levels, side="right") / field.size
    unlikely = ((np.log(share) - np.log(prior.share)) / prior.deviation) ** 2
    return float(levels[np.argmax(contrast / max(contrast.max(), 1e-9) - prior.weight * unlikely)])


def _smoothed(mask: Mask) -> Mask:
    """Without whiskers and splinters, if it is large enough to have some."""
    if np.count_nonzero(mask) <= 200:
        return mask
    opened = ndimage.binary_opening(mask)
    side = 5 if mask.ndim == 2 else 3
    return np.asarray(ndimage.uniform_filter(opened.astype(np.float32), side) > 0.5)
