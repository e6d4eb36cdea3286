"""Patches as units: every strategy ranks them, they have a price, and what was drawn in them trains."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hospitals import source_config, write_yaml

from lesslabel.adaptation.choosing import MinuteBudget, price_queue, rank_queue
from lesslabel.adaptation.cold_start import describe_images
from lesslabel.adaptation.selecting import select
from lesslabel.adaptation.units import AnnotationUnit
from lesslabel.cli import main
from lesslabel.data.case import IGNORE, Box, tile
from lesslabel.data.exchange.queue_images import file_stem
from lesslabel.data.formats.nifti import write_label_map
from lesslabel.data.queue import PATCH, Queue, read_queue
from lesslabel.data.store import Store
from lesslabel.disagreement import FurtherColumns
from lesslabel.errors import ConfigError
from lesslabel.features import extract_features
from lesslabel.image_features import ImageFeatures
from lesslabel.selection import STRATEGIES, Pool, Ranking
from lesslabel.selection.cost import AnnotationCost, Work
from lesslabel.selection.random import Random
from lesslabel.tables.label_costs import Costs, LabelCounter

SIZE = (2, 16, 20)
PATCHES = AnnotationUnit.of("patch", SIZE)
SHAPE = (3, 32, 32)
UIDS = ("a", "b", "c", "d")
PER_CASE = len(tile(SHAPE, SIZE))


def records() -> dict[str, Any]:
    return {
        uid: SimpleNamespace(patient=f"p{index // 2}", shape=SHAPE, depth=SHAPE[0]) for index, uid in enumerate(UIDS)
    }


def data_of() -> Any:
    return SimpleNamespace(store=SimpleNamespace(records=records()))


def images(seed: int = 0) -> ImageFeatures:
    """Patches of four cases with every column; the last of each case has no foreground."""
    rng = np.random.default_rng(seed)
    rows = [(uid, box) for uid in UIDS for box in tile(SHAPE, SIZE)]
    features = rng.normal(size=(len(rows), 8)).astype(np.float32)
    foreground = rng.integers(1, 50, len(rows))
    features[PER_CASE - 1 :: PER_CASE], foreground[PER_CASE - 1 :: PER_CASE] = np.nan, 0
    columns = {
        name: rng.random(len(rows)).astype(np.float32)
        for name in ("margin", "least_confidence", "mutual_information", "deviation")
    }
    classes = rng.random((len(rows), 3)).astype(np.float32)
    return ImageFeatures(
        uid=np.array([uid for uid, _ in rows]),
        slice=np.full(len(rows), PATCH),
        features=features,
        foreground_voxel=foreground,
        entropy=classes.sum(axis=1),
        class_entropy=classes,
        class_shares=classes / classes.sum(axis=1, keepdims=True),
        gradients=rng.normal(size=(len(rows), 6)).astype(np.float32),
        patch=np.array([[*box.corner, *box.size] for _, box in rows]),
        **columns,
    )


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_strategy_ranks_patches_round_by_round(name: str) -> None:
    strategy = STRATEGIES[name](seed=0).fit(np.random.default_rng(1).normal(size=(20, 8)).astype(np.float32))
    first = rank_queue(images(), data_of(), strategy, 5, unit=PATCHES)
    both = rank_queue(images(), data_of(), strategy, 0.25, unit=PATCHES, previous=first)
    assert len(first.rows) == 5
    assert len({row.key for row in both.rows}) == len(both.rows) == 5 + len(UIDS) * PER_CASE // 4
    assert [row.round for row in both.rows] == [1] * 5 + [2] * (len(both.rows) - 5)
    for row in both.rows:
        assert row.unit == "patch"
        assert row.patch in tile(SHAPE, SIZE)
    everything = rank_queue(images(), data_of(), strategy, 1.0, unit=PATCHES, previous=both)
    assert len(everything.rows) == len(UIDS) * PER_CASE
    assert rank_queue(images(), data_of(), strategy, 5, unit=PATCHES, previous=everything) == everything


def test_slices_beside_patches_of_one_annotation_are_whole() -> None:
    from lesslabel.tables.planning import shown_labels

    data = {
        "labelled": {"a": "dense"},
        "labelled_slices": {"a": {"dense": [0, 1, 5, 6]}},
        "labelled_patches": {"a": {"dense": [[0, 0, 0, 2, 4, 4]]}},
    }
    in_part, whole = shown_labels(data)["a"]
    assert (in_part.slices, whole.slices) == ((0, 1), (5, 6))
    assert in_part.boxes == (Box((0, 0, 0), (2, 4, 4)),)
    assert whole.boxes is None


def test_a_patch_costs_its_share_of_the_slices_it_touches() -> None:
    cost = AnnotationCost(first_minutes=6.0, further_minutes=2.0)
    assert cost.minutes(["p", "p", "q"], (), [Work(4, 0.5), Work(4, 0.5), Work()]) == [6.0, 4.0, 6.0]
    unit, store = AnnotationUnit.of("patch", (2, 16, 16)), records()
    assert unit.work(("a", PATCH, Box((0, 0, 0), (2, 16, 16))), store) == Work(2, 0.25)
    assert AnnotationUnit("case").work(("a", -1, None), store) == Work(store["a"].depth)
    assert AnnotationUnit("slice").work(("a", 3, None), store) == Work()
    works = [Work(), Work(2, 0.25), Work(3)]
    assert (cost.usual_price(works, first=True), cost.usual_price(works, first=False)) == (6.0, 2.0)


def test_minutes_are_spent_on_patches_as_long_as_they_last() -> None:
    cost = AnnotationCost(first_minutes=6.0, further_minutes=2.0)
    budget = MinuteBudget(12.0, cost)
    queue = rank_queue(images(), data_of(), STRATEGIES["random"](0), budget, unit=PATCHES)
    prices = price_queue(queue.rows, PATCHES, records(), cost)
    assert 10.0 < sum(prices) <= 12.0
    more = rank_queue(images(), data_of(), STRATEGIES["random"](0), budget, unit=PATCHES, previous=queue)
    assert sum(price_queue(more.rows, PATCHES, records(), cost)[len(queue.rows) :]) <= 12.0
    assert len(more.rows) > len(queue.rows)


def test_small_patches_at_the_edges_do_not_make_a_strategy_plan_for_many() -> None:
    """Of the four patches of each of nine cases one is large; the smallest is a single voxel of each slice."""
    counts: list[int] = []

    class Counted(Random):
        def choose(self, pool: Pool, count: int) -> Ranking:
            counts.append(count)
            return super().choose(pool, count)

    unit = AnnotationUnit.of("patch", (3, 31, 31))
    cases = [f"case{number}" for number in range(9)]
    rows = [(uid, box) for uid in cases for box in tile(SHAPE, (3, 31, 31))]
    patches = ImageFeatures(
        uid=np.array([uid for uid, _ in rows]),
        slice=np.full(len(rows), PATCH),
        features=np.ones((len(rows), 2), np.float32),
        foreground_voxel=np.ones(len(rows), np.int64),
        entropy=np.ones(len(rows)),
        patch=np.array([[*box.corner, *box.size] for _, box in rows]),
    )
    store = {uid: SimpleNamespace(patient=uid, shape=SHAPE, depth=SHAPE[0]) for uid in cases}
    data: Any = SimpleNamespace(store=SimpleNamespace(records=store))
    large = np.array([box.size[1] * box.size[2] > 31 for _, box in rows])
    mostly = patches.take(large | (np.arange(len(rows)) < 4))
    queue = rank_queue(mostly, data, Counted(0), MinuteBudget(24.0, AnnotationCost()), unit=unit)
    assert counts[0] == 2
    assert max(counts) <= 5
    assert 20.0 < sum(price_queue(queue.rows, unit, store, AnnotationCost())) <= 24.0


def test_a_case_that_is_too_dear_does_not_end_the_choice() -> None:
    """Six cases of 100 slices are ranked first, then four of ten; 85 minutes buy two of these."""
    store = {
        f"case{index}": SimpleNamespace(patient=f"p{index}", shape=SHAPE, depth=100 if index < 6 else 10)
        for index in range(10)
    }

    class InOrder(Random):
        def choose(self, pool: Pool, count: int) -> Ranking:  # noqa: ARG002
            return Ranking(np.arange(count), np.full(count, np.nan), ("in order of the table",) * count)

    cases = ImageFeatures(
        uid=np.array(list(store)),
        slice=np.zeros(10, np.int64),
        features=np.ones((10, 2), np.float32),
        foreground_voxel=np.ones(10, np.int64),
        entropy=np.ones(10),
    )
    data: Any = SimpleNamespace(store=SimpleNamespace(records=store))
    queue = rank_queue(cases, data, InOrder(0), MinuteBudget(85.0, AnnotationCost()), unit="case")
    assert [row.uid for row in queue.rows] == ["case6", "case7"]


@pytest.mark.parametrize(
    ("unit", "size", "message"),
    [
        ("patch", None, "--patch-voxel Z Y X goes with --unit patch; give both, or neither"),
        ("slice", (1, 2, 3), "--patch-voxel Z Y X goes with --unit patch"),
        ("patch", (1, 0, 3), "--patch-voxel: 1 0 3; pass three sizes Z Y X, each 1 or more"),
        ("voxel", None, "--unit: 'voxel'; choose one of slice, case, patch"),
    ],
)
def test_a_unit_that_makes_no_sense_is_refused(unit: Any, size: Any, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        AnnotationUnit.of(unit, size)
    assert message in str(caught.value)


def test_rounds_keep_to_one_unit_and_one_size() -> None:
    queue = rank_queue(images(), data_of(), STRATEGIES["random"](0), 9, unit=PATCHES)
    PATCHES.require_same(queue, records())
    with pytest.raises(ConfigError, match="the previous queue holds patches; go on with --unit patch"):
        AnnotationUnit("slice").require_same(queue, records())
    with pytest.raises(
        ConfigError, match=r"--patch-voxel: the previous queue holds patch .* none of size 2 8 20; go on"
    ):
        AnnotationUnit.of("patch", (2, 8, 20)).require_same(queue, records())


@pytest.fixture(scope="module")
def run(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training of two steps on the patches that were drawn: select, draw, import, fit."""
    import shutil

    folder = tmp_path_factory.mktemp("patches")
    copy = Store(shutil.copytree(store, folder / "store"))
    given = ["--unit", "patch", "--patch-voxel", *map(str, SIZE), "--budget", "6", "--images", str(folder / "images")]
    words = ["select", "--store", str(copy.path), "--strategy", "foreground-random", "--out", str(folder / "1.csv")]
    assert main([*words, *given]) == 0
    (folder / "drawn").mkdir()
    for uid in read_queue(folder / "1.csv").slices:
        case = copy.read(uid)
        path = folder / "drawn" / f"{file_stem(uid)}.nii.gz"
        write_label_map(path, case.annotations["dense"].labels, case.spacing_mm, case.affine)
    back = ["--from", str(folder / "drawn"), "--annotation", "expert", "--author", "me", "--allow-empty"]
    assert main(["import", str(copy.path), "--queue", str(folder / "1.csv"), *back]) == 0
    config = source_config(copy.path)
    shown = [{"annotation": "expert", "queue": str(folder / "1.csv")}]
    config["data"]["init_args"] |= {"centres": None, "split": "random", "steps_per_epoch": 2, "size_voxel": [24, 24]}
    config["data"]["init_args"]["view"]["supervision"] = shown
    config["trainer"]["max_steps"] = 2
    path = write_yaml(folder / "config.yaml", config)
    assert main(["fit", "--config", str(path), "--run", str(folder / "run")]) == 0
    return folder / "run"


