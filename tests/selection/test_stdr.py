"""STDR: by hand, against independent implementations, and where the paper leaves a choice."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pools import SOURCE, random_pool
from scipy.spatial.distance import cdist
from threadpoolctl import threadpool_limits

from lesslabel.errors import ConfigError, DataError
from lesslabel.selection import STDR, Pool

REFERENCES = np.array([[0.0, 0.0], [10.0, 0.0]])
#                  distance 25      1       9        4        0        100       16
TARGET = np.array([[3, 4], [10, 1], [0, 3], [-2, 0], [10, 0], [20, 0], [4, 0]], dtype=float)


def ranked(target: Pool | np.ndarray, budget: float, **settings: object) -> list[int]:
    return STDR.from_references(REFERENCES, **settings).rank(target, budget).indices.tolist()


def test_by_hand() -> None:
    strategy = STDR.from_references(REFERENCES)
    assert strategy.distance(TARGET).tolist() == [25, 1, 9, 4, 0, 100, 16]
    ranking = strategy.rank(TARGET, 4)
    assert ranking.indices.tolist() == [4, 5, 1, 0]
    assert ranking.scores.tolist() == [0, 100, 1, 25]
    assert ranking.reasons == (
        "near the source: distance 0, 1st smallest of 7",
        "far from the source: distance 100, 1st largest of 7",
        "near the source: distance 1, 2nd smallest of 7",
        "far from the source: distance 25, 2nd largest of 7",
    )


def test_an_odd_budget_gives_one_more_to_the_near_end() -> None:
    assert ranked(TARGET, 3) == [4, 5, 1]
    assert ranked(TARGET, 0.2) == [4]  # 1.4 of 7
    assert ranked(TARGET, 1.0) == [4, 5, 1, 0, 3, 6, 2]


def test_alpha_and_beta() -> None:
    assert ranked(TARGET, 3, ends="invariant") == [4, 1, 3]
    assert ranked(TARGET, 3, ends="specific") == [5, 0, 6]


def test_ties_are_broken_by_order_at_both_ends() -> None:
    target = np.array([[5, 5], [0, 1], [5, 5], [0, 1], [5, 5], [1, 0]], dtype=float)
    assert ranked(target, 6) == [1, 0, 3, 2, 5, 4]
    assert ranked(np.ones((5, 2)), 5) == [0, 1, 2, 3, 4]


@settings(max_examples=40)
@given(images=st.integers(1, 60), featureless=st.integers(0, 20), seed=st.integers(0, 100), budget=st.floats(0.05, 1))
def test_it_is_the_published_rule(images: int, featureless: int, seed: int, budget: float) -> None:
    pool = random_pool(images, seed, featureless=min(featureless, images - 1))
    references = np.random.default_rng(seed + 1000).normal(size=(4, pool.features.shape[1])).astype(np.float32)
    distance = cdist(pool.features, references, "sqeuclidean").min(axis=1)
    ranking = STDR.from_references(references).rank(pool, budget)
    by_distance = [row for row in np.argsort(distance) if pool.has_feature[row]]
    count = min(len(ranking), len(by_distance))
    near, far = by_distance[: (count + 1) // 2], by_distance[::-1][: count // 2]
    assert ranking.indices[:count:2].tolist() == near
    assert ranking.indices[1:count:2].tolist() == far
    np.testing.assert_allclose(ranking.scores[:count], distance[ranking.indices[:count]], rtol=1e-12)
    assert np.isnan(ranking.scores[count:]).all()


def test_small_distances_between_large_features_keep_their_digits() -> None:
    references = np.full((1, 256), 1000.0)
    steps = np.array([[3], [1], [2], [0]]) / 4096  # their squares vanish beside 256·1000²
    distance = STDR.from_references(references).distance(references + steps)
    np.testing.assert_array_equal(distance, 256 * steps[:, 0] ** 2)


def with_empty_rows() -> np.ndarray:
    target = np.insert(TARGET, [1, 4], np.nan, axis=0)  # rows 1 and 5
    assert np.flatnonzero(np.isnan(target[:, 0])).tolist() == [1, 5]
    return target


@pytest.mark.parametrize("ends", ["both", "invariant", "specific"])
def test_images_without_foreground_come_after_all_others_at_either_end(ends: str) -> None:
    order = ranked(with_empty_rows(), 9, ends=ends)
    assert order[-2:] == [1, 5]
    assert 1 not in ranked(with_empty_rows(), 7, ends=ends)


def test_images_without_foreground_may_count_as_farthest() -> None:
    assert ranked(with_empty_rows(), 6, empty="specific") == [6, 1, 2, 5, 4, 7]
    assert ranked(with_empty_rows(), 3, ends="specific", empty="specific") == [1, 5, 7]
    assert ranked(with_empty_rows(), 9, ends="invariant", empty="specific")[-2:] == [1, 5]
    ranking = STDR.from_references(REFERENCES, empty="specific").rank(with_empty_rows(), 2)
    np.testing.assert_array_equal(ranking.scores, [0, np.nan])
    assert ranking.reasons[1] == "no predicted foreground: counted as farthest from the source"


def test_a_case_has_the_mean_distance_of_its_images_with_foreground() -> None:
    target = np.array([[10, 2], [np.nan, np.nan], [0, 4], [3, 4], [np.nan, np.nan], [20, 0], [1, 0]])
    groups = np.array(["b", "b", "b", "a", "c", "a", "d"])  # a: (25 + 100)/2, b: (4 + 16)/2, c: none, d: 1
    pool = Pool(target, groups=groups)
    ranking = STDR.from_references(REFERENCES).rank(pool, 4)
    assert pool.unit_names.tolist() == ["a", "b", "c", "d"]
    assert ranking.indices.tolist() == [3, 0, 1, 2]
    np.testing.assert_array_equal(ranking.scores, [1, 62.5, 10, np.nan])
    assert ranking.reasons[1] == "far from the source: mean distance 62.5, 1st largest of 3"


def test_references_are_centres_of_the_source() -> None:
    blobs = np.repeat([[0.0, 0.0], [50.0, 0.0], [0.0, 50.0]], 20, axis=0)
    source = blobs + np.random.default_rng(0).normal(size=blobs.shape)
    references = STDR(n_clusters=3).fit(source).references
    expected = source.reshape(3, 20, 2).mean(axis=1)
    assert references.shape == (3, 2)
    np.testing.assert_allclose(references[np.argsort(references @ [1, 2])], expected, atol=1e-4)


def test_references_are_where_k_means_stands_still() -> None:
    references = STDR(n_clusters=5).fit(SOURCE).references
    nearest = cdist(SOURCE, references).argmin(axis=1)
    means = np.stack([SOURCE[nearest == index].mean(axis=0) for index in range(5)])
    np.testing.assert_allclose(references, means, atol=1e-5)


def test_references_do_not_depend_on_threads_and_carry_the_whole_ranking() -> None:
    source = np.random.default_rng(0).normal(size=(2000, 16)).astype(np.float32)
    target = np.random.default_rng(1).normal(size=(100, 16)).astype(np.float32)
    fitted = STDR(n_clusters=10, seed=0).fit(source)
    with threadpool_limits(2):
        again = STDR(n_clusters=10, seed=0).fit(source)
    np.testing.assert_array_equal(fitted.references, again.references)
    handed_over = STDR.from_references(fitted.references)
    np.testing.assert_array_equal(handed_over.references, fitted.references)
    assert handed_over.rank(target, 0.2).reasons == fitted.rank(target, 0.2).reasons


def test_source_images_without_foreground_are_left_out() -> None:
    holes = np.insert(SOURCE, [3, 9], np.nan, axis=0)
    np.testing.assert_array_equal(STDR(4).fit(holes).references, STDR(4).fit(SOURCE).references)


def test_references_are_the_strategy_s_own() -> None:
    references = REFERENCES.astype(np.float32)
    strategy = STDR.from_references(references)
    references[:] = 99
    np.testing.assert_array_equal(strategy.references, REFERENCES)


def test_equal_source_images_are_no_obstacle(recwarn: pytest.WarningsRecorder) -> None:
    np.testing.assert_array_equal(STDR(3).fit(np.ones((5, 2))).references[0], [1, 1])
    assert not recwarn.list


def greedy_by_hand(features: np.ndarray, first: int, among: list[int], count: int) -> list[int]:
    chosen = [first]
    while len(chosen) < count:
        rest = [row for row in among if row not in chosen]
        gaps = cdist(features[rest], features[chosen], "sqeuclidean").min(axis=1)
        chosen.append(rest[int(np.argmax(gaps))])
    return chosen


@pytest.mark.parametrize("seed", range(5))
def test_diversity_is_farthest_first_among_the_candidates_of_each_end(seed: int) -> None:
    features = random_pool(60, seed).features
    references = SOURCE[:3]
    by_distance = np.argsort(cdist(features, references, "sqeuclidean").min(axis=1))
    near = greedy_by_hand(features, by_distance[0], by_distance[:8].tolist(), 4)
    far = greedy_by_hand(features, by_distance[-1], by_distance[::-1][:8].tolist(), 4)
    ranking = STDR.from_references(references, diversity=True, oversampling=2.0).rank(features, 8)
    assert ranking.indices[::2].tolist() == near
    assert ranking.indices[1::2].tolist() == far
    assert "at this end" not in ranking.reasons[0] + ranking.reasons[1]
    assert all("from the nearest chosen before it at this end" in reason for reason in ranking.reasons[2:])


def test_diversity_leaves_out_what_is_there_twice() -> None:
    target = np.array([[0, 0], [0, 0], [0, 0], [0, 2], [30, 0], [30, 0], [30, 0], [29, 0]], dtype=float)
    assert ranked(target, 4) == [0, 4, 1, 5]
    assert ranked(target, 4, diversity=True, oversampling=2) == [0, 4, 3, 7]


@settings(max_examples=30)
@given(
    images=st.integers(1, 30),
    featureless=st.integers(0, 30),
    count=st.integers(0, 30),
    ends=st.sampled_from(["both", "invariant", "specific"]),
    empty=st.sampled_from(["last", "specific"]),
    oversampling=st.sampled_from([1.0, 1.5, 3.0, 100.0]),
    levels=st.sampled_from([None, 2]),
)
def test_diversity_keeps_every_promise(
    images: int, featureless: int, count: int, ends: str, empty: str, oversampling: float, levels: int | None
) -> None:
    pool = random_pool(images, featureless=min(featureless, images), levels=levels)
    settings = {"ends": ends, "empty": empty}
    plain = STDR.from_references(SOURCE[:3], **settings).rank(pool, count)
    diverse = STDR.from_references(SOURCE[:3], **settings, diversity=True, oversampling=oversampling).rank(pool, count)
    assert len(diverse) == len(plain) == len(set(diverse.indices.tolist()))
    without_feature = [row for row in plain.indices.tolist() if not pool.has_feature[row]]
    assert [row for row in diverse.indices.tolist() if not pool.has_feature[row]] == without_feature
    if oversampling == 1.0:
        assert set(diverse.indices.tolist()) == set(plain.indices.tolist())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_clusters": 0}, "n_clusters"),
        ({"ends": "near"}, "ends: 'near' is not one of 'both', 'invariant', 'specific'"),
        ({"empty": "first"}, "empty: 'first' is not one of"),
        ({"oversampling": 0.5}, "oversampling"),
        ({"oversampling": float("nan")}, "oversampling"),
    ],
)
def test_settings_without_a_meaning_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        STDR(**settings)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"no references; call fit"):
        STDR().rank(TARGET, 2)
    with pytest.raises(DataError, match="features of length 2, references of length 6"):
        STDR(3).fit(SOURCE).rank(TARGET, 2)
    with pytest.raises(DataError, match="too few for 10 references"):
        STDR().fit(SOURCE[:9])
    with pytest.raises(DataError, match="1 of 2 rows are whole"):
        STDR.from_references(np.array([[1.0, 2.0], [np.nan, np.nan]]))
    with pytest.raises(DataError, match="0 of 0 rows"):
        STDR.from_references(np.zeros((0, 2)))
