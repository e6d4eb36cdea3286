"""The flow kernel against scipy's maximum flow, with integer capacities, where both are exact."""

import math
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order, maximum_flow

from lesslabel.kernels.max_flow import reachable_from_source

Numbers = NDArray[np.int64]
Edges = tuple[Numbers, Numbers, Numbers]
"""From, to and capacity."""


def random_grid(grid: tuple[int, ...], largest: int, seed: int) -> tuple[Numbers, Numbers, Numbers]:
    """Excess, capacities and offsets on a flat grid with a margin; capacities differ in both directions."""
    rng = np.random.default_rng(seed)
    steps = [math.prod(grid[axis + 1 :]) for axis in range(len(grid))]
    margin, size = steps[0], math.prod(grid)
    excess = np.zeros(size + 2 * margin, np.int64)
    excess[margin:-margin] = rng.integers(-2 * largest, 2 * largest + 1, size)
    capacity = np.zeros((len(excess), 2 * len(grid)), np.int64)
    inside = capacity[margin:-margin].reshape(*grid, -1)
    inside[:] = rng.integers(0, largest + 1, inside.shape)
    for axis in range(len(grid)):
        inside[..., 2 * axis].swapaxes(0, axis)[-1] = 0
        inside[..., 2 * axis + 1].swapaxes(0, axis)[0] = 0
    return excess, capacity, np.array([offset for step in steps for offset in (step, -step)])


def by_scipy(excess: Numbers, capacity: Numbers, offsets: Numbers) -> tuple[int, NDArray[np.bool_]]:
    """The value of the maximum flow, and what its residual graph still reaches from the source."""
    voxels = len(excess)
    source, sink = voxels, voxels + 1
    voxel, direction = np.nonzero(capacity)
    wants, refuses = np.flatnonzero(excess > 0), np.flatnonzero(excess < 0)
    begins = np.concatenate([voxel, np.full(len(wants), source), refuses])
    ends = np.concatenate([voxel + offsets[direction], wants, np.full(len(refuses), sink)])
    values = np.concatenate([capacity[voxel, direction], excess[wants], -excess[refuses]]).astype(np.int32)
    graph = csr_array((values, (begins, ends)), shape=(voxels + 2, voxels + 2))
    result = maximum_flow(graph, source, sink)
    left = csr_array(graph - result.flow)
    left.eliminate_zeros()
    reached = np.zeros(voxels + 2, np.bool_)
    reached[breadth_first_order(left, source, return_predecessors=False)] = True
    return int(result.flow_value), reached[:voxels]


@pytest.mark.parametrize("grid", [(1, 1), (1, 9), (9, 1), (17, 13), (1, 5, 6), (5, 6, 1), (7, 6, 8)], ids=str)
@pytest.mark.parametrize("largest", [1, 3, 50])
def test_it_sends_the_maximum_flow_and_marks_what_the_source_still_reaches(grid: tuple[int, ...], largest: int) -> None:
    for seed in range(6):
        excess, capacity, offsets = random_grid(grid, largest, seed)
        value, reached = by_scipy(excess, capacity, offsets)
        room, room_between = excess.astype(np.float64), capacity.astype(np.float64)
        np.testing.assert_array_equal(reachable_from_source(room, room_between, offsets), reached)
        assert excess[excess > 0].sum() - room[room > 0].sum() == value
        assert (room_between >= 0).all()
        assert (room * excess >= 0).all()


def test_flow_is_conserved() -> None:
    excess, capacity, offsets = random_grid((9, 8, 7), 20, seed=0)
    room, room_between = excess.astype(np.float64), capacity.astype(np.float64)
    reachable_from_source(room, room_between, offsets)
    leaving = (capacity - room_between).sum(axis=1)
    np.testing.assert_array_equal(leaving, excess - room)


def test_flow_that_winds_through_a_maze() -> None:
    """One corridor through every voxel of a square, the source at its begin, the sink at its end."""
    side = 24
    rows = [range(side)[:: 1 if row % 2 == 0 else -1] for row in range(side)]
    places = [side + row * side + column for row, columns in enumerate(rows) for column in columns]
    excess, capacity = np.zeros(side * (side + 2)), np.zeros((side * (side + 2), 4))
    offsets = np.array([side, -side, 1, -1])
    for here, there in pairwise(places):
        capacity[here, offsets.tolist().index(there - here)] = 3.0
    excess[places[0]], excess[places[-1]] = 5.0, -4.0
    narrow = capacity[places[300]].argmax()
    capacity[places[300], narrow] = 2.0
    reached = reachable_from_source(excess, capacity, offsets)
    assert (excess[places[0]], excess[places[-1]]) == (3.0, -2.0)
    assert set(np.flatnonzero(reached)) == set(places[:301])
