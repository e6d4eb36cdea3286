"""A model of a few lines that keeps the promises of `InteractiveModel`, and notes what is asked of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lesslabel.errors import DataError
from lesslabel.interaction.cues import gaussian_cue
from lesslabel.interaction.model import History, Segmentation
from lesslabel.interaction.prompts import rasterise


@dataclass
class ToyModel:
    """What is nearer to the foreground said and more like it than to the background; needs one voxel of the former.

    A start counts as said in its middle. It refuses dark images.
    """

    dimensions: int = 2
    in_channels: int = 1
    summaries: list[tuple[NDArray[np.float32], tuple[float, ...]]] = field(default_factory=list)
    begun: int = 0
    histories: list[History] = field(default_factory=list)

    def prepare_image(self, image: NDArray[np.float32], spacing_mm: Sequence[float]) -> "ToyImage":
        if not image.any():
            raise DataError("the toy sees nothing in the dark")
        self.summaries.append((image, tuple(spacing_mm)))
        return ToyImage(self, image, tuple(spacing_mm))


@dataclass
class ToyImage:
    model: ToyModel
    image: NDArray[np.float32]
    spacing_mm: tuple[float, ...]

    def begin(self) -> "ToyObject":
        self.model.begun += 1
        return ToyObject(self.model, self.image, self.spacing_mm)


@dataclass
class ToyObject:
    model: ToyModel
    image: NDArray[np.float32]
    spacing_mm: tuple[float, ...]

    def answer(self, history: History) -> Segmentation:
        seeds = rasterise(history.prompts, self.image.shape[1:])
        if history.start is not None:
            middle = np.argwhere(history.start).mean(axis=0).astype(int)
            seeds.foreground[tuple(middle)] = True
        if not seeds.foreground.any():
            raise DataError("the toy needs a voxel of the object; click in it first")
        self.model.histories.append(history)
        inside, outside = self._cue(seeds.foreground), self._cue(seeds.background)
        difference: NDArray[np.float32] = np.subtract(inside, outside)
        uncertainty: NDArray[np.float32] = np.subtract(1, np.abs(difference))
        return Segmentation(inside > outside, (1 + difference) / np.float32(2), uncertainty)

    def _cue(self, seeds: NDArray[np.bool_]) -> NDArray[np.float32]:
        if not seeds.any():
            return np.zeros(seeds.shape, np.float32)
        mean = self.image[:, seeds].mean(axis=1).reshape(-1, *(1,) * seeds.ndim)
        likeness: NDArray[np.float32] = np.exp(-np.abs(self.image - mean).mean(axis=0) / max(np.ptp(self.image), 1))
        return gaussian_cue(self.image, seeds, self.spacing_mm) * likeness


def squares(dimensions: int = 2) -> NDArray[Any]:
    """Two bright squares, or cubes, with a little texture on a dark ground: (12, 14) or (5, 12, 14), int16."""
    image = np.random.default_rng(0).integers(0, 20, (5, 12, 14)).astype(np.int16)
    image[1:4, 2:6, 2:6] += 200
    image[1:4, 7:11, 8:13] += 100
    return image if dimensions == 3 else image[2]
