"""Boxes and polygons around the object with a margin, as in multi-mode interaction.

Lin et al., "Multi-Mode Interactive Image Segmentation", ACM Multimedia 2022. The margin ξ is at most
``γ·|G|^(1/axes)·ln(|I|/|G|)`` voxels for an object of |G| voxels in an image of |I|: the published formula for two
axes, with the argument of the logarithm inverted, since the printed one is negative.
"""

from typing import ClassVar

import numpy as np
from scipy.spatial import ConvexHull

from lesslabel.interaction.prompts import Box, Polygon
from lesslabel.interaction.prompts.seeds import Mask
from lesslabel.interaction.robots.base import Robot, require_at_least
from lesslabel.interaction.robots.hand import slips
from lesslabel.interaction.robots.scene import Scene
from lesslabel.interaction.robots.shapes import bounding_window, drawing_slice, in_volume, inner_edge, plane_scale

_CORNERS = np.array([[-0.5, -0.5], [-0.5, 0.5], [0.5, -0.5], [0.5, 0.5]])  # of a pixel, from its centre


class _EnclosingRobot(Robot):
    """Encloses the object with a margin.

    Args:
        looseness: γ, 0 for no margin.
        random: True samples ξ from [0, its largest value], as in training; False takes half of it, as in tests.
        jitter_voxel: see `Robot`; displacements are outward only.

    Raises:
        ConfigError: if an argument is out of range.
    """

    def __init__(self, looseness: float, random: bool = True, jitter_voxel: float = 0.0) -> None:
        super().__init__(jitter_voxel)
        require_at_least(0.0, "looseness", looseness)
        self.looseness = looseness
        self.random = random

    def _loosening(self, region: Mask, rng: np.random.Generator) -> float:
        """ξ in voxels of the finest axes."""
        return loosening_voxel(region, self.looseness) * (rng.random() if self.random else 0.5)


class BoxRobot(_EnclosingRobot):
    """The object's tight box with all sides moved outward by ξ; it always covers the object.

    Args:
        looseness: γ.
        random: see `_EnclosingRobot`.
        jitter_voxel: see `_EnclosingRobot`.

    Raises:
        ConfigError: if an argument is out of range.
    """

    name: ClassVar[str] = "box"

    def __init__(self, looseness: float = 0.3, random: bool = True, jitter_voxel: float = 0.0) -> None:
        super().__init__(looseness, random, jitter_voxel)

    def respond(self, scene: Scene, rng: np.random.Generator) -> tuple[Box, ...]:
        """Give one box; none without an object."""
        if not scene.truth.any():
            return ()
        margin = self._loosening(scene.truth, rng) / scene.scale
        low, high = margin + np.abs(slips(rng, 2, self.jitter_voxel, scene.scale))
        window = bounding_window(scene.truth)
        first = np.maximum([cut.start - by for cut, by in zip(window, low, strict=True)], 0.0)
        last = np.minimum(
            [cut.stop - 1 + by for cut, by in zip(window, high, strict=True)], np.array(scene.truth.shape) - 1.0
        )
        return (Box(tuple(first.tolist()), tuple(last.tolist())),)


class PolygonRobot(_EnclosingRobot):
    """A convex polygon around the object; in 3D around its largest slice across the coarsest axis.

    It is the convex hull of the object's corners and of copies of them that are moved by ξ in random directions.

    Args:
        looseness: γ.
        random: see `_EnclosingRobot`.
        jitter_voxel: see `_EnclosingRobot`.

    Raises:
        ConfigError: if an argument is out of range.
    """

    name: ClassVar[str] = "polygon"

    def __init__(self, looseness: float = 0.2, random: bool = True, jitter_voxel: float = 0.0) -> None:
        super().__init__(looseness, random, jitter_voxel)

    def respond(self, scene: Scene, rng: np.random.Generator) -> tuple[Polygon, ...]:
        """Give one polygon; none without an object."""
        if not scene.truth.any():
            return ()
        cut = drawing_slice(scene.truth, scene.scale)
        plane = scene.truth[cut]
        scale = plane_scale(scene.scale, cut)
        squares = np.argwhere(inner_edge(plane))[:, None] + np.array(
            [[-0.5, -0.5], [-0.5, 0.5], [0.5, -0.5], [0.5, 0.5]]
        )
        corners = squares.reshape(-1, 2)
        hull = corners[ConvexHull(corners).vertices]
        distance = self._loosening(plane, rng)
        angles = rng.uniform(0.0, 2.0 * np.pi, len(hull))
        moves = distance * np.stack([np.sin(angles), np.cos(angles)], axis=1) / scale
        moves += slips(rng, len(hull), self.jitter_voxel, scale)
        loose = np.clip(np.concatenate([hull, hull + moves]), -0.5, np.array(plane.shape) - 0.5)
        vertices = in_volume(loose[ConvexHull(loose).vertices], cut)
        return (Polygon(tuple(map(tuple, vertices.tolist()))),)


def loosening_voxel(region: Mask, looseness: float) -> float:
    """The largest margin ξ in voxels of the finest axes: 0 for an object that fills the image.

    Args:
        region: bool, the object; at least one voxel.
        looseness: γ.
    """
    size = np.count_nonzero(region)
    axes = sum(length > 1 for length in region.shape)
    return float(looseness * size ** (1.0 / max(axes, 1)) * np.log(region.size / size))
