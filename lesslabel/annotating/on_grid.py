"""A model that sees slices or volumes on another grid than the case's, made to speak of the case's own voxels."""

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lesslabel.data.loading.resize import Interpolation, resize_image, resize_labels
from lesslabel.interaction.model import History, ImageModel, ObjectModel, Segmentation
from lesslabel.interaction.prompts import Prompt
from lesslabel.interaction.prompts.seeds import Mask, Shape


@dataclass(frozen=True, eq=False)
class ResampledSegmentation(Segmentation):
    """An answer on the case's own grid that keeps the one on the model's.

    Attributes:
        inner: the answer as the model gave it.
    """

    inner: Segmentation | None = None


class ImageOnGrid:
    """An image that a model looked at on its own grid.

    Args:
        inner: the image in the hands of the model.
        native: shape ([z,] y, x) of the slice or volume as the case has it.
        grid: the shape on which the model sees it.
    """

    def __init__(self, inner: ImageModel, native: Shape, grid: Shape) -> None:
        self._inner = inner
        self._native = native
        self._grid = grid

    def begin(self) -> "ObjectOnGrid":
        """Begin with an object."""
        return ObjectOnGrid(self._inner.begin(), self._native, self._grid)


class ObjectOnGrid:
    """One object of such an image; the arguments are those of `ImageOnGrid`."""

    def __init__(self, inner: ObjectModel, native: Shape, grid: Shape) -> None:
        self._inner = inner
        self._native = native
        self._grid = grid

    def answer(self, history: History) -> Segmentation:
        """Bring what was said to the model's grid, and its answer back."""
        turns = tuple(tuple(self._placed(prompt) for prompt in turn) for turn in history.turns)
        start = None if history.start is None else _resized_mask(history.start, self._grid)
        previous = history.previous.inner if isinstance(history.previous, ResampledSegmentation) else None
        inner = self._inner.answer(History(turns, start, previous, history.meant))
        offered = {name: self._brought_back(other) for name, other in inner.alternatives.items()}
        return replace(self._brought_back(inner), alternatives=offered)

    def _brought_back(self, inner: Segmentation) -> ResampledSegmentation:
        probability, uncertainty, share = (
            resized(values, self._native) for values in (inner.probability, inner.uncertainty, inner.mask)
        )
        return ResampledSegmentation(share > 0.5, probability, uncertainty, inner=inner)

    def _placed(self, prompt: Prompt) -> Prompt:
        """The prompt in voxels of the model's grid."""
        factors = tuple(new / old for new, old in zip(self._grid, self._native, strict=True))
        return replace(
            prompt, **{field.name: _scaled(getattr(prompt, field.name), factors) for field in fields(prompt)}
        )


def resized(values: NDArray[Any], shape: Shape, interpolation: Interpolation = "linear") -> NDArray[np.float32]:
    """Resample values ([z,] y, x) to another grid over the same field of view."""
    axes = (1,) * (3 - len(shape))
    volume = torch.from_numpy(np.ascontiguousarray(values, np.float32)).reshape(1, *axes, *values.shape)
    depth, height, width = (*axes, *shape)
    return np.asarray(resize_image(volume, (depth, height, width), interpolation).reshape(shape).numpy())


def _resized_mask(mask: Mask, shape: Shape) -> Mask:
    axes = (1,) * (3 - len(shape))
    depth, height, width = (*axes, *shape)
    labels = resize_labels(mask.astype(np.uint8).reshape(*axes, *mask.shape), (depth, height, width))
    return np.asarray(labels.reshape(shape) == 1)


def _scaled(value: Any, factors: tuple[float, ...]) -> Any:
    """Positions, however deep they lie in tuples, in voxels of another grid; anything else as it is."""
    if not isinstance(value, tuple) or not value:
        return value
    if all(isinstance(number, float) for number in value):
        return tuple((number + 0.5) * factor - 0.5 for number, factor in zip(value, factors, strict=True))
    return tuple(_scaled(item, factors) for item in value)
