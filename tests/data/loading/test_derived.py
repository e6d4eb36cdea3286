"""Maps that a method derives from labels: made once, kept, cut and turned with the sample."""

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from handmade_store import SHAPE, make_case, make_store
from numpy.typing import NDArray

from lesslabel.data.batch import Batch, collate
from lesslabel.data.case import IGNORE
from lesslabel.data.loading.augment import Augmentation
from lesslabel.data.loading.case_loader import CaseLoader, Grid
from lesslabel.data.loading.datasets import TrainingSet
from lesslabel.data.loading.derived import DerivedMaps, MapDerivation, derivation_of
from lesslabel.data.loading.intensity import Intensity
from lesslabel.data.loading.module import SegmentationDataModule
from lesslabel.data.loading.sampling import SampleKey, SampleSource
from lesslabel.data.store import Store
from lesslabel.data.verify.store_check import verify_store
from lesslabel.data.view import View, VisibleAnnotation, map_labels
from lesslabel.errors import DataError
from lesslabel.losses import LevelSetDerivation, level_sets

PLAIN = Augmentation(turn_flip_probability=0.0, rotation_probability=0.0)
TURNED = Augmentation(turn_flip_probability=1.0, noise=5.0)
SHOWN = {"case0": (VisibleAnnotation("dense"),), "case1": (VisibleAnnotation("scribble"),)}


@dataclass
class Places:
    """Every voxel's own number, and every voxel's label; counts how often it is asked."""

    whole: bool = True
    name: str = "places"
    made: int = 0

    def make(self, labels: NDArray[np.uint8], classes: int) -> NDArray[np.float32]:
        self.made += 1
        numbers = np.arange(labels.size).reshape(labels.shape)
        return np.stack([numbers, labels + 100.0 * classes]).astype(np.float32)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return make_store(tmp_path / "store", [make_case(number) for number in range(3)])


def training_set(
    store: Store, derivation: MapDerivation, augmentation: Augmentation = PLAIN, patch: tuple[int, ...] | None = None
) -> TrainingSet:
    loader = CaseLoader(store, View(), map_labels(View(), store.labels), Grid(), Intensity("none"))
    return TrainingSet(loader, SHOWN, patch, augmentation, 0, 10**6, derivation)


def sample(samples: TrainingSet, uid: str = "case0", index: int | None = None, step: int = 0) -> Batch:
    return samples[SampleKey(step, 0, SampleSource(uid, index), labelled=uid in SHOWN)]


def cached_files(store: Store) -> list[Path]:
    return sorted(path for path in (store.path / "derived").rglob("*") if path.is_file())


def test_maps_are_made_once_and_read_back_alike(store: Store) -> None:
    labels = make_case(0).annotations["dense"].labels
    derivation = Places()
    first = DerivedMaps(store.path, derivation).read(labels, 4)
    again = DerivedMaps(store.path, derivation).read(labels, 4)
    assert derivation.made == 1
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(again, Places().make(labels, 4))
    assert len(cached_files(store)) == 1


def test_cached_level_sets_are_those_computed_anew(store: Store) -> None:
    labels = make_case(0).annotations["dense"].labels
    derivation = LevelSetDerivation(whole=True, dimensions=3)
    DerivedMaps(store.path, derivation).read(labels, 4)
    np.testing.assert_array_equal(DerivedMaps(store.path, derivation).read(labels, 4), level_sets(labels, 4))


def test_other_labels_classes_shapes_and_derivations_are_kept_apart(store: Store) -> None:
    labels = make_case(0).annotations["dense"].labels
    changed = labels.copy()
    changed[0, 0, 0] = IGNORE
    for other in (labels, changed, labels.reshape(labels.shape[::-1])):
        DerivedMaps(store.path, Places()).read(other, 4)
    DerivedMaps(store.path, Places()).read(labels, 3)
    DerivedMaps(store.path, Places(name="others")).read(labels, 4)
    assert sorted(path.parent.name for path in cached_files(store)) == ["others"] + ["places"] * 4


def test_maps_of_other_dense_slices_are_kept_apart(store: Store) -> None:
    """The labels are the same: a dense slice of which nothing is known, or one that is not dense."""
    labels = make_case(0).annotations["dense"].labels.copy()
    labels[0], labels[2] = labels[1], IGNORE
    maps, everything = DerivedMaps(store.path, LevelSetDerivation(True, 3)), np.ones(len(labels), np.bool_)
    apart = everything.copy()
    apart[2] = False
    whole, runs = maps.read(labels, 4), maps.read(labels, 4, apart)
    assert len(cached_files(store)) == 2
    np.testing.assert_array_equal(maps.read(labels, 4, everything), whole)
    np.testing.assert_array_equal(whole, level_sets(labels, 4))
    np.testing.assert_array_equal(runs[:, :2], level_sets(labels[:2], 4))
    assert not np.array_equal(runs[:, :2], whole[:, :2])


def test_a_damaged_file_is_made_anew(store: Store) -> None:
    labels = make_case(0).annotations["dense"].labels
    DerivedMaps(store.path, Places()).read(labels, 4)
    (path,) = cached_files(store)
    for damage in (path.read_bytes()[:200], b"nothing"):
        path.write_bytes(damage)
        maps = DerivedMaps(store.path, Places()).read(labels, 4)
        np.testing.assert_array_equal(maps, Places().make(labels, 4))


def test_a_store_that_cannot_be_written_is_named(store: Store) -> None:
    (store.path / "derived").write_text("in the way")
    with pytest.raises(DataError, match=r"derived/places.*: cannot be written"):
        DerivedMaps(store.path, Places()).read(make_case(0).annotations["dense"].labels, 4)


