"""Positions in an image: checked on construction, rounded to voxels when drawn.

A position is a voxel index (y, x) or (z, y, x) and may lie between voxels: voxel i reaches from i − ½ to i + ½, so an
axis of n voxels reaches from −½ to n − ½.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lesslabel.errors import DataError
from lesslabel.interaction.prompts.seeds import Shape, Side

Position = tuple[float, ...]

_AXES = {2: "(y, x)", 3: "(z, y, x)"}


def checked_positions(given: ArrayLike, what: str) -> tuple[Position, ...]:
    """Check positions and convert them to the form that prompts store.

    Args:
        given: (N, 2) or (N, 3) numbers in voxels.
        what: their name in an error.

    Raises:
        DataError: if there are none, their shape is wrong, or one is not finite.
    """
    try:
        array = np.asarray(given)
    except ValueError as error:
        raise DataError(f"{what}: positions of different length; give each as (y, x) or (z, y, x)") from error
    if array.size == 0:
        raise DataError(f"{what}: empty; give at least one position")
    if array.dtype.kind not in "fiu" or array.ndim != 2 or array.shape[1] not in _AXES:
        raise DataError(
            f"{what}: {array.dtype} of shape {array.shape}; give numbers, each position as (y, x) or (z, y, x)"
        )
    positions = array.astype(np.float64)
    if not np.isfinite(positions).all():
        row = int(np.argmin(np.isfinite(positions).all(axis=1)))
        raise DataError(f"{what}: position {row} is {tuple(positions[row].tolist())}; give finite voxel indices")
    return tuple(map(tuple, positions.tolist()))


def checked_side(given: object, what: str) -> Side:
    """Read a side from its name.

    Args:
        given: the name.
        what: its name in an error.

    Raises:
        DataError: if there is no such side.
    """
    if not isinstance(given, str) or given not in list(Side):
        raise DataError(f"{what}: side {given!r} is unknown; give one of {', '.join(Side)}")
    return Side(given)


def checked_spacing(spacing_mm: Sequence[float], axes: int) -> NDArray[np.float64]:
    """Check the size of a voxel.

    Args:
        spacing_mm: in the order of the axes.
        axes: of the image.

    Returns:
        (axes,) float64.

    Raises:
        DataError: if it is not one finite length above 0 for each axis.
    """
    try:
        spacing = np.asarray(spacing_mm, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"spacing_mm: {spacing_mm!r}; pass {axes} lengths above 0, in the order of the axes") from error
    if spacing.shape != (axes,) or not np.isfinite(spacing).all() or (spacing <= 0).any():
        raise DataError(f"spacing_mm: {tuple(spacing_mm)}; pass {axes} lengths above 0, in the order of the axes")
    return spacing


def require_one_dimension(what: str, *groups: tuple[Position, ...]) -> None:
    """Raise an error for a prompt that is partly in 2D and partly in 3D.

    Raises:
        DataError: if so.
    """
    if len({len(position) for group in groups for position in group}) > 1:
        raise DataError(f"{what}: positions in 2D and in 3D; give all in the axes of the image")


def require_inside(what: str, points: NDArray[np.float64], shape: Shape) -> None:
    """Raise an error for positions outside an image.

    Args:
        what: what to call them in an error.
        points: (N, axes).
        shape: of the image.

    Raises:
        DataError: if they have other axes than the image, or one lies outside it.
    """
    axes = points.shape[1]
    if axes != len(shape):
        raise DataError(f"{what}: positions {_AXES[axes]} for an image of shape {shape}; give {_AXES[len(shape)]}")
    outside = ((points < -0.5) | (points > np.asarray(shape) - 0.5)).any(axis=1)
    if outside.any():
        position = tuple(points[int(np.argmax(outside))].tolist())
        raise DataError(f"{what}: position {position} lies outside the image of shape {shape}; voxels count from 0")


def first_crossing(vertices: NDArray[np.float64]) -> tuple[int, int] | None:
    """Two sides of a closed polygon (N, 2) that cross each other, counted from 1; None if there are none.

    Sides that only touch, or lie on each other, do not cross.
    """
    starts, ways = vertices, np.roll(vertices, -1, axis=0) - vertices
    slack = 1e-9 * max(float(np.square(ways).sum(axis=1).max()), 1e-300)

    def side_of(points: NDArray[np.float64]) -> NDArray[np.float64]:
        """On which side of each polygon side (rows) the points (columns) lie: -1, 0 or 1."""
        to = points[None] - starts[:, None]
        turned = ways[:, None, 0] * to[..., 1] - ways[:, None, 1] * to[..., 0]
        return np.where(np.abs(turned) > slack, np.sign(turned), 0.0)

    parted = side_of(starts) * side_of(np.roll(starts, -1, axis=0)) < 0
    found = np.argwhere(np.triu(parted & parted.T))
    return (int(found[0, 0]) + 1, int(found[0, 1]) + 1) if len(found) else None


def nearest_voxels(points: NDArray[np.float64], shape: Shape) -> NDArray[np.int64]:
    """Round positions to voxels, halves up; positions beyond the last voxel are clipped to it.

    Args:
        points: (N, axes).
        shape: of the image.

    Returns:
        (N, axes).
    """
    return np.asarray(np.clip(np.floor(points + 0.5).astype(np.int64), 0, np.asarray(shape) - 1))


def line_voxels(points: NDArray[np.float64], shape: Shape) -> NDArray[np.int64]:
    """Voxels of a line through positions inside an image, in order: connected over faces, edges or corners.

    Args:
        points: (N, axes), N ≥ 1; one position is a dot.
        shape: of the image.

    Returns:
        (M, axes), a voxel may occur more than once.
    """
    ways = np.diff(points, axis=0)
    steps = np.maximum(np.ceil(np.abs(ways).max(axis=1, initial=0)).astype(np.int64), 1)
    piece = np.repeat(np.arange(len(ways)), steps)
    step = 1 + np.arange(len(piece)) - (np.cumsum(steps) - steps)[piece]
    between = points[piece] + ways[piece] * (step / steps[piece])[:, None]
    return _without_gaps(nearest_voxels(np.concatenate([points[:1], between]), shape))


def _without_gaps(line: NDArray[np.int64]) -> NDArray[np.int64]:
    """Fill the gap that rounding makes between two positions on both sides of a voxel border."""
    gaps = np.flatnonzero(np.abs(np.diff(line, axis=0)).max(axis=1, initial=0) > 1)
    return np.insert(line, gaps + 1, (line[gaps] + line[gaps + 1]) // 2, axis=0)
