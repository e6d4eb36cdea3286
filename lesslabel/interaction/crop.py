"""Crop an image around its prompts, resample the crop to the grid of a network, and back. Needs PyTorch."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self, TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from lesslabel.data.loading.resize import VolumeShape, resize_image, resize_labels
from lesslabel.interaction.prompts import Prompt
from lesslabel.interaction.prompts.positions import Position, nearest_voxels
from lesslabel.interaction.prompts.seeds import Mask, Shape

Scalar = TypeVar("Scalar", bound=np.generic)


@dataclass(frozen=True)
class Crop:
    """A window of an image on a grid of fixed size.

    Attributes:
        window: the window in the image, one slice for each axis.
        shape: of the image, ([z,] y, x).
        size: of the grid, ([z,] y, x).
        native: whether the grid keeps the voxels of the image; the grid then grows with the window.
    """

    window: tuple[slice, ...]
    shape: Shape
    size: Shape
    native: bool = False

    @classmethod
    def around(
        cls,
        prompts: Sequence[Prompt],
        shape: Shape,
        size: Shape | None,
        spacing_mm: Sequence[float],
        margin_voxel: float,
    ) -> Self:
        """Crop around prompts.

        The bounding window of the prompts that locate the object (`Prompt.locates`) grows by the margin. Clicks and
        strokes alone locate it only roughly: their window grows by half its length on each side, if that is more; if
        it is one voxel, the crop is the whole image. Lines around the object on slices across one axis do not locate it
        along that axis, which the crop keeps whole.

        Args:
            prompts: inside the image, at least one.
            shape: of the image.
            size: of the grid; None keeps the voxels of the image.
            spacing_mm: voxel size of the image.
            margin_voxel: the margin, in voxels of the finest axes; fewer voxels along coarser axes.
        """
        locating = [prompt for prompt in prompts if prompt.locates]
        points = np.concatenate([prompt.points for prompt in locating or prompts])
        low, high = points.min(axis=0), points.max(axis=0)
        grown = np.ceil(margin_voxel * finest(spacing_mm, shape) / np.asarray(spacing_mm))
        across = {prompt.normal for prompt in locating}
        axis = across.pop() if len(across) == 1 else None
        if axis is not None:  # they say nothing of other slices
            low[axis], high[axis] = 0, shape[axis] - 1
        if not locating:
            if not (high - low).any():
                return cls.whole(shape, size)
            grown = np.maximum(grown, (high - low) / 2)
        return cls._on(_window(low - grown, high + grown, shape), shape, size)

    @classmethod
    def whole(cls, shape: Shape, size: Shape | None = None) -> Self:
        """Crop to the whole image, resampled to a grid; without a size on its own grid."""
        return cls._on(tuple(slice(0, length) for length in shape), shape, size)

    @classmethod
    def centred(
        cls, position: Position, length_voxel: Sequence[float], shape: Shape, size: Shape | None = None
    ) -> Self:
        """Crop around a position, such as a click; the window is shifted to stay inside the image.

        Args:
            position: ([z,] y, x) in voxels of the image.
            length_voxel: length of the window along each axis, at most that of the image.
            shape: of the image.
            size: of the grid; None keeps the voxels of the image.
        """
        window = []
        for middle, wanted, length in zip(position, length_voxel, shape, strict=True):
            side = min(max(round(wanted), 1), length)
            start = min(max(math.floor(middle - side / 2 + 1), 0), length - side)
            window.append(slice(start, start + side))
        return cls._on(tuple(window), shape, size)

    def resized(self, size: Shape) -> Self:
        """The same window on another grid."""
        return self._on(self.window, self.shape, size)

    def holds(self, points: NDArray[np.float64]) -> bool:
        """Whether the voxels of all positions (N, axes) lie in the window."""
        voxels = nearest_voxels(points, self.shape)
        starts = np.array([side.start for side in self.window])
        stops = np.array([side.stop for side in self.window])
        return bool(((voxels >= starts) & (voxels < stops)).all())

    def widened(self, points: NDArray[np.float64]) -> Self:
        """Grow the window to contain positions (N, axes) of the image."""
        starts = np.array([side.start for side in self.window])
        stops = np.array([side.stop - 1 for side in self.window])
        low, high = np.minimum(points.min(axis=0), starts), np.maximum(points.max(axis=0), stops)
        return self._on(_window(low, high, self.shape), self.shape, None if self.native else self.size)

    def spacing_of_grid(self, spacing_mm: Sequence[float]) -> tuple[float, ...]:
        """Voxel size of the grid, for a given voxel size of the image."""
        lengths = self._lengths
        return tuple(
            float(spacing * length / side) for spacing, length, side in zip(spacing_mm, lengths, self.size, strict=True)
        )

    def image_to_grid(self, image: Tensor) -> Tensor:
        """Resample an image (C, [z,] y, x) to the grid, (C, *size); linear interpolation."""
        return _in_space(
            resize_image(_in_volume(image[(slice(None), *self.window)]), _volume(self.size)), len(self.size)
        )

    def labels_to_grid(self, labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Resample a label map ([z,] y, x) to the grid; see `resize_labels`."""
        cut = np.ascontiguousarray(labels[self.window])
        return resize_labels(cut.reshape(_volume(cut.shape)), _volume(self.size)).reshape(self.size)

    def mask_to_grid(self, mask: Mask) -> Mask:
        """Resample a mask ([z,] y, x) to the grid; see `resize_labels`."""
        return self.labels_to_grid(mask.astype(np.uint8)) > 0

    def seeds_to_grid(self, seeds: Mask) -> Mask:
        """Transfer marked voxels ([z,] y, x) to the grid: each marks the grid voxel that contains its centre."""
        voxels = np.argwhere(seeds[self.window])
        placed = np.floor((voxels + 0.5) * (np.array(self.size) / self._lengths)).astype(np.int64)
        grid = np.zeros(self.size, np.bool_)
        grid[tuple(placed.T)] = True
        return grid

    def paste(self, values: Tensor) -> NDArray[np.float32]:
        """Resample values of the grid (*size) to the image, ([z,] y, x); linear interpolation, 0 outside the window."""
        return self.embedded(self.to_window(values))

    def to_window(self, values: Tensor) -> NDArray[np.float32]:
        """Resample values of the grid (*size) to the voxels of the window; linear interpolation."""
        inside = resize_image(_in_volume(values[None].float()), _volume(self._lengths))
        return np.asarray(inside.reshape(self._lengths).numpy())

    def embedded(self, inside: NDArray[Scalar]) -> NDArray[Scalar]:
        """The image ([z,] y, x) with these values in the window, and 0 or False outside."""
        image = np.zeros(self.shape, inside.dtype)
        image[self.window] = inside
        return image

    @classmethod
    def _on(cls, window: tuple[slice, ...], shape: Shape, size: Shape | None) -> Self:
        lengths = tuple(side.stop - side.start for side in window)
        return cls(window, shape, lengths if size is None else size, size is None)

    @property
    def _lengths(self) -> Shape:
        return tuple(side.stop - side.start for side in self.window)


def finest(spacing_mm: Sequence[float], shape: Shape) -> float:
    """The smallest side of a voxel; axes of one voxel do not count."""
    return min((size for size, length in zip(spacing_mm, shape, strict=True) if length > 1), default=1.0)


def _window(low: NDArray[np.float64], high: NDArray[np.float64], shape: Shape) -> tuple[slice, ...]:
    """Slices from the voxel of one corner to that of the other, clipped to the image."""
    return tuple(
        slice(max(math.floor(first + 0.5), 0), min(math.floor(last + 0.5) + 1, length))
        for first, last, length in zip(low, high, shape, strict=True)
    )


def _volume(shape: Shape) -> VolumeShape:
    depth, height, width = (1,) * (3 - len(shape)) + tuple(shape)
    return depth, height, width


def _in_volume(image: Tensor) -> Tensor:
    return image if image.ndim == 4 else image[:, None]


def _in_space(image: Tensor, axes: int) -> Tensor:
    return image if axes == 3 else image[:, 0]
