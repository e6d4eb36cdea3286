import pickle
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from handmade_store import SHAPE, SPACING_MM, make_case, make_store
from hypothesis import given
from hypothesis import strategies as st

from lesslabel.data.batch import Batch
from lesslabel.data.case import IGNORE, Annotation, Case, Kind
from lesslabel.data.loading.augment import Augmentation
from lesslabel.data.loading.case_loader import CaseLoader, Grid
from lesslabel.data.loading.crop import crop, sample_window
from lesslabel.data.loading.datasets import EvaluationSet, TrainingSet
from lesslabel.data.loading.intensity import Intensity, normalise
from lesslabel.data.loading.resize import Interpolation, resize_labels
from lesslabel.data.loading.sampling import SampleKey, SampleSource
from lesslabel.data.store import Store
from lesslabel.data.view import View, VisibleAnnotation, map_labels

PLAIN = Augmentation(turn_flip_probability=0.0, rotation_probability=0.0)
AS_IT_IS = Intensity("none")
DENSE = ("case0", "dense")


def two_channel_case(number: int) -> Case:
    """The labels as first channel, the place of every voxel as second; a pseudo label with confidence, one thin one."""
    case = make_case(number)
    dense = case.annotations["dense"].labels
    places = np.arange(dense.size, dtype=np.float32).reshape(SHAPE)
    confidence = np.linspace(0.0, 1.0, dense.size, dtype=np.float32).reshape(SHAPE)
    return replace(
        case,
        image=np.stack([dense.astype(np.float32), places]),
        annotations={
            **case.annotations,
            "pseudo/run": Annotation(dense, Kind.PSEUDO, confidence=confidence),
            "two slices": Annotation(dense, Kind.DENSE, covered_labels=(1, 3), covered_slices=(1, 2)),
        },
    )


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return make_store(tmp_path_factory.mktemp("data") / "store", [two_channel_case(number) for number in range(3)])


def training_set(
    store: Store,
    shown: dict[str, str],
    *,
    view: View | None = None,
    grid: Grid | None = None,
    intensity: Intensity = AS_IT_IS,
    patch: tuple[int, ...] | None = None,
    augmentation: Augmentation = PLAIN,
    cache_bytes: int = 10**6,
) -> TrainingSet:
    view = view or View()
    loader = CaseLoader(store, view, map_labels(view, store.labels), grid or Grid(), intensity)
    entries = {uid: (VisibleAnnotation(name),) for uid, name in shown.items()}
    return TrainingSet(loader, entries, patch, augmentation, 0, cache_bytes)


def key(uid: str, index: int | None, *, step: int = 0, slot: int = 0, labelled: bool = True) -> SampleKey:
    return SampleKey(step, slot, SampleSource(uid, index), labelled)


def assert_equal_samples(first: Batch, second: Batch) -> None:
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert value == second[name] if name == "uid" else torch.equal(value, second[name]), name


def test_slice_by_slice(store: Store) -> None:
    samples = training_set(store, dict([DENSE]))
    case = two_channel_case(0)
    for index in range(SHAPE[0]):
        sample = samples[key("case0", index)]
        np.testing.assert_array_equal(sample["image"].numpy(), case.image[:, index])
        np.testing.assert_array_equal(sample["target"].numpy(), case.annotations["dense"].labels[index])
        assert (sample["image"].dtype, sample["target"].dtype) == (torch.float32, torch.int64)
        assert (sample["kind"].dtype, sample["kind"].shape, int(sample["kind"])) == (torch.int64, (), Kind.DENSE)
        assert sample["annotated_labels"].tolist() == [True] * 4
        assert sample["uid"] == ["case0"]
        assert "weight" not in sample


def test_volume(store: Store) -> None:
    sample = training_set(store, {"case1": "scribble"})[key("case1", None)]
    case = two_channel_case(1)
    np.testing.assert_array_equal(sample["image"].numpy(), case.image)
    np.testing.assert_array_equal(sample["target"].numpy(), case.annotations["scribble"].labels)
    assert (sample["kind"].dtype, sample["kind"].tolist()) == (torch.int64, [Kind.SCRIBBLE] * 4)
    assert (sample["annotated_labels"].dtype, sample["annotated_labels"].shape) == (torch.bool, (4, 4))
    assert sample["annotated_labels"].all()


