"""What was drawn becomes an annotation of the store, by the same checks as an import, wholly or not at all."""

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lesslabel.annotating.case_session import CaseSession
from lesslabel.annotating.events import finishes, slice_of
from lesslabel.annotating.turns import Plane
from lesslabel.data.case import IGNORE, Annotation, Kind
from lesslabel.data.store import Store
from lesslabel.data.store.annotation_checks import unlabelled_slices
from lesslabel.errors import BusyError, DataError, LesslabelError
from lesslabel.evaluation.overlap import dice_per_class

_TRIES = 40
_PAUSE_S = 0.25


class EmptyError(LesslabelError):
    """Slices that were asked for hold no label, and nobody said that there is nothing to mark."""


def finished_annotation(
    session: CaseSession, kind: Kind, author: str, *, allow_empty: bool, before: Collection[int] | None = ()
) -> Annotation:
    """Make the annotation of a case.

    A dense annotation knows the voxels of every slice that was looked at or drawn on, along any axis, and those that
    were marked elsewhere: an organ that is not marked there is background. What nobody looked at is unknown, also where
    a prelabel marked it, and so are the slices of a case that the queue did not ask for, now or before. Of scribbles
    only what was drawn is known.

    Args:
        session: the case.
        kind: dense or scribble.
        author: who drew it.
        allow_empty: whether slices without any label were meant.
        before: the z indices that it covered when it was finished before; None for all.

    Raises:
        EmptyError: if a slice that was asked for, or the whole case, has no label, and that was not meant.
        DataError: if nothing is known.
    """
    labels = session.drawing.labels.copy()
    if kind is Kind.DENSE:
        labels[~_looked_at(session) & ((labels == 0) | (labels == session.base()))] = IGNORE
    asked = session.item.slices
    if asked is not None and before is not None:
        labels[np.setdiff1d(np.arange(len(labels)), [*asked, *before])] = IGNORE
    known = labels != IGNORE
    if not known.any():
        raise DataError("nothing was marked or looked at; draw, or skip the case")
    empty = unlabelled_slices(labels, asked)
    if empty and not allow_empty:
        where = "the case" if asked is None else f"slice {', '.join(map(str, empty))}"
        raise EmptyError(f"{where} has no label; draw it, or say that there is nothing to mark")
    covered = np.flatnonzero(known.any(axis=(1, 2))).tolist()
    return Annotation(
        labels,
        kind,
        author=author,
        time=datetime.now(UTC).isoformat(timespec="seconds"),
        covered_slices=None if len(covered) == len(labels) else tuple(covered),
        effort=replace(session.effort, prelabel_dice=_prelabel_dice(session, labels)),
    )


def covered_before(store: Store, uid: str, name: str, events: Sequence[Mapping[str, Any]]) -> set[int] | None:
    """The z indices that were asked for whenever a case was finished; None for the whole of it.

    Args:
        store: holds what was finished.
        uid: the case.
        name: of the annotation.
        events: of the case's journal.

    Raises:
        DataError: if the case cannot be read.
    """
    finished = finishes(events)
    asked = [event["slices"] for event in finished if "slices" in event]
    if None in asked:
        return None
    known = {int(index) for slices in asked for index in slices}
    if len(asked) == len(finished):
        return known
    covered = store.covered_slices(uid, name)
    return None if covered is None else {*covered, *known}


def add_to_store(store: Store, uid: str, name: str, annotation: Annotation, *, replace: bool) -> None:
    """Add it; while another process is adding something, wait.

    Raises:
        DataError: see `Store.add_annotations`.
    """
    for attempt in range(_TRIES):
        try:
            store.add_annotation(uid, name, annotation, replace=replace)
        except BusyError:
            if attempt == _TRIES - 1:
                raise
            time.sleep(_PAUSE_S)
        else:
            return


def _prelabel_dice(session: CaseSession, labels: NDArray[np.uint8]) -> float | None:
    """Dice of the map that the work began with and the finished one; None if no label was there."""
    base = session.base()
    if not ((base > 0) & (base != IGNORE)).any():
        return None
    dice = dice_per_class(base, labels, IGNORE + 1)[1:IGNORE]
    return None if np.isnan(dice).all() else round(float(np.nanmean(dice)), 4)


def _looked_at(session: CaseSession) -> NDArray[np.bool_]:
    """Voxels (z, y, x) of the slices that were looked at or drawn on, along any axis."""
    looked_at = np.zeros(session.case.shape, np.bool_)
    drawn_on = {slice_of(taken.turn, session.case.shape) for taken in session.drawing.taken} - {None}
    for plane in {Plane(axis, index) for axis, index in session.seen} | drawn_on:
        assert plane is not None
        looked_at[plane.cut] = True
    return looked_at
