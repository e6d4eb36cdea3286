"""The kernel of graph cuts: the maximum flow through a grid, and with it the minimum cut.

The algorithm is the incremental breadth-first search of Goldberg et al. ("Maximum Flows by Incremental Breadth-First
Search", ESA 2011). A tree grows from the source and another from the sink, each voxel as near to its root as edges with
residual capacity allow. Where they meet, flow is sent. Voxels that it cuts off get a parent of the same level, or move
to a deeper level, or leave their tree. The search ends when the tree of the source cannot grow.

The functions share and change these arrays:
    excess: (voxels,) residual capacity from the source if positive, to the sink if negative.
    capacity: (voxels, directions) residual capacity to each neighbour.
    offsets: (directions,) index offset of each neighbour, in opposite pairs: `direction ^ 1` is the reverse.
    level: (voxels,) 3 for level 3 of the tree of the source, −3 for that of the sink, 0 for no tree.
    parent: (voxels,) the direction of the parent.
    depth: (2,) the deepest level of each tree.
    front: (2, 2 · voxels) the voxels of that level, to grow from; while a tree grows, those of the next level follow.
        No voxel is twice in a level; it may have left the level since.
    waiting: (2,) number of voxels in front.
    orphans: (2, voxels + 1) the first voxel cut off at each level of each tree, −1 for none.
    following: (voxels,) the one after each of these.
"""

import numpy as np
from numpy.typing import NDArray

from lesslabel.kernels.compiled import compiled

Values = NDArray[np.float64]
Integers = NDArray[np.int64]
Voxels = NDArray[np.int32]
Parents = NDArray[np.int8]

SOURCE, SINK = 1, -1
"""The sides: the signs of excess and level."""

TERMINAL, NOBODY = -1, -2
"""Codes in place of the direction of a parent, at a root and without a parent."""


@compiled
def reachable_from_source(excess: Values, capacity: Values, offsets: Integers) -> NDArray[np.bool_]:
    """Send the maximum flow, in place, and mark the voxels that the source reaches: the smallest minimum cut.

    Flow is in double precision. One edge of every path is filled exactly, so the search ends; the flow is maximal up to
    the rounding of its sums, and exact if capacities are integers.

    Args:
        excess: (voxels,) capacity of the edge from the source if positive, to the sink if negative.
        capacity: (voxels, directions) of the edge to each neighbour, at least 0; 0 where there is no neighbour.
        offsets: (directions,) index offset of each neighbour, in opposite pairs. A voxel with a neighbour beyond the
            ends must have neither excess nor capacities.

    Returns:
        (voxels,) bool.
    """
    voxels = len(excess)
    level, parent = np.zeros(voxels, np.int32), np.full(voxels, NOBODY, np.int8)
    depth, front, waiting = np.ones(2, np.int64), np.empty((2, 2 * voxels), np.int32), np.zeros(2, np.int64)
    orphans, following = np.full((2, voxels + 1), -1, np.int32), np.empty(voxels, np.int32)
    for voxel in range(voxels):
        if excess[voxel] != 0:
            side = SOURCE if excess[voxel] > 0 else SINK
            level[voxel], parent[voxel] = side, TERMINAL
            _append(front, waiting, _tree(side), voxel)
    while waiting[_tree(SOURCE)] > 0:
        side = SINK if 0 < waiting[_tree(SINK)] < waiting[_tree(SOURCE)] else SOURCE
        _grow(side, excess, capacity, offsets, level, parent, depth, front, waiting, orphans, following)
    return level > 0


@compiled
def _tree(side: int) -> int:
    return 0 if side == SOURCE else 1


@compiled
def _append(front: Voxels, waiting: Integers, tree: int, voxel: int) -> None:
    front[tree, waiting[tree]] = voxel
    waiting[tree] += 1


@compiled
def _room(capacity: Values, side: int, voxel: int, neighbour: int, direction: int) -> float:
    """Residual capacity from a voxel to a neighbour; on the side of the sink, from the neighbour to the voxel."""
    room: float = capacity[voxel, direction] if side == SOURCE else capacity[neighbour, direction ^ 1]
    return room


