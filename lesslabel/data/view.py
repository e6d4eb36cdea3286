"""Which annotations an experiment sees, and how labels and channels are mapped."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lesslabel.data.case import IGNORE, Annotation, Kind
from lesslabel.data.queue import read_queue
from lesslabel.data.splits import load_order
from lesslabel.data.store import CaseRecord
from lesslabel.errors import ConfigError

CoveredSlices = Callable[[str, str], tuple[int, ...] | None]
"""The z indices that an annotation speaks of, by uid and annotation name; None means all."""


@dataclass(frozen=True)
class Supervision:
    """One annotation that may supervise, and its budget.

    Attributes:
        annotation: name of the annotation (``"scribble"``).
        patients: how many training patients show it; None shows all. The others keep it hidden.
        order: list that says which patients come first (``"acdc/order_seed0"`` or a file, one patient a line); needed
            with a budget, so that it is committed and not drawn anew.
        queue: file of a queue (`lesslabel.data.queue`): only its slices and cases show the annotation, everything else
            keeps it hidden. Empty shows all.
    """

    annotation: str
    patients: int | None = None
    order: str = ""
    queue: str = ""

    def __post_init__(self) -> None:
        if self.patients is not None and self.patients < 0:
            raise ConfigError(f"view: a budget of {self.patients} patients for '{self.annotation}'; use 0 or more")
        if self.patients is not None and not self.order:
            raise ConfigError(
                f"view: a budget of {self.patients} patients for '{self.annotation}' needs 'order', the list that says "
                "which patients come first"
            )


@dataclass(frozen=True)
class View:
    """What an experiment sees of a store.

    Attributes:
        supervision: the annotations that supervise, best first: a slice shows the first that its case has, that speaks
            of it, whose queue holds it and whose budget admits its patient, and is unlabelled if there is none.
        reference: annotation that validation and test score against.
        labels: classes by name as lists of label codes, in class order (``{"whole tumour": [1, 2, 4]}``); None takes
            every label of the store as it is. Codes that no class names are background.
        channels: indices of the image channels to use; None uses all.
        overlays: annotation folders (`lesslabel.data.annotation_folder`) laid over the store in training; what they
            hold can supervise, and is never scored against.
    """

    supervision: list[Supervision] = field(default_factory=lambda: [Supervision("dense")])
    reference: str = "dense"
    labels: dict[str, list[int]] | None = None
    channels: list[int] | None = None
    overlays: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Shown:
    """An annotation that a training case shows, and where.

    Attributes:
        annotation: its name.
        slices: z indices on which it supervises; None means all. No two annotations of a case share one.
    """

    annotation: str
    slices: tuple[int, ...] | None = None


@dataclass(frozen=True)
class LabelMapping:
    """From a store's label codes to class indices.

    Attributes:
        names: class names, background first.
        codes: label codes of each class; empty for background.
        table: (256,) uint8, class index by code; `IGNORE` stays `IGNORE`.
    """

    names: tuple[str, ...]
    codes: tuple[tuple[int, ...], ...]
    table: NDArray[np.uint8]

    def to_codes(self, classes: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Turn class indices back into label codes; a class of several codes becomes the first of them."""
        return np.array([0, *(codes[0] for codes in self.codes[1:])], dtype=np.uint8)[classes]


@dataclass(frozen=True, eq=False)
class Target:
    """What supervises one case.

    Attributes:
        labels: (z, y, x) uint8 class indices, `IGNORE` where unknown.
        kind: how it came to be.
        annotated_labels: (C,) bool, False for a class that nobody annotated; background is always True.
        slices: z indices that it speaks of; None means all.
        confidence: (z, y, x) float32 in [0, 1], or None.
    """

    labels: NDArray[np.uint8]
    kind: Kind
    annotated_labels: NDArray[np.bool_]
    slices: tuple[int, ...] | None = None
    confidence: NDArray[np.float32] | None = None


def select_channels(view: View, channels: Sequence[str]) -> tuple[int, ...]:
    """Resolve the channels of a view against a store's.

    Args:
        view: the view.
        channels: names of the store's channels.

    Returns:
        Indices of the channels that the network sees, in its order.

    Raises:
        ConfigError: if the view names a channel that the store does not have, or none.
    """
    chosen = tuple(range(len(channels)) if view.channels is None else view.channels)
    if not chosen or not set(chosen) <= set(range(len(channels))):
        known = ", ".join(f"{index} {name}" for index, name in enumerate(channels))
        raise ConfigError(f"view.channels is {list(chosen)}; choose among {known}")
    return chosen


def require_reference(view: View, records: Sequence[CaseRecord], part: str) -> None:
    """Refuse a reference that no case of a part has; a part without cases needs none.

    Raises:
        ConfigError: names the annotations there are.
    """
    if records and not any(view.reference in record.annotation_names for record in records):
        known = sorted({name for record in records for name in record.annotation_names})
        raise ConfigError(
            f"view.reference: no {part} case has an annotation '{view.reference}'; "
            f"they have {', '.join(known) or 'none'}"
        )


