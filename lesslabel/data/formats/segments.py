"""Label files whose segments have names: onto an image's grid, and into one label map."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lesslabel.data.formats.nifti import NiftiVolume
from lesslabel.errors import DataError

_TOLERANCE_VOXEL = 0.1


def merge_segments(
    path: Path,
    segments: Iterable[tuple[str, NDArray[np.bool_]]],
    codes: Mapping[str, int],
    shape: tuple[int, ...],
    outside: int = 0,
) -> NDArray[np.uint8]:
    """Number segments by their names.

    Args:
        path: the file, for messages.
        segments: name and voxels (z, y, x) of each.
        codes: label codes by name; none is `outside`.
        shape: of the grid (z, y, x).
        outside: the value of voxels in no segment.

    Raises:
        DataError: if two of them share a voxel.
    """
    labels = np.full(shape, outside, dtype=np.uint8)
    for name, mask in segments:
        taken = labels[mask]
        if (shared := taken[taken != outside]).size:
            other = next(found for found, code in codes.items() if code == shared[0])
            raise DataError(
                f"{path}: segments '{other}' and '{name}' share {np.count_nonzero(shared == shared[0])} voxels, and a "
                "label map holds one label a voxel; leave one out of LABELS, or subtract one from the other"
            )
        labels[mask] = codes[name]
    return labels


def lay_on_grid(values: NDArray[Any], affine: NDArray[np.float64], image: NiftiVolume, path: Path) -> NDArray[Any]:
    """Put values where their affine says on an image's grid: axes may be turned or reversed, and parts be left out.

    Args:
        values: (z, y, x).
        affine: 4×4, maps their voxel (x, y, z, 1) to RAS+ mm.
        image: whose grid it is.
        path: the file, for messages.

    Returns:
        (z, y, x) on the image's grid, 0 where the file says nothing.

    Raises:
        DataError: if voxels do not fall onto voxels, or labelled ones outside the image.
    """
    shape = image.array.shape[-3:]
    steps = np.linalg.solve(image.affine, affine)
    whole = np.rint(steps)
    corners = np.array(
        [[x, y, z, 1] for x in (0, values.shape[2]) for y in (0, values.shape[1]) for z in (0, values.shape[0])]
    )
    away_voxel = np.abs((steps - whole) @ corners.T).max()
    turn = whole[:3, :3]
    one_to_one = (np.abs(turn).sum(axis=0) == 1).all() and (np.abs(turn).sum(axis=1) == 1).all()
    if not one_to_one or not away_voxel <= _TOLERANCE_VOXEL:
        raise DataError(
            f"{path}: its voxels do not fall onto those of {image.path.name}; draw it on that image, or resample it"
        )
    # image axis (x, y, z) by image axis: which axis of the values lies along it, and in which direction
    source_axes, signs = np.abs(turn).argmax(axis=1), turn.sum(axis=1)
    turned = values.T.transpose(source_axes)[tuple(slice(None, None, int(sign)) for sign in signs)]
    starts = [
        int(shift) - (size - 1) * int(sign < 0)
        for shift, size, sign in zip(whole[:3, 3], turned.shape, signs, strict=True)
    ]
    placed = np.zeros(shape, dtype=values.dtype)
    target, part = [], []
    for start, size, length in zip(starts, turned.shape, shape[::-1], strict=True):
        first, last = max(start, 0), max(min(start + size, length), max(start, 0))
        target.append(slice(first, last))
        part.append(slice(first - start, last - start))
    placed.T[tuple(target)] = turned[tuple(part)]
    if lost := np.count_nonzero(values) - np.count_nonzero(placed):
        raise DataError(f"{path}: {lost} labelled voxels lie outside {image.path.name}; draw it again")
    return placed
