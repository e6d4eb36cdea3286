"""The base class of prompts."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from lesslabel.interaction.prompts.positions import Position, checked_spacing, require_inside
from lesslabel.interaction.prompts.seeds import Mask, Seeds, Shape

SCHEMA_VERSION = 1
"""Version of the JSON format; increased if a reader of the old format would misread the new one."""


@dataclass(frozen=True)
class Prompt(ABC):
    """What a person or a robot gives on an image.

    Positions are voxel indices (y, x) or (z, y, x) that may lie between voxels, see `positions`. A prompt
    holds no image; `validate` checks it against one and `rasterise` draws it on one. It is immutable, so a sampled
    prompt can be kept and applied again.

    A subclass is a frozen dataclass with a `name`, its `points`, and `mark`, which marks voxels. Other code uses only
    the attributes of a class and never checks for the class itself.

    Attributes:
        locates: whether the bounding box of its points covers the object, or nearly.
        drawn: whether it marks many voxels, like strokes, boxes and polygons, and not single points.
        encloses: whether it goes around the object, like boxes and polygons.
    """

    name: ClassVar[str]
    locates: ClassVar[bool] = False
    drawn: ClassVar[bool] = False
    encloses: ClassVar[bool] = False

    @property
    def kind(self) -> str:
        """Its name, for clicks and strokes on the edge with ``boundary-`` before it: what a model takes or refuses."""
        return self.name

    @property
    def normal(self) -> int | None:
        """The axis across the one slice that it is drawn on, if it says nothing of other slices; None otherwise."""
        return None

    @property
    @abstractmethod
    def points(self) -> NDArray[np.float64]:
        """All positions in voxels: (N, 2) or (N, 3)."""

    @property
    def clicks(self) -> int:
        """The number of clicks that it costs: one for each point, one for each scribble."""
        return len(self.points)

    @property
    def clicked(self) -> tuple[Position, ...]:
        """Positions that were clicked in the object, in order; empty for all other prompts."""
        return ()

    @abstractmethod
    def mark(self, seeds: Seeds) -> None:
        """Mark the voxels of this prompt in seeds; the prompt must lie inside the image."""

    def line(self, shape: Shape) -> Mask | None:  # noqa: ARG002  for prompts that have one
        """Draw the line of a cut line, bool of that shape; None for other prompts."""
        return None

    def inside(self, shape: Shape) -> Mask | None:  # noqa: ARG002  for prompts that have one
        """Fill the inside of a box or polygon, bool of that shape; None for other prompts."""
        return None

    def validate(self, shape: Shape) -> None:
        """Raise an error if the prompt does not fit an image.

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
        """Convert the positions to mm from the centre of the first voxel.

        Args:
            spacing_mm: voxel size ([z,] y, x) in mm.

        Returns:
            (N, axes) float64.

        Raises:
            DataError: if the spacing is not a voxel size with the same number of axes.
        """
        points = self.points
        return points * checked_spacing(spacing_mm, points.shape[1])

    def to_json(self) -> dict[str, Any]:
        """Write the prompt as a JSON object: ``type``, ``version`` and its own fields; `prompt_from_json` reads it."""
        own = {field.name: _plain(getattr(self, field.name)) for field in fields(self)}
        return {"type": self.name, "version": SCHEMA_VERSION, **own}


def rasterise(prompts: Sequence[Prompt], shape: Shape) -> Seeds:
    """Draw prompts on an image, one after the other; if two contradict each other, the later one counts.

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
    """Set a field of a frozen prompt during its construction."""
    object.__setattr__(prompt, field, value)


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, str) else value
