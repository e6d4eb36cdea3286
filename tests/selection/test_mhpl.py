"""MHPL against hand-computed neighbourhoods, and against scikit-learn and SciPy."""

from dataclasses import replace

import numpy as np
import pytest
from pools import random_pool
from scipy.stats import entropy
from sklearn.neighbors import NearestNeighbors

from lesslabel.errors import ConfigError
from lesslabel.selection import Annotated, Pool
from lesslabel.selection.mhpl import MHPL, nearest_by_cosine, neighbourhood_divergence
from lesslabel.selection.scaling import to_unit_length


def directions(*degrees: float) -> np.ndarray:
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def test_one_class_an_image_gives_the_papers_score() -> None:
    """Rows 0 to 2 are a neighbourhood of two classes, 3 to 5 one of a single class."""
    pool = Pool(directions(0, 10, 20, 120, 130, 140), class_shares=np.eye(2)[[0, 1, 0, 1, 1, 1]])
    ranking = MHPL(neighbours=2).rank(pool, 6)
    near, far = np.cos(np.radians([10, 20]))
    expected = {0: np.log(2) * (near + far) / 2, 1: 0.0, 2: np.log(2) * (near + far) / 2, 3: 0.0, 4: 0.0, 5: 0.0}
    found = dict(zip(ranking.indices.tolist(), ranking.scores.tolist(), strict=True))
    assert found == pytest.approx(expected, abs=1e-6)


def test_a_neighbour_of_one_taken_before_waits() -> None:
    shares = np.eye(2)[[0, 1, 0, 1, 1, 1]]
    order = MHPL(neighbours=2).rank(Pool(directions(0, 10, 20, 120, 130, 140), class_shares=shares), 6).indices.tolist()
    assert order[:2] == [0, 3]  # 1 and 2 are neighbours of 0; 4 and 5 of 3
    assert order[2] == 2  # the largest score among those that waited


def test_what_is_near_an_annotated_unit_waits() -> None:
    pool = Pool(directions(0, 10, 20, 120, 130, 140), class_shares=np.eye(2)[[0, 1, 0, 1, 1, 0]])
    assert MHPL(neighbours=2).rank(pool, 6).indices.tolist()[0] == 4  # both neighbours at 10 degrees
    later = replace(pool, annotated=Annotated(directions(131)))
    assert MHPL(neighbours=2).rank(later, 6).indices.tolist()[0] == 0


def test_a_small_pool_keeps_its_spread_in_a_later_round() -> None:
    """With ten neighbours all six would be near the annotated one, and wait."""
    shares = np.eye(2)[[0, 1, 0, 0, 1, 0]]
    pool = Pool(directions(0, 10, 20, 180, 190, 200), class_shares=shares, annotated=Annotated(directions(0)))
    order = MHPL(neighbours=10).rank(pool, 6).indices.tolist()
    assert order.index(0) >= 2, "what looks like the annotated unit waits"


def test_shares_of_classes_disagree_as_far_as_they_differ() -> None:
    """Neighbours that all hold two halves agree, though each of them is mixed."""
    nearest = np.array([[1, 2]] * 3)
    alike = neighbourhood_divergence(np.full((3, 2), 0.5), nearest)
    np.testing.assert_allclose(alike, 0.0, atol=1e-12)
    shares = np.array([[1.0, 0.0], [0.8, 0.2], [0.4, 0.6]])
    expected = entropy([0.6, 0.4]) - (entropy([0.8, 0.2]) + entropy([0.4, 0.6])) / 2
    np.testing.assert_allclose(neighbourhood_divergence(shares, nearest), expected, rtol=1e-12)


def test_neighbours_are_those_of_scikit_learn() -> None:
    features = to_unit_length(np.random.default_rng(0).normal(size=(60, 5)).astype(np.float32))
    nearest, similarity = nearest_by_cosine(features, np.zeros(60, np.int64), 4)
    distances, expected = NearestNeighbors(n_neighbors=5, metric="cosine").fit(features).kneighbors(features)
    np.testing.assert_array_equal(nearest, expected[:, 1:])
    np.testing.assert_allclose(similarity, 1.0 - distances[:, 1:], atol=1e-6)


def test_a_part_with_too_few_has_no_further_neighbours() -> None:
    nearest, similarity = nearest_by_cosine(directions(0, 10, 90), np.array([0, 0, 1]), 2)
    np.testing.assert_array_equal(nearest, [[1, -1], [0, -1], [-1, -1]])
    np.testing.assert_allclose(similarity[:2, 0], np.cos(np.radians(10)), rtol=1e-6)
    assert neighbourhood_divergence(np.eye(2)[[0, 1, 0]], nearest).tolist() == [0.0, 0.0, 0.0]


def test_a_divided_pool_finds_the_same_where_its_parts_lie_apart() -> None:
    centres = np.eye(4, 8, dtype=np.float32)[np.arange(80) % 4] * 10
    pool = replace(random_pool(80), features=centres + np.random.default_rng(1).normal(size=(80, 8)).astype(np.float32))
    whole, divided = MHPL().rank(pool, 20), MHPL(part=20).rank(pool, 20)
    np.testing.assert_array_equal(whole.indices, divided.indices)
    np.testing.assert_allclose(whole.scores, divided.scores, rtol=1e-5)


@pytest.mark.parametrize("settings", [{"neighbours": 0}, {"part": 0}])
def test_numbers_below_one_are_refused(settings: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=r"mhpl: .*pass 1 or more"):
        MHPL(**settings)
