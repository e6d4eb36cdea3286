"""The prompts of an object on one grid: each prompt is rasterised once, later turns add to it."""

from collections.abc import Sequence
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from lesslabel.interaction.prompts import Prompt, Seeds
from lesslabel.interaction.prompts.positions import nearest_voxels
from lesslabel.interaction.prompts.seeds import Mask, Shape


class Guidance:
    """The prompts of an object so far, as masks on a grid.

    If two prompts contradict each other, the later one counts. Prompts must fit the grid; a session checks that.

    Attributes:
        shape: of the grid, ([z,] y, x) in voxels.
        prompts: in the order in which they were given.
        seeds: the marked voxels of each side.

    Args:
        shape: of the grid.
        prompts: given so far.
    """

    def __init__(self, shape: Shape, prompts: Sequence[Prompt] = ()) -> None:
        self.shape = shape
        self.prompts = tuple(prompts)
        self.seeds = Seeds.empty(shape)
        for prompt in self.prompts:
            prompt.mark(self.seeds)

    def extended(self, prompts: Sequence[Prompt]) -> Self:
        """Add further prompts; the earlier marks are copied, not computed again."""
        longer = type(self)(self.shape)
        longer.prompts = (*self.prompts, *prompts)
        longer.seeds = self.seeds.copy()
        for prompt in prompts:
            prompt.mark(longer.seeds)
        return longer

    @cached_property
    def points(self) -> Seeds:
        """The seeds of single points, without strokes, boxes and polygons."""
        return type(self)(self.shape, [prompt for prompt in self.prompts if not prompt.drawn]).seeds

    @cached_property
    def unenclosed(self) -> Seeds:
        """The seeds without those outside boxes, polygons and lines around the object."""
        return type(self)(self.shape, [prompt for prompt in self.prompts if not prompt.encloses]).seeds

    def enclosure(self, name: str) -> NDArray[np.uint8]:
        """What the enclosure of a kind says: uint8, 1 inside, 2 outside, 0 where it says nothing.

        Only the last enclosure counts, so that the map of every other kind is 0; of lines that lie on a slice, all of
        the same kind count.

        Args:
            name: of the prompt, such as ``box``.
        """
        labels = np.zeros(self.shape, np.uint8)
        enclosing = [prompt for prompt in self.prompts if prompt.encloses]
        if not enclosing or enclosing[-1].name != name:
            return labels
        flat = enclosing[-1].normal is not None
        for prompt in enclosing if flat else enclosing[-1:]:
            inside = prompt.inside(self.shape)
            if prompt.name == name and inside is not None:
                seeds = Seeds.empty(self.shape)
                prompt.mark(seeds)
                labels[seeds.background] = 2
                labels[inside] = 1
        return labels

    @property
    def first_click(self) -> Mask:
        """The voxel that was clicked first in the object; empty without such a click."""
        mask = np.zeros(self.shape, np.bool_)
        clicked = next((position for prompt in self.prompts for position in prompt.clicked), None)
        if clicked is not None:
            mask[tuple(nearest_voxels(np.array([clicked]), self.shape)[0])] = True
        return mask

    @property
    def line(self) -> Mask:
        """All cut lines."""
        return self._union([prompt.line(self.shape) for prompt in self.prompts])

    @property
    def marked(self) -> Mask:
        """All cut lines and all marked voxels, of any side."""
        return self.line | self.seeds.foreground | self.seeds.background | self.seeds.boundary

    @property
    def region(self) -> Mask:
        """The union of the voxels inside boxes and polygons."""
        return self._union([prompt.inside(self.shape) for prompt in self.prompts])

    def _union(self, masks: Sequence[Mask | None]) -> Mask:
        union = np.zeros(self.shape, np.bool_)
        for mask in masks:
            if mask is not None:
                union |= mask
        return union
