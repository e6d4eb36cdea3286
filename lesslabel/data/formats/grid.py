"""Whether two grids are the same, and how voxels are reordered from one to the other, for all formats.

Two grids are the same if every voxel of one lies on a voxel of the other, axes in another order or direction or not,
and no corner is off by more than `TOLERANCE_VOXEL`: headers round, and programs make rounded axes orthogonal again.
"""

from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lesslabel.data.formats.nifti import NiftiVolume
from lesslabel.data.formats.tolerance import TOLERANCE_VOXEL, corners, displacement_voxel
from lesslabel.errors import DataError

_IDENTITY_AXES = (0, 1, 2)


@dataclass(frozen=True)
class _Turn:
    """How voxels are reordered to another grid: for each of its axes x, y, z the source axis, its sign and start."""

    axes: tuple[int, ...]
    signs: tuple[int, ...]
    starts: tuple[int, ...]


def lay_on(image: NiftiVolume, other: NiftiVolume, *, same_grid: bool = False) -> NiftiVolume:
    """Reorder the axes of a volume to the grid of an image; nothing is resampled.

    Args:
        image: the image with the grid, array (…, z, y, x).
        other: a label map or another channel, array (…, z, y, x). Where one of the two has an sform and a qform that
            disagree, it may lie on the image's grid by either.
        same_grid: take the voxels in the image's order and ignore the header; only the shape counts.

    Returns:
        `other` with the image's shape and geometry.

    Raises:
        DataError: if the shapes differ, or a corner lies more than `TOLERANCE_VOXEL` away.
    """
    shape, other_shape = image.array.shape[-3:], other.array.shape[-3:]
    if same_grid or not (image.placed or other.placed):
        if shape != other_shape:
            raise _other_shape(image, other)
        if not same_grid:
            _require_same_pixels(image, other)
        return _with_grid_of(image, other, other.array)
    turns = {turn for turn in _possible_turns(image, other) if turn is not None and _fills(turn, other_shape, shape)}
    if len(turns) > 1:
        raise _two_places(image, other.path)
    if not turns:
        raise _other_shape(image, other) if shape != other_shape else _other_place(image, other)
    return _with_grid_of(image, other, _turned(other.array, next(iter(turns))))


def lay_on_grid(values: NDArray[Any], affine: NDArray[np.float64], image: NiftiVolume, path: Path) -> NDArray[Any]:
    """Place values on an image's grid by their affine; axes may have another order or direction, parts may be absent.

    Args:
        values: (z, y, x).
        affine: 4×4, maps their voxel (x, y, z, 1) to RAS+ mm.
        image: the image with the grid.
        path: the file, for messages.

    Returns:
        (z, y, x) on the image's grid, 0 outside the values.

    Raises:
        DataError: if voxels do not match voxels of the image, or labelled ones are outside it.
    """
    shape = image.array.shape[-3:]
    found = {turn for place in _affines(image) if (turn := _find_turn(affine, place, values.shape)) is not None}
    turns = {turn for turn in found if _fills(turn, values.shape, shape)} or found
    if len(turns) > 1:
        raise _two_places(image, path)
    if not turns:
        raise DataError(
            f"{path}: its voxels do not fall onto those of {image.path.name}; draw it on that image, or resample it"
        )
    turn = next(iter(turns))
    turned = _turned(values, turn).T
    placed = np.zeros(shape, dtype=values.dtype)
    target, part = [], []
    for start, size, length in zip(turn.starts, turned.shape, shape[::-1], strict=True):
        first, last = max(start, 0), max(min(start + size, length), max(start, 0))
        target.append(slice(first, last))
        part.append(slice(first - start, last - start))
    placed.T[tuple(target)] = turned[tuple(part)]
    if lost := np.count_nonzero(values) - np.count_nonzero(placed):
        raise DataError(f"{path}: {lost} labelled voxels lie outside {image.path.name}; draw it again")
    return placed


def _possible_turns(image: NiftiVolume, other: NiftiVolume) -> list[_Turn | None]:
    """Every combination of the affines of volume and image; sform with sform and qform with qform if both fit."""
    shape = other.array.shape[-3:]
    if image.qform is not None and other.qform is not None:
        alike = [
            _find_turn(other.affine, image.affine, shape),
            _find_turn(other.qform.affine, image.qform.affine, shape),
        ]
        if any(alike):
            return alike
    return [_find_turn(own, place, shape) for own, place in product(_affines(other), _affines(image))]


