"""A robot that gives prompts of any kind, one kind at a time, as a person does who has all of them at hand."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import ClassVar

import numpy as np

from lesslabel.errors import ConfigError
from lesslabel.interaction.prompts import Prompt, Scribble, Side
from lesslabel.interaction.robots.base import Robot
from lesslabel.interaction.robots.enclosures import BoxRobot
from lesslabel.interaction.robots.error_clicks import ErrorCentreRobot
from lesslabel.interaction.robots.random_clicks import RandomClicksRobot
from lesslabel.interaction.robots.scene import Scene
from lesslabel.interaction.robots.scribbles import ScribbleRobot

SHARES: Mapping[str, float] = MappingProxyType(
    {"centre": 0.52, "anywhere": 0.18, "scribble": 0.06, "both_scribbles": 0.08, "box": 0.16}
)


class AnyPromptRobot(Robot):
    """A click at the centre or anywhere in the largest error, a scribble on one side or on both, or a box.

    A box is given only where nothing is segmented yet; a click takes its place later. The scribble on the background
    lies around the object.

    Args:
        shares: how often each kind is given: ``centre``, ``anywhere``, ``scribble``, ``both_scribbles``, ``box``.
        jitter_voxel: see `Robot`.

    Raises:
        ConfigError: if a kind is unknown, or the shares are not positive in sum.
    """

    name: ClassVar[str] = "any-prompt"
    corrects: ClassVar[bool] = True

    def __init__(self, shares: Mapping[str, float] = SHARES, jitter_voxel: float = 1.5) -> None:
        super().__init__(jitter_voxel)
        if unknown := shares.keys() - SHARES.keys():
            raise ConfigError(f"shares: {min(unknown)} is not one of {', '.join(SHARES)}")
        if min(shares.values(), default=-1.0) < 0 or sum(shares.values()) <= 0:
            raise ConfigError(f"shares: {dict(shares)}; none may be negative, and one must be positive")
        self.shares = dict(shares)
        self._centre = ErrorCentreRobot(jitter_voxel)
        self._anywhere = RandomClicksRobot((1, 1), (0, 0), (0.0, 1.0, 3.0), jitter_voxel=0.0)
        self._correction = RandomClicksRobot((1, 1), (1, 1), jitter_voxel=0.0)
        self._scribble = ScribbleRobot(share=0.8, jitter_voxel=jitter_voxel)
        self._box = BoxRobot(0.2, jitter_voxel=jitter_voxel)

    def respond(self, scene: Scene, rng: np.random.Generator) -> tuple[Prompt, ...]:
        """Give the prompts of one turn; none without an object or an error."""
        kinds = list(self.shares)
        weights = np.array([self.shares[kind] for kind in kinds])
        kind = kinds[int(rng.choice(len(kinds), p=weights / weights.sum()))]
        if scene.has_prediction and kind == "anywhere":
            clicks = self._correction.respond(scene, rng)
            return clicks and (clicks[int(rng.integers(len(clicks)))],)
        if kind == "centre" or (scene.has_prediction and kind == "box"):
            return self._centre.respond(scene, rng)
        if kind == "anywhere":
            return self._anywhere.respond(scene, rng)
        if kind == "box":
            return self._box.respond(scene, rng)
        inside = self._scribble.respond(scene, rng)
        return (*inside, *self._around(scene, rng)) if kind == "both_scribbles" and not scene.has_prediction else inside

    def _around(self, scene: Scene, rng: np.random.Generator) -> tuple[Scribble, ...]:
        outside = Scene(~scene.truth, np.zeros_like(scene.truth), False, scene.scale)
        return tuple(replace(each, side=Side.BACKGROUND) for each in self._scribble.respond(outside, rng))
