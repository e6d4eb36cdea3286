"""Boundary IoU, by hand and against erosion."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import ndimage

from lesslabel.clicks.boundary_scores import BoundaryScores


def square(side: int, corner: int = 20, size: int = 100) -> np.ndarray:
    mask = np.zeros((size, size), np.bool_)
    mask[corner : corner + side, corner : corner + side] = True
    return mask


def test_bands_of_squares_by_hand() -> None:
    truth, found = square(40), square(38, corner=21)
    scores = BoundaryScores(truth)
    assert scores.depth_voxel == pytest.approx(0.02 * 100 * 2**0.5)  # 2.8: two rows of voxels
    # the bands are the rows 1–2 and 2–3 from the edge of the truth: one row in common, three in the union
    rows = [40**2 - 38**2, 38**2 - 36**2, 36**2 - 34**2]
    assert scores.of(found) == pytest.approx(rows[1] / sum(rows))
    assert scores.of(truth) == 1.0
    assert scores.of(square(5, corner=70)) == scores.of(np.zeros_like(truth)) == 0.0


def test_it_sees_an_edge_that_the_overlap_forgives() -> None:
    truth, found = square(80, 10), square(78, 11)
    overlap = np.count_nonzero(truth & found) / np.count_nonzero(truth | found)
    assert overlap > 0.94
    assert BoundaryScores(truth).of(found) < 0.35


def test_distances_are_in_space_and_beyond_the_image_is_outside() -> None:
    full = np.ones((10, 10), np.bool_)
    middle = full.copy()
    middle[1:-1, 1:-1] = False
    assert BoundaryScores(full).of(middle) == 1.0  # both bands are the outermost voxels
    tall = BoundaryScores(np.ones((4, 50, 50), np.bool_), (10.0, 1.0, 1.0))
    assert tall.depth_voxel == pytest.approx(0.02 * (40**2 + 50**2 + 50**2) ** 0.5)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_one_voxel_is_what_erosion_takes_away(data: st.DataObject) -> None:
    shape = data.draw(array_shapes(min_dims=2, max_dims=3, min_side=2, max_side=7))
    truth, found = (data.draw(arrays(np.bool_, shape)) for _ in range(2))
    if not truth.any():
        return

    def rim(mask: np.ndarray) -> np.ndarray:
        return mask & ~ndimage.binary_erosion(mask)

    union = (rim(truth) | rim(found)).sum()
    expected = (rim(truth) & rim(found)).sum() / union
    assert BoundaryScores(truth).of(found) == pytest.approx(expected)
