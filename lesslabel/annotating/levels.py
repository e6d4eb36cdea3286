"""A map of real numbers on a slice for the page: three levels, as runs, and coarse where it would be many bytes."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lesslabel.annotating.wire import Runs

SHARES = (0.25, 0.5, 0.75)
"""Of the largest value of the slice: where each level begins."""
LARGEST_BYTES = 24_000
"""Of all runs together."""


def levels_to_json(values: NDArray[np.float32]) -> dict[str, Any]:
    """Write a map of a slice as levels.

    Args:
        values: (y, x), at least 0.

    Returns:
        ``levels``, the runs of each, the lowest first, on a grid of the given ``shape`` whose voxels are blocks of
        ``block``×``block`` voxels of the slice; a block has the largest of its values. Empty levels where all are 0.
    """
    block = 1
    while True:
        coarse = _block_maxima(values, block)
        runs = [level.encode() for level in _levels(coarse)]
        if sum(map(len, runs)) <= LARGEST_BYTES:
            return {"block": block, "shape": list(coarse.shape), "levels": runs}
        block *= 2


def _levels(values: NDArray[np.float32]) -> list[Runs]:
    largest = float(values.max(initial=0))
    level = np.searchsorted(np.array(SHARES) * largest, values.reshape(-1), side="right")
    level[values.reshape(-1) <= 0] = 0
    return [Runs.of_voxels(np.flatnonzero(level == each)) for each in range(1, len(SHARES) + 1)]


def _block_maxima(values: NDArray[np.float32], block: int) -> NDArray[np.float32]:
    """The largest value of each block; what reaches beyond the slice does not count."""
    padded = np.pad(values, [(0, -side % block) for side in values.shape])
    rows, columns = (side // block for side in padded.shape)
    largest: NDArray[np.float32] = padded.reshape(rows, block, columns, block).max(axis=(1, 3))
    return largest
