"""Scribbles along the middle line of errors."""

from typing import ClassVar

import numpy as np

from lesslabel.errors import ConfigError
from lesslabel.interaction.prompts import Scribble
from lesslabel.interaction.robots.base import Robot
from lesslabel.interaction.robots.hand import slipped, wobble
from lesslabel.interaction.robots.paths import middle_line, path_along
from lesslabel.interaction.robots.scene import Scene
from lesslabel.interaction.robots.shapes import drawing_slice, in_volume, largest_components, plane_scale


class ScribbleRobot(Robot):
    """One stroke along the middle line of the largest error; of the object if nothing is segmented yet.

    Lin et al., "Multi-Mode Interactive Image Segmentation", ACM Multimedia 2022: the middle part of the shortest path
    between two ends of the skeleton. In 3D it is drawn on the largest slice of the error across the coarsest axis.
    The stroke never leaves the error. It is positive on false negatives, negative on false positives; for a scribble on
    the background of an image, pass the background as the truth.

    Args:
        random: True samples the two ends, as in training; False takes those farthest apart, as in tests.
        share: share of the path that is kept, around its middle, in (0, 1].
        jitter_voxel: see `Robot`.

    Raises:
        ConfigError: if an argument is out of range.
    """

    name: ClassVar[str] = "scribble"
    corrects: ClassVar[bool] = True

    def __init__(self, random: bool = True, share: float = 0.5, jitter_voxel: float = 0.0) -> None:
        super().__init__(jitter_voxel)
        if not 0.0 < share <= 1.0:
            raise ConfigError(f"share: {share}; pass a share of the path above 0, at most 1")
        self.random = random
        self.share = share

    def respond(self, scene: Scene, rng: np.random.Generator) -> tuple[Scribble, ...]:
        """Give one scribble; none without an error."""
        error = scene.largest_error()
        if error is None:
            return ()
        region, side = error
        cut = drawing_slice(region, scene.scale)
        part = largest_components(region[cut])[0]
        path = path_along(middle_line(part), rng if self.random else None)
        kept = max(round(self.share * len(path)), 1)
        first = (len(path) - kept) // 2
        aimed = path[first : first + kept].astype(np.float64)
        offsets = wobble(rng, kept, self.jitter_voxel, plane_scale(scene.scale, cut))
        stroke = in_volume(slipped(aimed, offsets, part), cut)
        return (Scribble((tuple(map(tuple, stroke.tolist())),), side),)