@pytest.mark.parametrize("index", [0, None])
def test_unlabelled_sample_shows_nothing(store: Store, index: int | None) -> None:
    sample = training_set(store, dict([DENSE]))[key("case1", index, labelled=False)]
    assert (sample["target"] == IGNORE).all()
    grid = sample["target"].shape[:-2]  # () or the slices
    assert (sample["kind"].shape, sample["annotated_labels"].shape) == (grid, (4, *grid))
    assert (sample["kind"] == Kind.NONE).all()
    assert sample["annotated_labels"].all()


def test_slice_that_its_annotation_does_not_speak_of_is_unlabelled(store: Store) -> None:
    samples = training_set(store, {"case0": "two slices"})
    covered, left_out = samples[key("case0", 2)], samples[key("case0", 3, labelled=False)]
    assert int(covered["kind"]) == Kind.DENSE
    assert covered["annotated_labels"].tolist() == [True, True, False, True]
    assert int(left_out["kind"]) == Kind.NONE
    assert left_out["annotated_labels"].tolist() == [True] * 4
    assert (left_out["target"] == IGNORE).all()


def test_confidence_becomes_weight(store: Store) -> None:
    samples = training_set(store, {"case0": "pseudo/run"}, patch=(14, 10))
    confidence = two_channel_case(0).annotations["pseudo/run"].confidence
    sample = samples[key("case0", 1)]
    assert (sample["weight"].dtype, sample["weight"].shape) == (torch.float32, (14, 10))
    np.testing.assert_array_equal(sample["weight"].numpy(), np.pad(confidence[1], [(1, 1), (0, 0)]))
    assert int(sample["kind"]) == Kind.PSEUDO


def test_channels_in_the_order_of_the_view(store: Store) -> None:
    sample = training_set(store, {}, view=View(channels=[1]))[key("case0", 1, labelled=False)]
    np.testing.assert_array_equal(sample["image"].numpy(), two_channel_case(0).image[1:, 1])
    sample = training_set(store, {}, view=View(channels=[1, 0]))[key("case0", 1, labelled=False)]
    np.testing.assert_array_equal(sample["image"].numpy(), two_channel_case(0).image[::-1, 1])


def test_labels_are_mapped(store: Store) -> None:
    sample = training_set(store, dict([DENSE]), view=View(labels={"ventricles": [1, 3]}))[key("case0", 2)]
    expected = np.isin(two_channel_case(0).annotations["dense"].labels[2], (1, 3))
    np.testing.assert_array_equal(sample["target"].numpy(), expected)
    assert sample["annotated_labels"].tolist() == [True, True]


@pytest.mark.parametrize("interpolation", ["linear", "nearest"])
def test_size_in_voxels(store: Store, interpolation: Interpolation) -> None:
    samples = training_set(store, {"case0": "scribble"}, grid=Grid((6, 8), None, interpolation))
    sample = samples[key("case0", 1)]
    scribble = two_channel_case(0).annotations["scribble"].labels
    assert sample["image"].shape == (2, 6, 8)
    np.testing.assert_array_equal(sample["target"].numpy(), resize_labels(scribble, (4, 6, 8))[1])
    in_labels = set(sample["image"][0].unique().tolist()) <= {0.0, 1.0, 2.0, 3.0}
    assert in_labels == (interpolation == "nearest")


def test_spacing_in_mm(store: Store) -> None:
    samples = training_set(store, dict([DENSE]), grid=Grid(spacing_mm=(5.0, 3.0, 1.25)))
    sample = samples[key("case0", None)]
    assert sample["image"].shape == (2, 8, 6, 10)
    assert sample["target"].shape == (8, 6, 10)


