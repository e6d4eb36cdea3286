"""The prompts of an object on one grid: each prompt is rasterised once, later turns add to it."""

from collections.abc import Sequence
from functools import cached_property
from typing import Self

import numpy as np

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
