"""Lines across thin parts that are wrongly segmented."""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.distance import cdist

from lesslabel.interaction.prompts import CutLine, Side
from lesslabel.interaction.prompts.positions import nearest_voxels
from lesslabel.interaction.prompts.seeds import Mask, Shape
from lesslabel.interaction.robots.base import Robot
from lesslabel.interaction.robots.hand import slips
from lesslabel.interaction.robots.paths import middle_line
from lesslabel.interaction.robots.scene import Scene
from lesslabel.interaction.robots.shapes import (
    RelativeSpacing,
    drawing_slice,
    in_volume,
    largest_components,
    plane_scale,
)

_TANGENT_VOXEL = 5.0
"""Distance along the middle line over which its direction is estimated."""

_RANDOM_LENGTH = (0.5, 1.5)
"""Range of the random length on each side of the component, as a share of the length inside."""

_STEP = 0.25
_MEDOID_PIXELS = 2048


class CutLineRobot(Robot):
    """One straight line across the largest error, as in KnifeCut.

    Lin et al., "KnifeCut: Refining thin part segmentation with cutting lines", ACM Multimedia 2022. The line passes
    through the medoid of the error; it cuts the object if the error is missed foreground, and the error itself if it is
    false foreground. In tests it is perpendicular to the middle line and extends by its length inside on both sides; in
    training its direction and the lengths on both sides are random. It ends at the border of the image. In 3D it is
    drawn on the error's largest slice across the coarsest axis.

    Args:
        random: True as in training, False as in tests.
        jitter_voxel: see `Robot`; both ends are displaced within the image.

    Raises:
        ConfigError: if it is out of range.
    """

    name: ClassVar[str] = "cut-line"
    corrects: ClassVar[bool] = True
    role: ClassVar[str] = "line"

    def __init__(self, random: bool = True, jitter_voxel: float = 0.0) -> None:
        super().__init__(jitter_voxel)
        self.random = random

    def respond(self, scene: Scene, rng: np.random.Generator) -> tuple[CutLine, ...]:
        """Give one line; none without an error, or without room in the image."""
        error = scene.largest_error()
        if error is None:
            return ()
        region, side = error
        cut = drawing_slice(region, scene.scale)
        scale = plane_scale(scene.scale, cut)
        wrong = largest_components(region[cut])[0]
        middle = _medoid(np.argwhere(wrong), scale)
        part = _part_at(wrong if side is Side.BACKGROUND else scene.truth[cut], middle)
        across = _across(middle_line(part), middle, scale)
        longer = np.ones(2)
        if self.random:
            angle = rng.uniform(0.0, np.pi)
            across = np.array([np.sin(angle), np.cos(angle)]) / scale
            longer = rng.uniform(*_RANDOM_LENGTH, 2)
        directions = np.stack([-across, across])
        inside = np.array([_way_out(part, middle, direction) for direction in directions])
        ends = middle + directions * (inside + longer * inside.sum())[:, None]
        ends += slips(rng, 2, self.jitter_voxel, scale)
        start, end = in_volume(np.stack([_cut_at_border(middle, end, part.shape) for end in ends]), cut)
        if np.array_equal(start, end):
            return ()
        return (CutLine(tuple(start.tolist()), tuple(end.tolist())),)


def _medoid(pixels: NDArray[np.int64], scale: RelativeSpacing) -> NDArray[np.int64]:
    """The pixel (2,) with the smallest sum of distances to all others, the first of equals.

    Of many pixels only every n-th in raster order is used.
    """
    sample = pixels[:: -(-len(pixels) // _MEDOID_PIXELS)]
    placed = sample * scale
    return np.asarray(sample[np.argmin(cdist(placed, placed).sum(axis=1))])


def _part_at(region: Mask, pixel: NDArray[np.int64]) -> Mask:
    """The connected component of a region that contains a pixel."""
    labels, _ = ndimage.label(region, np.ones((3, 3)))
    return np.asarray(labels == labels[tuple(pixel)])


def _across(line: NDArray[np.int64], pixel: NDArray[np.int64], scale: RelativeSpacing) -> NDArray[np.float64]:
    """The direction in pixels (2,), one finest voxel long, perpendicular to the nearest piece of a middle line."""
    placed = line * scale
    anchor = placed[np.argmin(np.linalg.norm(placed - pixel * scale, axis=1))]
    nearby = placed[np.linalg.norm(placed - anchor, axis=1) <= _TANGENT_VOXEL]
    _, directions = np.linalg.eigh(np.cov(nearby.T, bias=True))
    return np.asarray(directions[:, 0] / scale)


def _way_out(part: Mask, start: NDArray[np.int64], direction: NDArray[np.float64]) -> float:
    """Number of steps in a direction until outside a component, or outside the image."""
    steps = np.arange(0.0, np.hypot(*part.shape) / np.linalg.norm(direction) + 1.0, _STEP)
    way = start + steps[:, None] * direction
    in_image = ((way >= -0.5) & (way <= np.array(part.shape) - 0.5)).all(axis=1)
    within = part[tuple(nearest_voxels(way, part.shape).T)] & in_image
    return float(steps[np.argmin(within)])


def _cut_at_border(start: NDArray[np.int64], end: NDArray[np.float64], shape: Shape) -> NDArray[np.float64]:
    """The last position inside the image on the line from a pixel to an end."""
    way = end - start
    room = np.where(way > 0, np.array(shape) - 1 - start, start)
    share = np.divide(room, np.abs(way), out=np.ones(2), where=way != 0).min()
    return np.asarray(start + min(share, 1.0) * way)