def test_the_store_stays_sound(store: Store) -> None:
    DerivedMaps(store.path, Places()).read(make_case(0).annotations["dense"].labels, 4)
    assert verify_store(store.path) == []


@pytest.mark.parametrize("index", [None, 2])
@pytest.mark.parametrize("patch", [None, (3, 7, 7)])
def test_maps_are_cut_and_turned_with_the_labels(
    store: Store, index: int | None, patch: tuple[int, ...] | None
) -> None:
    patch = patch if patch is None or index is None else patch[1:]
    samples = training_set(store, Places(), TURNED, patch)
    for step in range(8):
        drawn = sample(samples, index=index, step=step)
        numbers, labels = drawn["derived"]
        assert drawn["derived"].dtype == torch.float32
        torch.testing.assert_close(labels, drawn["target"].float() + 400, rtol=0, atol=0)
        dense = torch.from_numpy(make_case(0).annotations["dense"].labels).flatten()
        torch.testing.assert_close(dense[numbers.long()].long(), drawn["target"], rtol=0, atol=0)


def test_a_case_is_asked_for_once_however_often_it_is_drawn(store: Store) -> None:
    derivation = Places()
    samples = training_set(store, derivation, patch=(2, 5, 5))
    for step in range(5):
        sample(samples, step=step)
    assert derivation.made == 1


def test_beyond_the_image_the_border_is_repeated_and_the_target_unknown(store: Store) -> None:
    drawn = sample(training_set(store, Places(), patch=(6, 12, 10)))
    assert (drawn["target"][[0, -1]] == IGNORE).all()
    torch.testing.assert_close(drawn["derived"][:, [0, -1]], drawn["derived"][:, [1, -2]])


@pytest.mark.parametrize("dimensions", [2, 3])
def test_maps_of_samples_are_made_from_what_they_show(store: Store, dimensions: int) -> None:
    index, patch = (2, (7, 7)) if dimensions == 2 else (None, (3, 7, 7))
    samples = training_set(store, LevelSetDerivation(whole=False, dimensions=dimensions), TURNED, patch)
    for step in range(4):
        drawn = sample(samples, index=index, step=step)
        np.testing.assert_array_equal(drawn["derived"].numpy(), level_sets(drawn["target"].numpy(), 4))
    assert not (store.path / "derived").exists()


def test_whole_level_sets_turn_as_those_of_the_turned_labels(store: Store) -> None:
    samples = training_set(store, LevelSetDerivation(whole=True, dimensions=3), TURNED)
    for step in range(8):
        drawn = sample(samples, step=step)
        np.testing.assert_allclose(drawn["derived"].numpy(), level_sets(drawn["target"].numpy(), 4), atol=1e-6)


@pytest.mark.parametrize("whole", [True, False])
def test_only_dense_labels_are_derived_from(store: Store, whole: bool) -> None:
    samples = training_set(store, Places(whole=whole))
    dense, scribble, unlabelled = (sample(samples, uid) for uid in ("case0", "case1", "case2"))
    assert "derived" in dense
    assert "derived" not in scribble
    assert "derived" not in unlabelled
    batch = collate([unlabelled, dense, scribble])
    assert batch["derived"].shape == (3, 2, *SHAPE)
    torch.testing.assert_close(batch["derived"][1], dense["derived"])
    assert not batch["derived"][[0, 2]].any()
    assert "derived" not in collate([scribble, unlabelled])


def test_the_data_module_follows_the_derivation_of_the_method_in_training(store: Store) -> None:
    data = SegmentationDataModule(str(store.path), split="groups", dimensions=3, batch_size=1, steps_per_epoch=1)
    assert "derived" not in next(iter(data.train_dataloader()))
    progress = SimpleNamespace(batch_progress=SimpleNamespace(total=SimpleNamespace(processed=0)))
    data.trainer = SimpleNamespace(
        lightning_module=SimpleNamespace(map_derivation=Places()),
        fit_loop=SimpleNamespace(epoch_loop=progress),
        strategy=SimpleNamespace(root_device=torch.device("cpu")),
        global_rank=0,
        world_size=1,
    )
    assert next(iter(data.train_dataloader()))["derived"].shape[1] == 2


@dataclass
class Absent:
    """The level set of a class that the case does not hold: 1 everywhere."""

    whole: bool = True
    name: str = "absent"

    def make(self, labels: NDArray[np.uint8], classes: int) -> NDArray[np.float32]:  # noqa: ARG002  as every derivation
        return np.ones((1, *labels.shape), dtype=np.float32)


@pytest.mark.parametrize("larger", [0, 3], ids=["patch fits", "patch larger than the case"])
def test_nothing_from_outside_pulls_a_known_voxel_towards_a_boundary(store: Store, larger: int) -> None:
    rotated = Augmentation(turn_flip_probability=0.0, rotation_probability=1.0, rotation_degrees=20.0)
    patch = tuple(side + larger for side in SHAPE)
    samples = training_set(store, Absent(), rotated, patch)
    for step in range(5):
        drawn = sample(samples, step=step)
        known = drawn["target"] != IGNORE
        assert known.any()
        torch.testing.assert_close(drawn["derived"][0][known], torch.ones(int(known.sum())))


def test_a_method_that_still_names_its_derivation_recipe_works_with_a_warning() -> None:
    places = Places()
    assert derivation_of(SimpleNamespace(map_derivation=places)) is places
    with pytest.warns(FutureWarning, match="rename it to map_derivation"):
        assert derivation_of(SimpleNamespace(recipe=places)) is places
