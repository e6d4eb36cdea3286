"""Robots that use one of several kinds of prompts, chosen at random, as multi-mode methods train."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar, Final

import numpy as np

from lesslabel.errors import ConfigError
from lesslabel.interaction.prompts import Prompt
from lesslabel.interaction.robots.base import Robot
from lesslabel.interaction.robots.boundaries import BoundaryScatter, BoundaryScribbleRobot
from lesslabel.interaction.robots.enclosures import BoxRobot, EnclosingScribbleRobot, PolygonRobot
from lesslabel.interaction.robots.error_clicks import BoundaryClickRobot, DeepestErrorRobot
from lesslabel.interaction.robots.random_clicks import RandomClicksRobot
from lesslabel.interaction.robots.scene import Scene
from lesslabel.interaction.robots.scribbles import ScribbleRobot

ENCLOSURES: Final[Mapping[str, type[BoxRobot | PolygonRobot | EnclosingScribbleRobot]]] = {
    robot.name: robot for robot in (BoxRobot, PolygonRobot, EnclosingScribbleRobot)
}
"""Robots that enclose the object, by the name of their prompt."""
REPAIRS: Final = ("click", "scribble", "boundary-click", "boundary-scribble")
"""Kinds of prompts that repair; clicks and scribbles on either side."""

_OF_TRUTH = 0.2  # share of the random repairs of regions that ignore the prediction


class EnclosureRobot(Robot):
    """One of several enclosures, chosen at random.

    Args:
        modes: names in `ENCLOSURES`, at least one.
        random: whether the margin is random too, see `BoxRobot`.
        jitter_voxel: see `BoxRobot`.

    Raises:
        ConfigError: if an argument is out of range.
    """

    name: ClassVar[str] = "enclosure"

    def __init__(
        self, modes: Sequence[str] = tuple(ENCLOSURES), random: bool = True, jitter_voxel: float = 0.0
    ) -> None:
        super().__init__(jitter_voxel)
        self.modes = _checked("modes", modes, tuple(ENCLOSURES))
        self.random = random

    def respond(self, scene: Scene, rng: np.random.Generator) -> tuple[Prompt, ...]:
        """Give one enclosure; none without an object."""
        mode = self.modes[int(rng.integers(len(self.modes)))]
        return ENCLOSURES[mode](random=self.random, jitter_voxel=self.jitter_voxel).respond(scene, rng)


class RepairRobot(Robot):
    """Repairs of one of several kinds, chosen at random.

    Lin et al., "Multi-Mode Interactive Image Segmentation", ACM Multimedia 2022. Half of the repairs are those of
    tests: a click on the deepest error, a stroke along the longest middle line of an error, a click or a stroke on the
    edge where it is farthest from that of the prediction. The other half are random: up to five clicks on each side in
    the errors, at least `apart_voxel` from each other, or, one time in five and without a prediction, anywhere in the
    object and around it; a random stroke in the same; up to five random clicks on the edge; a random stroke on it.

    Args:
        kinds: names in `REPAIRS`, at least one.
        random: False gives those of tests only.
        apart_voxel: least distance between random clicks; published 25.
        jitter_voxel: see `Robot`.

    Raises:
        ConfigError: if an argument is out of range.
    """

    name: ClassVar[str] = "repair"
    corrects: ClassVar[bool] = True
    role: ClassVar[str] = "boundary"

    def __init__(
        self,
        kinds: Sequence[str] = REPAIRS,
        random: bool = True,
        apart_voxel: float = 25.0,
        jitter_voxel: float = 0.0,
    ) -> None:
        super().__init__(jitter_voxel)
        self.kinds = _checked("kinds", kinds, REPAIRS)
        self.random = random
        self.apart_voxel = apart_voxel

    def respond(self, scene: Scene, rng: np.random.Generator) -> tuple[Prompt, ...]:
        """Give the prompts of one repair; none without an error."""
        if not (scene.missed.any() or scene.spilled.any()):
            return ()
        kind = self.kinds[int(rng.integers(len(self.kinds)))]
        if self.random and rng.random() < 0.5:
            whole = not scene.has_prediction or rng.random() < _OF_TRUTH
            shown = replace(scene, prediction=np.zeros_like(scene.truth), has_prediction=False) if whole else scene
            return self._random(kind).respond(shown, rng)
        return self._steady(kind).respond(scene, rng)

    def _random(self, kind: str) -> Robot:
        apart, jitter_voxel = (self.apart_voxel,), self.jitter_voxel
        margins = tuple(share * self.apart_voxel for share in (0.0, 0.2, 0.4))
        if kind == "click":
            return RandomClicksRobot(
                (0, 5), (0, 5), margins, margins[1:], 3.0 * self.apart_voxel, apart, apart, jitter_voxel
            )
        if kind == "boundary-click":
            return BoundaryScatter(self.apart_voxel, jitter_voxel)
        return (ScribbleRobot if kind == "scribble" else BoundaryScribbleRobot)(jitter_voxel=jitter_voxel)

    def _steady(self, kind: str) -> Robot:
        if kind in ("click", "boundary-click"):
            return (DeepestErrorRobot if kind == "click" else BoundaryClickRobot)(self.jitter_voxel)
        return (ScribbleRobot if kind == "scribble" else BoundaryScribbleRobot).steady(self.jitter_voxel)


def _checked(setting: str, given: Sequence[str], known: Sequence[str]) -> tuple[str, ...]:
    if not given or not set(given) <= set(known):
        raise ConfigError(f"{setting}: {', '.join(given) or 'none'}; give at least one of {', '.join(known)}")
    return tuple(given)
