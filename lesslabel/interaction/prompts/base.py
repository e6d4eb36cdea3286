"""What every prompt shares."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from lesslabel.interaction.prompts.positions import Position, checked_spacing, require_inside
from lesslabel.interaction.prompts.seeds import Mask, Seeds, Shape

SCHEMA_VERSION = 1
"""Of the JSON form; raised when a reader of the old form would misread the new one."""


@dataclass(frozen=True)
class Prompt(ABC):
    """What a person gives on an image, or a robot in their place.

    Positions are voxel indices (y, x) or (z, y, x) that may lie between voxels, see `positions`. A prompt knows no
    image; it is checked against one in `validate` and drawn on one in `rasterise`. It never changes, so what was
    sampled once can be kept and applied again.

    A kind of prompt is a frozen dataclass with a `name`, its `points`, and how it speaks of voxels in `mark`. What else
    a kind is stands on its class, so that nothing asks for the class itself.

    Attributes:
        locates: whether the box of its points covers the object, or nearly.
        drawn: whether it speaks of many voxels at once, as strokes and enclosures do, and not of single points.
    """

    name: ClassVar[str]
    locates: ClassVar[bool] = False
    drawn: ClassVar[bool] = False

    @property
    @abstractmethod
    def points(self) -> NDArray[np.float64]:
        """All positions in voxels: (N, 2) or (N, 3)."""

    @property
    def clicks(self) -> int:
        """How many clicks it costs: one for each point; what is drawn in one go, a stroke or a line, is one."""
        return len(self.points)

    @property
    def clicked(self) -> tuple[Position, ...]:
        """Positions that were clicked in the object, in order; empty for what is drawn or says something else."""
        return ()

    @abstractmethod
    def mark(self, seeds: Seeds) -> None:
        """Mark in seeds what this prompt says of voxels; a prompt inside the image is presumed."""

    def line(self, shape: Shape) -> Mask | None:  # noqa: ARG002  for prompts that have one
        """Draw the line of a prompt that cuts, bool of that shape; None of any other."""
        return None

    def inside(self, shape: Shape) -> Mask | None:  # noqa: ARG002  for prompts that have one
        """Fill what a prompt encloses, bool of that shape; None of a prompt that encloses nothing."""
        return None

    def validate(self, shape: Shape) -> None:
        """Refuse an image that this prompt does not fit.

        Args:
            shape: of the image, ([z,] y, x) in voxels.

        Raises:
            DataError: if a position lies outside the image, or the image has other axes.
        """
        require_inside(self.name, self.points, shape)

    def rasterise(self, shape: Shape) -> Seeds:
        """Draw the prompt on an image.

        Args:
            shape: of the image, ([z,] y, x) in voxels.

        Raises:
            DataError: if the prompt does not fit the image.
        """
        return rasterise([self], shape)

    def to_mm(self, spacing_mm: Sequence[float]) -> NDArray[np.float64]:
        """Place the positions in mm from the centre of the first voxel.

        Args:
            spacing_mm: voxel size ([z,] y, x) in mm.

        Returns:
            (N, axes) float64.

        Raises:
            DataError: if the spacing is no voxel size of as many axes.
        """
        points = self.points
        return points * checked_spacing(spacing_mm, points.shape[1])

    def to_json(self) -> dict[str, Any]:
        """Write the prompt as a JSON object: ``type``, ``version`` and its own fields; `prompt_from_json` reads it."""
        own = {field.name: _plain(getattr(self, field.name)) for field in fields(self)}
        return {"type": self.name, "version": SCHEMA_VERSION, **own}


def rasterise(prompts: Sequence[Prompt], shape: Shape) -> Seeds:
    """Draw prompts on an image, one after the other; where two contradict each other the later one counts.

    Args:
        prompts: in the order in which they were given.
        shape: of the image, ([z,] y, x) in voxels.

    Raises:
        DataError: if one does not fit the image.
    """
    seeds = Seeds.empty(shape)
    for prompt in prompts:
        prompt.validate(shape)
        prompt.mark(seeds)
    return seeds


def set_checked(prompt: Prompt, field: str, value: object) -> None:
    """Complete a frozen prompt while it is made."""
    object.__setattr__(prompt, field, value)


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, str) else value
