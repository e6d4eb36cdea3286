"""The strategies beside STDR, each by hand or against an independent implementation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pools import random_pool
from scipy.spatial.distance import cdist

from lesslabel.errors import ConfigError
from lesslabel.selection import CoreSet, Entropy, ForegroundAwareRandom, LeastConfidence, Margin, Pool, Typicality
from lesslabel.selection.typicality import mean_neighbour_distance

VALUES = np.array([0.3, 0.1, 0.5, 0.3, 0.2])


@pytest.mark.parametrize(
    ("strategy", "column", "order"),
    [
        (Entropy(), "entropy", [2, 0, 3, 4, 1]),
        (Margin(), "margin", [1, 4, 0, 3, 2]),
        (LeastConfidence(), "least_confidence", [2, 0, 3, 4, 1]),
    ],
)
def test_the_most_unsure_first_ties_by_order(strategy: Entropy | Margin, column: str, order: list[int]) -> None:
    ranking = strategy.rank(Pool(np.ones((5, 2)), **{column: VALUES}), 5)
    assert ranking.indices.tolist() == order
    np.testing.assert_array_equal(ranking.scores, VALUES[order])
    assert "1st" in ranking.reasons[0]
    assert "of 5" in ranking.reasons[0]


def test_a_case_is_as_unsure_as_its_images_with_foreground() -> None:
    pool = Pool(
        np.ones((6, 2)),
        foreground_voxel=np.array([5, 0, 7, 0, 0, 3]),
        entropy=np.array([0.2, 0.9, 0.4, 0.5, 0.7, 0.1]),
        groups=np.array(["a", "a", "a", "b", "b", "c"]),  # a: (0.2 + 0.4)/2, b shows none: (0.5 + 0.7)/2, c: 0.1
    )
    ranking = Entropy().rank(pool, 3)
    assert ranking.indices.tolist() == [1, 0, 2]
    np.testing.assert_allclose(ranking.scores, [0.6, 0.3, 0.1])
    assert ranking.reasons[0] == "the model is unsure: mean entropy per pixel 0.6, 1st largest of 3"


def test_foreground_is_drawn_first_and_both_parts_are_drawn() -> None:
    pool = Pool(np.ones((20, 2)), foreground_voxel=np.arange(20) % 2)
    orders = [ForegroundAwareRandom(seed).rank(pool, 1.0).indices for seed in range(3)]
    for order in orders:
        assert set(order[:10].tolist()) == set(range(1, 20, 2))
    assert len({tuple(order[:10]) for order in orders}) == len({tuple(order[10:]) for order in orders}) == 3


@settings(max_examples=40)
@given(images=st.integers(1, 40), featureless=st.integers(0, 10), seed=st.integers(0, 100), count=st.integers(1, 40))
def test_core_set_is_the_greedy_k_centre(images: int, featureless: int, seed: int, count: int) -> None:
    pool = random_pool(images, seed, featureless=min(featureless, images - 1))
    rows = np.flatnonzero(pool.has_feature)
    features = pool.features.astype(float)
    mean = features[rows].mean(axis=0)
    chosen = [rows[int(np.argmin(cdist(features[rows], mean[None])))]]
    gaps = [((features[chosen[0]] - mean) ** 2).sum()]
    while len(chosen) < min(count, len(rows)):
        distance = cdist(features[rows], features[chosen], "sqeuclidean").min(axis=1)
        chosen.append(rows[int(np.argmax(distance))])
        gaps.append(distance.max())
    ranking = CoreSet().rank(pool, count)
    assert ranking.indices[: len(chosen)].tolist() == [int(row) for row in chosen]
    np.testing.assert_allclose(ranking.scores[: len(chosen)], gaps, rtol=1e-6)


def test_core_set_covers_within_twice_the_best_radius() -> None:
    features = random_pool(12, seed=2).features
    distances = cdist(features, features)
    ours = distances[:, CoreSet().rank(features, 3).indices].min(axis=1).max()
    best = min(
        distances[:, [a, b, c]].min(axis=1).max() for a in range(12) for b in range(a + 1, 12) for c in range(b + 1, 12)
    )
    assert best <= ours <= 2 * best


def test_core_set_says_why() -> None:
    ranking = CoreSet().rank(np.array([[0.0, 0], [2, 0], [6, 0]]), 2)  # the mean is at 8/3
    assert ranking.indices.tolist() == [1, 2]
    assert ranking.reasons == (
        "nearest to the mean of all 3: distance 0.444",
        "unlike all chosen before: distance 16 to the nearest of them",
    )


def typical_by_hand(features: np.ndarray, members: np.ndarray, neighbours: int) -> np.ndarray:
    means = []
    for row in members:
        others = sorted(np.linalg.norm(features[row] - features[other]) for other in members if other != row)
        means.append(np.mean(others[:neighbours]) if others else 0.0)
    return np.array(means)


def test_typicality_takes_the_most_typical_of_each_cluster_the_largest_first() -> None:
    rng = np.random.default_rng(0)
    labels = np.array([0] * 5 + [1] * 9 + [2] * 1 + [3] * 7)
    rng.shuffle(labels)
    features = (100.0 * labels[:, None] + rng.normal(size=(22, 3))).astype(np.float32)
    expected = []
    for cluster in (1, 3, 0, 2):
        members = np.flatnonzero(labels == cluster)
        expected.append(members[np.argsort(typical_by_hand(features, members, 4))])
    ranking = Typicality(neighbours=4).rank(features, 4)
    assert ranking.indices.tolist() == [members[0] for members in expected]
    capped = Typicality(neighbours=4, max_clusters=4).rank(features, 10)
    in_rounds = [members[place] for place in range(3) for members in expected if place < len(members)]
    assert capped.indices.tolist() == in_rounds[:10]
    assert capped.reasons[0].startswith("typical, 1st in a cluster of 9: mean distance ")
    assert capped.reasons[4].startswith("typical, 2nd in a cluster of 9: ")


@pytest.mark.parametrize("pairs", [3, 1 << 22])
def test_neighbours_are_those_of_the_same_cluster(pairs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lesslabel.selection.typicality._BLOCK_PAIRS", pairs)
    features, labels = random_pool(30).features, np.arange(30) % 4
    labels[7] = 9
    result = mean_neighbour_distance(features, labels, 5)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        np.testing.assert_allclose(result[members], typical_by_hand(features, members, 5), rtol=1e-6)


def test_typicality_refuses_no_neighbours() -> None:
    with pytest.raises(ConfigError, match="neighbours: 0"):
        Typicality(neighbours=0)
