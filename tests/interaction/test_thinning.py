"""Farthest-first traversal by hand, and what holds for any seeds."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from lesslabel.interaction.thinning import thinned

Mask = NDArray[np.bool_]


def row(length: int, *columns: int) -> Mask:
    mask = np.zeros((1, length), np.bool_)
    mask[0, list(columns)] = True
    return mask


def columns(mask: Mask) -> list[int]:
    return np.flatnonzero(mask[0]).tolist()


def test_by_hand() -> None:
    line, nothing = row(9, *range(9)), row(9)
    assert columns(thinned(line, nothing, 1)) == [4]  # nearest to the mean
    assert columns(thinned(line, nothing, 2)) == [0, 4]  # both ends are as far: the first
    assert columns(thinned(line, nothing, 3)) == [0, 4, 8]
    assert columns(thinned(line, nothing, 4)) == [0, 2, 4, 8]
    assert columns(thinned(line, row(9, 1), 2)) == [1, 8]
    assert columns(thinned(line, row(9, 1, 2), 1)) == [1, 2]
    assert columns(thinned(row(9, 3, 4), row(9, 8), 9)) == [3, 4, 8]


@st.composite
def cases(draw: st.DrawFn) -> tuple[Mask, Mask, int]:
    shape = draw(hnp.array_shapes(min_dims=2, max_dims=3, min_side=1, max_side=6))
    kept = draw(hnp.arrays(np.bool_, shape)) & draw(hnp.arrays(np.bool_, shape)) & draw(hnp.arrays(np.bool_, shape))
    return draw(hnp.arrays(np.bool_, shape)), kept, draw(st.integers(1, 12))


@settings(max_examples=60)
@given(cases())
def test_the_number_the_kept_and_the_spread(case: tuple[Mask, Mask, int]) -> None:
    drawn, kept, most = case
    before = drawn.copy(), kept.copy()
    chosen = thinned(drawn, kept, most)
    np.testing.assert_array_equal(thinned(drawn, kept, most), chosen)
    np.testing.assert_array_equal(drawn, before[0])
    np.testing.assert_array_equal(kept, before[1])
    assert chosen[kept].all()
    assert not (chosen & ~(drawn | kept)).any()
    assert chosen.sum() == max(kept.sum(), min(most, (drawn | kept).sum()))
    added, left = np.argwhere(chosen & ~kept), np.argwhere(drawn & ~chosen)
    if len(added) and len(left):  # no voxel that is left out is farther from the chosen than these from one another
        others = cdist(added, np.argwhere(chosen))
        others[others == 0] = np.inf
        assert cdist(left, np.argwhere(chosen)).min(axis=1).max() <= others.min() + 1e-9
