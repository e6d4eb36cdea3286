"""The interface between a session and a model."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, Self, cast

import numpy as np
from numpy.typing import NDArray

from lesslabel.errors import DataError
from lesslabel.interaction.prompts import KINDS, Prompt
from lesslabel.interaction.prompts.positions import Position
from lesslabel.interaction.prompts.seeds import Mask


@dataclass(frozen=True)
class Phases:
    """Seconds that a model took for the phases of one answer; what is in none of them is the encoding of the prompts.

    Attributes:
        encoder_s: for what depends on the image and the crop alone; about 0 for a turn that uses it again.
        head_s: for the network, or what takes its place, that sees the prompts.
        paste_s: for bringing the answer from the crop to the grid of the image.
    """

    encoder_s: float
    head_s: float
    paste_s: float


@dataclass(frozen=True, eq=False)
class Segmentation:
    """The segmentation of one object of an image.

    Attributes:
        mask: ([z,] y, x) bool.
        probability: the same shape, float32 in [0, 1], of the object; 0 outside the crop.
        uncertainty: the same shape, float32, at least 0, in a unit of the model; 0 outside the crop. A click where it
            is large helps most.
        memory: the same shape, the map that the model uses at the next turn in place of the probability, such as an
            edge; None for the probability.
        alternatives: the answers that a person may choose from, by name, this one among them; empty if there is no
            choice. `InteractiveSession.choose` chooses.
        phases: how long it took; None if the model cannot tell.
        window: the part of the image outside of which the mask is False and all maps are 0; None if the model does not
            tell. In a volume it saves a look at every voxel.
    """

    mask: Mask
    probability: NDArray[np.float32]
    uncertainty: NDArray[np.float32]
    memory: NDArray[np.float32] | None = None
    alternatives: Mapping[str, "Segmentation"] = field(default_factory=dict)
    phases: Phases | None = None
    window: tuple[slice, ...] | None = None

    def chosen(self, name: str | None) -> "Segmentation":
        """The answer of that name, which offers the same choice; None for this one.

        Raises:
            DataError: if there is no such answer.
        """
        if name is None:
            return self
        if name not in self.alternatives:
            offered = ", ".join(self.alternatives) or "one answer alone"
            raise DataError(f"no answer {name!r} to choose; this model offers {offered}")
        return replace(self.alternatives[name], alternatives=self.alternatives)

    @classmethod
    def of_mask(cls, mask: Mask) -> Self:
        """Make a segmentation without uncertainty from a mask."""
        return cls(mask, mask.astype(np.float32), np.zeros(mask.shape, np.float32))


@dataclass(frozen=True, eq=False)
class History:
    """The input of a model for one object.

    Attributes:
        turns: the prompts of every turn, each in the order in which they were given; at least one turn.
        start: ([z,] y, x) bool, the start mask of this object; None for none.
        previous: the answer of the model to the turns before the last; None at the first turn.
        meant: index of the class of the model that the object belongs to, from 1; None where nobody said so. Models of
            any object need none.
    """

    turns: tuple[tuple[Prompt, ...], ...]
    start: Mask | None = None
    previous: Segmentation | None = None
    meant: int | None = None

    @property
    def prompts(self) -> tuple[Prompt, ...]:
        """All prompts, in order."""
        return tuple(prompt for turn in self.turns for prompt in turn)

    @property
    def first_click(self) -> Position | None:
        """The first position that was clicked in the object; None without such a click."""
        return next((position for prompt in self.prompts for position in prompt.clicked), None)

    @property
    def corrected(self) -> bool:
        """Whether the last turn corrects an earlier answer or the start mask."""
        return len(self.turns) > 1 or self.start is not None

    @property
    def before(self) -> Segmentation | None:
        """The segmentation before the last turn: the previous answer, else the start mask, else None."""
        if self.previous is not None or self.start is None:
            return self.previous
        return Segmentation.of_mask(self.start)


class ObjectModel(Protocol):
    """The model of one object of one image."""

    def answer(self, history: History) -> Segmentation:
        """Segment the object after a turn.

        The answer is a function of the history alone. An implementation may cache what does not depend on the last
        turn, and must compute it again if the earlier turns differ.

        Args:
            history: its prompts fit the image; the caller checks that.

        Raises:
            DataError: if the prompts lack something that this model needs.
        """
        ...


class ImageModel(Protocol):
    """The model of one image, with everything computed that depends on the image alone."""

    def begin(self) -> ObjectModel:
        """Start a new object of the image."""
        ...


class InteractiveModel(Protocol):
    """A model that segments from prompts: `lesslabel.methods.interactive`, or any class with these members.

    Attributes:
        dimensions: 2 for images (y, x), 3 for volumes (z, y, x).
        in_channels: channels of the image; None for a model that takes any number.

    A model that cannot use every prompt has a further attribute, ``kinds``: those that it uses, see `kinds_of`. A
    session refuses the others.
    """

    @property
    def dimensions(self) -> int:  # noqa: D102  an attribute, see above
        ...

    @property
    def in_channels(self) -> int | None:  # noqa: D102  an attribute, see above
        ...

    def prepare_image(self, image: NDArray[np.float32], spacing_mm: Sequence[float]) -> ImageModel:
        """Compute everything that depends on an image alone, once, before any prompt.

        Args:
            image: (C, [z,] y, x), finite, in any unit of intensity; a slice in 2D, a volume in 3D.
            spacing_mm: voxel size ([z,] y, x).

        Raises:
            DataError: if the image does not fit the model.
        """
        ...


def kinds_of(model: InteractiveModel) -> tuple[str, ...]:
    """The kinds of prompts (`Prompt.kind`) that a model uses: its attribute ``kinds``; all for a model without it."""
    kinds: tuple[str, ...] = getattr(model, "kinds", KINDS)
    return kinds


def require_kinds(model: InteractiveModel, prompts: Sequence[Prompt]) -> None:
    """Raise an error for a prompt that a model cannot use.

    Raises:
        DataError: if there is one; names the kinds that it can use.
    """
    kinds = kinds_of(model)
    for prompt in prompts:
        if prompt.kind not in kinds:
            raise DataError(f"{prompt.kind}: this model cannot use it; give {', '.join(kinds)}")


def prepare_image(model: InteractiveModel, image: NDArray[np.float32], spacing_mm: Sequence[float]) -> ImageModel:
    """Call `InteractiveModel.prepare_image`, or `look_at`, its old name, with a warning."""
    if hasattr(model, "prepare_image"):
        return model.prepare_image(image, spacing_mm)
    warnings.warn(f"{type(model).__name__}.look_at: rename it to prepare_image", FutureWarning, stacklevel=3)
    return cast(ImageModel, cast(Any, model).look_at(image, spacing_mm))
