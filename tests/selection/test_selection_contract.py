"""What every strategy promises. A new strategy is tested here as soon as it is in `STRATEGIES`."""

import subprocess
import sys
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pools import LENGTH, made, random_pool, reordered

from lesslabel.errors import ConfigError, DataError
from lesslabel.selection import STRATEGIES, Annotated, Pool, Ranking, Strategy

NAMES = list(STRATEGIES)
BY_CHANCE = ["random", "foreground-random", "patient-random"]
BY_UNCERTAINTY = [
    "entropy",
    "margin",
    "least-confidence",
    "bald",
    "mean-deviation",
]
BY_FEATURE = ["stdr", "coreset", "typicality", "typiclust", "probcover", "patient-ends"]
BY_UNCERTAINTY_AND_CHANCE = ["badge", "clasp-pe"]
BY_UNCERTAINTY_AND_FEATURE = ["ugtst", "mhpl"]
BY_CLUSTERS = ["typicality", "typiclust", "ugtst"]
LARGER_CONTAINS_SMALLER = [name for name in NAMES if name not in BY_CLUSTERS]


def assert_equal(first: Ranking, second: Ranking) -> None:
    np.testing.assert_array_equal(first.indices, second.indices)
    np.testing.assert_array_equal(first.scores, second.scores)
    assert first.reasons == second.reasons


def assert_well_formed(ranking: Ranking, count: int, units: int) -> None:
    assert len(ranking) == len(ranking.indices) == len(ranking.scores) == len(ranking.reasons) == count
    assert ranking.indices.dtype == np.int64
    assert ranking.scores.dtype == np.float64
    assert not np.isinf(ranking.scores).any()
    assert len(set(ranking.indices.tolist())) == count
    assert set(ranking.indices.tolist()) <= set(range(units))
    assert all(len(reason) > 10 and "\n" not in reason and "nan" not in reason for reason in ranking.reasons)


def test_the_groups_of_this_file_are_all_there_is() -> None:
    of_both = BY_UNCERTAINTY_AND_CHANCE + BY_UNCERTAINTY_AND_FEATURE
    assert sorted(BY_CHANCE + BY_UNCERTAINTY + BY_FEATURE + of_both) == sorted(NAMES)
    assert all(STRATEGIES[name].name == name and issubclass(STRATEGIES[name], Strategy) for name in NAMES)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=25)
@given(
    images=st.integers(1, 30),
    featureless=st.integers(0, 30),
    per_case=st.none() | st.integers(1, 5),
    levels=st.sampled_from([None, 1, 2]),
    budget=st.integers(0, 40) | st.floats(0, 1),
    seed=st.integers(0, 5),
)
def test_no_unit_twice_and_as_many_as_the_budget_allows(
    name: str,
    images: int,
    featureless: int,
    per_case: int | None,
    levels: int | None,
    budget: float,
    seed: int,
) -> None:
    pool = random_pool(images, seed, featureless=min(featureless, images), per_case=per_case, levels=levels)
    units = pool.unit_count
    count = budget if isinstance(budget, int) else max(int(budget * units + 0.5), int(budget > 0))
    assert_well_formed(made(name, seed).rank(pool, budget), min(count, units), units)


@pytest.mark.parametrize("name", LARGER_CONTAINS_SMALLER)
@settings(max_examples=25)
@given(
    images=st.integers(2, 25),
    featureless=st.integers(0, 4),
    per_case=st.none() | st.integers(1, 4),
    levels=st.sampled_from([None, 1, 2]),
    count=st.integers(0, 25),
)
def test_a_larger_budget_begins_with_the_smaller(
    name: str, images: int, featureless: int, per_case: int | None, levels: int | None, count: int
) -> None:
    pool = random_pool(images, featureless=min(featureless, images), per_case=per_case, levels=levels)
    everything = made(name).rank(pool, 1.0)
    some = made(name).rank(pool, count)
    assert_equal(some, Ranking(everything.indices[:count], everything.scores[:count], everything.reasons[:count]))


ORDER_DOES_NOT_MATTER = [
    name
    for name in BY_UNCERTAINTY + BY_FEATURE + BY_UNCERTAINTY_AND_FEATURE
    if name != "probcover"  # counts of neighbours are equal so often that order decides
]


