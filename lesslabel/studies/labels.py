"""Count the labels of a run as the work of an annotator: slices and clicks."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from lesslabel.data.case import IGNORE, Annotation, Kind
from lesslabel.data.store import Store
from lesslabel.data.view import VisibleAnnotation
from lesslabel.studies.declaration import Costs


@dataclass(frozen=True)
class LabelCount:
    """The labels in the training part of a run.

    Attributes:
        patients: patients with a label.
        cases: cases with a label.
        dense_slices: slices labelled voxel by voxel.
        scribbled_slices: slices with scribbles.
        clicks: points, and two corners for each box.
    """

    patients: int = 0
    cases: int = 0
    dense_slices: int = 0
    scribbled_slices: int = 0
    clicks: int = 0

    def minutes(self, costs: Costs) -> float:
        """Minutes of annotation; pseudo-labels cost nothing."""
        return (
            self.dense_slices * costs.dense_slice
            + self.scribbled_slices * costs.scribbled_slice
            + self.clicks * costs.click
        )


class LabelCounter:
    """Counts labels of a store; each annotation is read once for all runs.

    Args:
        store: the store, with its overlays.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self._known: dict[tuple[str, str], tuple[Kind, tuple[int, ...]]] = {}

    def count(self, shown: Mapping[str, Sequence[VisibleAnnotation]]) -> LabelCount:
        """Count the labels of cases.

        Args:
            shown: visible annotations with their slices, by uid.
        """
        counts: dict[Kind, int] = defaultdict(int)
        patients = set()
        for uid, entries in shown.items():
            patients.add(self.store.records[uid].patient)
            for entry in entries:
                kind, per_slice = self._strokes(uid, entry.annotation)
                seen = range(len(per_slice)) if entry.slices is None else entry.slices
                counts[kind] += sum(per_slice[index] for index in seen)
        clicks = counts[Kind.POINTS] + 2 * counts[Kind.BOX]
        return LabelCount(len(patients), len(shown), counts[Kind.DENSE], counts[Kind.SCRIBBLE], clicks)

    def _strokes(self, uid: str, name: str) -> tuple[Kind, tuple[int, ...]]:
        """The kind of an annotation, and the number of paid units of each slice."""
        if (uid, name) not in self._known:
            annotation = self.store.read(uid).annotations[name]
            self._known[uid, name] = annotation.kind, _paid_per_slice(annotation)
        return self._known[uid, name]


def _paid_per_slice(annotation: Annotation) -> tuple[int, ...]:
    depth = len(annotation.labels)
    if annotation.kind in (Kind.DENSE, Kind.SCRIBBLE):
        covered = range(depth) if annotation.covered_slices is None else annotation.covered_slices
        return tuple(int(index in covered) for index in range(depth))
    if annotation.kind in (Kind.POINTS, Kind.BOX):
        return tuple(_marks(labels) for labels in annotation.labels)
    return (0,) * depth


def _marks(labels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> int:
    """Connected marks of one label in a slice."""
    codes = [code for code in np.unique(labels) if code != IGNORE]
    return sum(int(ndimage.label(labels == code, np.ones((3, 3)))[1]) for code in codes)
