"""Resampling that never interpolates a label and never loses a scribble."""

from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from lesslabel.data.case import IGNORE

VolumeShape = tuple[int, int, int]
Interpolation = Literal["linear", "nearest"]


def resize_image(image: Tensor, shape: VolumeShape, interpolation: Interpolation = "linear") -> Tensor:
    """Resample (C, z, y, x) to another grid over the same field of view.

    Args:
        image: float tensor.
        shape: (z, y, x) in voxels.
        interpolation: ``linear`` with antialiasing within the slice when it shrinks; ``nearest`` as in the published
            scribble benchmark.
    """
    if tuple(image.shape[1:]) == shape:
        return image
    if interpolation == "nearest":
        return F.interpolate(image[None], shape, mode="nearest-exact")[0]
    depth, height, width = shape
    if tuple(image.shape[2:]) != (height, width):
        # (C, z) are the batch and channels of a 2D resize, since only that has antialiasing
        image = F.interpolate(image, (height, width), mode="bilinear", antialias=True)
    if image.shape[1] != depth:
        image = F.interpolate(image[None], shape, mode="trilinear")[0]
    return image


def resize_probabilities(probabilities: Tensor, shape: VolumeShape) -> Tensor:
    """Resample class probabilities (C, z, y, x) to another grid; they still sum to 1."""
    if tuple(probabilities.shape[1:]) == shape:
        return probabilities
    return F.interpolate(probabilities[None], shape, mode="trilinear")[0]


def resize_labels(labels: NDArray[np.uint8], shape: VolumeShape) -> NDArray[np.uint8]:
    """Resample a label map (z, y, x).

    An axis that grows repeats its nearest voxel. Along an axis that shrinks, a voxel is known if any of its
    source voxels was, and gets the most frequent of the known labels, of equally frequent ones the rarer class. A
    stroke one pixel wide thus survives any reduction, where nearest-neighbour sampling erases it.
    """
    if labels.shape == shape:
        return labels
    voxels_of = np.bincount(labels.reshape(-1), minlength=IGNORE + 1)[:IGNORE]
    for axis, size in enumerate(shape):
        if labels.shape[axis] < size:
            labels = np.take(labels, _nearest_index(labels.shape[axis], size), axis=axis)
    if labels.shape == shape:
        return labels
    best = np.zeros(shape, dtype=np.int64)
    result = np.full(shape, IGNORE, dtype=np.uint8)
    for code in sorted(np.flatnonzero(voxels_of), key=voxels_of.__getitem__):
        count = _gather(labels == code, shape)
        wins = count > best
        result[wins] = code
        best[wins] = count[wins]
    return result


def target_shape(
    shape: VolumeShape,
    spacing_mm: tuple[float, float, float],
    size: tuple[int, int] | None,
    new_spacing_mm: tuple[float, float, float] | None,
) -> VolumeShape:
    """The shape of the network's grid: slices of a fixed size, a fixed spacing, or the native grid."""
    if size is not None:
        return shape[0], size[0], size[1]
    if new_spacing_mm is not None:
        depth, height, width = (
            max(1, round(voxels * old / new))
            for voxels, old, new in zip(shape, spacing_mm, new_spacing_mm, strict=True)
        )
        return depth, height, width
    return shape


def to_tensor(array: NDArray[np.float32]) -> Tensor:
    """Make a tensor that shares the memory of the array."""
    return torch.from_numpy(np.ascontiguousarray(array))


def _nearest_index(old: int, new: int) -> NDArray[np.int64]:
    return np.minimum(((np.arange(new) + 0.5) * old / new).astype(np.int64), old - 1)


def _gather(mask: NDArray[np.bool_], shape: VolumeShape) -> NDArray[np.int64]:
    """Count, for every target voxel, the True source voxels whose centres fall into it."""
    count = mask.astype(np.int64)
    for axis, size in enumerate(shape):
        if count.shape[axis] != size:
            old = count.shape[axis]
            # the first source index j with (j + ½) / old ≥ i / size, in integers, so that rounding decides no tie
            starts = -((size - 2 * old * np.arange(size)) // (2 * size))
            count = np.add.reduceat(count, starts, axis=axis)
    return count