def test_drawn_patches_train_and_their_model_chooses_on(run: Path) -> None:
    folder = run.parent
    queue = select(
        None,
        folder / "store",
        folder / "2.csv",
        budget="10 min",
        run=run,
        strategy="clasp-pe",
        unit="patch",
        patch_voxel=SIZE,
        previous=folder / "1.csv",
    )
    assert len({row.key for row in queue.rows}) == len(queue.rows) > 6
    assert {row.unit for row in queue.rows} == {"patch"}
    assert {row.strategy for row in queue.rows} == {"foreground-random", "clasp-pe"}


def test_a_run_on_patches_knows_their_voxels_and_their_price(run: Path) -> None:
    from lesslabel.runs.reopening import reopen_run
    from lesslabel.tables.planning import shown_labels

    data, queue = reopen_run(run).parsed.datamodule, read_queue(run.parent / "1.csv")
    voxels = sum(np.prod(box.size) for boxes in queue.patches.values() for box in boxes)
    store = Store(run.parent / "store")
    known = sum(int((store.read(uid).annotations["expert"].labels != IGNORE).sum()) for uid in queue.slices)
    assert known == voxels
    counted = LabelCounter(store).count(data.shown())
    assert counted.dense_slices == pytest.approx(voxels / (32 * 32))
    recorded = LabelCounter(store).count(shown_labels(data.describe()))
    assert recorded.minutes(Costs()) == pytest.approx(voxels / (32 * 32) * Costs().dense_slice)
    dense = {
        uid: [type(entry)("dense", entry.slices, entry.boxes) for entry in shown] for uid, shown in data.shown().items()
    }
    assert LabelCounter(store).count(dense).dense_slices == pytest.approx(counted.dense_slices)


