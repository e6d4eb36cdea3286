"""From a bundle and images to a queue."""

from pathlib import Path

import numpy as np
import pytest
from hospitals import queue_of, units_of, whole

from lesslabel.adaptation.choosing import (
    AnnotationUnit,
    choose_queue,
    features_of_training_part,
)
from lesslabel.adaptation.strategies import make_strategy, name_strategy
from lesslabel.bundle import Bundle
from lesslabel.data.loading.module import SegmentationDataModule
from lesslabel.data.queue import WHOLE_CASE, Queue
from lesslabel.data.store import Store
from lesslabel.errors import ConfigError, DataError
from lesslabel.features import ImageFeatures, extract_features
from lesslabel.selection import STRATEGIES
from lesslabel.selection.budget import Budget

IMAGES = 30  # five patients, two cases, three slices


@pytest.fixture
def choose(bundle: Bundle, target: SegmentationDataModule, features: ImageFeatures):
    def chosen(
        budget: Budget,
        strategy: str = "stdr",
        *,
        unit: AnnotationUnit = "slice",
        seed: int = 0,
        previous: Queue | None = None,
    ) -> Queue:
        made = make_strategy(strategy, bundle, seed)
        return choose_queue(bundle, target, made, budget, unit=unit, previous=previous, features=features)

    return chosen


def distances(bundle: Bundle, features: ImageFeatures) -> dict[tuple[str, int], float]:
    """Squared distance of every image with predicted foreground to its nearest reference."""
    return {
        (uid, index): min(((feature.astype(float) - reference) ** 2).sum() for reference in bundle.references)
        for uid, index, feature in zip(features.uid.tolist(), features.slice.tolist(), features.features, strict=True)
        if not np.isnan(feature).any()
    }


