"""The kernel of geodesic distances: lower the distances row by row until no path improves any voxel.

A row is the voxels along the last axis. The paths over all neighbouring rows are computed at once, vectorised; then two
running minima propagate them along the row, one in each direction. Rows are visited in a given order, forward and
backward; rows without a change beside them are skipped, and in the others only the columns beside changes are computed.
It ends at the fixed point of Bellman's equation, so the result does not depend on the order.
"""

import numpy as np
from numpy.typing import NDArray

from lesslabel.kernels.compiled import compiled

Values = NDArray[np.float64]
Integers = NDArray[np.int64]

# Indices are unsigned: the compiler does not vectorise indices that might be negative.
U = np.uintp
ONE = U(1)


@compiled
def lower_to_shortest_paths(
    distance: Values,
    intensity: Values,
    width: int,
    visits: Integers,
    offsets: Integers,
    straight: Values,
    slanted: Values,
    along: float,
) -> None:
    """Lower distances, in place, to the shortest paths from the voxels that are at 0.

    A step costs the absolute difference of intensities, summed over channels, plus the cost of its direction.

    Args:
        distance: (all rows · width,) of a grid padded by one voxel on every side: 0 at seeds; elsewhere, padding
            included, one number larger than any path.
        intensity: (channels, all rows · width) of the same grid.
        width: voxels of a row, padding included.
        visits: indices of the rows without padding, each at least once, in visiting order.
        offsets: the neighbouring rows of a row, counted in rows.
        straight: cost of a step to each of them, perpendicular to the row.
        slanted: cost of a step to each of them and one voxel along the row.
        along: cost of a step along the row.
    """
    all_rows = len(distance) // width
    first, last = np.full(all_rows, width), np.zeros(all_rows, np.int64)  # columns to visit; none if last is 0
    visited, changed = np.zeros(all_rows, np.int64), np.zeros(all_rows, np.int64)  # counted in changes of any row
    best, costs = np.empty(width), np.empty(width)
    along_rows = _costs_along_rows(intensity, along)
    changes = 1
    for row in range(all_rows):
        start = U(row * width)
        begin, end = _seeds_of_row(distance, start, U(width))
        if begin <= end:
            begin, end = _carry_along(distance, along_rows, start, U(width), begin, end)
            changed[row] = changes
            _ask_neighbours(first, last, row, offsets, begin - ONE, end + ONE)
    forwards, improving = True, True
    while improving:
        improving = False
        for i in range(len(visits)):
            row = visits[i] if forwards else visits[len(visits) - 1 - i]
            if last[row] == 0:
                continue
            start, begin, end = U(row * width), U(max(first[row], 1)), U(min(last[row], width - 2))
            first[row], last[row] = width, 0
            for x in range(begin, end + ONE):
                best[x] = distance[start + x]
            for k in range(len(offsets)):
                if changed[row + offsets[k]] > visited[row]:
                    there = U((row + offsets[k]) * width)
                    if len(intensity) == 1:
                        _offer(best, distance, intensity, start, there, begin, end, straight[k], slanted[k])
                    else:
                        _offer_all(best, distance, intensity, start, there, begin, end, straight[k], slanted[k], costs)
            visited[row] = changes
            begin, end = _accept(best, distance, start, begin, end)
            if begin <= end:
                begin, end = _carry_along(distance, along_rows, start, U(width), begin, end)
                changes += 1
                changed[row] = changes
                _ask_neighbours(first, last, row, offsets, begin - ONE, end + ONE)
                improving = True
        forwards = not forwards


@compiled
def _seeds_of_row(distance: Values, start: np.uintp, width: np.uintp) -> tuple[np.uintp, np.uintp]:
    """Return the columns of the first and the last seed; the first is beyond the last if there is none."""
    begin, end = width, U(0)
    for x in range(width):
        if distance[start + x] == 0:
            begin, end = min(begin, U(x)), U(x)
    return begin, end


@compiled
def _ask_neighbours(
    first: Integers, last: Integers, row: int, offsets: Integers, begin: np.uintp, end: np.uintp
) -> None:
    for offset in offsets:
        neighbour = row + offset
        first[neighbour] = min(first[neighbour], np.int64(begin))
        last[neighbour] = max(last[neighbour], np.int64(end))


@compiled
def _offer(
    best: Values,
    distance: Values,
    intensity: Values,
    here: np.uintp,
    there: np.uintp,
    begin: np.uintp,
    end: np.uintp,
    straight: float,
    slanted: float,
) -> None:
    """Lower `best` by paths over the three voxels beside each in the neighbouring row that starts at `there`."""
    for x in range(begin, end + ONE):
        value = intensity[0, here + x]
        left = distance[there + x - ONE] + abs(value - intensity[0, there + x - ONE])
        middle = distance[there + x] + abs(value - intensity[0, there + x])
        right = distance[there + x + ONE] + abs(value - intensity[0, there + x + ONE])
        best[x] = min(best[x], middle + straight, min(left, right) + slanted)


@compiled
def _offer_all(
    best: Values,
    distance: Values,
    intensity: Values,
    here: np.uintp,
    there: np.uintp,
    begin: np.uintp,
    end: np.uintp,
    straight: float,
    slanted: float,
    costs: Values,
) -> None:
    """The same as `_offer` for several channels."""
    for shift in range(U(3)):
        near = there + shift - ONE
        costs[begin : end + ONE] = straight if shift == ONE else slanted
        for channel in range(len(intensity)):
            for x in range(begin, end + ONE):
                costs[x] += abs(intensity[channel, here + x] - intensity[channel, near + x])
        for x in range(begin, end + ONE):
            best[x] = min(best[x], distance[near + x] + costs[x])


@compiled
def _accept(
    best: Values, distance: Values, start: np.uintp, begin: np.uintp, end: np.uintp
) -> tuple[np.uintp, np.uintp]:
    """Write the lower values into the row; return their first and last column; first > last if there are none."""
    while begin <= end and not best[begin] < distance[start + begin]:
        begin += ONE
    while begin < end and not best[end] < distance[start + end]:
        end -= ONE
    for x in range(begin, end + ONE):
        distance[start + x] = best[x]
    return begin, end


@compiled
def _costs_along_rows(intensity: Values, along: float) -> Values:
    """Cost of the step from each voxel to the next."""
    costs = np.full(intensity.shape[1] - 1, along)
    for channel in range(len(intensity)):
        for i in range(len(costs)):
            costs[i] += abs(intensity[channel, i + 1] - intensity[channel, i])
    return costs


@compiled
def _carry_along(
    distance: Values, costs: Values, start: np.uintp, width: np.uintp, begin: np.uintp, end: np.uintp
) -> tuple[np.uintp, np.uintp]:
    """Lower a row by paths within it, after a change from `begin` to `end`; return the columns that then changed."""
    # both directions at once, since they are independent; past the middle each uses the results of the other
    rightwards, leftwards, mirrored = distance[start + begin], distance[start + end], end
    for x in range(begin, end):
        mirrored -= ONE
        rightwards = min(distance[start + x + ONE], rightwards + costs[start + x])
        distance[start + x + ONE] = rightwards
        leftwards = min(distance[start + mirrored], leftwards + costs[start + mirrored])
        distance[start + mirrored] = leftwards
    while end < width - U(2):
        lower = distance[start + end] + costs[start + end]
        if not lower < distance[start + end + ONE]:
            break
        end += ONE
        distance[start + end] = lower
    while begin > ONE:
        lower = distance[start + begin] + costs[start + begin - ONE]
        if not lower < distance[start + begin - ONE]:
            break
        begin -= ONE
        distance[start + begin] = lower
    return begin, end
