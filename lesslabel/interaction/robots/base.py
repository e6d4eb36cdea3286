"""What every robot shares."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from lesslabel.errors import ConfigError
from lesslabel.interaction.prompts import Prompt
from lesslabel.interaction.prompts.positions import Position
from lesslabel.interaction.prompts.seeds import Mask
from lesslabel.interaction.robots.hand import slipped, slips
from lesslabel.interaction.robots.scene import Scene


class Robot(ABC):
    """A simulated annotator that knows the truth and answers with prompts of one kind.

    What is random comes from the generator alone: the same state and masks give the same prompts, which can be kept as
    JSON and drawn again. A robot gives its `name`, and answers in `respond`.

    Attributes:
        corrects: whether its prompts correct what is segmented; else they only locate the object.
        role: of the map that a network needs to take its prompts; empty where seeds say them to any model.

    Args:
        jitter_voxel: how much the hand slips: standard deviation in voxels along the finest axes, correspondingly less
            along coarser ones, never more than twice that, and never across the edge that it aims beside.

    Raises:
        ConfigError: if an argument is out of range.
    """

    name: ClassVar[str]
    corrects: ClassVar[bool] = False
    role: ClassVar[str] = ""

    def __init__(self, jitter_voxel: float = 0.0) -> None:
        require_at_least(0.0, "jitter_voxel", jitter_voxel)
        self.jitter_voxel = jitter_voxel

    def annotate(
        self,
        truth: Mask,
        rng: np.random.Generator,
        *,
        prediction: Mask | None = None,
        spacing_mm: Sequence[float] | None = None,
    ) -> tuple[Prompt, ...]:
        """Look at an image and answer.

        Args:
            truth: ([z,] y, x) bool, the object; voxels that nobody knows are better left out of it and of the
                prediction.
            rng: where the randomness comes from.
            prediction: the same shape, what is segmented so far; None if nothing is. Robots that only locate an object
                do not look at it.
            spacing_mm: voxel size in the order of the axes; None takes them as equal.

        Returns:
            Prompts inside the image; none where there is nothing to say: no object to locate, or no error to correct.

        Raises:
            DataError: if the masks are not bool of one shape, or the spacing does not fit them.
        """
        return self.respond(Scene.of(truth, prediction, spacing_mm), rng)

    @abstractmethod
    def respond(self, scene: Scene, rng: np.random.Generator) -> tuple[Prompt, ...]:
        """Answer to what is seen.

        Args:
            scene: the image.
            rng: where the randomness comes from.
        """

    def _aim(self, voxel: NDArray[np.int64], allowed: Mask, scene: Scene, rng: np.random.Generator) -> Position:
        """Put the hand on an allowed voxel (axes,); it may slip to another allowed one."""
        offset = slips(rng, 1, self.jitter_voxel, scene.scale)
        return tuple(slipped(voxel[None].astype(np.float64), offset, allowed)[0].tolist())


def require_at_least(least: float, name: str, value: float) -> None:
    """Refuse an argument that is too small or NaN.

    Raises:
        ConfigError: if it is.
    """
    if not value >= least or value == float("inf"):
        raise ConfigError(f"{name}: {value}; pass a finite number of at least {least:g}")
