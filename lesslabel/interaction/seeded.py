"""Models that segment from marked voxels alone, without training: the base of the classical ones."""

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lesslabel.errors import ConfigError, DataError
from lesslabel.interaction.coarse_grid import MOST_VOXELS, CoarseGrid
from lesslabel.interaction.model import History, Phases, Segmentation
from lesslabel.interaction.prompts import rasterise
from lesslabel.interaction.prompts.seeds import Mask, Shape
from lesslabel.interaction.stable_region import middle

_PERCENTILES = (0.5, 99.5)


@dataclass(frozen=True, eq=False)
class Marks:
    """What is known of an object on one grid; no voxel is on two sides.

    Attributes:
        foreground: ([z,] y, x) bool, voxels of the object, at least one.
        background: the same shape, voxels outside it.
        likely: the same shape, voxels inside a box, polygon or start mask; None without one.
    """

    foreground: Mask
    background: Mask
    likely: Mask | None = None


class SeededModel(ABC):
    """An interactive model that solves one problem per turn, on a grid that is coarser than a large image.

    A click marks a ball of ``radius_voxel`` voxels of that grid, since one voxel tells little of an appearance. What
    lies outside of a box or polygon is background; a start mask marks its middle. Until something is background, the
    rim of the image is.

    Args:
        in_channels: channels of the image; None takes any number.
        dimensions: 2 for slices, 3 for volumes.
        radius_voxel: of the ball around a mark.

    Attributes:
        kinds: of prompts that it uses, see `lesslabel.interaction.model.kinds_of`.

    Raises:
        ConfigError: if a setting is out of its range.
    """

    kinds = ("click", "scribble", "box", "polygon", "enclosing-scribble")

    def __init__(self, in_channels: int | None = None, dimensions: int = 2, radius_voxel: float = 2.0) -> None:
        if dimensions not in MOST_VOXELS:
            raise ConfigError(f"dimensions: {dimensions}; say 2 for slices, 3 for volumes")
        if not 0 <= radius_voxel < float("inf"):
            raise ConfigError(f"radius_voxel: {radius_voxel}; give a finite number, at least 0")
        self.in_channels = in_channels
        self.dimensions = dimensions
        self.radius_voxel = radius_voxel

    @abstractmethod
    def solve(self, image: NDArray[np.float32], marks: Marks, spacing: tuple[float, ...]) -> NDArray[np.float32]:
        """Segment an object.

        Args:
            image: (C, [z,] y, x) in [0, 1].
            marks: on the grid of the image, with both sides.
            spacing: voxel size divided by its smallest side.

        Returns:
            ([z,] y, x) float32, the probability of the object; a mask of 0 and 1 if the method knows no probability.
        """

    def prepare_image(self, image: NDArray[np.float32], spacing_mm: Sequence[float]) -> "SeededImage":
        """Scale the intensities of an image (C, [z,] y, x) to [0, 1], without the most extreme ones."""
        axes = tuple(range(1, image.ndim))
        low, high = np.percentile(image, _PERCENTILES, axis=axes, keepdims=True)
        scaled = np.clip((image - low) / np.maximum(high - low, np.finfo(np.float32).tiny), 0, 1)
        grid = CoarseGrid.of(image.shape[1:], spacing_mm, MOST_VOXELS[self.dimensions])
        return SeededImage(self, grid.means(scaled.astype(np.float32)), grid, tuple(spacing_mm))


class SeededImage:
    """One image in the hands of the model; it keeps nothing of an object.

    Args:
        model: with its settings.
        image: (C, [z,] y, x) in [0, 1], on the grid.
        grid: of the solver.
        spacing_mm: of the image.
    """

    def __init__(
        self, model: SeededModel, image: NDArray[np.float32], grid: CoarseGrid, spacing_mm: tuple[float, ...]
    ) -> None:
        self.model = model
        self.image = image
        self.grid = grid
        sides = np.array(spacing_mm) * np.array(grid.factors)
        self.spacing: tuple[float, ...] = tuple((sides / sides.min()).tolist())

    def begin(self) -> "SeededImage":
        """Begin with an object."""
        return self

    def answer(self, history: History) -> Segmentation:
        """Segment what was marked so far; marked voxels keep their side.

        Raises:
            DataError: if nothing marks or encloses the object.
        """
        seeds = rasterise(history.prompts, self.grid.shape)
        marks = self._grown(_marks_of(history, self.grid.shape))
        begun = time.perf_counter()
        probability = self.model.solve(self.image, marks, self.spacing)
        solved = time.perf_counter()
        probability = self.grid.enlarged(probability)
        mask = ((probability > 0.5) | seeds.foreground) & ~seeds.background
        pasted = Phases(0.0, solved - begun, time.perf_counter() - solved)
        return Segmentation(mask, probability, 4 * probability * (1 - probability), phases=pasted)

    def _grown(self, marks: Marks) -> Marks:
        """Marks on the grid, each a ball; where balls of both sides meet, only the marks themselves remain."""
        foreground = self.grid.any(marks.foreground)
        background = self.grid.any(marks.background) & ~foreground
        near, far = (self._near(mask) for mask in (foreground, background))
        likely = None if marks.likely is None else self.grid.any(marks.likely)
        near, far = foreground | (near & ~far), background | (far & ~near)
        if not far.any():
            far = rim(near.shape) & ~near
        return Marks(near, far, likely)

    def _near(self, mask: Mask) -> Mask:
        if not mask.any():
            return mask
        away = ndimage.distance_transform_edt(~mask, sampling=self.spacing)
        return np.asarray(away <= self.model.radius_voxel)


def _marks_of(history: History, shape: Shape) -> Marks:
    seeds = rasterise(history.prompts, shape)
    foreground, background, likely = seeds.foreground, seeds.background, None
    regions = [inside for prompt in history.prompts if (inside := prompt.inside(shape)) is not None]
    if regions:
        likely = np.logical_and.reduce(regions)
        background = background | (~likely & ~foreground)
    if history.start is not None:
        likely = history.start & ~seeds.background
    if likely is not None and (history.start is not None or not foreground.any()):
        foreground = foreground | middle(likely & ~background)
    if not foreground.any():
        raise DataError("prompts: none marks or encloses the object; click in it, or draw a box around it")
    return Marks(foreground, background & ~foreground, likely)


def rim(shape: Shape) -> Mask:
    """The outermost pixels of every slice ([z,] y, x)."""
    outermost = np.ones(shape, np.bool_)
    outermost[..., 1:-1, 1:-1] = False
    return outermost