def test_grid_is_counted_alike_by_sampler_and_loader(tmp_path: Path) -> None:
    """Half a slice: the table of cases rounds the spacing, the case does not."""
    case = replace(make_case(0), spacing_mm=(6.2500000001, 1.5, 1.25), affine=None)
    store = make_store(tmp_path / "store", [case])
    grid = Grid(spacing_mm=(10.0, 1.5, 1.25))
    assert grid.shape_of(store.records["case0"])[0] == 2  # round(2.5)
    assert training_set(store, dict([DENSE]), grid=grid)[key("case0", None)]["target"].shape[0] == 2


def test_intensities_are_those_of_the_whole_volume(store: Store) -> None:
    sample = training_set(store, {}, intensity=Intensity("zscore"), patch=(5, 5))[key("case2", 3, labelled=False)]
    whole = torch.from_numpy(normalise(two_channel_case(2).image, Intensity("zscore")))[:, 3].unfold(1, 5, 1)
    windows = whole.unfold(2, 5, 1).permute(1, 2, 0, 3, 4).flatten(0, 1)
    assert (windows == sample["image"]).flatten(1).all(dim=1).any()


@pytest.mark.parametrize("patch", [(5, 7), (3, 5, 7)])
def test_patches_are_cut_from_image_and_target_alike(store: Store, patch: tuple[int, ...]) -> None:
    samples = training_set(store, dict([DENSE]), patch=patch)
    index = None if len(patch) == 3 else 2
    starts = set()
    for step in range(20):
        sample = samples[key("case0", index, step=step)]
        assert sample["target"].shape == patch
        assert torch.equal(sample["image"][0].long(), sample["target"])
        starts.add(float(sample["image"][1].flatten()[0]))
    assert len(starts) > 10


def test_patch_larger_than_the_image_is_padded(store: Store) -> None:
    sample = training_set(store, dict([DENSE]), patch=(6, 15, 8))[key("case0", None)]
    assert (sample["image"].shape, sample["target"].shape) == ((2, 6, 15, 8), (6, 15, 8))
    inside = torch.zeros(6, 15, 8, dtype=torch.bool)
    inside[1:5, 2:14] = True  # three rows too many: two before, one after
    assert torch.equal(sample["target"] != IGNORE, inside)
    assert not sample["image"][:, ~inside].any()


def test_image_and_target_are_augmented_alike(store: Store) -> None:
    samples = training_set(store, dict([DENSE]), augmentation=Augmentation(turn_flip_probability=1.0), patch=(8, 8))
    seen = []
    for step in range(12):
        sample = samples[key("case0", 2, step=step)]
        assert torch.equal(sample["image"][0].long(), sample["target"])
        seen.append(tuple(sample["image"][1].flatten().tolist()))
    assert len(set(seen)) > 8


def test_rotation_brings_in_unknown(store: Store) -> None:
    turning = Augmentation(turn_flip_probability=0.0, rotation_probability=1.0, rotation_degrees=20.0)
    samples = training_set(store, {"case0": "pseudo/run"}, augmentation=turning)
    drawn = [samples[key("case0", 2, step=step)] for step in range(10)]
    assert sum(int((sample["target"] == IGNORE).any()) for sample in drawn) > 5  # a small angle brings in nothing
    for sample in drawn:
        assert not sample["weight"][sample["target"] == IGNORE].any()


def test_sample_is_a_function_of_its_key(store: Store) -> None:
    def make() -> TrainingSet:
        return training_set(store, dict([DENSE]), patch=(6, 6), augmentation=Augmentation(noise=0.1))

    keys = [key("case0", index, step=step, slot=slot) for index in (1, 2) for step in (0, 9) for slot in (0, 1)]
    first, second = make(), make()
    forward = [first[one] for one in keys]
    for one, sample in zip(reversed(keys), reversed(forward), strict=True):
        assert_equal_samples(second[one], sample)
        assert_equal_samples(first[one], sample)  # the cached case was not changed
    assert len({float(sample["image"].sum()) for sample in forward}) == len(keys)