@compiled
def _grow(
    side: int,
    excess: Values,
    capacity: Values,
    offsets: Integers,
    level: Voxels,
    parent: Parents,
    depth: Integers,
    front: Voxels,
    waiting: Integers,
    orphans: Voxels,
    following: Voxels,
) -> None:
    """Add a level to a tree, and send flow where it meets the other tree."""
    tree = _tree(side)
    here, count = depth[tree], waiting[tree]
    depth[tree] = min(here + 1, len(level))  # no path is longer
    for i in range(count):
        voxel, direction = front[tree, i], 0
        while direction < len(offsets) and level[voxel] == side * here:
            neighbour = voxel + offsets[direction]
            its_depth = side * level[neighbour]
            if its_depth > 0 or _room(capacity, side, voxel, neighbour, direction) == 0:
                direction += 1
            elif its_depth == 0:
                level[neighbour], parent[neighbour] = side * (here + 1), direction ^ 1
                _append(front, waiting, tree, neighbour)
                direction += 1
            else:
                if side == SOURCE:
                    _send(voxel, neighbour, direction, excess, capacity, offsets, level, parent, orphans, following)
                else:
                    _send(neighbour, voxel, direction ^ 1, excess, capacity, offsets, level, parent, orphans, following)
                _adopt(SOURCE, capacity, offsets, level, parent, depth, front, waiting, orphans, following)
                _adopt(SINK, capacity, offsets, level, parent, depth, front, waiting, orphans, following)
    waiting[tree] -= count
    for i in range(waiting[tree]):
        front[tree, i] = front[tree, count + i]


@compiled
def _send(
    begin: int,
    end: int,
    direction: int,
    excess: Values,
    capacity: Values,
    offsets: Integers,
    level: Voxels,
    parent: Parents,
    orphans: Voxels,
    following: Voxels,
) -> None:
    """Fill the path from the source over `begin` and its neighbour `end` to the sink."""
    flow = min(
        capacity[begin, direction],
        _room_to_root(SOURCE, begin, excess, capacity, offsets, parent),
        _room_to_root(SINK, end, excess, capacity, offsets, parent),
    )
    capacity[begin, direction] -= flow
    capacity[end, direction ^ 1] += flow
    _fill_to_root(SOURCE, begin, flow, excess, capacity, offsets, level, parent, orphans, following)
    _fill_to_root(SINK, end, flow, excess, capacity, offsets, level, parent, orphans, following)


@compiled
def _room_to_root(side: int, voxel: int, excess: Values, capacity: Values, offsets: Integers, parent: Parents) -> float:
    room = np.inf
    while parent[voxel] != TERMINAL:
        direction = parent[voxel]
        above = voxel + offsets[direction]
        room = min(room, _room(capacity, side, above, voxel, direction ^ 1))
        voxel = above
    beside_terminal: float = side * excess[voxel]
    return min(room, beside_terminal)


@compiled
def _fill_to_root(
    side: int,
    voxel: int,
    flow: float,
    excess: Values,
    capacity: Values,
    offsets: Integers,
    level: Voxels,
    parent: Parents,
    orphans: Voxels,
    following: Voxels,
) -> None:
    """Send flow between a voxel and its terminal, and cut off the children of saturated edges."""
    while parent[voxel] != TERMINAL:
        direction = parent[voxel]
        above = voxel + offsets[direction]
        capacity[above, direction ^ 1] -= side * flow
        capacity[voxel, direction] += side * flow
        if _room(capacity, side, above, voxel, direction ^ 1) == 0:
            _cut_off(side, voxel, level, parent, orphans, following)
        voxel = above
    excess[voxel] -= side * flow
    if excess[voxel] == 0:
        _cut_off(side, voxel, level, parent, orphans, following)


@compiled
def _cut_off(side: int, voxel: int, level: Voxels, parent: Parents, orphans: Voxels, following: Voxels) -> None:
    """Make a voxel the first orphan of its level."""
    tree, depth = _tree(side), side * level[voxel]
    parent[voxel] = NOBODY
    following[voxel] = orphans[tree, depth]
    orphans[tree, depth] = voxel


@compiled
def _adopt(
    side: int,
    capacity: Values,
    offsets: Integers,
    level: Voxels,
    parent: Parents,
    depth: Integers,
    front: Voxels,
    waiting: Integers,
    orphans: Voxels,
    following: Voxels,
) -> None:
    """Find the nearest parent for every orphan of a tree, level by level; orphans without a parent leave the tree."""
    tree = _tree(side)
    deepest = depth[tree]
    for here in range(1, deepest + 1):
        while orphans[tree, here] >= 0:
            voxel = orphans[tree, here]
            orphans[tree, here] = following[voxel]
            nearest, towards = deepest, NOBODY
            for direction in range(len(offsets)):
                neighbour = voxel + offsets[direction]
                its_depth = side * level[neighbour]
                if 0 < its_depth < nearest and _room(capacity, side, neighbour, voxel, direction ^ 1) > 0:
                    nearest, towards = its_depth, direction
                    if nearest < here:
                        break
            parent[voxel] = towards
            if nearest < here and towards != NOBODY:
                continue
            for direction in range(len(offsets)):
                child = voxel + offsets[direction]
                if parent[child] == direction ^ 1:
                    _cut_off(side, child, level, parent, orphans, following)
            level[voxel] = 0 if towards == NOBODY else side * (nearest + 1)
            if towards != NOBODY and nearest + 1 == deepest:
                _append(front, waiting, tree, voxel)
