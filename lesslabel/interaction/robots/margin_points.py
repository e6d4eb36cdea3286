"""Interior margin points, as MIDeepSeg samples them from the truth to train."""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lesslabel.interaction.prompts import InteriorMarginPoints
from lesslabel.interaction.prompts.seeds import Mask
from lesslabel.interaction.robots.base import Robot, require_at_least
from lesslabel.interaction.robots.extremes import near_extremes
from lesslabel.interaction.robots.hand import REACH
from lesslabel.interaction.robots.scene import Scene
from lesslabel.interaction.robots.shapes import depth, inner_edge


class InteriorMarginRobot(Robot):
    """Points in the object close to its edge; their box, grown by `reach_voxel`, covers the object.

    Luo et al., "MIDeepSeg: Minimally interactive segmentation of unseen objects from medical images using deep
    learning", Medical Image Analysis 2021: (1) take 3–4 (2D) or 5–6 (3D) voxels of the edge near the extremes, so that
    their box covers the object, and n ∈ {0…5} random ones; (2) move all of them inward by a few voxels. A voxel near
    two extremes counts for both; an object with fewer edge voxels gets fewer points.

    Args:
        extra: largest number of random points.
        slack_voxel: largest distance from an extreme.
        inward_voxel: largest distance that points move inward, in voxels of the finest axes, sampled for each point.
        jitter_voxel: see `Robot`.

    Raises:
        ConfigError: if an argument is out of range.
    """

    name: ClassVar[str] = "interior-margin-points"

    def __init__(
        self, extra: int = 5, slack_voxel: float = 1.0, inward_voxel: float = 3.0, jitter_voxel: float = 0.0
    ) -> None:
        super().__init__(jitter_voxel)
        require_at_least(0, "extra", extra)
        require_at_least(0.0, "slack_voxel", slack_voxel)
        require_at_least(0.0, "inward_voxel", inward_voxel)
        self.extra = extra
        self.slack_voxel = slack_voxel
        self.inward_voxel = inward_voxel

    @property
    def reach_voxel(self) -> float:
        """Largest margin by which the box of the points must grow to cover the object."""
        return self.slack_voxel + self.inward_voxel + REACH * self.jitter_voxel

    def respond(self, scene: Scene, rng: np.random.Generator) -> tuple[InteriorMarginPoints, ...]:
        """Give all points as one prompt; none without an object."""
        if not scene.truth.any():
            return ()
        edge = np.argwhere(inner_edge(scene.truth))
        depths = depth(scene.truth, scene.scale)
        positions = []
        for voxel in edge[self._choose(edge, scene, rng)]:
            inner = _moved_inward(voxel, depths, rng.uniform(0.0, self.inward_voxel), scene)
            positions.append(self._aim(inner, scene.truth, scene, rng))
        return (InteriorMarginPoints(tuple(dict.fromkeys(positions))),)

    def _choose(self, edge: NDArray[np.int64], scene: Scene, rng: np.random.Generator) -> NDArray[np.int64]:
        """Choose rows of the edge for the points."""
        ends = near_extremes(edge, self.slack_voxel, scene.scale)
        chosen: list[int] = []
        for end in rng.permutation(len(ends)):
            if not ends[end][chosen].any():
                chosen.append(int(rng.choice(np.flatnonzero(ends[end]))))
        axes = sum(size > 1 for size in scene.truth.shape)
        missing = max(2 * axes - 1 - len(chosen), 0)
        rest = np.setdiff1d(np.arange(len(edge)), chosen)
        count = min(missing + int(rng.integers(self.extra + 1)), len(rest))
        return np.concatenate([np.array(chosen), rng.choice(rest, count, replace=False)])


def _moved_inward(
    voxel: NDArray[np.int64], depths: NDArray[np.float64], distance_voxel: float, scene: Scene
) -> NDArray[np.int64]:
    """The deepest voxel of the object within a distance (in finest voxels) of one of its voxels; the nearest of equals.

    It does not cross a thin wall: only voxels connected to the first one within the distance are used.
    """
    reach = np.floor(distance_voxel / scene.scale).astype(np.int64)
    low = np.maximum(voxel - reach, 0)
    window = tuple(slice(*ends) for ends in zip(low, voxel + reach + 1, strict=True))
    offsets = np.indices(depths[window].shape).reshape(len(voxel), -1).T + low - voxel
    away = np.linalg.norm(offsets * scene.scale, axis=1).reshape(depths[window].shape)
    near: Mask = (depths[window] > 0) & (away <= distance_voxel)
    labels, _ = ndimage.label(near, np.ones((3,) * near.ndim))
    connected = labels == labels[tuple(voxel - low)]
    best = np.lexsort((away[connected], -depths[window][connected]))[0]
    return np.asarray(np.argwhere(connected)[best] + low)
