"""The exact distance of every voxel to the other side of a mask, inside and outside in one go.

The squared distance separates into axes (Felzenszwalb and Huttenlocher, "Distance transforms of sampled functions",
2012). A line of voxels falls into runs of one side. The voxel that ends a run is on the other side and nearer than
anything behind it, so each run is a problem of its own: one pass per axis gives what two whole transforms would.
"""

import numpy as np
from numpy.typing import NDArray

from lesslabel.evaluation.compiled import compiled

FAR = np.int32(1 << 30)
"""Squared distance where the other side does not occur; more than any image has."""

Envelope = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]


@compiled
def squared_distance_to_other_side(mask: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Return the squared distance from every voxel to the nearest voxel of the other side, in voxels.

    Args:
        mask: (z, y, x); a 2D mask has z = 1. Beyond the grid there is neither side.

    Returns:
        (z, y, x) int32, at least 1; 1 exactly where a face neighbour is on the other side. `FAR` everywhere if the mask
        is empty or full.
    """
    depth, height, width = mask.shape
    squared = np.empty(mask.shape, np.int32)
    longest = max(depth, height)
    side, values = np.empty(longest, np.bool_), np.empty(longest, np.int32)
    envelope = np.empty(longest + 2, np.int64), np.empty(longest + 2, np.int64), np.empty(longest + 3, np.float64)
    for z in range(depth):
        for y in range(height):
            _along_row(mask[z, y], squared[z, y])
        if height > 1:
            for x in range(width):
                side[:height], values[:height] = mask[z, :, x], squared[z, :, x]
                _along_line(side[:height], values[:height], envelope)
                squared[z, :, x] = values[:height]
    if depth > 1:
        for y in range(height):
            for x in range(width):
                side[:depth], values[:depth] = mask[:, y, x], squared[:, y, x]
                _along_line(side[:depth], values[:depth], envelope)
                squared[:, y, x] = values[:depth]
    return squared


@compiled
def _along_row(side: NDArray[np.bool_], squared: NDArray[np.int32]) -> None:
    """Write the squared distance to the nearest voxel of the other side of the row."""
    length = len(side)
    first = 0
    while first < length:
        end = _end_of_run(side, first)
        for x in range(first, end):
            left = x - first + 1 if first > 0 else length
            right = end - x if end < length else length
            nearest = min(left, right)
            squared[x] = nearest * nearest if nearest < length else FAR
        first = end


@compiled
def _along_line(side: NDArray[np.bool_], squared: NDArray[np.int32], envelope: Envelope) -> None:
    """Lower every value to min over the run of (distance along the line)² + value; the run's ends stand at 0."""
    length = len(side)
    first = 0
    while first < length:
        end = _end_of_run(side, first)
        if end - first > 1:
            _lower_run(squared, first, end, envelope)
        elif length > 1:
            squared[first] = 1
        first = end


@compiled
def _end_of_run(side: NDArray[np.bool_], first: int) -> int:
    end = first + 1
    while end < len(side) and side[end] == side[first]:
        end += 1
    return end


@compiled
def _lower_run(squared: NDArray[np.int32], first: int, end: int, envelope: Envelope) -> None:
    """Replace the values of a run by the lower envelope of their parabolas and those at its two ends."""
    apex, lift, start = envelope
    last = -1
    for i in range(max(first - 1, 0), min(end + 1, len(squared))):
        height = squared[i] if first <= i < end else 0
        if height >= FAR:
            continue
        crossing = -np.inf
        while last >= 0:
            crossing = 0.5 * (i + apex[last] + (height - lift[last]) / (i - apex[last]))
            if crossing > start[last]:
                break
            last -= 1
        if last < 0:
            crossing = -np.inf
        last += 1
        apex[last], lift[last], start[last] = i, height, crossing
    if last < 0:
        return
    start[last + 1] = np.inf
    piece = 0
    for i in range(first, end):
        while start[piece + 1] < i:
            piece += 1
        squared[i] = lift[piece] + (i - apex[piece]) ** 2
