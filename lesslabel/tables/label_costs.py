"""What labels cost: the prices, and the labels of a run counted as the work of an annotator: slices and clicks."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from lesslabel.data.case import IGNORE, Annotation, Box, Kind, keep_inside
from lesslabel.data.store import Store
from lesslabel.data.view import VisibleAnnotation
from lesslabel.errors import DataError


@dataclass(frozen=True)
class Costs:
    """The cost of annotation, in minutes.

    The defaults are the median times of crowd workers for an image of PASCAL VOC in "What's the Point: Semantic
    Segmentation with Point Supervision" (Bearman et al., ECCV 2016): 239.7 s for every pixel, 34.9 s for a scribble on
    each object, 2.4 s for a click. Medical images differ; a study with better figures declares them.

    Attributes:
        dense_slice: minutes for a slice labelled voxel by voxel.
        scribbled_slice: minutes for a slice with a stroke in every structure.
        click: minutes for a click.
        source: the source of the figures.
    """

    dense_slice: float = 239.7 / 60
    scribbled_slice: float = 34.9 / 60
    click: float = 2.4 / 60
    source: str = "Bearman et al., ECCV 2016, natural images"


@dataclass(frozen=True)
class LabelCount:
    """The labels in the training part of a run.

    Attributes:
        patients: patients with a label.
        cases: cases with a label.
        dense_slices: slices labelled voxel by voxel; one that is known in part counts as its known share.
        scribbled_slices: slices with scribbles; one of which a part was asked for counts as this share.
        clicks: points, and two corners for each box.
        timed_dense_slices: of the dense slices, those whose time was counted while they were drawn.
        timed_scribbled_slices: of the scribbled slices, likewise.
        timed_minutes: what these took.
    """

    patients: int = 0
    cases: int = 0
    dense_slices: float = 0
    scribbled_slices: float = 0
    clicks: int = 0
    timed_dense_slices: float = 0
    timed_scribbled_slices: float = 0
    timed_minutes: float = 0.0

    def minutes(self, costs: Costs) -> float:
        """Minutes of annotation: measured where they were, at these prices elsewhere; pseudo-labels cost nothing."""
        return (
            (self.dense_slices - self.timed_dense_slices) * costs.dense_slice
            + (self.scribbled_slices - self.timed_scribbled_slices) * costs.scribbled_slice
            + self.clicks * costs.click
            + self.timed_minutes
        )


@dataclass(frozen=True)
class _Paid:
    """How much of each slice of an annotation is paid for, and the seconds of each where they were counted."""

    kind: Kind
    per_slice: tuple[float, ...]
    seconds_per_slice: float | None


class LabelCounter:
    """Counts labels of a store; each annotation is read once for all runs.

    Args:
        store: the store, with its overlays.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self._known: dict[tuple[str, str, tuple[Box, ...] | None], _Paid] = {}

    def count(self, shown: Mapping[str, Sequence[VisibleAnnotation]]) -> LabelCount:
        """Count the labels of cases.

        Args:
            shown: visible annotations with their slices, by uid.

        Raises:
            DataError: if the store lacks a case or an annotation.
        """
        counts: dict[Kind, float] = defaultdict(int)
        timed: dict[Kind, float] = defaultdict(int)
        patients, seconds = set(), 0.0
        for uid, entries in shown.items():
            patients.add(self._patient(uid))
            for entry in entries:
                paid = self._paid(uid, entry)
                seen = range(len(paid.per_slice)) if entry.slices is None else entry.slices
                count = sum(paid.per_slice[index] for index in seen)
                counts[paid.kind] += count
                if paid.seconds_per_slice is not None:
                    timed[paid.kind] += count
                    seconds += count * paid.seconds_per_slice
        return LabelCount(
            patients=len(patients),
            cases=len(shown),
            dense_slices=counts[Kind.DENSE],
            scribbled_slices=counts[Kind.SCRIBBLE],
            clicks=int(counts[Kind.POINTS] + 2 * counts[Kind.BOX]),
            timed_dense_slices=timed[Kind.DENSE],
            timed_scribbled_slices=timed[Kind.SCRIBBLE],
            timed_minutes=round(seconds / 60, 3),
        )

    def _patient(self, uid: str) -> str:
        if uid not in self.store.records:
            raise DataError(f"{self.store.path}: no case '{uid}'; name the store that the run was trained on")
        return self.store.records[uid].patient

    def _paid(self, uid: str, entry: VisibleAnnotation) -> _Paid:
        key = (uid, entry.annotation, entry.boxes)
        if key not in self._known:
            annotation = self._read(uid, entry.annotation)
            whole = _paid_per_slice(annotation)
            timed = annotation.effort is not None and annotation.kind in (Kind.DENSE, Kind.SCRIBBLE) and any(whole)
            seconds = annotation.effort.active_s / sum(whole) if timed and annotation.effort is not None else None
            per_slice = whole if entry.boxes is None else _paid_per_slice(annotation, entry.boxes)
            self._known[key] = _Paid(annotation.kind, per_slice, seconds)
        return self._known[key]

    def _read(self, uid: str, name: str) -> Annotation:
        annotations = self.store.read(uid).annotations
        if name not in annotations:
            raise DataError(
                f"{self.store.path}: case '{uid}' has no annotation '{name}'; name the store with the labels of the run"
            )
        return annotations[name]


def _paid_per_slice(annotation: Annotation, boxes: Sequence[Box] | None = None) -> tuple[float, ...]:
    """How much of each slice is paid for: the known share of a dense one, the asked share of a scribbled one, marks."""
    labels = annotation.labels
    asked = np.zeros_like(labels)
    if boxes is not None:
        keep_inside(asked, boxes)
    if annotation.kind in (Kind.POINTS, Kind.BOX):
        return tuple(_marks(plane) for plane in np.where(asked == IGNORE, np.uint8(IGNORE), labels))
    if annotation.kind not in (Kind.DENSE, Kind.SCRIBBLE):
        return (0,) * len(labels)
    paid = asked != IGNORE
    if annotation.kind is Kind.DENSE:
        paid &= labels != IGNORE
    if annotation.covered_slices is not None:
        paid[np.setdiff1d(np.arange(len(labels)), annotation.covered_slices)] = False
    return tuple(paid.mean(axis=(1, 2)).tolist())


def _marks(labels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> int:
    """Connected marks of one label in a slice."""
    codes = [code for code in np.unique(labels) if code != IGNORE]
    return sum(int(ndimage.label(labels == code, np.ones((3, 3)))[1]) for code in codes)
