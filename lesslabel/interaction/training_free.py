"""A model without training: geodesic distances to the marks, and the outline with the strongest edges."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lesslabel.errors import DataError
from lesslabel.interaction.model import History, Segmentation
from lesslabel.interaction.prompts import rasterise
from lesslabel.interaction.prompts.seeds import Mask, Shape
from lesslabel.interaction.robots.shapes import bounding_window
from lesslabel.interaction.stable_region import (
    SHARE_OF_BOX,
    EdgeImage,
    SizePrior,
    distinct,
    middle,
    nearest_class,
    prior_of,
    smoothed,
    stable_region,
)

MOST_VOXELS = {2: 160 * 160, 3: 200_000}
"""Voxels of the grid that it works on."""
_PERCENTILES = (0.5, 99.5)
_AGAIN_BELOW = 0.5
"""Objects shorter than this share of the image are looked at again, in a window twice as long as they are."""


class TrainingFree:
    """Segments what is connected to the marks on an object, up to the outline with the strongest edges.

    One solve is `stable_region`, on a grid that is coarser than a large image; a small object is solved again in a
    window around it, on a finer grid. What lies outside of a box or polygon is background; without a mark on the
    object its middle is one. A mask to start from marks its own middle, and tells the size.

    Args:
        in_channels: channels of the image; None takes any number.
        dimensions: 2 for slices, 3 for volumes.
        prior: of the size of objects.
        spatial_weight: see `EdgeImage`.

    Attributes:
        kinds: of prompts that it uses, see `lesslabel.interaction.model.kinds_of`.
    """

    kinds = (
        *("click", "scribble", "box", "polygon", "enclosing-scribble"),
        *("interior-margin-points", "centre-edge-points"),
    )

    def __init__(
        self,
        in_channels: int | None = None,
        dimensions: int = 2,
        prior: SizePrior = SizePrior(),
        spatial_weight: float = 0.01,
    ) -> None:
        self.in_channels = in_channels
        self.dimensions = dimensions
        self.prior = prior
        self.spatial_weight = spatial_weight

    def prepare_image(self, image: NDArray[np.float32], spacing_mm: Sequence[float]) -> "PreparedIntensities":
        """Scale the intensities of an image (C, [z,] y, x) to [0, 1], without the most extreme ones."""
        axes = tuple(range(1, image.ndim))
        low, high = np.percentile(image, _PERCENTILES, axis=axes, keepdims=True)
        scaled = np.clip((image - low) / np.maximum(high - low, np.finfo(np.float32).tiny), 0, 1)
        return PreparedIntensities(self, scaled.astype(np.float32), tuple(spacing_mm))


class PreparedIntensities:
    """One image in the hands of the model.

    Args:
        model: with its settings.
        image: (C, [z,] y, x) in [0, 1].
        spacing_mm: ([z,] y, x).
    """

    def __init__(self, model: TrainingFree, image: NDArray[np.float32], spacing_mm: tuple[float, ...]) -> None:
        self.model = model
        self.image = image
        self.spacing_mm = spacing_mm
        self._whole = self._look(tuple(slice(0, side) for side in image.shape[1:]))

    def begin(self) -> "PreparedIntensities":
        """Begin with an object; nothing is kept of one."""
        return self

    def answer(self, history: History) -> Segmentation:
        """Segment what was marked so far, on the start if there was one.

        Raises:
            DataError: if nothing marks or encloses the object.
        """
        marks = _Marks.of(history, self.image.shape[1:])
        prior = self.model.prior if marks.voxels is None else prior_of(marks.voxels / marks.foreground.size)
        mask, probability = self._whole.solve(marks, prior)
        window = self._window(mask | marks.foreground)
        if window is not None:
            look = self._look(window)
            inside = prior_of(np.count_nonzero(mask[window]) / mask[window].size)
            mask, probability = np.zeros_like(mask), np.zeros_like(probability)
            mask[window], probability[window] = look.solve(marks.cut(window), inside)
        mask = (mask | marks.foreground) & ~marks.background
        return Segmentation(mask, probability, 4 * probability * (1 - probability))

    def classes(self, marks: NDArray[np.uint8], unknown: int = 255) -> NDArray[np.uint8]:
        """Give every voxel the class of the nearest mark along the image: scribbles of all classes in one solve.

        Args:
            marks: ([z,] y, x) class indices, `unknown` where nothing is marked.
            unknown: the value of unmarked voxels.

        Raises:
            DataError: if nothing is marked, or the shape is another one.
        """
        if marks.shape != self.image.shape[1:] or (marks == unknown).all():
            raise DataError(f"marks of shape {marks.shape}: give at least one mark on {self.image.shape[1:]} voxels")
        return self._whole.classes(marks, unknown)

    def _window(self, found: Mask) -> tuple[slice, ...] | None:
        """The window of a second look; None if the first was fine enough."""
        if max(self._whole.factors) == 1:
            return None
        sides = [cut.stop - cut.start for cut in bounding_window(found)]
        if max(side / whole for side, whole in zip(sides, found.shape, strict=True)) > _AGAIN_BELOW:
            return None
        return bounding_window(found, np.maximum(np.array(sides) // 2, 8))

    def _look(self, window: tuple[slice, ...]) -> "_Look":
        image = self.image[(slice(None), *window)]
        factors = _factors(image.shape[1:], self.spacing_mm, MOST_VOXELS[self.model.dimensions])
        reduced = _block_means(image, factors)
        return _Look(EdgeImage(smoothed(distinct(reduced)), self.model.spatial_weight), image.shape[1:], factors)


@dataclass(frozen=True, eq=False)
class _Marks:
    """Marks of both sides, and how many voxels the object probably has; None if nothing tells."""

    foreground: Mask
    background: Mask
    voxels: float | None

    @classmethod
    def of(cls, history: History, shape: Shape) -> "_Marks":
        seeds = rasterise(history.prompts, shape)
        foreground, voxels = seeds.foreground, None
        regions = [inside for prompt in history.prompts if (inside := prompt.inside(shape)) is not None]
        if history.start is not None:
            foreground = foreground | middle(history.start & ~seeds.background)
            voxels = float(np.count_nonzero(history.start))
        elif regions:
            area = np.logical_and.reduce(regions) & ~seeds.background
            voxels = SHARE_OF_BOX * np.count_nonzero(area)
            foreground = foreground if foreground.any() else middle(area)
        if not foreground.any():
            raise DataError("prompts: none marks or encloses the object; click in it, or draw a box around it")
        return cls(foreground, seeds.background, voxels)

    def cut(self, window: tuple[slice, ...]) -> "_Marks":
        return _Marks(self.foreground[window], self.background[window], self.voxels)


@dataclass(frozen=True, eq=False)
class _Look:
    """A part of an image on a grid that is coarser by whole factors."""

    edges: EdgeImage
    shape: Shape
    factors: Shape

    def solve(self, marks: _Marks, prior: SizePrior) -> tuple[Mask, NDArray[np.float32]]:
        foreground = _any_in_block(marks.foreground, self.factors)
        background = _any_in_block(marks.background, self.factors) & ~foreground
        mask, probability = stable_region(self.edges, foreground, background, prior)
        if max(self.factors) == 1:
            return mask, probability
        return self._enlarged(mask.astype(np.float32)) > 0.5, self._enlarged(probability)

    def classes(self, marks: NDArray[np.uint8], unknown: int) -> NDArray[np.uint8]:
        coarse = np.full(self.edges.image.shape[1:], unknown, np.uint8)
        for index in np.unique(marks[marks != unknown]):
            coarse[_any_in_block(marks == index, self.factors)] = index
        found = nearest_class(self.edges, coarse, unknown)
        for axis, factor in enumerate(self.factors):
            found = found.repeat(factor, axis)
        found = found[tuple(slice(0, side) for side in self.shape)]
        return np.where(marks == unknown, found, marks)

    def _enlarged(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Linear interpolation between the centres of blocks."""
        for axis, (factor, side) in enumerate(zip(self.factors, self.shape, strict=True)):
            if factor > 1:
                place = np.clip((np.arange(side) + 0.5) / factor - 0.5, 0, values.shape[axis] - 1)
                low = np.minimum(place.astype(np.int64), max(values.shape[axis] - 2, 0))
                share = (place - low).astype(np.float32).reshape((-1,) + (1,) * (values.ndim - 1 - axis))
                high = np.minimum(low + 1, values.shape[axis] - 1)
                values = values.take(low, axis) * (1 - share) + values.take(high, axis) * share
        return values


