"""Simulate scribbles of people from dense labels: one stroke in every structure, one loop around all structures.

Shape and coverage follow the scribbles that people drew on cine cardiac MR (Valvano et al., "Learning to segment from
scribbles using multi-scale adversarial attention gates", IEEE TMI 2021): open rings and arcs, one pixel wide, inside
the structure, and one or two background loops around the heart at some distance.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lesslabel.data.case import IGNORE

_EIGHT_NEIGHBOURS = np.ones((3, 3), dtype=bool)
_ELONGATED = 3.0
"""Ratio of area to that of the largest inscribed disc above which the stroke follows the middle line."""

Mask = NDArray[np.bool_]


def scribble_from_labels(
    labels: NDArray[np.uint8],
    rng: np.random.Generator,
    *,
    thickness_voxel: int = 1,
    gap: float = 0.1,
    omission: float = 0.0,
    second_background: float = 0.4,
    minimum_area_voxel: int = 4,
) -> NDArray[np.uint8]:
    """Draw scribbles on every slice of a dense label map.

    No stroke leaves its structure, so known voxels always agree with `labels`. Voxels that are unknown in `labels` stay
    unknown. Each slice is drawn independently, as by a person who goes through a stack.

    Args:
        labels: (z, y, x) uint8, 0 is background, `IGNORE` is unknown.
        rng: random number generator.
        thickness_voxel: width of a stroke in voxels, at least 1.
        gap: mean share of the length of a stroke that is left out, in [0, 1).
        omission: probability that a structure of a slice gets no stroke, in [0, 1].
        second_background: probability of a second, farther background loop, in [0, 1].
        minimum_area_voxel: smaller connected components get no stroke.

    Returns:
        (z, y, x) uint8: label codes on strokes, `IGNORE` everywhere else.
    """
    scribble = np.full(labels.shape, IGNORE, dtype=np.uint8)
    for plane, drawn in zip(labels, scribble, strict=True):
        for code in np.unique(plane[(plane != 0) & (plane != IGNORE)]):
            if rng.random() >= omission:
                stroke = _structure_stroke(plane == code, rng, gap, minimum_area_voxel)
                drawn[_thicken(stroke, thickness_voxel) & (plane == code)] = code
        stroke = _background_stroke(plane, rng, gap, second_background)
        drawn[_thicken(stroke, thickness_voxel) & (plane == 0)] = 0
    return scribble


def _structure_stroke(mask: Mask, rng: np.random.Generator, gap: float, minimum_area_voxel: int) -> Mask:
    """One stroke in every connected component of a structure (y, x) that is large enough."""
    stroke = np.zeros_like(mask)
    parts, _ = ndimage.label(mask, _EIGHT_NEIGHBOURS)
    for index, window in enumerate(ndimage.find_objects(parts), start=1):
        part = np.pad(parts[window] == index, 1)
        if part.sum() >= minimum_area_voxel:
            stroke[window] |= _part_stroke(part, rng, gap)[1:-1, 1:-1]
    return stroke


def _part_stroke(part: Mask, rng: np.random.Generator, gap: float) -> Mask:
    """A stroke along the middle line of a long component, or a loop half-way to the border of a round one."""
    from skimage.morphology import skeletonize  # slow to import

    depth = ndimage.distance_transform_edt(part)
    unevenness = _smooth_noise(part.shape, rng)
    elongation = part.sum() / (np.pi * depth.max() ** 2)
    if elongation > _ELONGATED:
        stroke = skeletonize(part & (depth > depth.max() * (0.15 + 0.15 * unevenness)))
    else:
        core = depth > depth.max() * (rng.uniform(0.25, 0.5) + 0.15 * unevenness)
        stroke = core & ~ndimage.binary_erosion(core, _EIGHT_NEIGHBOURS)
    if not stroke.any():
        stroke = depth == depth.max()
    return _lift_pen(stroke, rng, gap)


def _background_stroke(plane: NDArray[np.uint8], rng: np.random.Generator, gap: float, second: float) -> Mask:
    """A loop around all structures of a slice (y, x); around a random position if there are none."""
    foreground = (plane != 0) & (plane != IGNORE)
    if not foreground.any():
        foreground[tuple(int(rng.uniform(0.3, 0.7) * side) for side in plane.shape)] = True
    distance = ndimage.distance_transform_edt(~foreground)
    radius = max(np.sqrt(foreground.sum() / np.pi), 0.08 * min(plane.shape))
    reaches = [rng.uniform(0.3, 0.8)]
    if rng.random() < second:
        reaches.append(reaches[0] + rng.uniform(0.4, 1.2))
    stroke = np.zeros(plane.shape, dtype=bool)
    for reach in reaches:
        inside = distance < np.maximum(radius * (reach + 0.25 * _smooth_noise(plane.shape, rng)), 2.0)
        loop = inside & ~ndimage.binary_erosion(inside, border_value=1)
        stroke |= _lift_pen(loop, rng, gap)
    return stroke


def _lift_pen(stroke: Mask, rng: np.random.Generator, gap: float) -> Mask:
    """Leave out the voxels of a stroke that lie nearest to a random point of it."""
    points = np.argwhere(stroke)
    kept = max(round(len(points) * (1.0 - rng.uniform(0.0, 2.0 * gap))), min(len(points), 2))
    if kept == len(points):
        return stroke
    start = points[rng.integers(len(points))]
    farthest_first = np.argsort(-((points - start) ** 2).sum(axis=1), kind="stable")
    lifted = np.zeros_like(stroke)
    lifted[tuple(points[farthest_first[:kept]].T)] = True
    return lifted


def _smooth_noise(shape: tuple[int, ...], rng: np.random.Generator, knots: int = 5) -> NDArray[np.float64]:
    """(y, x) noise in [-1, 1] with a correlation length of about a fifth of the shape."""
    coarse = rng.uniform(-1.0, 1.0, size=(knots, knots))
    rows, columns = (_interpolation(side, knots) for side in shape)
    return np.asarray(rows @ coarse @ columns.T)


def _interpolation(side: int, knots: int) -> NDArray[np.float64]:
    """(side, knots) weights of linear interpolation between evenly spaced knots."""
    position = np.linspace(0.0, knots - 1.0, side)[:, None]
    return np.clip(1.0 - np.abs(position - np.arange(knots)), 0.0, None)


def _thicken(stroke: Mask, thickness_voxel: int) -> Mask:
    """A stroke of the given width in voxels."""
    if thickness_voxel == 1:
        return stroke
    return np.asarray(ndimage.binary_dilation(stroke, np.ones((thickness_voxel, thickness_voxel), dtype=bool)))