def test_features_of_patches_are_means_over_their_slices(run: Path) -> None:
    from lesslabel.runs.reopening import reopen_with_weights

    parsed = reopen_with_weights(run).parsed
    uid = parsed.datamodule.records("train")[0].uid
    further = FurtherColumns(passes=2, gradients=True)
    slices = extract_features(parsed.model, parsed.datamodule, [uid], further=further)
    whole = extract_features(parsed.model, parsed.datamodule, [uid], further=further, patch_voxel=(9, 99, 99))
    assert whole.patch.tolist() == [[0, 0, 0, *SHAPE]]
    assert whole.slice.tolist() == [PATCH]
    assert whole.foreground_voxel.sum() == slices.foreground_voxel.sum()
    for name in (
        "entropy",
        "margin",
        "least_confidence",
        "class_entropy",
        "mutual_information",
        "deviation",
        "gradients",
    ):
        np.testing.assert_allclose(
            getattr(whole, name)[0], getattr(slices, name).mean(axis=0), rtol=1e-4, atol=1e-6, err_msg=name
        )
    parts = extract_features(parsed.model, parsed.datamodule, [uid], further=further, patch_voxel=(1, 16, 32))
    assert len(parts) == 6
    np.testing.assert_allclose(parts.entropy.reshape(3, 2).mean(axis=1), slices.entropy, rtol=1e-4)
    np.testing.assert_array_equal(parts.foreground_voxel.reshape(3, 2).sum(axis=1), slices.foreground_voxel)


def test_images_alone_describe_patches_by_their_foreground(store: Path) -> None:
    opened = Store(store)
    uid = sorted(opened.records)[0]
    slices, patches = describe_images(opened, [uid]), describe_images(opened, [uid], (1, 16, 16))
    assert len(patches) == 4 * len(slices)
    np.testing.assert_array_equal(patches.foreground_voxel.reshape(len(slices), 4).sum(axis=1), slices.foreground_voxel)
    assert (patches.has_feature == (patches.foreground_voxel > 0)).all()
    assert isinstance(
        rank_queue(patches, SimpleNamespace(store=opened), STRATEGIES["coreset"](0), 3, unit=PATCHES), Queue
    )  # type: ignore[arg-type]
