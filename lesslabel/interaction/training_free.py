"""A model without training: geodesic distances to the marks, and the outline with the strongest edges."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lesslabel.errors import DataError
from lesslabel.interaction.coarse_grid import MOST_VOXELS, CoarseGrid
from lesslabel.interaction.information_fusion import information_fusion
from lesslabel.interaction.model import History, Segmentation
from lesslabel.interaction.prompts import Prompt, rasterise
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

_PERCENTILES = (0.5, 99.5)
_CERTAINTY = 0.9
"""Probability of a voxel of a mask to start from."""
_FUSION_WEIGHT = 10.0
"""Of corrections of such a mask, chosen of 2, 5, 10 and 20 on validation images of `experiments/modes-organs`."""
_AGAIN_BELOW = 0.5
"""Objects shorter than this share of the image are looked at again, in a window twice as long as they are."""


class TrainingFree:
    """Segments what is connected to the marks on an object, up to the outline with the strongest edges.

    One solve is `stable_region`, on a grid that is coarser than a large image; a small object is solved again in a
    window around it, on a finer grid. What lies outside of a box or polygon is background; without a mark on the
    object its middle is one. A mask to start from is kept, and marks change what is near them along the image, by
    `lesslabel.interaction.information_fusion`: its shape counts, since a model or a person drew it. With a box or a
    polygon the object is solved anew, where the mask marks its own middle, and tells the size.

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
        encloses = any(prompt.inside(self.image.shape[1:]) is not None for prompt in history.prompts)
        if history.start is not None and history.start.any() and not encloses:
            return self._corrected(history.prompts, history.start)
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

    def _corrected(self, prompts: Sequence[Prompt], start: Mask) -> Segmentation:
        """Change a mask around the marks on it."""
        seeds = rasterise(prompts, start.shape)
        background = seeds.background & ~seeds.foreground
        probability = (1 - _CERTAINTY) + np.float32(2 * _CERTAINTY - 1) * start
        if prompts:
            probability = information_fusion(
                probability, self.image, seeds.foreground, background, intensity_weight=_FUSION_WEIGHT
            )
        mask = ((probability > 0.5) | seeds.foreground) & ~background
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
        if self._whole.grid.is_image:
            return None
        sides = [cut.stop - cut.start for cut in bounding_window(found)]
        if max(side / whole for side, whole in zip(sides, found.shape, strict=True)) > _AGAIN_BELOW:
            return None
        return bounding_window(found, np.maximum(np.array(sides) // 2, 8))

    def _look(self, window: tuple[slice, ...]) -> "_Look":
        image = self.image[(slice(None), *window)]
        grid = CoarseGrid.of(image.shape[1:], self.spacing_mm, MOST_VOXELS[self.model.dimensions])
        return _Look(EdgeImage(smoothed(distinct(grid.means(image))), self.model.spatial_weight), grid)


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
    """A part of an image on a coarser grid."""

    edges: EdgeImage
    grid: CoarseGrid

    def solve(self, marks: _Marks, prior: SizePrior) -> tuple[Mask, NDArray[np.float32]]:
        foreground = self.grid.any(marks.foreground)
        background = self.grid.any(marks.background) & ~foreground
        mask, probability = stable_region(self.edges, foreground, background, prior)
        if self.grid.is_image:
            return mask, probability
        return self.grid.enlarged(mask.astype(np.float32)) > 0.5, self.grid.enlarged(probability)

    def classes(self, marks: NDArray[np.uint8], unknown: int) -> NDArray[np.uint8]:
        coarse = np.full(self.edges.image.shape[1:], unknown, np.uint8)
        for index in np.unique(marks[marks != unknown]):
            coarse[self.grid.any(marks == index)] = index
        found = self.grid.repeated(nearest_class(self.edges, coarse, unknown))
        return np.where(marks == unknown, found, marks)
