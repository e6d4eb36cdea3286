"""Extreme points, as DEXTR samples them from the truth."""

from typing import ClassVar

import numpy as np

from lesslabel.interaction.prompts import ExtremePoints
from lesslabel.interaction.robots.base import Robot
from lesslabel.interaction.robots.extremes import near_extremes
from lesslabel.interaction.robots.scene import Scene
from lesslabel.interaction.robots.shapes import inner_edge, outer_edge


class ExtremePointsRobot(Robot):
    """One point at both ends of the object along each axis, sampled from the outermost voxels.

    Maninis et al., "Deep Extreme Cut: From extreme points to object segmentation", CVPR 2018. A displaced point stays
    on the edge: on the outermost voxels of the object or on those beside them.

    Args:
        jitter_voxel: see `Robot`.

    Raises:
        ConfigError: if it is out of range.
    """

    name: ClassVar[str] = "extreme-points"

    def respond(self, scene: Scene, rng: np.random.Generator) -> tuple[ExtremePoints, ...]:
        """Give all points as one prompt; none without an object."""
        if not scene.truth.any():
            return ()
        inner = inner_edge(scene.truth)
        edge = inner | outer_edge(scene.truth)
        voxels = np.argwhere(inner)
        ends = near_extremes(voxels, 0.0, scene.scale)
        return (ExtremePoints(tuple(self._aim(rng.choice(voxels[end]), edge, scene, rng) for end in ends)),)
