"""Greedy maximum coverage with balls of one radius, in little memory: one bit for each pair."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from lesslabel.kernels.compiled import compiled

_BLOCK_PAIRS = 1 << 24


def blocks_of_squared_distances(
    features: NDArray[np.float32], others: NDArray[np.float32]
) -> Iterator[NDArray[np.float32]]:
    """Squared Euclidean distances of unit-length features by matrix products, block by block.

    Args:
        features: (N, D), of unit length.
        others: (M, D), of unit length.

    Yields:
        (rows, M) float32, 0 or more; precise to about 1e-6.
    """
    step = max(1, _BLOCK_PAIRS // max(1, len(others)))
    for start in range(0, len(features), step):
        yield np.maximum(2.0 - 2.0 * (features[start : start + step] @ others.T), 0.0)


def greedy_cover(
    features: NDArray[np.float32],
    centres: NDArray[np.int64],
    covered: NDArray[np.bool_],
    radius: float,
    count: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pick centres whose balls hold the most rows that are not covered yet, ties by order.

    Args:
        features: (N, D), of unit length.
        centres: (C,) rows that may be picked.
        covered: (N,) bool, rows that are covered from the start.
        radius: of the balls; their surface belongs to them.
        count: number of picks.

    Returns:
        Up to `count` indices into `centres`, in order of picking, until nothing new is covered; the number of rows that
        each newly covers.
    """
    inside = np.empty((len(features), (len(centres) + 7) // 8), np.uint8)
    row = 0
    for squared in blocks_of_squared_distances(features, features[centres]):
        inside[row : row + len(squared)] = np.packbits(squared <= radius * radius, axis=1)
        row += len(squared)
    inside[centres, np.arange(len(centres)) // 8] |= (128 >> (np.arange(len(centres)) % 8)).astype(np.uint8)
    left = ~covered
    gains = np.zeros(len(centres), np.int64)
    _count_balls(inside, left, gains, 1)
    picked: list[int] = []
    gained: list[int] = []
    while len(picked) < count and len(gains):
        best = int(np.argmax(gains))
        if gains[best] == 0:
            break
        picked.append(best)
        gained.append(int(gains[best]))
        newly = left & ((inside[:, best // 8] >> (7 - best % 8)) & 1).astype(np.bool_)
        left &= ~newly
        _count_balls(inside, newly, gains, -1)
    return np.array(picked, np.int64), np.array(gained, np.int64)


@compiled
def _count_balls(inside: NDArray[np.uint8], rows: NDArray[np.bool_], gains: NDArray[np.int64], step: int) -> None:
    """Add a step to the count of every ball for each of the rows that it holds."""
    for row in range(inside.shape[0]):
        if not rows[row]:
            continue
        for byte in range(inside.shape[1]):
            value = inside[row, byte]
            if value == 0:
                continue
            for bit in range(8):
                if value & (128 >> bit):
                    gains[byte * 8 + bit] += step
