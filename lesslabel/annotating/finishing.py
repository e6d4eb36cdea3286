"""What was drawn becomes an annotation of the store, by the same checks as an import, wholly or not at all."""

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lesslabel.annotating.case_session import CaseSession
from lesslabel.annotating.events import finishes, in_doubt, mark_of, slice_of
from lesslabel.annotating.leases import LeasedError
from lesslabel.annotating.note import Note
from lesslabel.annotating.turns import Plane
from lesslabel.data.case import IGNORE, Annotation, Kind
from lesslabel.data.store import Store
from lesslabel.data.store.annotation_checks import unlabelled_slices
from lesslabel.errors import BusyError, DataError, LesslabelError
from lesslabel.evaluation.overlap import dice_per_class

_FINISHING = "-finishing"
_TRIES = 40
_PAUSE_S = 0.25


class EmptyError(LesslabelError):
    """Slices that were asked for hold no label, and nobody said that there is nothing to mark."""


class UnseenError(EmptyError):
    """Of these slices some were not looked at; if they are left so, they stay unknown."""


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
        raise _why_empty(empty, asked, known)
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


def bring_in(
    store: Store, session: CaseSession, name: str, kind: Kind, author: str, note: Note, *, allow_empty: bool
) -> None:
    """Bring a case into the store, once for a message; the journal tells of it before and after.

    Args:
        store: takes it.
        session: the case.
        name: of the annotation.
        kind: dense or scribble.
        author: who drew it.
        note: of the message that asks for it.
        allow_empty: see `finished_annotation`.

    Raises:
        EmptyError: see `finished_annotation`.
        LeasedError: if the store has an annotation of that name that did not come out of this journal.
        DataError: if the store refuses it; nothing was changed.
    """
    _settle(store, session, name)
    if session.done_already(_finished(note.id)):  # the answer was lost on its way
        return
    if not session.done_already(note):
        session.look(note)
    present = name in _names_of(store, session.item.uid)
    before = covered_before(store, session.item.uid, name, session.events) if present else ()
    annotation = finished_annotation(session, kind, author, allow_empty=allow_empty, before=before)
    if present and not session.was_finished:
        raise LeasedError(f"the store has an annotation '{name}' of this case already; it was not replaced")
    session.begin_to_finish(name, annotation, Note(f"{note.id}{_FINISHING}"))
    add_to_store(store, session.item.uid, name, annotation, replace=present)
    session.finish(session.events[-1], _finished(note.id))


def entered(store: Store, uid: str, name: str, begun: Mapping[str, Any]) -> bool:
    """Whether the annotation of which a journal tells that it was about to enter the store is there.

    Raises:
        DataError: if the case cannot be read.
    """
    return name in _names_of(store, uid) and mark_of(store.read_annotation(uid, name)) == begun["mark"]


def _settle(store: Store, session: CaseSession, name: str) -> None:
    """Keep that an annotation is in the store, where it is and the journal does not say so yet."""
    begun = in_doubt(session.events)
    if begun is not None and entered(store, session.item.uid, name, begun):
        session.finish(begun, _finished(begun["id"].removesuffix(_FINISHING)))


def _finished(message: str) -> Note:
    return Note(f"{message}-finished")


def _names_of(store: Store, uid: str) -> tuple[str, ...]:
    return next(record.annotation_names for record in store.list_records() if record.uid == uid)


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


def _why_empty(empty: Sequence[int], asked: Sequence[int] | None, known: NDArray[np.bool_]) -> EmptyError:
    if asked is None:
        return EmptyError("the case has no label; draw it, or say that there is nothing to mark")
    unseen = [index for index in empty if not known[index].any()]
    seen = [index for index in empty if index not in unseen]
    parts = []
    if unseen:
        parts.append(f"slice {', '.join(map(str, unseen))} was not looked at; go there first, or it stays unknown")
    if seen:
        parts.append(f"slice {', '.join(map(str, seen))} has no label; draw it, or say that there is nothing to mark")
    return (UnseenError if unseen else EmptyError)("; ".join(parts))


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
