"""Labels are counted as an annotator would count the work."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from lesslabel.data.case import IGNORE, Annotation, Box, Effort, Kind
from lesslabel.data.store import Store
from lesslabel.data.view import VisibleAnnotation
from lesslabel.studies import Costs
from lesslabel.tables.label_costs import LabelCount, LabelCounter


def test_slices_and_patients_are_counted(store: Path) -> None:
    counter = LabelCounter(Store(store))
    shown = {
        "phantom001_ed": (VisibleAnnotation("dense"),),
        "phantom001_es": (VisibleAnnotation("dense", (1,)), VisibleAnnotation("scribble", (0, 2))),
        "phantom002_ed": (VisibleAnnotation("scribble"),),
    }
    assert counter.count(shown) == LabelCount(patients=2, cases=3, dense_slices=4, scribbled_slices=5)
    assert counter.count({}) == LabelCount()


def test_points_are_clicks_boxes_two_of_them_and_pseudo_labels_are_free(store: Path, tmp_path: Path) -> None:
    copy = Store(shutil.copytree(store, tmp_path / "store"))
    shape = copy.read("phantom001_ed").image.shape[1:]
    points, boxes = np.full(shape, IGNORE, np.uint8), np.full(shape, IGNORE, np.uint8)
    points[0, 2, 2], points[0, 10:12, 10], points[0, 10, 11], points[2, 5, 5] = 1, 2, 3, 0
    boxes[1, 4:9, 4:9] = 1
    for name, labels, kind in (("points", points, Kind.POINTS), ("boxes", boxes, Kind.BOX), ("p", boxes, Kind.PSEUDO)):
        copy.add_annotation("phantom001_ed", name, Annotation(labels, kind))
    counter = LabelCounter(Store(copy.path))
    assert counter.count({"phantom001_ed": (VisibleAnnotation("points"),)}).clicks == 4
    assert counter.count({"phantom001_ed": (VisibleAnnotation("points", (0,)),)}).clicks == 3
    assert counter.count({"phantom001_ed": (VisibleAnnotation("boxes"),)}).clicks == 2
    assert counter.count({"phantom001_ed": (VisibleAnnotation("p"),)}) == LabelCount(patients=1, cases=1)


def test_slices_that_nobody_looked_at_cost_nothing(store: Path, tmp_path: Path) -> None:
    copy = Store(shutil.copytree(store, tmp_path / "store"))
    labels = np.zeros(copy.read("phantom001_ed").image.shape[1:], np.uint8)
    copy.add_annotation("phantom001_ed", "some", Annotation(labels, Kind.DENSE, covered_slices=(2,)))
    assert LabelCounter(Store(copy.path)).count({"phantom001_ed": (VisibleAnnotation("some"),)}).dense_slices == 1


def test_a_slice_that_is_known_in_part_costs_its_share(store: Path, tmp_path: Path) -> None:
    copy = Store(shutil.copytree(store, tmp_path / "store"))
    labels = np.full(copy.read("phantom001_ed").image.shape[1:], IGNORE, np.uint8)
    labels[:2, :16] = 1
    drawn = Annotation(labels, Kind.DENSE, covered_slices=(0, 1), effort=Effort(active_s=120.0))
    copy.add_annotation("phantom001_ed", "drawn", drawn)
    counter, box = LabelCounter(Store(copy.path)), Box((0, 8, 0), (1, 16, 16))
    assert counter.count({"phantom001_ed": (VisibleAnnotation("drawn"),)}).dense_slices == pytest.approx(1.0)
    part = counter.count({"phantom001_ed": (VisibleAnnotation("drawn", (0,), (box,)),)})
    assert part.dense_slices == pytest.approx(0.125)
    assert part.timed_minutes == pytest.approx(0.25)
    scribbled = counter.count({"phantom001_ed": (VisibleAnnotation("scribble", (0,), (box,)),)})
    assert scribbled.scribbled_slices == pytest.approx(0.25)


def test_minutes_follow_the_prices() -> None:
    count = LabelCount(dense_slices=10, scribbled_slices=20, clicks=100)
    assert count.minutes(Costs(4.0, 0.5, 0.04, "a paper")) == pytest.approx(40 + 10 + 4)


def test_minutes_that_were_counted_take_the_place_of_prices(store: Path, tmp_path: Path) -> None:
    copy = Store(shutil.copytree(store, tmp_path / "store"))
    labels = np.zeros(copy.read("phantom001_ed").image.shape[1:], np.uint8)
    timed = Annotation(labels, Kind.DENSE, covered_slices=(0, 2), effort=Effort(active_s=90.0, clicks=7))
    copy.add_annotation("phantom001_ed", "drawn", timed)
    counter = LabelCounter(Store(copy.path))
    costs = Costs(4.0, 0.5, 0.04, "a paper")
    assert counter.count({"phantom001_ed": (VisibleAnnotation("drawn"),)}).minutes(costs) == pytest.approx(1.5)
    one = counter.count({"phantom001_ed": (VisibleAnnotation("drawn", (2,)), VisibleAnnotation("scribble", (0,)))})
    assert one.minutes(costs) == pytest.approx(0.75 + 0.5)
    assert (one.dense_slices, one.timed_dense_slices) == (1, 1)
