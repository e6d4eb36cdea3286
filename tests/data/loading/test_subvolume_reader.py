"""Samples read in parts are those read from whole cases, bit by bit."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from handmade_store import SHAPE, make_case, make_store

from lesslabel.data.batch import Batch
from lesslabel.data.case import Annotation, Case, Kind
from lesslabel.data.loading.augment import Augmentation
from lesslabel.data.loading.case_loader import CaseLoader, Grid
from lesslabel.data.loading.datasets import TrainingSet
from lesslabel.data.loading.intensity import Intensity
from lesslabel.data.loading.sampling import SampleKey, SampleSource
from lesslabel.data.store import Store
from lesslabel.data.store.case_file import read_case, read_subvolume
from lesslabel.data.view import View, VisibleAnnotation, map_labels
from lesslabel.errors import DataError

SHOWN = {
    "case0": (VisibleAnnotation("scribble"),),
    "case1": (VisibleAnnotation("thin", (1, 2)), VisibleAnnotation("scribble", (0,))),
    "case2": (VisibleAnnotation("sure", (0, 3)), VisibleAnnotation("thin", (1,))),
}


def layered_case(number: int) -> Case:
    """Two channels; an annotation of two slices and some labels, and one with a confidence."""
    case = make_case(number)
    dense = case.annotations["dense"].labels
    confidence = np.linspace(0.0, 1.0, dense.size, dtype=np.float32).reshape(SHAPE)
    more = {
        "thin": Annotation(dense, Kind.DENSE, covered_labels=(1, 3), covered_slices=(1, 2)),
        "sure": Annotation(dense, Kind.PSEUDO, confidence=confidence),
    }
    image = np.concatenate([case.image, 3.0 * case.image[:, ::-1] + 1.0])
    return replace(case, image=image, annotations={**case.annotations, **more})


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return make_store(tmp_path_factory.mktemp("data") / "store", [layered_case(number) for number in range(4)])


def training_set(store: Store, *, in_parts: bool, intensity: Intensity, patch: tuple[int, ...] | None) -> TrainingSet:
    view = View(channels=[1, 0])
    loader = CaseLoader(store, view, map_labels(view, store.labels), Grid(), intensity)
    return TrainingSet(loader, SHOWN, patch, Augmentation(noise=0.1), 0, 10**6, in_parts=in_parts)


def require_equal(first: Batch, second: Batch) -> None:
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert value == second[name] if name == "uid" else torch.equal(value, second[name]), name


@pytest.mark.parametrize("intensity", [Intensity(), Intensity("zscore"), Intensity("window", window=(-1.0, 2.0))])
@pytest.mark.parametrize("patch", [None, (2, 5, 4), (3, 12, 16), (6, 4, 3)], ids=str)
def test_volumes(store: Store, patch: tuple[int, ...] | None, intensity: Intensity) -> None:
    whole, parts = (training_set(store, in_parts=each, intensity=intensity, patch=patch) for each in (False, True))
    for step, uid in enumerate([*store.records] * 3):
        key = SampleKey(step, 0, SampleSource(uid, None), labelled=uid in SHOWN)
        require_equal(whole[key], parts[key])
    assert parts.cache.held_bytes == 0


@pytest.mark.parametrize("patch", [None, (5, 4), (12, 16)], ids=str)
def test_slices(store: Store, patch: tuple[int, ...] | None) -> None:
    whole, parts = (training_set(store, in_parts=each, intensity=Intensity(), patch=patch) for each in (False, True))
    for step, uid in enumerate(store.records):
        for index in range(SHAPE[0]):
            key = SampleKey(step, index, SampleSource(uid, index), labelled=True)
            require_equal(whole[key], parts[key])
    assert parts.cache.held_bytes == 0


def test_a_box_is_that_part_of_the_case(store: Store) -> None:
    path, box = store.case_path("case2"), (slice(1, 4), slice(2, 9), slice(0, 5))
    part, whole = read_subvolume(path, box, ["sure", "thin"]), read_case(path)
    np.testing.assert_array_equal(part.image, whole.image[:, 1:4, 2:9, 0:5])
    assert list(part.annotations) == ["sure", "thin"]
    for name, annotation in part.annotations.items():
        expected = whole.annotations[name].crop(box)
        np.testing.assert_array_equal(annotation.labels, expected.labels)
        assert annotation.covered_slices == expected.covered_slices
    np.testing.assert_array_equal(part.annotations["sure"].confidence, whole.annotations["sure"].confidence[box])
    assert part.annotations["thin"].covered_slices == (0, 1)


def test_damage_is_named(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "case.h5"
    box = (slice(0, 1), slice(0, 1), slice(0, 1))
    with pytest.raises(DataError, match="no such case file"):
        read_subvolume(path, box, [])
    path.write_bytes(store.case_path("case0").read_bytes()[:-500])
    with pytest.raises(DataError, match=r"case\.h5: damaged case file"):
        read_subvolume(path, box, ["dense"])
    with pytest.raises(DataError, match="damaged case file"):
        read_subvolume(store.case_path("case0"), box, ["absent"])