def _affines(volume: NiftiVolume) -> list[NDArray[np.float64]]:
    return [volume.affine] if volume.qform is None else [volume.affine, volume.qform.affine]


def _find_turn(affine: NDArray[np.float64], place: NDArray[np.float64], shape: tuple[int, ...]) -> _Turn | None:
    """How voxels of the first affine are reordered onto those of the second; None if they do not match."""
    steps = np.linalg.solve(place, affine)
    whole = np.rint(steps)
    turn = whole[:3, :3]
    one_to_one = (np.abs(turn).sum(axis=0) == 1).all() and (np.abs(turn).sum(axis=1) == 1).all()
    if not one_to_one or not np.abs((steps - whole) @ corners(shape)).max() <= TOLERANCE_VOXEL:
        return None
    axes = tuple(int(axis) for axis in np.abs(turn).argmax(axis=1))
    signs = tuple(int(sign) for sign in turn.sum(axis=1))
    starts = tuple(
        int(shift) - (shape[2 - axis] - 1) * (sign < 0)
        for shift, axis, sign in zip(whole[:3, 3], axes, signs, strict=True)
    )
    return _Turn(axes, signs, starts)


def _fills(turn: _Turn, shape: tuple[int, ...], image_shape: tuple[int, ...]) -> bool:
    return turn.starts == (0, 0, 0) and tuple(shape[2 - axis] for axis in turn.axes[::-1]) == image_shape


def _turned(values: NDArray[Any], turn: _Turn) -> NDArray[Any]:
    """(…, z, y, x) with its last three axes in the order and direction of the other grid."""
    if turn.axes == _IDENTITY_AXES and turn.signs == (1, 1, 1):
        return values
    leading = values.ndim - 3
    order = [*range(leading), *(leading + 2 - axis for axis in turn.axes[::-1])]
    reversed_axes = tuple(leading + 2 - axis for axis, sign in enumerate(turn.signs) if sign < 0)
    return np.ascontiguousarray(np.flip(values.transpose(order), reversed_axes))


def _with_grid_of(image: NiftiVolume, other: NiftiVolume, array: NDArray[Any]) -> NiftiVolume:
    return replace(
        other,
        array=array,
        spacing_mm=image.spacing_mm,
        affine=image.affine,
        placed=image.placed,
        qform=image.qform,
    )


def _require_same_pixels(image: NiftiVolume, other: NiftiVolume) -> None:
    """Refuse a picture with another pixel size; a picture without one fits any."""
    away_voxel = displacement_voxel(image.affine, other.affine, image.array.shape[-3:])
    if other.spacing_mm != (1.0, 1.0, 1.0) and away_voxel > TOLERANCE_VOXEL:
        raise DataError(
            f"{other.path}: voxel size (z, y, x) is {_show(other.spacing_mm)} mm, that of {image.path.name} is "
            f"{_show(image.spacing_mm)} mm; correct the one that is wrong"
        )


def _other_shape(image: NiftiVolume, other: NiftiVolume) -> DataError:
    return DataError(
        f"{other.path}: shape (z, y, x) is {other.array.shape[-3:]}, that of {image.path.name} is "
        f"{image.array.shape[-3:]}; both must come from the same grid"
    )


def _two_places(image: NiftiVolume, path: Path) -> DataError:
    return DataError(
        f"{path}: sform and qform of it or of {image.path.name} put it on other voxels of the image; set the code of"
        " the wrong form to 0 in the header, or pass --same-grid if the voxels are in the image's order"
    )


def _other_place(image: NiftiVolume, other: NiftiVolume) -> DataError:
    away_voxel = displacement_voxel(image.affine, other.affine, image.array.shape[-3:])
    return DataError(
        f"{other.path}: affine differs from that of {image.path.name} by {away_voxel:.3g} voxels; resample it to the "
        "image's grid, correct its header, or pass --same-grid if the voxels are in the image's order"
    )


def _show(spacing_mm: tuple[float, ...]) -> str:
    return " × ".join(f"{side:.4g}" for side in spacing_mm)
