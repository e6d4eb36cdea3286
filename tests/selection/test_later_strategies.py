"""Strategies for cold start and for later rounds, each by hand or against an independent implementation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pools import random_pool
from scipy.spatial.distance import cdist
from sklearn.neighbors import NearestNeighbors

from lesslabel.errors import ConfigError
from lesslabel.selection import (
    BADGE,
    BALD,
    UGTST,
    Annotated,
    ClaSPPE,
    CoreSet,
    MeanDeviation,
    PatientEnds,
    PatientRandom,
    Pool,
    ProbCover,
    TypiClust,
)
from lesslabel.selection.scaling import standardise, to_unit_length

VALUES = np.array([0.3, 0.1, 0.5, 0.3, 0.2])


@pytest.mark.parametrize(("strategy", "column"), [(BALD(), "mutual_information"), (MeanDeviation(), "deviation")])
def test_the_largest_disagreement_first_ties_by_order(strategy: BALD, column: str) -> None:
    ranking = strategy.rank(Pool(np.ones((5, 2)), **{column: VALUES}), 5)
    assert ranking.indices.tolist() == [2, 0, 3, 4, 1]
    np.testing.assert_array_equal(ranking.scores, VALUES[[2, 0, 3, 4, 1]])


def test_unit_length_and_standard_scores_by_hand() -> None:
    features = np.array([[3, 4], [np.nan, np.nan], [0, 0], [6, 8]], np.float32)
    np.testing.assert_allclose(to_unit_length(features), [[0.6, 0.8], [np.nan, np.nan], [0, 0], [0.6, 0.8]], rtol=1e-6)
    scaled = standardise(np.array([[1, 5], [np.nan, np.nan], [3, 5]], np.float32))
    np.testing.assert_allclose(scaled, [[-1, 0], [np.nan, np.nan], [1, 0]])


def balls(features: np.ndarray, radius: float) -> list[set[int]]:
    near = NearestNeighbors(radius=radius).fit(features).radius_neighbors(features, return_distance=False)
    return [set(rows.tolist()) for rows in near]


@settings(max_examples=25)
@given(images=st.integers(2, 40), seed=st.integers(0, 100), count=st.integers(1, 10), radius=st.floats(0.2, 1.5))
def test_probcover_is_the_greedy_maximum_cover(images: int, seed: int, count: int, radius: float) -> None:
    features = to_unit_length(random_pool(images, seed).features)
    before = features[:1] + np.float32(0.01)
    sets = balls(features.astype(np.float64), radius)
    covered = set(np.flatnonzero(cdist(to_unit_length(before), features)[0] <= radius).tolist())
    expected, gains = [], []
    while len(expected) < min(count, images):
        new = [len(own - covered) for own in sets]
        best = int(np.argmax(new))
        if not new[best]:
            break
        expected.append(best)
        gains.append(new[best] / images)
        covered |= sets[best]
    ranking = ProbCover(radius=radius).rank(Pool(features, annotated=Annotated(before)), count)
    assert ranking.indices[: len(expected)].tolist() == expected
    np.testing.assert_allclose(ranking.scores[: len(expected)], gains)
    assert not ranking.scores[len(expected) :].any()


def test_probcover_takes_the_largest_radius_with_pure_balls() -> None:
    angles = np.concatenate([centre + np.linspace(-0.1, 0.1, 20) for centre in (0.0, 1.5, 3.0)])
    features = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    radius = ProbCover(n_clusters=3).find_radius(features)
    gap = 2 * np.sin((1.5 - 0.2) / 2)  # the chord between the ends of two arcs
    assert radius == pytest.approx(gap, abs=0.02)  # the 5 % that may be impure are 3 of 60
    ranking = ProbCover(n_clusters=3).rank(features, 3)
    assert sorted(row // 20 for row in ranking.indices.tolist()) == [0, 1, 2]
    assert ranking.scores.sum() == pytest.approx(1.0)


def test_probcover_without_any_ball_left_goes_far() -> None:
    features = to_unit_length(np.array([[1, 0], [1, 0.1], [0, 1], [-1, 0]], np.float32))
    ranking = ProbCover(radius=2.0).rank(features, 3)
    assert ranking.indices.tolist()[0] == 0
    assert ranking.indices.tolist()[1:] == [3, 2]
    assert ranking.reasons[1].startswith("all is covered: squared distance 4 ")


def test_probcover_with_few_candidates_keeps_the_promises() -> None:
    pool = random_pool(200, 3)
    ranking = ProbCover(max_centres=30, radius=0.5).rank(pool, 60)
    assert len(set(ranking.indices.tolist())) == 60


def three_blobs() -> np.ndarray:
    rng = np.random.default_rng(0)
    axes = np.eye(4)[[0] * 12 + [1] * 9 + [2] * 7 + [3] * 2]
    return (axes + 0.05 * rng.normal(size=axes.shape)).astype(np.float32)


def test_typiclust_takes_the_largest_cluster_without_an_annotated_unit() -> None:
    features = three_blobs()
    scaled = to_unit_length(features)
    blob = np.repeat([0, 1, 2, 3], [12, 9, 7, 2])
    before = np.array([[1.0, 0.02, 0, 0]], np.float32)  # the largest blob has one
    ranking = TypiClust(smallest=3).rank(Pool(features, annotated=Annotated(before)), 3)
    assert blob[ranking.indices].tolist()[:2] == [1, 2]
    members = scaled[blob == 1].astype(np.float64)
    distance = np.sort(cdist(members, members), axis=1)[:, 1:].mean(axis=1)
    assert ranking.indices[0] == 12 + int(np.argmin(distance))
    assert ranking.scores[0] == pytest.approx(distance.min(), rel=1e-5)
    first = TypiClust(smallest=3).rank(features, 4)
    assert blob[first.indices].tolist()[:3] == [0, 1, 2]
    assert blob[first.indices[3]] != 3  # two units are too few to be a cluster
    with pytest.raises(ConfigError, match="typiclust: 0"):
        TypiClust(neighbours=0)


def test_ugtst_filters_by_entropy_then_clusters() -> None:
    features = three_blobs()
    entropy = np.linspace(0, 1, len(features))
    pool = Pool(features, entropy=entropy)
    ranking = UGTST(oversampling=3.0).rank(pool, 3)
    assert set(ranking.indices.tolist()) <= set(np.argsort(-entropy)[:9].tolist())
    np.testing.assert_array_equal(ranking.scores, entropy[ranking.indices])
    everything = UGTST(oversampling=1.0).rank(pool, 5)
    assert set(everything.indices.tolist()) == set(np.argsort(-entropy)[:5].tolist())
    with pytest.raises(ConfigError, match="oversampling"):
        UGTST(oversampling=0.5)


def test_badge_starts_with_the_longest_gradient_and_draws_by_squared_distance() -> None:
    gradients = np.array([[0, 0], [3, 0], [0, 1], [0, 0]], np.float32)
    pool = Pool(np.ones((4, 2)), gradients=gradients)
    second = [int(BADGE(seed).rank(pool, 2).indices[1]) for seed in range(400)]
    assert {int(BADGE(seed).rank(pool, 1).indices[0]) for seed in range(5)} == {1}
    # squared distances to (3, 0) are 9, 10, 9
    assert np.bincount(second, minlength=4) / 400 == pytest.approx(np.array([9, 0, 10, 9]) / 28, abs=0.08)
    assert sorted(BADGE().rank(pool, 4).indices.tolist()) == [0, 1, 2, 3]


def test_badge_of_equal_gradients_still_draws_all() -> None:
    ranking = BADGE().rank(Pool(np.ones((5, 2)), gradients=np.ones((5, 3))), 5)
    assert sorted(ranking.indices.tolist()) == list(range(5))
    assert ranking.scores.tolist() == [3, 0, 0, 0, 0]


CLASSES = np.array([[0.5, 0.3, 0.0], [0.1, 0.0, 0.2], [0.4, 0.1, 0.0], [0.2, 0.2, 0.1], [0.05, 0.4, 0.0]])


def test_clasp_pe_takes_two_of_a_class_and_one_of_all_without_noise() -> None:
    quiet = ClaSPPE(beta=1e9, last_beta=1e9)
    ranking = quiet.rank(Pool(np.ones((5, 2)), class_entropy=CLASSES), 5)
    # class 2 is the rarest: row 1; class 1: row 4; all: row 0 (0.8); class 2: row 3; class 1: row 2
    assert ranking.indices.tolist() == [1, 4, 0, 3, 2]
    np.testing.assert_allclose(ranking.scores, [0.2, 0.4, 0.8, 0.1, 0.1], rtol=1e-6)
    assert ranking.reasons[0] == "the model is unsure, with noise: entropy 0.2 of class 2"


def test_the_noise_of_clasp_pe_fades_over_the_rounds() -> None:
    pool = Pool(np.ones((5, 2)), class_entropy=CLASSES)
    quiet = ClaSPPE(beta=1e9, last_beta=1e9).rank(pool, 1).indices[0]

    def agreement(rounds: int) -> float:
        annotated = Annotated(np.ones((1, 2), np.float32), rounds=1 + rounds, own_rounds=rounds)
        later = Pool(np.ones((5, 2)), class_entropy=CLASSES, annotated=annotated)
        return float(np.mean([ClaSPPE(seed).rank(later, 1).indices[0] == quiet for seed in range(200)]))

    assert agreement(0) < 0.8 < 0.95 < agreement(2)
    assert agreement(1) > agreement(0)
    # power sampling: log u + G/β is the softmax of β·log u, 0.2 : 0.1 for class 2 at β = 1
    assert agreement(0) == pytest.approx(2 / 3, abs=0.1)


def test_clasp_pe_without_foreground_looks_at_all_classes() -> None:
    ranking = ClaSPPE(beta=1e9, last_beta=1e9).rank(Pool(np.ones((3, 2)), class_entropy=[[1, 0], [3, 0], [2, 0]]), 3)
    assert ranking.indices.tolist() == [1, 2, 0]
    with pytest.raises(ConfigError, match="clasp-pe: beta 0"):
        ClaSPPE(beta=0.0)


PATIENTS = np.array(["a", "a", "a", "b", "b", "c"])


def test_every_patient_has_its_turn_before_a_second_one() -> None:
    pool = Pool(np.ones((6, 2)), patients=PATIENTS, foreground_voxel=np.array([1, 1, 1, 1, 1, 0]))
    for seed in range(5):
        order = PATIENTS[PatientRandom(seed).rank(pool, 6).indices]
        assert set(order[:2]) == {"a", "b"}
        assert set(order[2:4]) == {"a", "b"}
        assert order[4:].tolist() == ["a", "c"]  # what shows nothing comes last


@pytest.mark.parametrize("strategy", [PatientRandom(), PatientEnds()])
def test_turns_of_earlier_rounds_count(strategy: PatientRandom) -> None:
    before = Annotated(np.array([[0.0, 1.0]], np.float32), np.array(["a"]))
    features = np.random.default_rng(0).normal(size=(6, 2))
    order = PATIENTS[strategy.rank(Pool(features, patients=PATIENTS, annotated=before), 6).indices]
    assert set(order[:2]) == {"b", "c"}
    assert set(order[2:4]) == {"a", "b"}


def test_patient_ends_by_hand() -> None:
    angles = np.array([0.0, 0.1, 0.2, 1.0, 1.4, 0.12])
    features = np.stack([np.cos(angles), np.sin(angles)], axis=1) * [[1], [2], [3], [4], [5], [6]]
    source = np.array([[1.0, 0.0], [7.0, 0.0]])
    ranking = PatientEnds().fit(source).rank(Pool(features, patients=PATIENTS), 4)
    # a's row 0 is the most typical of all; then the farthest from it among b and c; then c, whose turn it is; then new
    assert ranking.indices.tolist()[:3] == [0, 4, 5]
    np.testing.assert_allclose(ranking.scores[:2], [0.0, 2 - 2 * np.cos(1.4)], atol=1e-6)
    assert ranking.reasons[0] == "typical: squared distance 0; unit 1 of its patient"
    assert PATIENTS[ranking.indices[3]] in ("a", "b")


def test_core_set_begins_at_what_was_annotated() -> None:
    features = np.array([[0.0, 0], [1, 0], [5, 0], [9, 0]])
    ranking = CoreSet().rank(Pool(features, annotated=Annotated(np.array([[8.0, 0.0]], np.float32))), 2)
    assert ranking.indices.tolist() == [0, 2]
    assert ranking.scores.tolist() == [64, 9]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"class_entropy": np.ones(3)}, "class_entropy: float64 of shape"),
        ({"gradients": [[1, np.nan]] * 3}, "gradients: row 0 is not finite"),
        ({"patients": np.array(["a", "b"])}, "patients: shape"),
        ({"deviation": np.ones(2)}, "deviation: shape"),
    ],
)
def test_further_columns_are_checked(columns: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(Exception, match=message):
        Pool(np.ones((3, 2)), **columns)
