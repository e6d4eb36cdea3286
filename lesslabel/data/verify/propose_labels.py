"""Which annotation a proposed configuration learns from, and what it is scored against."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from lesslabel.data.case import IGNORE, Kind
from lesslabel.data.splits import Partition, partition
from lesslabel.data.store import CaseRecord, Store
from lesslabel.errors import ConfigError, DataError

_FEW_PATIENTS = 20
"""Annotated patients below which none is spared for validation and test."""
_MOST = 0.5
"""Share of annotated slices below which a volume is learnt slice by slice."""


@dataclass(frozen=True)
class ProposedLabels:
    """What supervises and what scores.

    Attributes:
        annotation: its name.
        kind: of the annotation.
        split: the split, and the reason for it.
        divided: the cases by part.
        reference: what validation and test score against.
        lone_slices: whether most slices of an annotated volume are unknown.
        few: whether so few patients have it that none is spared.
    """

    annotation: str
    kind: Kind
    split: str
    divided: Partition
    reference: str = "dense"
    lone_slices: bool = False
    few: bool = False


def choose_labels(store: Store, annotation: str | None = None) -> ProposedLabels:
    """Choose what to learn from: the dense labels, what most cases have, or a named annotation.

    Args:
        store: the store.
        annotation: its name; by default ``dense`` where training cases have it.

    Raises:
        ConfigError: if there is no supervision or no reference; of a named annotation, if no case has it.
    """
    records = list(store.records.values())
    if annotation is not None:
        return _named(store, records, annotation)
    split, divided = _choose_split(store, records)
    name, kind = _choose_annotation(store, divided)
    return ProposedLabels(name, kind, split, divided)


def _named(store: Store, records: Sequence[CaseRecord], name: str) -> ProposedLabels:
    """A named annotation, which scores too if it is dense and of enough patients; otherwise all of them train."""
    annotated = [record for record in records if name in record.annotation_names]
    if not annotated:
        known = ", ".join(sorted({each for record in records for each in record.annotation_names})) or "none"
        raise ConfigError(f"{store.path}: no case has an annotation '{name}'; there are {known}")
    first = store.read(annotated[0].uid).annotations[name]
    known_slices = (first.labels != IGNORE).any(axis=(1, 2))
    lone_slices = len(known_slices) > 1 and bool(known_slices.mean() < _MOST)
    patients = len({record.patient for record in annotated})
    few = patients < _FEW_PATIENTS
    scored = _scored_split(records, name) if first.kind is Kind.DENSE and not few else None
    if scored is not None:
        return ProposedLabels(name, first.kind, *scored, reference=name, lone_slices=lone_slices)
    why = f"{patients} patients have '{name}'; all train and nothing is scored, whatever parts the source has"
    return ProposedLabels(
        name, first.kind, f"all   # {why}", partition(records, "all"), lone_slices=lone_slices, few=few
    )


def _scored_split(records: Sequence[CaseRecord], name: str) -> tuple[str, Partition] | None:
    """A split of which every validation and test case has the annotation; None if there is none."""
    for split, divided in _splits(records)[0].items():
        scored = _scored(records, divided)
        if scored and all(name in record.annotation_names for record in scored):
            return split, divided
    return None


def _choose_split(store: Store, records: Sequence[CaseRecord]) -> tuple[str, Partition]:
    """The first split with a dense reference."""
    splits, refused = _splits(records)
    for split, divided in splits.items():
        if any("dense" in record.annotation_names for record in _scored(records, divided)):
            return split, divided
    missing = "no validation or test case has an annotation 'dense' to score against"
    reason = (
        f"split 'random': {missing}; --annotation NAME learns from what there is" if "random" in splits else refused
    )
    raise ConfigError(f"{store.path}: no split to propose ({reason})")


def _splits(records: Sequence[CaseRecord]) -> tuple[dict[str, Partition], str]:
    """The source's own parts, a random split within centres if there are several, and a random one, where possible.

    The second value is the reason why the last of those that are not possible is not.
    """
    several = len({record.centre for record in records}) > 1
    found, reason = {}, ""
    for split in ("groups", *(["random_by_centre"] if several else []), "random"):
        try:
            found[split] = partition(records, split)
        except DataError as error:
            reason = str(error)
    return found, reason


def _scored(records: Sequence[CaseRecord], divided: Partition) -> list[CaseRecord]:
    uids = {*divided.cases["validation"], *divided.cases["test"]}
    return [record for record in records if record.uid in uids]


def _choose_annotation(store: Store, divided: Partition) -> tuple[str, Kind]:
    """The annotation of most training cases, dense ones first."""
    count = Counter(name for uid in divided.cases["train"] for name in store.records[uid].annotation_names)
    if not count:
        raise ConfigError(f"{store.path}: no training case is annotated; import annotations first")
    name = "dense" if count["dense"] else min(count, key=lambda name: (-count[name], name))
    uid = next(uid for uid in divided.cases["train"] if name in store.records[uid].annotation_names)
    return name, store.read(uid).annotations[name].kind