@pytest.mark.parametrize("name", ORDER_DOES_NOT_MATTER)
@settings(max_examples=20)
@given(seed=st.integers(0, 1000), per_case=st.none() | st.just(3))
def test_the_order_of_rows_does_not_matter(name: str, seed: int, per_case: int | None) -> None:
    pool = random_pool(24, seed, featureless=5, per_case=per_case)
    if name in BY_CLUSTERS:  # K-means finds the same from every start only where the clusters are plain to see
        features = random_pool(24, seed).features + 100 * np.eye(LENGTH, dtype=np.float32)[np.arange(24) // 3 % 4]
        pool = Pool(features, entropy=pool.entropy, groups=pool.groups)
    order = np.random.default_rng(seed).permutation(24)
    there = made(name).rank(reordered(pool, order), 4)
    here = made(name).rank(pool, 4)
    back = order[there.indices] if per_case is None else there.indices
    np.testing.assert_array_equal(back, here.indices)
    np.testing.assert_allclose(there.scores, here.scores, rtol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_ranking(name: str) -> None:
    pool = random_pool(50, featureless=7)
    assert_equal(made(name, 3).rank(pool, 0.5), made(name, 3).rank(pool, 0.5))


@pytest.mark.parametrize("name", BY_CHANCE + BY_UNCERTAINTY_AND_CHANCE)
def test_another_seed_draws_others(name: str) -> None:
    pool = random_pool(50)
    rankings = {tuple(made(name, seed).rank(pool, 10).indices.tolist()) for seed in range(5)}
    assert len(rankings) == 5


@pytest.mark.parametrize("name", NAMES)
def test_input_is_only_read(name: str) -> None:
    pool = random_pool(20, featureless=3, per_case=2)
    for field in fields(pool):
        if isinstance(column := getattr(pool, field.name), np.ndarray):
            column.setflags(write=False)
    assert len(made(name).rank(pool, 5)) == 5


@pytest.mark.parametrize("name", BY_CHANCE + BY_FEATURE)
def test_features_alone_are_a_pool(name: str) -> None:
    pool = random_pool(20, featureless=3)
    assert_equal(made(name).rank(pool.features, 6), made(name).rank(replace(pool, patients=None), 6))


@pytest.mark.parametrize("name", BY_UNCERTAINTY + BY_UNCERTAINTY_AND_CHANCE + BY_UNCERTAINTY_AND_FEATURE)
def test_what_the_pool_lacks_is_asked_for(name: str) -> None:
    with pytest.raises(ConfigError, match=f"'{name}' ranks by .*; pass a Pool that has it"):
        made(name).rank(random_pool(5).features, 2)


@pytest.mark.parametrize("name", ["foreground-random", "patient-random", *BY_FEATURE, *BY_UNCERTAINTY_AND_FEATURE])
@pytest.mark.parametrize("per_case", [None, 2])
def test_what_shows_no_foreground_comes_last(name: str, per_case: int | None) -> None:
    pool = random_pool(40, featureless=24, per_case=per_case)
    shows = np.bincount(pool.unit_of_row, pool.foreground_voxel) > 0
    ranking = made(name).rank(pool, 1.0)
    ranked = shows[ranking.indices]
    assert 0 < ranked.sum() < len(ranked)
    assert (np.diff(ranked.astype(int)) <= 0).all()
    assert all(("no predicted foreground" in line) != sees for line, sees in zip(ranking.reasons, ranked, strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_a_pool_where_nothing_was_found_is_ranked_all_the_same(name: str) -> None:
    assert_well_formed(made(name).rank(random_pool(6, featureless=6), 4), 4, 6)


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_pool_gives_an_empty_ranking(name: str) -> None:
    none, table = np.zeros(0), np.zeros((0, 3))
    further = {
        "mutual_information": none,
        "deviation": none,
        "class_entropy": table,
        "gradients": table,
        "class_shares": table,
    }
    assert len(made(name).rank(Pool(np.zeros((0, LENGTH)), none, none, none, none, **further), 1.0)) == 0


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("budget", [-1, -0.1, 1.5, float("nan"), float("inf"), True, np.True_, None, "20%"])
def test_no_budget_is_refused(name: str, budget: object) -> None:
    with pytest.raises(ConfigError, match="budget"):
        made(name).rank(random_pool(5), budget)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [np.inf, np.nan])
def test_damaged_features_are_refused(name: str, value: float) -> None:
    features = random_pool(5).features.copy()
    features[3, 2] = value
    with pytest.raises(DataError, match="row 3 is infinite or NaN in part"):
        made(name).rank(features, 2)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seed", [-1, 2**32, 0.5, True])
def test_no_seed_is_refused(name: str, seed: float) -> None:
    with pytest.raises(ConfigError, match="seed"):
        STRATEGIES[name](seed=seed)


@pytest.mark.parametrize("name", NAMES)
def test_fit_returns_the_strategy(name: str) -> None:
    strategy = STRATEGIES[name]()
    assert strategy.fit(random_pool(30).features) is strategy


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("per_case", [None, 2])
def test_later_rounds_know_what_was_annotated(name: str, per_case: int | None) -> None:
    pool = random_pool(30, featureless=4, per_case=per_case)
    before = Annotated(random_pool(5, 9, featureless=1).features, np.array(["patient000"] * 5), rounds=2)
    later = replace(pool, annotated=before)
    assert_well_formed(made(name).rank(later, 8), 8, pool.unit_count)
    with pytest.raises(DataError, match="annotated: features of length 2"):
        replace(pool, annotated=Annotated(np.ones((3, 2), np.float32))).annotated_features()


@pytest.mark.parametrize("name", [*BY_CHANCE, *BY_UNCERTAINTY_AND_CHANCE])
def test_another_round_draws_other_places(name: str) -> None:
    """Numbers used again would prefer the neighbours of what earlier rounds took."""
    pool = random_pool(60, levels=1)
    before = random_pool(1, 9).features
    places = [
        made(name).rank(replace(pool, annotated=Annotated(before, rounds=rounds)), 10).indices.tolist()
        for rounds in (1, 2)
    ]
    assert places[0] != places[1]


@pytest.mark.parametrize("name", [*BY_FEATURE, *BY_UNCERTAINTY_AND_FEATURE])
def test_units_without_a_feature_come_by_chance_and_patient_by_patient(name: str) -> None:
    pool = replace(random_pool(40, featureless=40), patients=np.repeat([f"patient{index}" for index in range(5)], 8))
    for seed in range(3):
        order = made(name, seed).rank(pool, 10).indices
        for turn in (order[:5], order[5:]):
            assert sorted(turn // 8) == [0, 1, 2, 3, 4]
    orders = {tuple(made(name, seed).rank(pool, 10).indices.tolist()) for seed in range(3)}
    assert len(orders) == 3


def test_importing_the_room_imports_nothing_heavy() -> None:
    code = "import sys, lesslabel.selection; print(sorted({'torch', 'h5py', 'sklearn', 'monai'} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