def both_ends(distance: dict, count: int) -> list:
    """The nearest, the farthest, the second nearest …"""
    near, far = sorted(distance, key=distance.__getitem__), sorted(distance, key=distance.__getitem__, reverse=True)
    return [near[place // 2] if place % 2 == 0 else far[place // 2] for place in range(count)]


def test_the_queue_is_the_ranking_by_hand(bundle: Bundle, target: SegmentationDataModule) -> None:
    uids = [record.uid for record in target.records("train")]
    distance = distances(bundle, extract_features(bundle.build_method(), target, uids))
    queue = choose_queue(bundle, target, make_strategy("stdr", bundle, seed=7), 0.2)
    assert units_of(queue) == both_ends(distance, round(0.2 * IMAGES))
    np.testing.assert_allclose([row.score for row in queue.rows], [distance[unit] for unit in units_of(queue)])
    assert [row.rank for row in queue.rows] == [1, 2, 3, 4, 5, 6]
    assert {(row.strategy, row.round, row.model_sha256) for row in queue.rows} == {("stdr", 1, bundle.model_sha256)}
    assert queue.rows[0].reason.startswith("near the source")


def test_cases_are_ranked_by_the_mean_over_their_images(bundle: Bundle, features: ImageFeatures, choose) -> None:
    by_case: dict[str, list[float]] = {}
    for (uid, _), distance in distances(bundle, features).items():
        by_case.setdefault(uid, []).append(distance)
    means = {(uid, WHOLE_CASE): float(np.mean(values)) for uid, values in by_case.items()}
    queue = choose(4, unit="case")
    assert units_of(queue) == both_ends(means, 4)
    np.testing.assert_allclose([row.score for row in queue.rows], [means[unit] for unit in units_of(queue)])


def test_only_training_patients_of_the_centre_are_chosen_from(store: Path, target, choose) -> None:
    queue = choose(1.0)
    assert set(queue.slices) == {record.uid for record in target.records("train")}
    assert {Store(store).records[uid].centre for uid in queue.slices} == {"east"}


@pytest.mark.parametrize(
    ("budget", "unit", "count"),
    [
        (0, "slice", 0),
        (0.0, "case", 0),
        (1, "slice", 1),
        (1, "case", 1),
        (0.01, "slice", 1),
        (0.25, "case", 3),
        (1.0, "slice", IMAGES),
        (1.0, "case", 10),
        (999, "slice", IMAGES),
        (999, "case", 10),
    ],
)
def test_budgets(choose, budget: Budget, unit: AnnotationUnit, count: int) -> None:
    queue = choose(budget, unit=unit)
    assert len(queue.rows) == len(set(units_of(queue))) == count
    assert all((row.slice == WHOLE_CASE) == (unit == "case") for row in queue.rows)


@pytest.mark.parametrize("unit", ["slice", "case"])
@pytest.mark.parametrize("strategy", ["stdr", "random", "entropy"])
def test_a_round_never_chooses_again(choose, strategy: str, unit: AnnotationUnit) -> None:
    total = IMAGES if unit == "slice" else 10
    first = choose(0.3, strategy, unit=unit)
    second = choose(0.3, strategy, unit=unit, previous=first)
    assert second.rows[: len(first.rows)] == first.rows
    assert [row.round for row in second.rows] == [1] * (total * 3 // 10) + [2] * (total * 3 // 10)
    assert [row.rank for row in second.rows] == list(range(1, len(second.rows) + 1))
    assert len(set(units_of(second))) == len(second.rows)  # the share is one of all units, not of what is left
    third = choose(1.0, strategy, unit=unit, previous=second)
    assert len(set(units_of(third))) == len(third.rows) == total
    assert choose(5, strategy, unit=unit, previous=third) == third


def test_the_next_round_ranks_what_is_left(bundle: Bundle, features: ImageFeatures, choose) -> None:
    first = choose(4)
    left = {unit: value for unit, value in distances(bundle, features).items() if unit not in units_of(first)}
    assert units_of(choose(5, previous=first))[4:] == both_ends(left, 5)


def test_every_round_looks_with_the_model_of_the_source(
    bundle: Bundle, target: SegmentationDataModule, features: ImageFeatures, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = []
    build = Bundle.build_method
    monkeypatch.setattr(Bundle, "build_method", lambda self: models.append(self.model_sha256) or build(self))
    strategy = make_strategy("stdr", bundle, 0)
    first = choose_queue(bundle, target, strategy, 3)
    second = choose_queue(bundle, target, strategy, 3, previous=first)
    assert models == [bundle.model_sha256] * 2
    assert {row.model_sha256 for row in second.rows} == {bundle.model_sha256}
    np.testing.assert_array_equal(features_of_training_part(bundle, target).features, features.features)


@pytest.mark.parametrize("strategy", sorted(STRATEGIES))
def test_the_same_seed_gives_the_same_queue(choose, strategy: str) -> None:
    assert choose(0.4, strategy, seed=3).sha256 == choose(0.4, strategy.upper(), seed=3).sha256
    assert choose(0.4, strategy, seed=3).rows[0].strategy == strategy


def test_another_seed_draws_others(choose) -> None:
    queues = [choose(0.4, "random", seed=seed) for seed in (3, 4)]
    assert units_of(queues[0]) != units_of(queues[1])
    assert [{row.seed for row in queue.rows} for queue in queues] == [{3}, {4}]


def test_labels_of_the_target_are_never_read(bundle: Bundle, choose, unlabelled_store: Path) -> None:
    data = bundle.data_module(unlabelled_store, split="random_by_centre", centres=["east"])
    assert not any(record.annotation_names for record in data.records("train"))
    for strategy, unit in (("stdr", "slice"), ("entropy", "case")):
        queue = choose_queue(bundle, data, make_strategy(strategy, bundle, 0), 0.3, unit=unit)
        assert queue == choose(0.3, strategy, unit=unit)


@pytest.mark.parametrize("end", ["invariant", "specific"])
def test_one_end_alone(bundle: Bundle, features: ImageFeatures, choose, end: str) -> None:
    distance = distances(bundle, features)
    queue = choose(3, f"STDR-{end}")
    assert units_of(queue) == sorted(distance, key=distance.__getitem__, reverse=end == "specific")[:3]
    assert {row.strategy for row in queue.rows} == {f"stdr-{end}"}


def test_the_queue_tells_a_spread_choice(bundle: Bundle) -> None:
    assert name_strategy(make_strategy("stdr-specific", bundle, 0, diversity=True)) == "stdr-specific with diversity"


def test_unknown_strategies_and_options_are_refused(bundle: Bundle) -> None:
    with pytest.raises(ConfigError, match=r"strategy: 'stdr-best' is not one of stdr, random, .*, stdr-specific"):
        make_strategy("stdr-best", bundle, 0)
    with pytest.raises(ConfigError, match="--diversity is an option of stdr, not of random"):
        make_strategy("random", bundle, 0, diversity=True)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [({"dimensions": 3}, "the bundle's model sees volumes"), ({"spacing_mm": (4.0, 6.0, 6.0)}, "resampled slices of")],
)
def test_slices_that_nobody_can_annotate_are_refused(bundle: Bundle, store: Path, settings, reason: str) -> None:
    data = SegmentationDataModule(str(store), split="random_by_centre", **settings)
    with pytest.raises(ConfigError, match=f"{reason}.*--unit case"):
        choose_queue(bundle, data, make_strategy("stdr", bundle, 0), 3)


def test_volumes_are_chosen_as_cases(bundle: Bundle, store: Path, features: ImageFeatures) -> None:
    data = SegmentationDataModule(str(store), split="random_by_centre", centres=["east"], dimensions=3)
    columns = {field: getattr(features, field) for field in features.__dataclass_fields__}
    names = {field: column[1::3] for field, column in columns.items() if column is not None}
    volumes = ImageFeatures(**{**names, "slice": np.full(10, WHOLE_CASE)})
    queue = choose_queue(bundle, data, make_strategy("stdr", bundle, 0), 4, unit="case", features=volumes)
    assert units_of(queue) == both_ends(distances(bundle, volumes), 4)


def test_rounds_keep_to_one_unit_and_one_store(choose) -> None:
    uid = choose(1).rows[0].uid
    with pytest.raises(ConfigError, match="the previous queue holds cases; go on with --unit case"):
        choose(1, unit="slice", previous=queue_of(whole(uid)))
    with pytest.raises(ConfigError, match="holds slices; go on with --unit slice"):
        choose(1, unit="case", previous=queue_of([(uid, 0)]))
    with pytest.raises(DataError, match="the store has no case 'elsewhere'"):
        choose(1, previous=queue_of([("elsewhere", 0)]))
