"""Which annotations supervise each training case, and on which slices: budgets, queues and coverage."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lesslabel.data.case import Box
from lesslabel.data.patient_lists import load_order
from lesslabel.data.queue import read_queue
from lesslabel.data.store import CaseRecord
from lesslabel.data.view import Supervision, View, VisibleAnnotation
from lesslabel.errors import ConfigError

CoveredSlices = Callable[[str, str], tuple[int, ...] | None]
"""The z indices that an annotation covers, by uid and annotation name; None means all."""


def assign_supervision(
    view: View, records: Sequence[CaseRecord], covered_slices: CoveredSlices = lambda _uid, _annotation: None
) -> dict[str, tuple[VisibleAnnotation, ...]]:
    """Decide which annotations supervise each training case, and on which slices.

    An entry of the view takes the slices that its annotation covers and its queue holds, and that no earlier entry
    took; of a slice that a queue holds in part, the rest stays unknown. A budget counts only patients for whom the
    entry adds a slice.

    Args:
        view: the view.
        records: the training cases.
        covered_slices: the slices that each annotation covers.

    Returns:
        Annotations by uid, best first; a case without an entry is unlabelled.

    Raises:
        ConfigError: if an annotation exists in no training case, a centre has no training case, the order does not list
            enough of the patients, or a queue holds a slice that no training case has annotated.
    """
    shown: dict[str, list[VisibleAnnotation]] = {}
    left = {record.uid: frozenset(range(record.depth)) for record in records}
    for supervision in view.supervision:
        holders = _holders(supervision, records)
        queued = _queued(supervision, records)
        offered = {}
        for record in holders:
            slices = left[record.uid] & queued.slices.get(record.uid, frozenset())
            if slices and (covered := covered_slices(record.uid, supervision.annotation)) is not None:
                slices &= frozenset(covered)
            if slices:
                offered[record.uid] = slices
        admitted = _admitted_patients(supervision, [record.patient for record in holders if record.uid in offered])
        for record in holders:
            if record.uid in offered and record.patient in admitted:
                slices = offered[record.uid]
                boxes = queued.boxes.get(record.uid)
                whole = len(slices) == record.depth and boxes is None
                entry = VisibleAnnotation(supervision.annotation, None if whole else tuple(sorted(slices)), boxes)
                shown.setdefault(record.uid, []).append(entry)
                left[record.uid] -= slices
    return {uid: tuple(entries) for uid, entries in shown.items()}


def _holders(supervision: Supervision, records: Sequence[CaseRecord]) -> list[CaseRecord]:
    """The training cases of the centres that have the annotation."""
    centres = {record.centre for record in records}
    for centre in sorted(set(supervision.centres or ()) - centres):
        others = ", ".join(sorted(centres - {""})) or "none"
        raise ConfigError(f"view.supervision: no training case is of centre '{centre}'; their centres are {others}")
    if supervision.centres is not None:
        records = [record for record in records if record.centre in supervision.centres]
    holders = [record for record in records if supervision.annotation in record.annotation_names]
    if not holders and supervision.patients != 0:
        known = sorted({name for record in records for name in record.annotation_names})
        raise ConfigError(
            f"view.supervision: no training case has an annotation '{supervision.annotation}'; "
            f"the store has {', '.join(known) or 'none'}"
        )
    return holders


@dataclass(frozen=True)
class _Queued:
    """What a queue holds of each training case: slices, and where it holds them only in part the boxes."""

    slices: Mapping[str, frozenset[int]]
    boxes: Mapping[str, tuple[Box, ...]]


def _queued(supervision: Supervision, records: Sequence[CaseRecord]) -> _Queued:
    """What the queue of the entry holds; all without a queue."""
    whole = {record.uid: frozenset(range(record.depth)) for record in records}
    if not supervision.queue:
        return _Queued(whole, {})
    names = {record.uid: record.annotation_names for record in records}
    shapes = {record.uid: record.shape for record in records}
    queue, queued = read_queue(Path(supervision.queue)), {}
    for uid, slices in queue.slices.items():
        if uid not in whole:
            raise ConfigError(
                f"view.supervision: {supervision.queue} holds '{uid}', which is no training case; choose among the "
                "training part of this store and split"
            )
        queued[uid] = whole[uid] if slices is None else frozenset(slices)
        if not queued[uid] <= whole[uid]:
            raise ConfigError(
                f"view.supervision: {supervision.queue} holds slice {max(queued[uid])} of case '{uid}', which has "
                f"{len(whole[uid])}; use the queue of this store"
            )
        if outside := [box for box in queue.patches.get(uid, ()) if not box.fits(shapes[uid])]:
            raise ConfigError(
                f"view.supervision: {supervision.queue} holds patch {outside[0]} of case '{uid}', which has "
                f"{'×'.join(map(str, shapes[uid]))} voxels (z, y, x); use the queue of this store"
            )
        if supervision.annotation not in names[uid]:
            raise ConfigError(
                f"view.supervision: {supervision.queue} holds case '{uid}', which has no annotation "
                f"'{supervision.annotation}'; import it with `lesslabel import`, or take the case out"
            )
    return _Queued(queued, queue.patches)


def _admitted_patients(supervision: Supervision, patients: Sequence[str]) -> set[str]:
    available = set(patients)
    if supervision.patients is None:
        return available
    ordered = [patient for patient in load_order(supervision.order) if patient in available]
    if len(ordered) < supervision.patients:
        raise ConfigError(
            f"view.supervision: a budget of {supervision.patients} patients for '{supervision.annotation}', but "
            f"'{supervision.order}' lists only {len(ordered)} of the training patients"
        )
    return set(ordered[: supervision.patients])
