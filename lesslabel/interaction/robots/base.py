"""The base class of robots."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from lesslabel.errors import ConfigError
from lesslabel.interaction.prompts import Prompt
from lesslabel.interaction.prompts.positions import Position
from lesslabel.interaction.prompts.seeds import Mask
from lesslabel.interaction.robots.hand import slipped, slips
from lesslabel.interaction.robots.scene import Scene


class Robot(ABC):
    """A simulated annotator that knows the truth and gives prompts of one kind.

    Prompts are a deterministic function of the generator's state and the masks; they can be stored as JSON and drawn
    again. A subclass defines `name` and `respond`.

    Attributes:
        corrects: whether its prompts correct a segmentation; otherwise they only locate the object.
        role: role of the cue that a network needs for its prompts; empty if the prompts mark seeds, which any model
            uses.

    Args:
        jitter_voxel: standard deviation of random displacements in voxels along the finest axes, fewer voxels along
            coarser ones; at most twice that, and never across the nearby edge.

    Raises:
        ConfigError: if an argument is out of range.
    """

    name: ClassVar[str]
    corrects: ClassVar[bool] = False
    role: ClassVar[str] = ""

    def __init__(self, jitter_voxel: float = 0.0) -> None:
        require_at_least(0.0, "jitter_voxel", jitter_voxel)
        self.jitter_voxel = jitter_voxel

    @classmethod
    def steady(cls, jitter_voxel: float = 0.0) -> Self:
        """Make the robot of tests: only its hand is random, if at all, where training samples more.

        Args:
            jitter_voxel: see above.
        """
        robot = cls(jitter_voxel=jitter_voxel)
        if hasattr(robot, "random"):
            robot.random = False
        return robot

    def annotate(
        self,
        truth: Mask,
        rng: np.random.Generator,
        *,
        prediction: Mask | None = None,
        spacing_mm: Sequence[float] | None = None,
        earlier: Sequence[Prompt] = (),
    ) -> tuple[Prompt, ...]:
        """Give prompts for an object.

        Args:
            truth: ([z,] y, x) bool, the object; leave unknown voxels out of it and of the prediction.
            rng: random number generator.
            prediction: the same shape, the current segmentation; None without one. Robots that only locate an object
                ignore it.
            spacing_mm: voxel size in the order of the axes; None for equal axes.
            earlier: the prompts for the object so far, for robots that keep away from them.

        Returns:
            Prompts inside the image; none without an object to locate or an error to correct.

        Raises:
            DataError: if the masks are not bool of one shape, or the spacing does not fit them.
        """
        return self.respond(Scene.of(truth, prediction, spacing_mm, earlier), rng)

    @abstractmethod
    def respond(self, scene: Scene, rng: np.random.Generator) -> tuple[Prompt, ...]:
        """Give prompts for a scene.

        Args:
            scene: truth and prediction.
            rng: random number generator.
        """

    def _aim(self, voxel: NDArray[np.int64], allowed: Mask, scene: Scene, rng: np.random.Generator) -> Position:
        """Displace an allowed voxel (axes,) at random to an allowed one."""
        offset = slips(rng, 1, self.jitter_voxel, scene.scale)
        return tuple(slipped(voxel[None].astype(np.float64), offset, allowed)[0].tolist())


def require_at_least(least: float, name: str, value: float) -> None:
    """Raise an error for an argument that is too small or not finite.

    Raises:
        ConfigError: if it is.
    """
    if not value >= least or value == float("inf"):
        raise ConfigError(f"{name}: {value}; pass a finite number of at least {least:g}")
