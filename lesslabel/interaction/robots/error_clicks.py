"""Clicks that correct the largest error, as in click protocols."""

from typing import ClassVar

import numpy as np
from scipy import ndimage

from lesslabel.interaction.prompts import Click, Side
from lesslabel.interaction.robots.base import Robot
from lesslabel.interaction.robots.scene import Scene
from lesslabel.interaction.robots.shapes import bounding_window, depth, inner_edge, outer_edge


class ErrorCentreRobot(Robot):
    """One click at the centre of the largest error; in the object if nothing is segmented yet.

    The protocol of "Deep Interactive Object Selection" (Xu et al., CVPR 2016) and its successors. An error is a
    connected component of the false negatives or of the false positives; its centre is the voxel farthest from its
    outside in mm, the first in raster order; beyond the image counts as outside. The click is positive on false
    negatives, negative on false positives.

    Args:
        jitter_voxel: see `Robot`; the click stays in the error.

    Raises:
        ConfigError: if it is out of range.
    """

    name: ClassVar[str] = "error-centre"
    corrects: ClassVar[bool] = True

    def respond(self, scene: Scene, rng: np.random.Generator) -> tuple[Click, ...]:
        """Give one click; none without an error."""
        error = scene.largest_error()
        if error is None:
            return ()
        region, side = error
        depths = depth(region, scene.scale)
        centre = np.array(np.unravel_index(np.argmax(depths), depths.shape))
        return (Click(self._aim(centre, region, scene, rng), side),)


class BoundaryClickRobot(Robot):
    """One click on the object's edge where it is farthest from the edge of the prediction.

    Lin et al., "Multi-Mode Interactive Image Segmentation", ACM Multimedia 2022. If nothing is segmented yet, the
    click is a random voxel of the edge. A displaced click stays on the edge, on either side of it.

    Args:
        jitter_voxel: see `Robot`.

    Raises:
        ConfigError: if it is out of range.
    """

    name: ClassVar[str] = "boundary-click"
    corrects: ClassVar[bool] = True

    def respond(self, scene: Scene, rng: np.random.Generator) -> tuple[Click, ...]:
        """Give one click; none without an object, or if its edge is segmented correctly."""
        if not scene.truth.any():
            return ()
        edge = inner_edge(scene.truth)
        if scene.prediction.any():
            window = bounding_window(scene.truth | scene.prediction)
            predicted_edge = inner_edge(scene.prediction)[window]
            away = ndimage.distance_transform_edt(~predicted_edge, sampling=scene.scale) * edge[window]
            if not away.any():
                return ()
            start = [cut.start for cut in window]
            voxel = np.array(np.unravel_index(np.argmax(away), away.shape)) + start
        else:
            voxel = rng.choice(np.argwhere(edge))
        allowed = edge | outer_edge(scene.truth)
        return (Click(self._aim(voxel, allowed, scene, rng), Side.BOUNDARY),)
