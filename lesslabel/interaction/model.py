"""What a session asks of a model, and what the model answers."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self, cast

import numpy as np
from numpy.typing import NDArray

from lesslabel.interaction.prompts import Prompt
from lesslabel.interaction.prompts.positions import Position
from lesslabel.interaction.prompts.seeds import Mask


@dataclass(frozen=True, eq=False)
class Segmentation:
    """One object of an image, as a model segments it after what was said of it.

    Attributes:
        mask: ([z,] y, x) bool.
        probability: the same shape, float32 in [0, 1], of the object; 0 beyond the part that was looked at.
        uncertainty: the same shape, float32, at least 0; how much a click there may teach, in the model's own unit. 0
            beyond the part that was looked at.
    """

    mask: Mask
    probability: NDArray[np.float32]
    uncertainty: NDArray[np.float32]

    @classmethod
    def of_mask(cls, mask: Mask) -> Self:
        """A mask that no model made: certain of itself everywhere."""
        return cls(mask, mask.astype(np.float32), np.zeros(mask.shape, np.float32))


@dataclass(frozen=True, eq=False)
class History:
    """What a model is given of one object.

    Attributes:
        turns: the prompts of every turn, each in the order in which they were given; at least one turn.
        start: ([z,] y, x) bool, the mask that the session began this object with; None for nothing.
        previous: the model's own answer to the turns before the last; None at the first turn.
    """

    turns: tuple[tuple[Prompt, ...], ...]
    start: Mask | None = None
    previous: Segmentation | None = None

    @property
    def prompts(self) -> tuple[Prompt, ...]:
        """All prompts, in order."""
        return tuple(prompt for turn in self.turns for prompt in turn)

    @property
    def first_click(self) -> Position | None:
        """The position that was clicked first in the object; None if nothing was clicked there."""
        return next((position for prompt in self.prompts for position in prompt.clicked), None)

    @property
    def corrected(self) -> bool:
        """Whether the last turn corrects something: an answer to an earlier turn, or the start."""
        return len(self.turns) > 1 or self.start is not None

    @property
    def before(self) -> Segmentation | None:
        """What stood there before the last turn: the previous answer, else the start, else nothing."""
        if self.previous is not None or self.start is None:
            return self.previous
        return Segmentation.of_mask(self.start)


class ObjectModel(Protocol):
    """One object of one image in the hands of a model."""

    def answer(self, history: History) -> Segmentation:
        """Segment the object after a turn.

        The answer is a function of the history alone. What does not depend on the last turn may be kept from one call
        to the next, and is made anew where the turns are others.

        Args:
            history: prompts that fit the image; the caller has checked them.

        Raises:
            DataError: if the prompts do not say what this model needs to know.
        """
        ...


class ImageModel(Protocol):
    """One image in the hands of a model: what depends on the image alone was computed."""

    def begin(self) -> ObjectModel:
        """Begin with an object of the image."""
        ...


class InteractiveModel(Protocol):
    """A model that segments what it is pointed at: `lesslabel.methods.interactive`, or any class with these.

    Attributes:
        dimensions: 2 for images (y, x), 3 for volumes (z, y, x).
        in_channels: channels of the image.
    """

    @property
    def dimensions(self) -> int:  # noqa: D102  an attribute, see above
        ...

    @property
    def in_channels(self) -> int:  # noqa: D102  an attribute, see above
        ...

    def prepare_image(self, image: NDArray[np.float32], spacing_mm: Sequence[float]) -> ImageModel:
        """Compute what depends on an image alone, once, before any prompt.

        Args:
            image: (C, [z,] y, x), finite, in any unit of intensity; a slice in 2D, a volume in 3D.
            spacing_mm: voxel size ([z,] y, x).

        Raises:
            DataError: if the image does not fit the model.
        """
        ...


def prepare_image(model: InteractiveModel, image: NDArray[np.float32], spacing_mm: Sequence[float]) -> ImageModel:
    """Call `InteractiveModel.prepare_image`, or the method of its old name, `look_at`, with a warning."""
    if hasattr(model, "prepare_image"):
        return model.prepare_image(image, spacing_mm)
    warnings.warn(f"{type(model).__name__}.look_at: rename it to prepare_image", FutureWarning, stacklevel=3)
    return cast(ImageModel, cast(Any, model).look_at(image, spacing_mm))
