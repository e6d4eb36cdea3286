"""The two-sided distance transform against scipy and scikit-image."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra import numpy as hnp
from scipy import ndimage
from skimage.segmentation import find_boundaries

from lesslabel.kernels.signed_distance import FAR, squared_distance_to_other_side

MASKS = hnp.arrays(bool, hnp.array_shapes(min_dims=3, max_dims=3, min_side=1, max_side=9))


def by_scipy(mask: np.ndarray) -> np.ndarray:
    distance = ndimage.distance_transform_edt(mask) + ndimage.distance_transform_edt(~mask)
    return np.rint(distance**2).astype(np.int64)


@settings(max_examples=200)
@given(mask=MASKS)
def test_it_is_the_sum_of_both_transforms(mask: np.ndarray) -> None:
    squared = squared_distance_to_other_side(mask)
    if mask.all() or not mask.any():
        assert (squared == FAR).all()
    else:
        np.testing.assert_array_equal(squared, by_scipy(mask))


@pytest.mark.parametrize("share", [0.001, 0.05, 0.5, 0.999])
def test_larger_masks_dense_and_sparse(share: float) -> None:
    mask = np.random.default_rng(0).random((40, 37, 51)) < share
    np.testing.assert_array_equal(squared_distance_to_other_side(mask), by_scipy(mask))


@settings(max_examples=100)
@given(mask=MASKS)
def test_one_inside_is_the_inner_boundary(mask: np.ndarray) -> None:
    boundary = mask & (squared_distance_to_other_side(mask) == 1)
    np.testing.assert_array_equal(boundary, find_boundaries(mask, mode="inner"))


def test_a_ramp_by_hand() -> None:
    mask = np.array([[[0, 0, 1, 1, 1, 1, 0]]], dtype=bool)
    assert squared_distance_to_other_side(mask).tolist() == [[[4, 1, 1, 4, 4, 1, 1]]]
