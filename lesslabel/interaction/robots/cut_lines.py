"""Lines across thin parts that are wrongly segmented."""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.distance import cdist

from lesslabel.interaction.prompts import CutLine
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
from lesslabel.interaction.robots.thin_parts import ThinPart, ThinParts, expanded_parts

_TANGENT_VOXEL = 5.0
"""Distance along the middle line over which its direction is estimated."""

_RANDOM_LENGTH = (0.5, 1.5)
"""Range of the random length on each side of the part, as a share of the length inside."""

_STEP = 0.25
_MEDOID_PIXELS = 2048


class CutLineRobot(Robot):
    """One straight line across the worst thin part, as in KnifeCut.

    Lin et al., "KnifeCut: Refining thin part segmentation with cutting lines", ACM Multimedia 2022 (eq. 5.2–5.7 of its
    author's thesis). The part is the one with the most wrong voxels in its expanded region, missed or false ones; the
    line passes through the medoid of their largest component, perpendicular to the middle line of the part at its
    nearest point, and extends by its length inside the part on both sides. In training the part is chosen with a
    probability in proportion to its wrong voxels, and point, direction and both lengths are random.

    Choices where the text is not specific: a line whose point is not in the part, as beside one that is segmented too
    wide, crosses the part at its nearest point, and reaches the point. It ends at the border of the image. An object
    without thin parts is one thin part. Errors elsewhere are not answered. In 3D the line is drawn on the slice, across
    the coarsest axis, where the error is largest.

    Args:
        random: True as in training, False as in tests.
        jitter_voxel: see `Robot`; both ends are displaced within the image.
        thin: what is thin.

    Raises:
        ConfigError: if it is out of range.
    """

    name: ClassVar[str] = "cut-line"
    corrects: ClassVar[bool] = True
    role: ClassVar[str] = "line"

    def __init__(self, random: bool = False, jitter_voxel: float = 0.0, thin: ThinParts = ThinParts()) -> None:
        super().__init__(jitter_voxel)
        self.random = random
        self.thin = thin

    def respond(self, scene: Scene, rng: np.random.Generator) -> tuple[CutLine, ...]:
        """Give one line; none without an error at a thin part, or without room in the image."""
        thin = self.thin.of(scene.truth, scene.scale.tolist())
        parts = expanded_parts(scene.truth, thin if thin.any() else scene.truth, scene.scale)
        wrong = scene.missed | scene.spilled
        part = self.choose(parts, wrong, rng)
        return () if part is None else self.cut(part, wrong, scene.scale, rng)

    def choose(self, parts: Sequence[ThinPart], wrong: Mask, rng: np.random.Generator) -> ThinPart | None:
        """Choose the part to cut by the number N_i of wrong voxels in its region (eq. 5.5).

        Args:
            parts: the thin parts of an object.
            wrong: ([z,] y, x) bool, the voxels where segmentation and truth differ.
            rng: random number generator.

        Returns:
            The worst part, of equal ones the first; in training a random one. None without a wrong voxel at any.
        """
        counts = np.array([np.count_nonzero(wrong[part.window] & part.region) for part in parts])
        if not counts.any():
            return None
        index = rng.choice(len(parts), p=counts / counts.sum()) if self.random else np.argmax(counts)
        return parts[int(index)]

    def cut(self, part: ThinPart, wrong: Mask, scale: RelativeSpacing, rng: np.random.Generator) -> tuple[CutLine, ...]:
        """Draw a line across a part with a wrong voxel in its region; see the class.

        Args:
            part: the part.
            wrong: ([z,] y, x) bool, the voxels where segmentation and truth differ.
            scale: of the axes.
            rng: random number generator.
        """
        error = wrong[part.window] & part.region
        if self.random:
            voxels = np.argwhere(error)
            seen = np.zeros_like(error)
            seen[tuple(voxels[rng.integers(len(voxels))])] = True
        else:
            seen = largest_components(error)[0]
        cut = drawing_slice(seen, scale)
        plane = plane_scale(scale, cut)
        point = _medoid(np.argwhere(largest_components(seen[cut])[0]), plane)
        crossed = part.part[cut] if part.part[cut].any() else error[cut]
        corner = np.array([side.start for side in part.window])
        in_plane = np.array([isinstance(side, slice) for side in cut])
        centre, ends = self._line(_part_at(crossed, point, plane), point, plane, rng)
        shape = tuple(int(length) for length in np.array(wrong.shape)[in_plane])
        start, end = (_cut_at_border(centre + corner[in_plane], each + corner[in_plane], shape) for each in ends)
        if np.array_equal(start, end):
            return ()
        start, end = in_volume(np.stack([start, end]), cut)
        start, end = (each + np.where(in_plane, 0, corner) for each in (start, end))
        return (CutLine(tuple(start.tolist()), tuple(end.tolist())),)

    def _line(
        self, part: Mask, point: NDArray[np.int64], scale: RelativeSpacing, rng: np.random.Generator
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """The pixel (2,) of a connected part of a plane that a line crosses it at, and the line's ends (2, 2)."""
        line = middle_line(part)
        anchor = line[np.argmin(np.linalg.norm((line - point) * scale, axis=1))]
        across = _across(line, anchor, scale)
        longer = np.ones(2)
        if self.random:
            angle = rng.uniform(0.0, np.pi)
            across = np.array([np.sin(angle), np.cos(angle)]) / scale
            longer = rng.uniform(*_RANDOM_LENGTH, 2)
        centre = point if part[tuple(point)] else anchor
        directions = np.stack([-across, across])
        inside = np.array([_way_out(part, centre, direction) for direction in directions])
        to_point = ((point - centre) * scale) @ (directions * scale).T
        ways = np.maximum(inside + longer * inside.sum(), to_point)
        ends = centre + directions * ways[:, None]
        return centre, ends + slips(rng, 2, self.jitter_voxel, scale)


def _medoid(pixels: NDArray[np.int64], scale: RelativeSpacing) -> NDArray[np.int64]:
    """The pixel (2,) with the smallest sum of distances to all others, the first of equals (eq. 5.6).

    Of many pixels only every n-th in raster order is used.
    """
    sample = pixels[:: -(-len(pixels) // _MEDOID_PIXELS)]
    placed = sample * scale
    return np.asarray(sample[np.argmin(cdist(placed, placed).sum(axis=1))])


def _part_at(region: Mask, pixel: NDArray[np.int64], scale: RelativeSpacing) -> Mask:
    """The connected component of a region that is nearest to a pixel."""
    labels, _ = ndimage.label(region, np.ones((3, 3)))
    pixels = np.argwhere(region)
    nearest = pixels[np.argmin(np.linalg.norm((pixels - pixel) * scale, axis=1))]
    return np.asarray(labels == labels[tuple(nearest)])


def _across(line: NDArray[np.int64], anchor: NDArray[np.int64], scale: RelativeSpacing) -> NDArray[np.float64]:
    """The direction in pixels (2,), one finest voxel long, perpendicular to a middle line at one of its pixels."""
    placed = (line - anchor) * scale
    nearby = placed[np.linalg.norm(placed, axis=1) <= _TANGENT_VOXEL]
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
