"""Make one label map of a label file whose segments have names."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lesslabel.errors import DataError


def merge_segments(
    path: Path,
    segments: Iterable[tuple[str, NDArray[np.bool_]]],
    codes: Mapping[str, int],
    shape: tuple[int, ...],
    outside: int = 0,
) -> NDArray[np.uint8]:
    """Number segments by their names; those of one name are one label.

    Args:
        path: the file, for messages.
        segments: name and voxels (z, y, x) of each.
        codes: label codes by name; no code is `outside`.
        shape: of the grid (z, y, x).
        outside: the value of voxels outside all segments.

    Raises:
        DataError: if two of other names share a voxel.
    """
    labels = np.full(shape, outside, dtype=np.uint8)
    for name, mask in segments:
        taken = labels[mask]
        if (shared := taken[(taken != outside) & (taken != codes[name])]).size:
            other = next(found for found, code in codes.items() if code == shared[0])
            raise DataError(
                f"{path}: segments '{other}' and '{name}' share {np.count_nonzero(shared == shared[0])} voxels, and a "
                "label map holds one label a voxel; leave one out of LABELS, or subtract one from the other"
            )
        labels[mask] = codes[name]
    return labels