def map_labels(view: View, labels: Mapping[int, str]) -> LabelMapping:
    """Resolve the classes of a view against a store's labels.

    Raises:
        ConfigError: if a class names a code that the store does not have, or none, or two classes share one.
    """
    classes = {name: [code] for code, name in labels.items()} if view.labels is None else view.labels
    table = np.zeros(256, dtype=np.uint8)
    table[IGNORE] = IGNORE
    for index, (name, codes) in enumerate(classes.items(), start=1):
        if not codes:
            raise ConfigError(f"view.labels: class '{name}' names no code; give it one or leave it out")
        for code in codes:
            if code not in labels:
                known = ", ".join(f"{known} {label}" for known, label in labels.items())
                raise ConfigError(f"view.labels: class '{name}' names code {code}; the store has {known}")
            if table[code]:
                raise ConfigError(f"view.labels: code {code} is in class '{name}' and in another; keep it in one")
            table[code] = index
    return LabelMapping(("background", *classes), ((), *(tuple(codes) for codes in classes.values())), table)


def assign_supervision(
    view: View, records: Sequence[CaseRecord], covered_slices: CoveredSlices = lambda _uid, _annotation: None
) -> dict[str, tuple[Shown, ...]]:
    """Decide which annotations each training case shows, and on which slices.

    An entry of the view takes what earlier ones left: the slices that its annotation speaks of and its queue holds. A
    budget counts the patients to whom the entry has something to add.

    Args:
        view: the view.
        records: the training cases.
        covered_slices: what each annotation speaks of.

    Returns:
        Annotations by uid, best first; a case that is not in it is unlabelled.

    Raises:
        ConfigError: if an annotation exists in no training case, the order does not list enough of the patients, or a
            queue holds what no training case can show.
    """
    shown: dict[str, list[Shown]] = {}
    left = {record.uid: frozenset(range(record.depth)) for record in records}
    for supervision in view.supervision:
        holders = _holders(supervision, records)
        queued = _queued_slices(supervision, records)
        offered = {}
        for record in holders:
            slices = left[record.uid] & queued.get(record.uid, frozenset())
            if slices and (covered := covered_slices(record.uid, supervision.annotation)) is not None:
                slices &= frozenset(covered)
            if slices:
                offered[record.uid] = slices
        admitted = _admitted_patients(supervision, [record.patient for record in holders if record.uid in offered])
        for record in holders:
            if record.uid in offered and record.patient in admitted:
                slices = offered[record.uid]
                whole = len(slices) == record.depth
                entry = Shown(supervision.annotation, None if whole else tuple(sorted(slices)))
                shown.setdefault(record.uid, []).append(entry)
                left[record.uid] -= slices
    return {uid: tuple(entries) for uid, entries in shown.items()}


def make_target(annotation: Annotation, mapping: LabelMapping, slices: Sequence[int] | None = None) -> Target:
    """Map an annotation to class indices; slices and labels that it does not speak of become unknown or unannotated.

    Args:
        annotation: the annotation.
        mapping: from label codes to classes.
        slices: z indices that may be seen; None means all.
    """
    labels, confidence, spoken = (
        _map_codes(annotation.labels, mapping.table),
        annotation.confidence,
        annotation.covered_slices,
    )
    if slices is not None:
        spoken = tuple(index for index in slices if spoken is None or index in spoken)
    if spoken is not None:
        hidden = np.setdiff1d(np.arange(len(labels)), spoken)
        labels[hidden] = IGNORE
        if confidence is not None:
            confidence = confidence.copy()
            confidence[hidden] = 1.0
    covered = annotation.covered_labels
    annotated = [covered is None or set(codes) <= set(covered) for codes in mapping.codes]
    return Target(labels, annotation.kind, np.array(annotated), spoken, confidence)


def _map_codes(labels: NDArray[np.uint8], table: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """``table[labels]``, several times as fast: bytes are translated, no indices are made of them."""
    mapped = bytearray(labels.tobytes()).translate(table.tobytes())
    return np.frombuffer(mapped, dtype=np.uint8).reshape(labels.shape)


def _holders(supervision: Supervision, records: Sequence[CaseRecord]) -> list[CaseRecord]:
    """The training cases that have the annotation."""
    holders = [record for record in records if supervision.annotation in record.annotation_names]
    if not holders and supervision.patients != 0:
        known = sorted({name for record in records for name in record.annotation_names})
        raise ConfigError(
            f"view.supervision: no training case has an annotation '{supervision.annotation}'; "
            f"the store has {', '.join(known) or 'none'}"
        )
    return holders


def _queued_slices(supervision: Supervision, records: Sequence[CaseRecord]) -> dict[str, frozenset[int]]:
    """The slices of each training case that the entry's queue lets it show; without a queue all."""
    whole = {record.uid: frozenset(range(record.depth)) for record in records}
    if not supervision.queue:
        return whole
    names = {record.uid: record.annotation_names for record in records}
    queued = {}
    for uid, slices in read_queue(Path(supervision.queue)).slices.items():
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
        if supervision.annotation not in names[uid]:
            raise ConfigError(
                f"view.supervision: {supervision.queue} holds case '{uid}', which has no annotation "
                f"'{supervision.annotation}'; import it with `lesslabel import`, or take the case out"
            )
    return queued


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
