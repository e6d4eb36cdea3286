"""Kinds and annotated classes follow the voxels of their slices: cut, turned, resampled, derived from, pointed at."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from handmade_store import SHAPE, make_case, make_store
from hypothesis import given
from hypothesis import strategies as st

from lesslabel.data.batch import Batch, collate
from lesslabel.data.case import IGNORE, Annotation, Case, Kind
from lesslabel.data.loading.augment import (
    Augmentation,
    AugmentationParameters,
    apply_to_derived,
    apply_to_image,
    apply_to_labels,
    apply_to_weight,
)
from lesslabel.data.loading.case_loader import CaseLoader, Grid
from lesslabel.data.loading.datasets import TrainingSet
from lesslabel.data.loading.intensity import Intensity
from lesslabel.data.loading.merge import merge_annotations
from lesslabel.data.loading.sampling import SampleKey, SampleSource
from lesslabel.data.store import Store
from lesslabel.data.view import View, VisibleAnnotation, map_labels
from lesslabel.interaction import Side
from lesslabel.interaction.encoding import Encoding, cues_of_sides
from lesslabel.interaction.robots import InteriorMarginRobot
from lesslabel.interaction.training_objects import TrainingObjects
from lesslabel.losses import LevelSetDerivation, level_sets

NONE, DENSE, SCRIBBLE = (int(kind) for kind in (Kind.NONE, Kind.DENSE, Kind.SCRIBBLE))
PLAIN = Augmentation(turn_flip_probability=0.0, rotation_probability=0.0)
TURNED = Augmentation(turn_flip_probability=0.5, rotation_probability=1.0)
SHOWN = (VisibleAnnotation("some"), VisibleAnnotation("scribble", (0, 3, 4)))
KINDS = [SCRIBBLE, DENSE, DENSE, SCRIBBLE, SCRIBBLE, NONE]
DEPTH = len(KINDS)
MAPPING = map_labels(View(), {1: "RV", 2: "Myo", 3: "LV"})


def striped_case() -> Case:
    """The image is the number of its slice; slices 1 and 2 are dense but for class 2, scribbles are on 0, 3 and 4."""
    dense = np.resize(make_case(0).annotations["dense"].labels[1:], (DEPTH, *SHAPE[1:]))
    strokes = np.full_like(dense, IGNORE)
    strokes[:, ::2, 4] = dense[:, ::2, 4]
    some = Annotation(dense, Kind.DENSE, covered_labels=(1, 3), covered_slices=(1, 2))
    return Case(
        uid="case0",
        patient="patient0",
        image=np.broadcast_to(np.arange(DEPTH, dtype=np.float32)[:, None, None], dense.shape)[None].copy(),
        spacing_mm=(10.0, 1.5, 1.25),
        annotations={"some": some, "scribble": Annotation(strokes, Kind.SCRIBBLE)},
    )


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return make_store(tmp_path_factory.mktemp("data") / "store", [striped_case()])


def samples_of(
    store: Store,
    patch: tuple[int, ...] | None = None,
    augmentation: Augmentation = PLAIN,
    derivation: LevelSetDerivation | None = None,
    annotator: TrainingObjects | None = None,
    shown: Sequence[VisibleAnnotation] = SHOWN,
) -> TrainingSet:
    loader = CaseLoader(store, View(), MAPPING, Grid(), Intensity("none"))
    return TrainingSet(loader, {"case0": shown}, patch, augmentation, 0, 10**6, derivation, annotator)


def volume(samples: TrainingSet, step: int = 0, *, labelled: bool = True) -> Batch:
    return samples[SampleKey(step, 0, SampleSource("case0", None), labelled)]


def test_a_volume_says_it_for_each_slice(store: Store) -> None:
    sample = volume(samples_of(store))
    assert sample["kind"].tolist() == KINDS
    assert sample["annotated_labels"].shape == (4, DEPTH)
    assert sample["annotated_labels"][2].tolist() == [kind != DENSE for kind in KINDS]
    assert sample["annotated_labels"][[0, 1, 3]].all()
    case = striped_case()
    np.testing.assert_array_equal(sample["target"][1:3].numpy(), case.annotations["some"].labels[1:3])
    np.testing.assert_array_equal(sample["target"][[0, 3, 4]], case.annotations["scribble"].labels[[0, 3, 4]])
    assert (sample["target"][5] == IGNORE).all()
    hidden = volume(samples_of(store), labelled=False)
    assert hidden["kind"].tolist() == [NONE] * DEPTH
    assert hidden["annotated_labels"].all()


@pytest.mark.parametrize("patch", [(2, 5, 6), (1, 12, 10), (4, 7, 14), (8, 12, 10), (9, 5, 5)], ids=str)
@pytest.mark.parametrize("augmentation", [PLAIN, TURNED], ids=["plain", "turned"])
def test_kinds_are_cut_with_the_voxels_and_padding_is_nobodys(
    store: Store, patch: tuple[int, ...], augmentation: Augmentation
) -> None:
    samples = samples_of(store, patch, augmentation)
    depths = set()
    for step in range(12):
        sample = volume(samples, step)
        centre = sample["image"][0, :, patch[1] // 2, patch[2] // 2]
        first = (DEPTH - patch[0]) // 2 if patch[0] > DEPTH else int(centre[0])
        for z, kind in enumerate(sample["kind"].tolist()):
            origin = first + z
            inside = 0 <= origin < DEPTH
            assert kind == (KINDS[origin] if inside else NONE)
            assert bool(sample["annotated_labels"][2, z]) == (kind != DENSE)
            assert not inside or float(centre[z]) == pytest.approx(origin)
            if kind == NONE:
                assert (sample["target"][z] == IGNORE).all()
        depths.add(first)
    assert len(depths) == 1 or patch[0] < DEPTH


@given(
    turns=st.integers(0, 3),
    flip=st.sampled_from([None, -1, -2]),
    degrees=st.sampled_from([0.0, -13.0, 20.0]),
    seed=st.integers(0, 99),
)
def test_augmentation_never_mixes_slices(turns: int, flip: int | None, degrees: float, seed: int) -> None:
    """So that what is said of a slice stays true: a volume is augmented as its slices would be, one by one."""
    drawn = AugmentationParameters(turns, flip, degrees)
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 4, (3, 8, 8), generator=generator, dtype=torch.uint8)
    weight = torch.rand(3, 8, 8, generator=generator)
    image = torch.rand(2, 3, 8, 8, generator=generator)
    for z in range(3):
        assert torch.equal(apply_to_labels(labels, drawn)[z], apply_to_labels(labels[z], drawn))
        assert torch.equal(apply_to_weight(weight, drawn)[z], apply_to_weight(weight[z], drawn))
        torch.testing.assert_close(apply_to_image(image, drawn)[:, z], apply_to_image(image[:, z], drawn))
        torch.testing.assert_close(apply_to_derived(image, drawn)[:, z], apply_to_derived(image[:, z], drawn))


@given(
    dense=st.sets(st.integers(0, 5), max_size=6),
    drawn=st.sets(st.integers(0, 5), max_size=6),
    depth=st.integers(1, 13),
)
def test_resampling_never_makes_a_scribbled_voxel_dense(dense: set[int], drawn: set[int], depth: int) -> None:
    """A slice of the grid has one kind, and every known voxel in it comes from an annotation of that kind."""
    shape = (6, 4, 5)
    annotations = {
        "dense": Annotation(np.full(shape, 1, np.uint8), Kind.DENSE, covered_slices=tuple(sorted(dense))),
        "scribble": Annotation(np.full(shape, 2, np.uint8), Kind.SCRIBBLE, covered_slices=tuple(sorted(drawn))),
    }
    case = Case("a", "a", np.zeros((1, *shape), np.float32), (1.0, 1.0, 1.0), annotations=annotations)
    target = merge_annotations(
        case, (VisibleAnnotation("dense"), VisibleAnnotation("scribble")), MAPPING, (depth, 4, 5)
    )
    value = {NONE: IGNORE, DENSE: 1, SCRIBBLE: 2}
    for labels, kind in zip(target.labels, target.kinds.tolist(), strict=True):
        assert (labels == value[kind]).all()


def test_a_batch_stacks_volumes_and_keeps_their_slices(store: Store) -> None:
    batch = collate([volume(samples_of(store)), volume(samples_of(store), labelled=False)])
    assert batch["kind"].tolist() == [KINDS, [NONE] * DEPTH]
    assert batch["annotated_labels"].shape == (2, 4, DEPTH)


@pytest.mark.parametrize("whole", [True, False])
def test_level_sets_are_those_of_each_run_of_dense_slices(store: Store, whole: bool) -> None:
    sample = volume(samples_of(store, derivation=LevelSetDerivation(whole, dimensions=3)))
    dense = striped_case().annotations["some"].labels[1:3]
    np.testing.assert_array_equal(sample["derived"][:, 1:3].numpy(), level_sets(dense, 4))
    assert not sample["derived"][:, [0, 3, 4, 5]].any()


def test_padding_of_a_dense_volume_is_outside_of_every_class_as_within_its_slices(tmp_path: Path) -> None:
    store = make_store(tmp_path / "store", [make_case(0)])
    derivation = LevelSetDerivation(whole=False, dimensions=3)
    sample = volume(samples_of(store, (6, 14, 12), derivation=derivation, shown=(VisibleAnnotation("dense"),)))
    assert sample["kind"].tolist() == [NONE, *[DENSE] * 4, NONE]
    labels = sample["target"].numpy()
    assert (labels[:, 0] == IGNORE).all()
    np.testing.assert_array_equal(sample["derived"].numpy(), level_sets(labels, 4))


def test_objects_are_pointed_at_in_dense_slices_and_unknown_elsewhere(store: Store) -> None:
    encoding = Encoding((6, 12, 12), cues_of_sides("euclidean", [Side.FOREGROUND]), 2.0)
    annotator = TrainingObjects(encoding, InteriorMarginRobot())
    sample = volume(samples_of(store, annotator=annotator))
    assert sample["kind"].shape == (6,)
    assert sample["annotated_labels"].shape == (2, 6)
    known = (sample["target"] != IGNORE).flatten(1).any(dim=1)
    assert known.any()
    assert not known.all()
    assert torch.equal(sample["kind"] == DENSE, known)
    assert torch.equal(sample["kind"] == NONE, ~known)
    nothing = volume(samples_of(store, annotator=annotator, shown=(VisibleAnnotation("scribble"),)))
    assert nothing["kind"].tolist() == [NONE] * 6
    assert (nothing["target"] == IGNORE).all()
