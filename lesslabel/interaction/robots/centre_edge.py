"""Points near the centre and just outside the edge: the mixed clicks of interactive Gaussian process classification."""

from typing import ClassVar

import numpy as np
from scipy import ndimage

from lesslabel.interaction.prompts import CentreEdgePoints
from lesslabel.interaction.prompts.positions import Position
from lesslabel.interaction.prompts.seeds import Mask
from lesslabel.interaction.robots.base import Robot, require_at_least
from lesslabel.interaction.robots.scene import Scene
from lesslabel.interaction.robots.shapes import bounding_window, depth, largest_components, outer_edge

_NEAR_CENTRE = 0.75
"""Share of the largest depth above which a voxel is near the centre."""


class CentreEdgeRobot(Robot):
    """Foreground points near the object's centre, background points just outside its edge; their box covers the object.

    Interactive medical image segmentation with improved geodesic encoding and hybrid Gaussian process classification:
    "near-centre and outer-edge points". The largest component of the object gets the first centre point, the next
    largest the next, and so on. Each end of each axis gets one edge point; if the object touches the border of the
    image, the point lies beside the object in the outermost row; if there is no room, there is no point.

    Args:
        centre_points: number of points near the centre.
        gap_voxel: largest distance of an edge point from the object, in voxels of the finest axes; a voxel beside the
            object is always allowed.
        jitter_voxel: see `Robot`.

    Raises:
        ConfigError: if an argument is out of range.
    """

    name: ClassVar[str] = "centre-edge-points"

    def __init__(self, centre_points: int = 1, gap_voxel: float = 3.0, jitter_voxel: float = 0.0) -> None:
        super().__init__(jitter_voxel)
        require_at_least(1, "centre_points", centre_points)
        require_at_least(1.0, "gap_voxel", gap_voxel)
        self.centre_points = centre_points
        self.gap_voxel = gap_voxel

    def respond(self, scene: Scene, rng: np.random.Generator) -> tuple[CentreEdgePoints, ...]:
        """Give all points as one prompt; none without an object."""
        if not scene.truth.any():
            return ()
        return (CentreEdgePoints(self._centre(scene, rng), self._edge(scene, rng)),)

    def _centre(self, scene: Scene, rng: np.random.Generator) -> tuple[Position, ...]:
        cores = []
        for part in largest_components(scene.truth, self.centre_points):
            depths = depth(part, scene.scale)
            cores.append(depths >= _NEAR_CENTRE * depths.max())
        positions = []
        for place in range(self.centre_points):
            core = cores[place % len(cores)]
            positions.append(self._aim(rng.choice(np.argwhere(core)), core, scene, rng))
        return tuple(dict.fromkeys(positions))

    def _edge(self, scene: Scene, rng: np.random.Generator) -> tuple[Position, ...]:
        ring = _ring(scene, self.gap_voxel)
        voxels = np.argwhere(ring)
        positions = []
        for axis, extent in enumerate(bounding_window(scene.truth)):
            along = voxels[:, axis]
            for beyond, beside in (
                (along < extent.start, along <= extent.start),
                (along >= extent.stop, along >= extent.stop - 1),
            ):
                free = voxels[beyond if beyond.any() else beside]
                if len(free):
                    allowed = np.zeros_like(ring)
                    allowed[tuple(free.T)] = True
                    positions.append(self._aim(rng.choice(free), allowed, scene, rng))
        return tuple(dict.fromkeys(positions))


def _ring(scene: Scene, gap_voxel: float) -> Mask:
    """Voxels outside the object within a distance of it, and all voxels beside it."""
    window = bounding_window(scene.truth, np.ceil(gap_voxel / scene.scale).astype(np.int64))
    away = ndimage.distance_transform_edt(~scene.truth[window], sampling=scene.scale)
    ring = np.zeros_like(scene.truth)
    ring[window] = (away > 0) & (away <= gap_voxel)
    return np.asarray(ring | outer_edge(scene.truth))
