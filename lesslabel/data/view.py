"""Which annotations an experiment may use, and how labels and channels are mapped."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lesslabel.data.case import IGNORE, Annotation, Box, Kind, Subvolume, crop_slices, keep_inside
from lesslabel.data.store import CaseRecord
from lesslabel.errors import ConfigError


@dataclass(frozen=True)
class Supervision:
    """One annotation that may supervise, and its budget.

    Attributes:
        annotation: name of the annotation (``"scribble"``).
        patients: number of training patients whose annotation is used; None uses all. The others stay hidden.
        order: list with the order of patients (``"acdc/order_seed0"`` or a file, one patient per line); needed with a
            budget, so that the choice of patients is fixed.
        queue: file of a queue (`lesslabel.data.queue`): the annotation is used only on its slices, cases and patches
            and is hidden elsewhere. Empty uses all.
        centres: hospitals whose cases the annotation may supervise; None means all. The cases of the others, if nothing
            else supervises them, are unlabelled.
    """

    annotation: str
    patients: int | None = None
    order: str = ""
    queue: str = ""
    centres: list[str] | None = None

    def __post_init__(self) -> None:
        if self.patients is not None and self.patients < 0:
            raise ConfigError(f"view: a budget of {self.patients} patients for '{self.annotation}'; use 0 or more")
        if self.patients is not None and not self.order:
            raise ConfigError(
                f"view: a budget of {self.patients} patients for '{self.annotation}' needs 'order', a list with the "
                "order of patients"
            )


@dataclass(frozen=True)
class View:
    """What an experiment may use of a store.

    Attributes:
        supervision: the annotations that supervise, best first: a slice uses the first one that its case has, that
            covers it, whose queue holds it and whose budget includes its patient. Without one it is unlabelled.
        reference: annotation that validation and test score against.
        labels: classes by name as lists of label codes, in class order (``{"whole tumour": [1, 2, 4]}``); None makes
            every label of the store a class. Codes without a class are background.
        channels: indices of the image channels to use; None uses all.
        overlays: annotation folders (`lesslabel.data.store.annotation_folder`) added to the store in training; their
            annotations can supervise and are never a reference.
    """

    supervision: list[Supervision] = field(default_factory=lambda: [Supervision("dense")])
    reference: str = "dense"
    labels: dict[str, list[int]] | None = None
    channels: list[int] | None = None
    overlays: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class VisibleAnnotation:
    """An annotation that supervises a training case, and on which slices.

    Attributes:
        annotation: its name.
        slices: z indices that it supervises; None means all. No two annotations of a case supervise the same slice.
        boxes: the parts of these slices that it supervises, unknown outside; None means all of them.
    """

    annotation: str
    slices: tuple[int, ...] | None = None
    boxes: tuple[Box, ...] | None = None

    def crop(self, subvolume: Subvolume) -> "VisibleAnnotation":
        """The same for a region of the case."""
        boxes = self.boxes
        if boxes is not None:
            boxes = tuple(part for box in boxes if (part := box.crop(subvolume)) is not None)
        return VisibleAnnotation(self.annotation, crop_slices(self.slices, subvolume), boxes)


@dataclass(frozen=True)
class LabelMapping:
    """Map the label codes of a store to class indices.

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
    """The supervising label map of one case.

    Attributes:
        labels: (z, y, x) uint8 class indices, `IGNORE` where unknown.
        kind: how the annotation was made.
        annotated_labels: (C,) bool, False for a class that nobody annotated; background is always True.
        slices: z indices that it covers; None means all.
        confidence: (z, y, x) float32 in [0, 1], or None.
    """

    labels: NDArray[np.uint8]
    kind: Kind
    annotated_labels: NDArray[np.bool_]
    slices: tuple[int, ...] | None = None
    confidence: NDArray[np.float32] | None = None


def select_channels(view: View, channels: Sequence[str]) -> tuple[int, ...]:
    """Find the channels of a view in a store.

    Args:
        view: the view.
        channels: names of the store's channels.

    Returns:
        Indices of the input channels of the network, in its order.

    Raises:
        ConfigError: if the view names a channel that the store does not have, or none.
    """
    chosen = tuple(range(len(channels)) if view.channels is None else view.channels)
    if not chosen or not set(chosen) <= set(range(len(channels))):
        known = ", ".join(f"{index} {name}" for index, name in enumerate(channels))
        raise ConfigError(f"view.channels is {list(chosen)}; choose among {known}")
    return chosen


def require_reference(view: View, records: Sequence[CaseRecord], part: str) -> None:
    """Raise an error if no case of a part has the reference; a part without cases needs none.

    Raises:
        ConfigError: names the available annotations.
    """
    if records and not any(view.reference in record.annotation_names for record in records):
        known = sorted({name for record in records for name in record.annotation_names})
        raise ConfigError(
            f"view.reference: no {part} case has an annotation '{view.reference}'; "
            f"they have {', '.join(known) or 'none'}"
        )


def map_labels(view: View, labels: Mapping[int, str]) -> LabelMapping:
    """Find the classes of a view in the labels of a store.

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


def make_target(
    annotation: Annotation,
    mapping: LabelMapping,
    slices: Sequence[int] | None = None,
    boxes: Sequence[Box] | None = None,
) -> Target:
    """Map an annotation to class indices; what it does not cover becomes unknown, such a label unannotated.

    Args:
        annotation: the annotation.
        mapping: from label codes to classes.
        slices: z indices that may be used; None means all.
        boxes: the parts of them that may be used; None means all.
    """
    labels = _map_codes(annotation.labels, mapping.table)
    confidence, covered_slices = annotation.confidence, annotation.covered_slices
    if slices is not None:
        covered_slices = tuple(index for index in slices if covered_slices is None or index in covered_slices)
    if covered_slices is not None:
        hidden = np.setdiff1d(np.arange(len(labels)), covered_slices)
        labels[hidden] = IGNORE
        if confidence is not None:
            confidence = confidence.copy()
            confidence[hidden] = 1.0
    if boxes is not None:
        keep_inside(labels, boxes)
    covered = annotation.covered_labels
    annotated = [covered is None or set(codes) <= set(covered) for codes in mapping.codes]
    return Target(labels, annotation.kind, np.array(annotated), covered_slices, confidence)


def _map_codes(labels: NDArray[np.uint8], table: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """``table[labels]``, computed several times faster by translating bytes."""
    mapped = bytearray(labels.tobytes()).translate(table.tobytes())
    return np.frombuffer(mapped, dtype=np.uint8).reshape(labels.shape)
