"""Clicks that correct the largest error, as in click protocols."""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
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


class DeepestErrorRobot(Robot):
    """One click at the voxel that lies deepest in the errors, missed and false ones together.

    Lin et al., "Multi-Mode Interactive Image Segmentation", ACM Multimedia 2022: the argmax over P Δ G of the distance
    to its complement (eq. 6.2 of its author's thesis, where the bar of the complement was lost). Other than for
    `ErrorCentreRobot`, missed and false parts that touch are one region, and its size does not matter.

    Args:
        jitter_voxel: see `Robot`; the click stays in the errors of its side.

    Raises:
        ConfigError: if it is out of range.
    """

    name: ClassVar[str] = "deepest-error"
    corrects: ClassVar[bool] = True

    def respond(self, scene: Scene, rng: np.random.Generator) -> tuple[Click, ...]:
        """Give one click; none without an error."""
        errors = scene.missed | scene.spilled
        if not errors.any():
            return ()
        depths = depth(errors, scene.scale)
        voxel = np.array(np.unravel_index(np.argmax(depths), depths.shape))
        if scene.missed[tuple(voxel)]:
            return (Click(self._aim(voxel, scene.missed, scene, rng), Side.FOREGROUND),)
        return (Click(self._aim(voxel, scene.spilled, scene, rng), Side.BACKGROUND),)


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
    role: ClassVar[str] = "boundary"

    def respond(self, scene: Scene, rng: np.random.Generator) -> tuple[Click, ...]:
        """Give one click; none without an object, or if its edge is segmented correctly."""
        voxel = farthest_edge_voxel(scene, rng)
        if voxel is None:
            return ()
        allowed = inner_edge(scene.truth) | outer_edge(scene.truth)
        return (Click(self._aim(voxel, allowed, scene, rng), Side.BOUNDARY),)


def farthest_edge_voxel(scene: Scene, rng: np.random.Generator) -> NDArray[np.int64] | None:
    """The voxel (axes,) of the object's edge that is farthest from the edge of the prediction (eq. 6.3).

    Args:
        scene: truth and prediction.
        rng: random number generator; chooses the voxel if nothing is segmented yet.

    Returns:
        None without an object, or if its edge is segmented correctly.
    """
    if not scene.truth.any():
        return None
    edge = inner_edge(scene.truth)
    if not scene.prediction.any():
        return np.asarray(rng.choice(np.argwhere(edge)))
    window = bounding_window(scene.truth | scene.prediction)
    predicted_edge = inner_edge(scene.prediction)[window]
    away = ndimage.distance_transform_edt(~predicted_edge, sampling=scene.scale) * edge[window]
    if not away.any():
        return None
    start = np.array([cut.start for cut in window])
    return np.asarray(np.array(np.unravel_index(np.argmax(away), away.shape)) + start)
