"""The gallery of a choice: the queued units and the reasons."""

from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from lesslabel.data.case import IGNORE, Case
from lesslabel.data.queue import WHOLE_CASE, Queue, QueueRow
from lesslabel.data.store import Store
from lesslabel.data.view import LabelMapping, make_target
from lesslabel.reports.adaptation.choice_map import name_unit
from lesslabel.reports.drawing.overlays import SliceDrawing
from lesslabel.reports.drawing.slice_plots import LabelMap, SlicePlot
from lesslabel.reports.runs.words import number

PICTURED = 24
"""Largest number of pictures of a page, those of the first ranks."""


@dataclass(frozen=True)
class ChosenPicture:
    """One queued unit.

    Attributes:
        title: rank and unit.
        drawing: its slice; of a whole case the one with most foreground, or the middle one.
        reason: the reason of the choice.
        score: the score of the strategy, as text.
        note: what is outside the picture; usually empty.
    """

    title: str
    drawing: Markup
    reason: str
    score: str
    note: str


def picture_chosen(
    queue: Queue, store: Store, annotation: str, mapping: LabelMapping, channel: int
) -> list[ChosenPicture]:
    """Draw the first `PICTURED` units of a queue with the labels that the annotators gave them.

    Args:
        queue: the chosen units.
        store: the store of the cases.
        annotation: name of the annotation; a slice that it does not cover is drawn without labels.
        mapping: to the classes that are outlined.
        channel: of the image.

    Raises:
        DataError: if a case cannot be read.
    """
    rows = queue.rows[:PICTURED]
    pictures: dict[int, ChosenPicture] = {}
    for uid in dict.fromkeys(row.uid for row in rows):  # each case is read once, one at a time
        case = store.read(uid)
        labels = _labels(case, annotation, mapping)
        pictures |= {
            place: _picture(row, case, labels, mapping.names[1:], channel, f"chosen-{place}")
            for place, row in enumerate(rows)
            if row.uid == uid
        }
    return [picture for _, picture in sorted(pictures.items())]


def _labels(case: Case, annotation: str, mapping: LabelMapping) -> LabelMap:
    """The classes of a case, unknown where it is not annotated."""
    if annotation not in case.annotations:
        return np.full(case.shape, IGNORE, dtype=np.uint8)
    return make_target(case.annotations[annotation], mapping).labels


def _picture(
    row: QueueRow, case: Case, labels: LabelMap, names: tuple[str, ...], channel: int, key: str
) -> ChosenPicture:
    z = _fullest(labels) if row.slice == WHOLE_CASE else row.slice
    plot = SlicePlot(
        uid=case.uid,
        why=row.reason,
        slice_index=z,
        slices=len(labels),
        image=case.image[channel, z],
        spacing_mm=case.spacing_mm[1:],
        truth=labels[z],
        supervision=None,
        predictions=(),
    )
    height, width = labels.shape[1:]
    drawn = SliceDrawing(plot, key, names, view=(slice(0, height), slice(0, width)))
    note = _note(labels[z])
    if row.slice == WHOLE_CASE:
        note = f"whole case, slice {z + 1} of {len(labels)} is shown{f'; {note}' if note else ''}"
    score = "" if np.isnan(row.score) else number(row.score, 3) if abs(row.score) >= 0.1 else f"{row.score:.3g}"
    return ChosenPicture(f"{row.rank}. {name_unit((row.uid, row.slice))}", drawn.outlined(), row.reason, score, note)


def _note(labels: LabelMap) -> str:
    if (labels == IGNORE).all():
        return "no labels in the store"
    return "" if ((labels > 0) & (labels != IGNORE)).any() else "annotated: nothing to outline"


def _fullest(labels: LabelMap) -> int:
    foreground = ((labels > 0) & (labels != IGNORE)).sum(axis=(1, 2))
    return int(foreground.argmax()) if foreground.any() else len(labels) // 2
