"""Boxes, polygons and drawn lines around the object with a margin, as in multi-mode interaction.

Lin et al., "Multi-Mode Interactive Image Segmentation", ACM Multimedia 2022. The margin ξ is at most
``γ·|G|^(1/axes)·ln(|I|/|G|)`` voxels for an object of |G| voxels in an image of |I|: the published formula for two
axes, with the argument of the logarithm inverted, since the printed one is negative.
"""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import ConvexHull

from lesslabel.interaction.prompts import Box, EnclosingScribble, Polygon
from lesslabel.interaction.prompts.seeds import Mask
from lesslabel.interaction.robots.base import Robot, require_at_least
from lesslabel.interaction.robots.hand import slips, wobble
from lesslabel.interaction.robots.scene import Scene
from lesslabel.interaction.robots.shapes import (
    bounding_window,
    drawing_slice,
    in_volume,
    inner_edge,
    largest_components,
    plane_scale,
)

_CORNERS = np.array([[-0.5, -0.5], [-0.5, 0.5], [0.5, -0.5], [0.5, 0.5]])  # of a pixel, from its centre
_CORRECTIONS = 6


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
        corners = (np.argwhere(inner_edge(plane))[:, None] + _CORNERS).reshape(-1, 2)
        hull = corners[ConvexHull(corners).vertices]
        distance = self._loosening(plane, rng)
        angles = rng.uniform(0.0, 2.0 * np.pi, len(hull))
        moves = distance * np.stack([np.sin(angles), np.cos(angles)], axis=1) / scale
        moves += slips(rng, len(hull), self.jitter_voxel, scale)
        loose = np.clip(np.concatenate([hull, hull + moves]), -0.5, np.array(plane.shape) - 0.5)
        vertices = in_volume(loose[ConvexHull(loose).vertices], cut)
        return (Polygon(tuple(map(tuple, vertices.tolist()))),)


class EnclosingScribbleRobot(_EnclosingRobot):
    """A line drawn around the object: the contour of its mask, dilated by ξ; in 3D on its largest slice.

    Distances are Euclidean, where the text dilates step by step. Of an object of several parts that the dilation does
    not connect, the line is the contour of their convex hull.

    Args:
        looseness: γ.
        random: see `_EnclosingRobot`.
        jitter_voxel: see `Robot`; the line always encloses the object.

    Raises:
        ConfigError: if an argument is out of range.
    """

    name: ClassVar[str] = "enclosing-scribble"

    def __init__(self, looseness: float = 0.1, random: bool = True, jitter_voxel: float = 0.0) -> None:
        super().__init__(looseness, random, jitter_voxel)

    def respond(self, scene: Scene, rng: np.random.Generator) -> tuple[EnclosingScribble, ...]:
        """Give one line; none without an object."""
        if not scene.truth.any():
            return ()
        cut = drawing_slice(scene.truth, scene.scale)
        plane, scale = scene.truth[cut], plane_scale(scene.scale, cut)
        away = ndimage.distance_transform_edt(~plane, sampling=scale)
        line = _outer_line(away <= self._loosening(plane, rng))
        offsets = wobble(rng, len(line), self.jitter_voxel, scale)
        for _ in range(_CORRECTIONS):
            moved = np.clip(line + offsets, -0.5, np.array(plane.shape) - 0.5)
            prompt = EnclosingScribble(tuple(map(tuple, moved.tolist())))
            if prompt.inside(plane.shape)[plane].all():
                line = moved
                break
            offsets = offsets / 2.0
        return (EnclosingScribble(tuple(map(tuple, in_volume(line, cut).tolist()))),)


def _outer_line(region: Mask) -> NDArray[np.float64]:
    """The line (N, 2) around a region, between its pixels and those outside; of several parts around their hull."""
    from skimage.measure import find_contours  # slow to import
    from skimage.morphology import convex_hull_image

    if len(largest_components(region, 2)) > 1:
        region = convex_hull_image(region) | region
    around = find_contours(np.pad(region, 1).astype(np.float64), 0.5, fully_connected="high")
    longest = max(around, key=lambda line: float(np.prod(np.ptp(line, axis=0))))
    return np.asarray(longest[:-1] - 1.0)


def loosening_voxel(region: Mask, looseness: float) -> float:
    """The largest margin ξ in voxels of the finest axes: 0 for an object that fills the image.

    Args:
        region: bool, the object; at least one voxel.
        looseness: γ.
    """
    size = np.count_nonzero(region)
    axes = sum(length > 1 for length in region.shape)
    return float(looseness * size ** (1.0 / max(axes, 1)) * np.log(region.size / size))
