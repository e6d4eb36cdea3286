"""Answers of the model between two turns, without the part of the volume of which they say nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from lesslabel.annotating.on_grid import ResampledSegmentation
from lesslabel.interaction.model import Segmentation
from lesslabel.interaction.prompts.seeds import Mask, Shape
from lesslabel.interaction.robots.shapes import bounding_window

Window = tuple[slice, ...]


@dataclass(frozen=True, eq=False)
class KeptAnswer:
    """An answer on the smallest window outside of which it says nothing: a crop in a volume is a small part of it.

    Attributes:
        shape: of the slice or volume, ([z,] y, x).
        window: the part that is kept; outside of it the mask is False and all maps are 0.
        part: mask, probability, uncertainty and memory on that part.
        on_grid: of a model that sees another grid, its answer there.
    """

    shape: Shape
    window: Window
    part: Segmentation
    on_grid: "KeptAnswer | None" = None

    @classmethod
    def of(cls, answer: Segmentation) -> Self:
        """Keep an answer; the choice that it offers is let go."""
        maps = (answer.probability, answer.uncertainty, answer.memory)
        window = answer.window
        if window is None:
            window = _smallest_window(answer.mask, [values for values in maps if values is not None])
        probability, uncertainty, memory = (None if values is None else _cut(values, window) for values in maps)
        assert probability is not None
        assert uncertainty is not None
        part = Segmentation(answer.mask[window].copy(), probability, uncertainty, memory)
        inner = answer.inner if isinstance(answer, ResampledSegmentation) else None
        return cls(answer.mask.shape, window, part, None if inner is None else cls.of(inner))

    @property
    def size_bytes(self) -> int:
        """In memory."""
        maps = (self.part.mask, self.part.probability, self.part.uncertainty, self.part.memory)
        own = sum(values.nbytes for values in maps if values is not None)
        return own + (0 if self.on_grid is None else self.on_grid.size_bytes)

    @property
    def uncertainty(self) -> NDArray[np.float32]:
        """How uncertain the model was, on the whole slice or volume."""
        return self._around(self.part.uncertainty)

    def whole(self) -> Segmentation:
        """The answer as it was, but for its choice and phases."""
        mask = np.zeros(self.shape, np.bool_)
        mask[self.window] = self.part.mask
        probability, uncertainty = self._around(self.part.probability), self.uncertainty
        memory = None if self.part.memory is None else self._around(self.part.memory)
        if self.on_grid is None:
            return Segmentation(mask, probability, uncertainty, memory)
        return ResampledSegmentation(mask, probability, uncertainty, memory, inner=self.on_grid.whole())

    def _around(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        whole = np.zeros(self.shape, np.float32)
        whole[self.window] = values
        return whole


def _cut(values: NDArray[np.float32], window: Window) -> NDArray[np.float32]:
    return values[window].copy()


def _smallest_window(mask: Mask, maps: Sequence[NDArray[np.float32]]) -> Window:
    """The window of all values that are not 0; empty if there are none."""
    says = mask.copy()
    for values in maps:
        says |= values != 0
    return bounding_window(says) if says.any() else (slice(0, 0),) * says.ndim
