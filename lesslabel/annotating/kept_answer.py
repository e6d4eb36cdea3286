"""Answers of the model between two turns, without the part of the volume of which they say nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from lesslabel.annotating.on_grid import ResampledSegmentation
from lesslabel.errors import DataError
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
        offered: the answers that a person may choose from, by name, this one among them; empty if there is no choice.
    """

    shape: Shape
    window: Window
    part: Segmentation
    on_grid: "KeptAnswer | None" = None
    offered: "Mapping[str, KeptAnswer]" = field(default_factory=dict)

    @classmethod
    def of(cls, answer: Segmentation) -> Self:
        """Keep an answer, and those that it offers in its place."""
        own = cls._alone(answer)
        offered = {name: cls._alone(other) for name, other in answer.alternatives.items()}
        same = next((other for other in offered.values() if other._says_as(own)), own)
        return replace(same, offered=offered)

    @classmethod
    def _alone(cls, answer: Segmentation) -> Self:
        maps = (answer.probability, answer.uncertainty, answer.memory)
        window = answer.window
        if window is None:
            window = _smallest_window(answer.mask, [values for values in maps if values is not None])
        probability, uncertainty, memory = (None if values is None else _cut(values, window) for values in maps)
        assert probability is not None
        assert uncertainty is not None
        part = Segmentation(answer.mask[window].copy(), probability, uncertainty, memory)
        inner = answer.inner if isinstance(answer, ResampledSegmentation) else None
        return cls(answer.mask.shape, window, part, None if inner is None else cls._alone(inner))

    @property
    def others(self) -> tuple[str, ...]:
        """The names of the answers that may be taken in the place of this one."""
        return tuple(name for name, other in self.offered.items() if other.part is not self.part)

    def chosen(self, name: str) -> Self:
        """The answer of that name, which offers the same choice.

        Raises:
            DataError: if there is no such answer.
        """
        if name not in self.offered:
            offered = ", ".join(self.offered) or "one answer alone"
            raise DataError(f"no answer {name!r} to choose; this model offers {offered}")
        other = self.offered[name]
        return replace(self, window=other.window, part=other.part, on_grid=other.on_grid)

    @property
    def size_bytes(self) -> int:
        """In memory, with the answers that it offers."""
        held = {id(each.part): each for each in (self, *self.offered.values())}
        return sum(each._own_bytes for each in held.values())

    @property
    def mask(self) -> Mask:
        """The mask of the whole slice or volume."""
        mask = np.zeros(self.shape, np.bool_)
        mask[self.window] = self.part.mask
        return mask

    @property
    def probability(self) -> NDArray[np.float32]:
        """The probability, on the whole slice or volume."""
        return self._around(self.part.probability)

    @property
    def uncertainty(self) -> NDArray[np.float32]:
        """How uncertain the model was, on the whole slice or volume."""
        return self._around(self.part.uncertainty)

    def whole(self) -> Segmentation:
        """The answer as it was, but for its choice and phases."""
        mask, probability, uncertainty = self.mask, self.probability, self.uncertainty
        memory = None if self.part.memory is None else self._around(self.part.memory)
        if self.on_grid is None:
            return Segmentation(mask, probability, uncertainty, memory)
        return ResampledSegmentation(mask, probability, uncertainty, memory, inner=self.on_grid.whole())

    def _says_as(self, other: "KeptAnswer") -> bool:
        alike = self.window == other.window and all(map(np.array_equal, self._maps, other._maps))
        return alike and (self.on_grid is None or other.on_grid is None or self.on_grid._says_as(other.on_grid))

    @property
    def _maps(self) -> list[NDArray[Any]]:
        maps = (self.part.mask, self.part.probability, self.part.uncertainty, self.part.memory)
        return [values for values in maps if values is not None]

    @property
    def _own_bytes(self) -> int:
        own = sum(values.nbytes for values in self._maps)
        return own + (0 if self.on_grid is None else self.on_grid._own_bytes)

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
