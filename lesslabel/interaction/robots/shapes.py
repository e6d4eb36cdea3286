"""Geometry of masks for robots: components, depths, edges, slices.

An axis of one voxel has no neighbours: a 2D image kept as one slice is treated as 2D. Distances are in units of the
finest voxel side: `scale` is the voxel size divided by its smallest side, 1 along the finest axes.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lesslabel.interaction.prompts.seeds import Mask

RelativeSpacing = NDArray[np.float64]


def largest_components(region: Mask, count: int = 1) -> list[Mask]:
    """The largest connected components of a region, the largest first, equals in raster order.

    Args:
        region: ([z,] y, x) bool; voxels are connected over faces, edges or corners.
        count: largest number of components.

    Returns:
        Masks of the region's shape; fewer if there are fewer components.
    """
    if not region.any():
        return []
    window = bounding_window(region)
    labels, found = ndimage.label(region[window], np.ones((3,) * region.ndim))
    sizes = np.bincount(labels.ravel(), minlength=found + 1)[1:]
    parts = []
    for label in np.argsort(-sizes, kind="stable")[:count] + 1:
        part = np.zeros_like(region)
        part[window] = labels == label
        parts.append(part)
    return parts


def depth(region: Mask, scale: RelativeSpacing) -> NDArray[np.float64]:
    """Distance of every voxel of a region to the nearest outside it, 0 elsewhere; beyond the image counts as outside.

    A region that fills an image of one voxel has the depth 1.

    Args:
        region: ([z,] y, x) bool.
        scale: of the axes.
    """
    depths = np.zeros(region.shape)
    if region.any():
        window = bounding_window(region)
        padded, inner = _padded(region[window], region.shape)
        if padded.all():
            depths[window] = 1.0
        else:
            depths[window] = ndimage.distance_transform_edt(padded, sampling=scale)[inner]
    return depths


def inner_edge(region: Mask) -> Mask:
    """Voxels of a region with a face neighbour outside it; beyond the image counts as outside.

    In an image of one voxel the whole region is edge.
    """
    padded, inner = _padded(region, region.shape)
    edge = region & ~ndimage.binary_erosion(padded, border_value=True)[inner]
    return np.asarray(edge if edge.any() else region)


def outer_edge(region: Mask) -> Mask:
    """Voxels outside a region with a face neighbour in it."""
    return np.asarray(ndimage.binary_dilation(region) & ~region)


def bounding_window(region: Mask, margin_voxel: NDArray[np.int64] | int = 0) -> tuple[slice, ...]:
    """Slices around all voxels of a non-empty region, widened by a margin, clipped to the image."""
    margins = np.broadcast_to(margin_voxel, region.ndim).tolist()
    window = []
    for axis, (size, margin) in enumerate(zip(region.shape, margins, strict=True)):
        others = tuple(other for other in range(region.ndim) if other != axis)
        indices = np.flatnonzero(region.any(axis=others))
        window.append(slice(max(int(indices[0]) - margin, 0), min(int(indices[-1]) + 1 + margin, size)))
    return tuple(window)


def drawing_slice(region: Mask, scale: RelativeSpacing) -> tuple[slice | int, ...]:
    """Index of the slice on which a person would draw: across the coarsest axis, where the region is largest.

    Args:
        region: ([z,] y, x) bool with at least one voxel.
        scale: of the axes; of equally coarse ones the first is used.

    Returns:
        Slices and one index; slices alone in 2D.
    """
    whole: list[slice | int] = [slice(None)] * region.ndim
    axis = _drawing_axis(region, scale)
    if axis is not None:
        areas = region.sum(axis=tuple(other for other in range(3) if other != axis))
        whole[axis] = int(np.argmax(areas))
    return tuple(whole)


def slice_at(voxel: NDArray[np.int64], region: Mask, scale: RelativeSpacing) -> tuple[slice | int, ...]:
    """Index of the slice through a voxel (axes,) across the axis of `drawing_slice`; slices alone in 2D."""
    axis = _drawing_axis(region, scale)
    return tuple(int(at) if place == axis else slice(None) for place, at in enumerate(voxel))


def plane_scale(scale: RelativeSpacing, cut: tuple[slice | int, ...]) -> RelativeSpacing:
    """The relative spacing of the two axes of a slice, whose finest axis may be coarser than that of the volume."""
    return scale[[isinstance(part, slice) for part in cut]]


def in_volume(points: NDArray[np.float64], cut: tuple[slice | int, ...]) -> NDArray[np.float64]:
    """Convert positions on a slice to positions in its volume: (N, 2) to (N, 2 or 3)."""
    for axis, index in enumerate(cut):
        if isinstance(index, int):
            points = np.insert(points, axis, index, axis=1)
    return points


def _drawing_axis(region: Mask, scale: RelativeSpacing) -> int | None:
    """The axis of one voxel, or the coarsest one; None in 2D."""
    if region.ndim == 2:
        return None
    thin = [axis for axis, size in enumerate(region.shape) if size == 1]
    return thin[0] if thin else int(np.argmax(scale))


def _padded(region: Mask, image_shape: tuple[int, ...]) -> tuple[Mask, tuple[slice, ...]]:
    """A region padded with False along every axis of several voxels, and the slices that remove the padding."""
    rim = [int(size > 1) for size in image_shape]
    return np.pad(region, [(width, width) for width in rim]), tuple(slice(w, -w or None) for w in rim)