def test_cache_stays_within_its_limit(store: Store) -> None:
    voxels = int(np.prod(SHAPE))
    one_case = voxels * (2 * 4 + 1)  # two channels of float32, labels of uint8
    samples = training_set(store, {}, cache_bytes=2 * one_case)
    for uid in ("case0", "case1", "case2", "case0"):
        samples[key(uid, 0, labelled=False)]
        assert samples.cache.held_bytes <= 2 * one_case
    assert samples.cache.held_bytes == 2 * one_case
    samples = training_set(store, {"case0": "pseudo/run"})
    samples[key("case0", 0)]
    assert samples.cache.held_bytes == one_case + voxels * 4  # and the weight


def test_data_set_can_be_sent_to_a_worker(store: Store) -> None:
    samples = training_set(store, dict([DENSE]), patch=(6, 6), augmentation=Augmentation())
    before = samples[key("case0", 1)]
    assert_equal_samples(pickle.loads(pickle.dumps(samples))[key("case0", 1)], before)


@given(
    data=st.data(),
    shape=st.tuples(st.integers(1, 5), st.integers(1, 6), st.integers(1, 7)),
    patch=st.tuples(st.integers(1, 8), st.integers(1, 8), st.integers(1, 8)),
)
def test_crop_is_a_window_of_the_padded_array(
    data: st.DataObject, shape: tuple[int, int, int], patch: tuple[int, int, int]
) -> None:
    window = sample_window(shape, patch, np.random.default_rng(data.draw(st.integers(0, 99))))
    array = np.arange(2 * np.prod(shape), dtype=np.int64).reshape(2, *shape)
    padded = np.pad(array, [(0, 0)] + [(8, 8)] * 3, constant_values=-1)
    cut = padded[(slice(None), *(slice(start + 8, start + 8 + side) for start, side in window))]
    np.testing.assert_array_equal(crop(torch.from_numpy(array), window, -1).numpy(), cut)
    for (start, side), size, asked in zip(window, shape, patch, strict=True):
        assert side == asked
        assert 0 <= start <= size - side if size >= side else abs(2 * start - (size - side)) <= 1


def test_every_place_of_a_patch_is_equally_likely() -> None:
    generator = np.random.default_rng(0)
    starts = Counter(sample_window((10,), (7,), generator)[0][0] for _ in range(2000))
    assert sorted(starts) == [0, 1, 2, 3]
    assert sum((count - 500) ** 2 / 500 for count in starts.values()) < 16.3  # 99.9 % of chi-square, 3 degrees


def evaluation_set(
    store: Store, reference: str | None, grid: Grid, uids: tuple[str, ...] = ("case2",)
) -> EvaluationSet:
    view = View()
    return EvaluationSet(CaseLoader(store, view, map_labels(view, store.labels), grid, AS_IT_IS), uids, reference)


def test_evaluation_case_keeps_its_geometry(store: Store) -> None:
    batch = evaluation_set(store, "dense", Grid((20, 24)))[0]
    case = two_channel_case(2)
    assert batch["image"].shape == (1, 2, 4, 20, 24)
    assert batch["image"].dtype == torch.float32
    assert (batch["uid"], batch["patient"]) == ("case2", "patient1")
    assert (batch["native_shape"], batch["spacing_mm"]) == (SHAPE, SPACING_MM)
    assert batch["affine"].dtype == torch.float64
    np.testing.assert_array_equal(batch["affine"].numpy(), case.affine)
    assert batch["reference"].dtype == torch.uint8
    np.testing.assert_array_equal(batch["reference"].numpy(), case.annotations["dense"].labels)


def test_prediction_and_missing_annotations_have_no_reference(store: Store, tmp_path: Path) -> None:
    assert "reference" not in evaluation_set(store, None, Grid())[0]
    assert "reference" not in evaluation_set(store, "rater1", Grid())[0]
    no_geometry = make_store(tmp_path / "store", [replace(make_case(0), affine=None)])
    assert "affine" not in evaluation_set(no_geometry, "dense", Grid(), ("case0",))[0]


def test_evaluation_in_the_order_given(store: Store) -> None:
    cases = evaluation_set(store, "dense", Grid(), ("case2", "case0"))
    assert len(cases) == 2
    assert [cases[index]["uid"] for index in range(2)] == ["case2", "case0"]
