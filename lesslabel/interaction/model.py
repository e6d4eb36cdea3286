"""What a session asks of a model, and what the model answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from lesslabel.interaction.prompts import Prompt


@dataclass(frozen=True, eq=False)
class Segmentation:
    """One object of an image, as a model sees it after what was said of it.

    Attributes:
        mask: ([z,] y, x) bool.
        probability: the same shape, float32 in [0, 1], of the object; 0 beyond the part that was looked at.
        uncertainty: the same shape, float32, at least 0; how much a click there may teach, in the model's own unit. 0
            beyond the part that was looked at.
    """

    mask: NDArray[np.bool_]
    probability: NDArray[np.float32]
    uncertainty: NDArray[np.float32]


class ObjectModel(Protocol):
    """One object of one image in the hands of a model, from the first prompts on."""

    def segment(self, corrections: Sequence[Prompt] = ()) -> Segmentation:
        """Segment the object, with all corrections since the first prompts, in the order in which they were given.

        The answer is a function of the arguments alone; what does not depend on the corrections is computed once.

        Raises:
            DataError: if a correction does not fit the image.
        """
        ...


class ImageModel(Protocol):
    """One image in the hands of a model that looked at it."""

    def begin(self, prompts: Sequence[Prompt]) -> ObjectModel:
        """Look at an object of the image for the first time; see `InteractiveModel.begin`."""
        ...


class InteractiveModel(Protocol):
    """A model that segments what it is pointed at: `lesslabel.methods.interactive`, or any class with these.

    One that computes something of an image before anybody points at it, as image encoders do, is a `LookingModel`.

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

    def begin(self, image: NDArray[np.float32], spacing_mm: Sequence[float], prompts: Sequence[Prompt]) -> ObjectModel:
        """Look at an object for the first time.

        Args:
            image: (C, [z,] y, x), finite, in any unit of intensity.
            spacing_mm: voxel size ([z,] y, x).
            prompts: the first ones of the object, at least one.

        Raises:
            DataError: if the prompts do not fit the image, or do not say where the object is.
        """
        ...


@runtime_checkable
class LookingModel(InteractiveModel, Protocol):
    """A model that looks at an image first: what it sees there serves all objects and all prompts.

    Sessions and protocols then never call `begin` of the model, but that of what `look_at` returns.
    """

    def look_at(self, image: NDArray[np.float32], spacing_mm: Sequence[float]) -> ImageModel:
        """Look at an image (a slice in 2D, a volume in 3D) once, before any prompt; see `InteractiveModel.begin`.

        Raises:
            DataError: if the image does not fit the model.
        """
        ...


def look_at(model: InteractiveModel, image: NDArray[np.float32], spacing_mm: Sequence[float]) -> ImageModel:
    """Give an image to a model: a `LookingModel` looks at it now, another when its objects are pointed at.

    Raises:
        DataError: if the model refuses the image.
    """
    if isinstance(model, LookingModel):
        return model.look_at(image, spacing_mm)
    return _NotLookedAt(model, image, tuple(spacing_mm))


@dataclass(frozen=True, eq=False)
class _NotLookedAt:
    """An image for a model that sees it anew with every object."""

    model: InteractiveModel
    image: NDArray[np.float32]
    spacing_mm: tuple[float, ...]

    def begin(self, prompts: Sequence[Prompt]) -> ObjectModel:
        return self.model.begin(self.image, self.spacing_mm, prompts)
