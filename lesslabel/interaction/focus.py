"""The focus views of FocusCut: their range around a click, in use and in training.

Lin et al., "FocusCut: Diving Into a Focus View in Interactive Segmentation", CVPR 2022, and chapter 4 of its author's
thesis. Distances are Chebyshev distances (eq. 4.1), since a view is a square, or a cube in 3D, in voxels of the finest
axes: `scale` is the voxel size divided by its smallest side.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lesslabel.interaction.prompts.positions import Position, nearest_voxels
from lesslabel.interaction.prompts.seeds import Mask

Scale = NDArray[np.float64]


@dataclass(frozen=True)
class FocusRange:
    """A focus view.

    Attributes:
        centre: ([z,] y, x) in voxels.
        radius_voxel: half the side of the view.
    """

    centre: Position
    radius_voxel: float


def focus_range(
    before: Mask,
    now: Mask,
    centre: Position,
    scale: Scale,
    *,
    largest_share: float = 0.2,
    growth: float = 1.75,
) -> FocusRange | None:
    """Decide whether a click needs a focus view, and its range (algorithm 2).

    If the click changed its own voxel, the view holds the connected component that changed, unless it is large
    relative to the object: then the click changed the whole object, not a detail. If its own voxel is unchanged, the
    view extends to the nearest voxel with the other prediction.

    Args:
        before: ([z,] y, x) bool, the global prediction before the click.
        now: the same shape, the prediction after it.
        centre: the click.
        scale: of the axes.
        largest_share: λ, the share of the object from which a change is not a detail.
        growth: ω, the size of the view relative to the change.

    Returns:
        None without a focus view.
    """
    voxel = tuple(nearest_voxels(np.array([centre]), before.shape)[0])
    changed = before != now
    if changed[voxel]:
        part = _part_of(changed, voxel)
        if part.sum() >= largest_share * now.sum():
            return None
        radius = _chebyshev(np.argwhere(part), voxel, scale).max()
    else:
        others = np.argwhere(before != before[voxel])
        if not len(others):
            return None
        radius = _chebyshev(others, voxel, scale).min()
    return FocusRange(centre, growth * float(max(radius, 1.0)))


def narrowed_range(
    before: Mask, now: Mask, centre: Position, scale: Scale, *, growth: float = 1.1, erosion_voxel: int = 2
) -> FocusRange | None:
    """Find the next view of the progressive focus strategy (algorithm 3): the range of large changes in the last view.

    Args:
        before: ([z,] y, x) bool, the prediction inside the last view before its segmentation, any value outside.
        now: the same shape, the prediction after it.
        centre: of the view.
        scale: of the axes.
        growth: ω̂.
        erosion_voxel: ε, changes of at most this width are ignored.

    Returns:
        None without a change.
    """
    voxel = tuple(nearest_voxels(np.array([centre]), before.shape)[0])
    changed = ndimage.binary_erosion(before != now, np.ones((3,) * before.ndim), iterations=erosion_voxel)
    left = np.argwhere(changed)
    if not len(left):
        return None
    return FocusRange(centre, growth * float(max(_chebyshev(left, voxel, scale).max(), 1.0)))


def simulated_focus(
    truth: Mask,
    generator: np.random.Generator,
    scale: Scale,
    *,
    share: tuple[float, float] = (0.2, 0.8),
    offset: tuple[float, float] = (-0.3, 0.3),
) -> FocusRange:
    """Sample a view for training near the boundary of an object (algorithm 1).

    In 3D the size of an object is the cube root of its volume, in 2D the square root of its area as in the text.

    Args:
        truth: ([z,] y, x) bool, the object, not empty.
        generator: random number generator.
        scale: of the axes.
        share: α, the least and the largest radius as a share of the object's size.
        offset: β, the largest distance along each axis of the centre from a boundary voxel, as a share of the radius.
    """
    size = float(truth.sum() * np.prod(scale)) ** (1 / truth.ndim)
    radius = generator.uniform(*share) * size
    boundary = np.argwhere(truth & ~ndimage.binary_erosion(truth))
    voxel = generator.choice(boundary)
    moved = voxel + generator.uniform(*offset, size=truth.ndim) * radius / scale
    centre = np.clip(moved, 0, np.array(truth.shape) - 1)
    return FocusRange(tuple(centre.tolist()), max(radius, 1.0))


def _part_of(mask: Mask, voxel: tuple[int, ...]) -> Mask:
    parts, _ = ndimage.label(mask, np.ones((3,) * mask.ndim))
    return np.asarray(parts == parts[voxel])


def _chebyshev(voxels: NDArray[np.int64], voxel: tuple[int, ...], scale: Scale) -> NDArray[np.float64]:
    return np.asarray((np.abs(voxels - np.array(voxel)) * scale).max(axis=1))
