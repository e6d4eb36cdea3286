"""Pools: units, their means, and what is refused."""

import numpy as np
import pytest

from lesslabel.errors import DataError
from lesslabel.selection import Pool
from lesslabel.selection.ranking import ordinal

NAN = np.nan
FEATURES = np.array([[1.0, 2], [NAN, NAN], [3, 6], [5, 5], [NAN, NAN]])
GROUPS = np.array(["b", "b", "b", "a", "c"])


def test_without_groups_every_image_is_a_unit() -> None:
    pool = Pool(FEATURES)
    assert pool.unit_count == 5
    assert pool.unit_names is None
    assert pool.unit_features() is pool.features
    assert pool.has_feature.tolist() == pool.has_foreground.tolist() == [True, False, True, True, False]


def test_units_are_the_sorted_names_and_means_over_the_chosen_images() -> None:
    pool = Pool(FEATURES, foreground_voxel=np.array([0, 0, 4, 5, 0]), groups=GROUPS)
    assert pool.unit_names.tolist() == ["a", "b", "c"]
    assert pool.unit_of_row.tolist() == [1, 1, 1, 0, 2]
    assert pool.unit_has_feature.tolist() == [True, True, False]
    assert pool.has_foreground.tolist() == [False, False, True, True, False]
    np.testing.assert_array_equal(pool.unit_features(), [[5, 5], [2, 4], [NAN, NAN]])
    np.testing.assert_array_equal(pool.unit_means(np.arange(5.0), pool.has_foreground), [3, 2, NAN])


def test_float32_features_are_not_copied() -> None:
    features = FEATURES.astype(np.float32)
    assert np.shares_memory(Pool(features).features, features)
    assert Pool(FEATURES).features.dtype == np.float32


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"features": np.ones(3)}, r"features: float64 of shape \(3,\); pass numbers"),
        ({"features": np.ones((3, 0))}, "one row per image"),
        ({"features": np.ones((3, 2), complex)}, "complex"),
        ({"features": np.array([[1, 2], [3, 1e39]])}, "row 1 is infinite"),
        ({"entropy": np.ones(4)}, r"entropy: shape \(4,\); pass one value for each of the 5"),
        ({"margin": np.array([0, 1, NAN, 1, 1])}, "margin: row 2 is not finite"),
        ({"least_confidence": np.array(["high"] * 5)}, "least_confidence: <U4"),
        ({"foreground_voxel": np.ones((5, 1), int)}, "foreground_voxel: shape"),
        ({"groups": GROUPS[:4]}, "groups: shape"),
    ],
)
def test_what_makes_no_pool(columns: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Pool(**{"features": FEATURES, **columns})


def test_a_damaged_row_is_named_wherever_it_lies() -> None:
    features = np.zeros((10_000, 2), np.float32)
    features[9_876, 1] = NAN
    with pytest.raises(DataError, match="row 9876 "):
        Pool(features)


def test_ordinals() -> None:
    assert [ordinal(n) for n in (1, 2, 3, 4, 11, 12, 13, 21, 102, 111, 113)] == [
        "1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "102nd", "111th", "113th",
    ]  # fmt: skip
