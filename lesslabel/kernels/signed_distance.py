"""The exact distance of every voxel to the other side of a mask, inside and outside in one pass.

The squared distance is separable by axis (Meijster et al., "A general algorithm for computing distance transforms in
linear time", 2000; Felzenszwalb and Huttenlocher, "Distance transforms of sampled functions", 2012). A line of voxels
consists of runs of one side. The voxel after a run is on the other side and nearer than all voxels behind it, so each
run is independent: one pass per axis replaces two whole transforms. All arithmetic except one division per parabola is
in integers.
"""

import numpy as np
from numpy.typing import NDArray

from lesslabel.kernels.compiled import compiled

FAR = 1 << 30
"""Squared distance if the other side does not occur; larger than in any image."""

Envelope = tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]
"""Position and height of the apex of each parabola of a lower envelope, and the first voxel where it is lowest."""


@compiled
def squared_distance_to_other_side(mask: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Return the squared distance from every voxel to the nearest voxel of the other side, in voxels.

    Args:
        mask: (z, y, x); a 2D mask has z = 1. Voxels beyond the grid are on neither side.

    Returns:
        (z, y, x) int32, at least 1; 1 exactly where a face neighbour is on the other side. `FAR` everywhere if the mask
        is empty or full.
    """
    depth, height, width = mask.shape
    squared = np.empty(mask.shape, np.int32)
    longest = max(depth, height)
    side, values = np.empty(longest, np.bool_), np.empty(longest, np.int32)
    envelope = np.empty(longest, np.int32), np.empty(longest, np.int32), np.empty(longest, np.int32)
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
def scaled_by_side(squared: NDArray[np.int32], mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Convert squared distances to distances in [−1, 0] inside and (0, 1] outside.

    Args:
        squared: flat result of `squared_distance_to_other_side` for a mask that has both sides.
        mask: the same voxels.

    Returns:
        Flat float32; inside, the voxels at distance 1 are 0.
    """
    farthest_inside, farthest_outside = 1, 1
    for i in range(squared.size):
        if mask[i]:
            farthest_inside = max(farthest_inside, squared[i])
        else:
            farthest_outside = max(farthest_outside, squared[i])
    scaled = np.empty(squared.size, np.float32)
    for i in range(squared.size):
        if mask[i]:
            # scaled before the root, in double precision, so that the farthest voxel is exactly 1
            scaled[i] = 0.0 if squared[i] == 1 else -np.sqrt(np.float32(squared[i] * (1.0 / farthest_inside)))
        else:
            scaled[i] = np.sqrt(np.float32(squared[i] * (1.0 / farthest_outside)))
    return scaled


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
    """Lower every value to min over the run of (distance along the line)² + value; the run ends have the value 0."""
    first = 0
    while first < len(side):
        end = _end_of_run(side, first)
        last = _lower_envelope(squared, first, end, envelope)
        apex, lift, start = envelope
        i = end - 1
        for piece in range(last, -1, -1):
            while i >= start[piece]:
                squared[i] = lift[piece] + (i - apex[piece]) ** 2
                i -= 1
        first = end


@compiled
def _end_of_run(side: NDArray[np.bool_], first: int) -> int:
    end = first + 1
    while end < len(side) and side[end] == side[first]:
        end += 1
    return end


@compiled
def _lower_envelope(squared: NDArray[np.int32], first: int, end: int, envelope: Envelope) -> int:
    """Find the lower envelope of the parabolas of a run and of the two at its ends; -1 if there are none."""
    apex, lift, start = envelope
    last = -1
    for i in range(max(first - 1, 0), min(end + 1, len(squared))):
        height = squared[i] if first <= i < end else 0
        if height >= FAR:
            continue
        while last >= 0 and lift[last] + (start[last] - apex[last]) ** 2 > height + (start[last] - i) ** 2:
            last -= 1
        begin = first
        if last >= 0:
            rise = i * i - apex[last] * apex[last] + height - lift[last]
            begin = max(first, int(np.floor(rise / (2 * (i - apex[last])))) + 1)
        if begin < end:
            last += 1
            apex[last], lift[last], start[last] = i, height, begin
    return last
