"""Strokes and random clicks on the edge of the object."""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from lesslabel.errors import ConfigError
from lesslabel.interaction.prompts import Click, Scribble, Side
from lesslabel.interaction.prompts.seeds import Mask
from lesslabel.interaction.robots.base import Robot, require_at_least
from lesslabel.interaction.robots.error_clicks import farthest_edge_voxel
from lesslabel.interaction.robots.hand import slipped, wobble
from lesslabel.interaction.robots.paths import contours
from lesslabel.interaction.robots.scene import Scene
from lesslabel.interaction.robots.shapes import in_volume, inner_edge, outer_edge, plane_scale, slice_at

_MOST_CLICKS = 5


class BoundaryScribbleRobot(Robot):
    """One stroke along the object's edge, around the place where it is farthest from the edge of the prediction.

    Lin et al., "Multi-Mode Interactive Image Segmentation", ACM Multimedia 2022. In tests its length is `share` of the
    contour; in training its place is a random one of the edge and its length a random share from 0 to twice that. In 3D
    it is drawn on the slice of that place across the coarsest axis. A displaced stroke stays on the edge, on either
    side of it.

    Args:
        random: True as in training, False as in tests.
        share: of the contour's pixels, in (0, 0.5].
        jitter_voxel: see `Robot`.

    Raises:
        ConfigError: if an argument is out of range.
    """

    name: ClassVar[str] = "boundary-scribble"
    corrects: ClassVar[bool] = True
    role: ClassVar[str] = "boundary"

    def __init__(self, random: bool = True, share: float = 0.05, jitter_voxel: float = 0.0) -> None:
        super().__init__(jitter_voxel)
        if not 0.0 < share <= 0.5:
            raise ConfigError(f"share: {share}; pass a share of the contour above 0, at most 0.5")
        self.random = random
        self.share = share

    def respond(self, scene: Scene, rng: np.random.Generator) -> tuple[Scribble, ...]:
        """Give one stroke; none without an object, or if its edge is segmented correctly."""
        voxel = farthest_edge_voxel(scene, rng)
        if voxel is None:
            return ()
        share = self.share
        if self.random:
            voxel = rng.choice(np.argwhere(inner_edge(scene.truth)))
            share = rng.uniform(0.0, 2.0 * self.share)
        cut = slice_at(voxel, scene.truth, scene.scale)
        plane = scene.truth[cut]
        middle = voxel[[isinstance(part, slice) for part in cut]]
        path = _stretch(contours(plane), middle, share)
        offsets = wobble(rng, len(path), self.jitter_voxel, plane_scale(scene.scale, cut))
        stroke = in_volume(slipped(path.astype(np.float64), offsets, edge_band(plane)), cut)
        return (Scribble((tuple(map(tuple, stroke.tolist())),), Side.BOUNDARY),)


class BoundaryScatter(Robot):
    """Up to five random clicks on the object's edge, apart from each other.

    Args:
        apart_voxel: least distance between two clicks, in voxels of the finest axes.
        jitter_voxel: see `Robot`; a click stays on the edge, on either side of it.

    Raises:
        ConfigError: if an argument is out of range.
    """

    name: ClassVar[str] = "boundary-scatter"
    corrects: ClassVar[bool] = True
    role: ClassVar[str] = "boundary"

    def __init__(self, apart_voxel: float = 25.0, jitter_voxel: float = 0.0) -> None:
        super().__init__(jitter_voxel)
        require_at_least(0.0, "apart_voxel", apart_voxel)
        self.apart_voxel = apart_voxel

    def respond(self, scene: Scene, rng: np.random.Generator) -> tuple[Click, ...]:
        """Give the clicks; none without an object, or without an error."""
        if not (scene.missed.any() or scene.spilled.any()) or not scene.truth.any():
            return ()
        free, allowed = np.argwhere(inner_edge(scene.truth)), edge_band(scene.truth)
        clicks: list[Click] = []
        for _ in range(int(rng.integers(1, _MOST_CLICKS + 1))):
            if not len(free):
                break
            clicks.append(Click(self._aim(rng.choice(free), allowed, scene, rng), Side.BOUNDARY))
            away = np.linalg.norm((free - clicks[-1].points) * scene.scale, axis=1)
            free = free[away > self.apart_voxel]
        return tuple(clicks)


def edge_band(region: Mask) -> Mask:
    """The edge of a region, on either side."""
    return np.asarray(inner_edge(region) | outer_edge(region))


def _stretch(lines: list[NDArray[np.int64]], middle: NDArray[np.int64], share: float) -> NDArray[np.int64]:
    """A piece of the closed line that passes nearest to a pixel, around it."""
    away = [np.square(line - middle).sum(axis=1) for line in lines]
    nearest = int(np.argmin([each.min() for each in away]))
    line, at = lines[nearest], int(np.argmin(away[nearest]))
    half = round(share * len(line) / 2)
    return np.asarray(line[np.arange(at - half, at + half + 1) % len(line)])