def _factors(shape: Shape, spacing_mm: Sequence[float], most_voxels: int) -> Shape:
    """By which whole factor each axis becomes coarser: the finest axis first, until few enough voxels are left."""
    factors = np.ones(len(shape), np.int64)
    while np.prod(-(-np.array(shape) // factors)) > most_voxels:
        lengths = np.where(factors < np.array(shape), np.array(spacing_mm) * factors, np.inf)
        factors[lengths <= lengths.min() * 1.01] += 1
    return tuple(factors.tolist())


def _block_means(image: NDArray[np.float32], factors: Shape) -> NDArray[np.float32]:
    """The mean of each block (C, [z,] y, x); a block that reaches beyond the image repeats its edge."""
    for axis, factor in enumerate(factors, start=1):
        if factor > 1:
            width = [(0, -image.shape[axis] % factor if each == axis else 0) for each in range(image.ndim)]
            padded = np.pad(image, width, mode="edge")
            blocks = (*padded.shape[:axis], -1, factor, *padded.shape[axis + 1 :])
            image = padded.reshape(blocks).mean(axis=axis + 1, dtype=np.float32)
    return image


def _any_in_block(marks: Mask, factors: Shape) -> Mask:
    """Whether a block has a mark."""
    coarse = np.zeros([-(-side // factor) for side, factor in zip(marks.shape, factors, strict=True)], np.bool_)
    coarse[tuple(index // factor for index, factor in zip(np.nonzero(marks), factors, strict=True))] = True
    return coarse
