from dataclasses import replace

import numpy as np
import pytest
import torch
from handmade_store import SHAPE, make_case
from hypothesis import given
from hypothesis import strategies as st

from lesslabel.data.case import IGNORE, Annotation, Case, Kind
from lesslabel.data.loading.merge import labels_of_objects, merge_annotations, slices_on_grid
from lesslabel.data.loading.resize import resize_labels
from lesslabel.data.view import View, VisibleAnnotation, make_target, map_labels

MAPPING = map_labels(View(), {1: "RV", 2: "Myo", 3: "LV"})
NONE, DENSE, SCRIBBLE, PSEUDO = (int(kind) for kind in (Kind.NONE, Kind.DENSE, Kind.SCRIBBLE, Kind.PSEUDO))


def case() -> Case:
    """Dense labels; pseudo-labels that are 2 everywhere with a confidence of ½, and speak of labels 1 and 2 alone."""
    confidence = np.full(SHAPE, 0.5, np.float32)
    pseudo = Annotation(np.full(SHAPE, 2, np.uint8), Kind.PSEUDO, covered_labels=(1, 2), confidence=confidence)
    made = make_case(0)
    return replace(made, annotations={**made.annotations, "pseudo": pseudo})


def test_each_slice_takes_the_first_annotation_that_speaks_of_it() -> None:
    shown = (VisibleAnnotation("dense", (1, 3)), VisibleAnnotation("pseudo", (0, 1)))
    target = merge_annotations(case(), shown, MAPPING, SHAPE)
    dense = case().annotations["dense"].labels
    np.testing.assert_array_equal(target.labels[[1, 3]], dense[[1, 3]])
    assert (target.labels[0] == 2).all()
    assert (target.labels[2] == IGNORE).all()
    assert target.kinds.tolist() == [PSEUDO, DENSE, NONE, DENSE]
    assert target.annotated_labels.tolist() == [[True, True, True, False], [True] * 4, [True] * 4, [True] * 4]
    np.testing.assert_array_equal(target.weight[:, 0, 0], np.array([0.5, 1.0, 1.0, 1.0], np.float32))


def test_an_annotation_speaks_only_where_it_says_so() -> None:
    made = case()
    dense = replace(made.annotations["dense"], covered_slices=(2,))
    made = replace(made, annotations={**made.annotations, "dense": dense})
    target = merge_annotations(made, (VisibleAnnotation("dense"), VisibleAnnotation("scribble")), MAPPING, SHAPE)
    assert target.kinds.tolist() == [SCRIBBLE, SCRIBBLE, DENSE, SCRIBBLE]
    assert target.weight is None


def test_without_annotations_everything_is_unknown() -> None:
    target = merge_annotations(case(), (), MAPPING, (2, 3, 5))
    assert (target.labels == IGNORE).all()
    assert target.labels.shape == (2, 3, 5)
    assert target.kinds.tolist() == [NONE, NONE]
    assert target.annotated_labels.all()


@pytest.mark.parametrize("depth", [2, 3, 4, 7])
def test_one_annotation_is_resampled_as_it_always_was(depth: int) -> None:
    shape = (depth, 6, 10)
    target = merge_annotations(case(), (VisibleAnnotation("scribble"),), MAPPING, shape)
    np.testing.assert_array_equal(target.labels, resize_labels(case().annotations["scribble"].labels, shape))


@given(
    owners=st.lists(st.sampled_from(["dense", "pseudo", "scribble", None]), min_size=4, max_size=4),
    depth=st.integers(1, 9),
)
def test_slices_of_the_grid_follow_those_of_the_image(owners: list[str | None], depth: int) -> None:
    """On any grid: known exactly where an annotation speaks, with the labels of the first that does."""
    shape = (depth, 5, 7)
    names = ("dense", "pseudo", "scribble")
    shown = [VisibleAnnotation(name, tuple(z for z in range(4) if owners[z] == name)) for name in names]
    target = merge_annotations(case(), shown, MAPPING, shape)
    spoken = {entry.annotation: slices_on_grid(entry.slices, 4, depth) for entry in shown}
    for z in range(depth):
        owner = next((name for name in names if spoken[name][z]), None)
        if owner is None:
            assert target.kinds[z] == NONE
            assert (target.labels[z] == IGNORE).all()
            continue
        annotation = case().annotations[owner]
        assert target.kinds[z] == annotation.kind
        alone = make_target(annotation, MAPPING, shown[names.index(owner)].slices).labels
        np.testing.assert_array_equal(target.labels[z], resize_labels(alone, shape)[z])


def test_hidden_slices_never_reach_the_grid() -> None:
    """Whatever lies in slices that are not shown, even where slices are blended: labels and confidence are the same."""
    shown = (VisibleAnnotation("dense", (1,)), VisibleAnnotation("pseudo", (3,)))
    made, noise = case(), np.random.default_rng(0)
    altered = dict(made.annotations)
    for name, visible in (("dense", 1), ("pseudo", 3)):
        labels = noise.integers(0, 4, SHAPE, dtype=np.uint8)
        labels[visible] = altered[name].labels[visible]
        confidence = None
        if altered[name].confidence is not None:
            confidence = noise.random(SHAPE, np.float32)
            confidence[visible] = altered[name].confidence[visible]
        altered[name] = replace(altered[name], labels=labels, confidence=confidence)
    for depth in (2, 4, 6):
        first = merge_annotations(made, shown, MAPPING, (depth, 12, 10))
        second = merge_annotations(replace(made, annotations=altered), shown, MAPPING, (depth, 12, 10))
        for key in ("labels", "kinds", "annotated_labels", "weight"):
            np.testing.assert_array_equal(getattr(first, key), getattr(second, key))


LABELS = torch.tensor([[[0, 1, 2, IGNORE]], [[2, 3, 3, 0]], [[1, 1, 3, IGNORE]]], dtype=torch.uint8)


def test_objects_are_taken_from_dense_slices_alone() -> None:
    everything = torch.ones(4, 3, dtype=torch.bool)
    objects = labels_of_objects(LABELS, torch.tensor([DENSE, SCRIBBLE, DENSE]), everything)
    assert objects.dtype == torch.uint8
    assert objects.tolist() == [[[0, 1, 2, IGNORE]], [[IGNORE] * 4], [[1, 1, 3, IGNORE]]]
    assert (labels_of_objects(LABELS, torch.tensor([PSEUDO, NONE, SCRIBBLE]), everything) == IGNORE).all()
    for kind, expected in ((DENSE, LABELS[1]), (PSEUDO, torch.full_like(LABELS[1], IGNORE))):
        assert torch.equal(labels_of_objects(LABELS[1], torch.tensor(kind), everything[:, 1]), expected)


def test_a_class_of_which_only_some_dense_slices_speak_has_no_whole_object() -> None:
    annotated = torch.tensor([[True] * 4, [True, True, True, False], [True] * 4]).T
    objects = labels_of_objects(LABELS, torch.tensor([DENSE, DENSE, DENSE]), annotated)
    assert objects.tolist() == [[[0, 1, 2, IGNORE]], [[2, 0, 0, 0]], [[1, 1, 0, IGNORE]]]
    # the slice that does not speak of class 3 is no dense one: nothing to reconcile
    objects = labels_of_objects(LABELS, torch.tensor([DENSE, PSEUDO, DENSE]), annotated)
    assert objects.tolist() == [[[0, 1, 2, IGNORE]], [[IGNORE] * 4], [[1, 1, 3, IGNORE]]]
