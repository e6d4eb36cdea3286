"""What `lesslabel compare` trains and scores on: the labels of a store, and patients that are held out of training."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lesslabel.data.case import Kind
from lesslabel.data.patient_lists import GROUP_PARTS
from lesslabel.data.splits import draw_order, partition
from lesslabel.data.store import CaseRecord, Store
from lesslabel.data.supervision import assign_supervision
from lesslabel.data.view import Supervision, View
from lesslabel.errors import ConfigError
from lesslabel.files import write_text
from lesslabel.studies.contenders import Labels

_ONE_OF_SO_MANY_IS_SCORED, _MOST_SCORED = 3, 10
_DRAWN_BY_PEOPLE = (Kind.DENSE, Kind.SCRIBBLE, Kind.POINTS, Kind.BOX)
"""Best first."""


@dataclass(frozen=True)
class Shown:
    """An annotation that supervises.

    Attributes:
        annotation: its name.
        patients: the number of training patients that show it; None is all.
    """

    annotation: str
    patients: int | None = None

    @classmethod
    def parse(cls, word: str) -> "Shown":
        """Read ``NAME`` or ``NAME:PATIENTS``.

        Raises:
            ConfigError: if the number is none, or below 1.
        """
        name, colon, count = word.partition(":")
        if not name or (colon and not (count.isdecimal() and int(count) > 0)):
            raise ConfigError(f"--annotation {word}: write a name, or a name and a number of patients such as dense:3")
        return cls(name, int(count) if colon else None)


@dataclass(frozen=True)
class ComparedData:
    """The data of a comparison.

    Attributes:
        train: patients that train, in the order in which they show their labels.
        scored: patients that are scored; no method trains on them.
        shown: the supervising annotations, best first.
        labels: of the training part.
        unlabelled: whether a training case has no visible label.
        hidden: annotations of the training part that people drew and that do not supervise.
        described: where the scored patients come from, in words.
    """

    train: tuple[str, ...]
    scored: tuple[str, ...]
    shown: tuple[Shown, ...]
    labels: Labels
    unlabelled: bool
    hidden: tuple[str, ...]
    described: str


def find_labels(
    store: Store,
    *,
    reference: str = "dense",
    shown: Sequence[Shown] = (),
    split: str = "",
    fold: int = 0,
    seed: int = 0,
) -> ComparedData:
    """Divide the patients of a store for a comparison, and find the labels of those that train.

    Without a split, a third of the patients whose cases all have the reference, at most ten, are scored and the others
    train; patients of an official test group take no part. With a split its training part trains and its validation
    part is scored. So the test part, which shall say how good the chosen method is, stays unseen.

    Args:
        store: the store.
        reference: annotation that scores.
        shown: the supervising ones, best first; none takes all that people drew, dense ones first.
        split: see `lesslabel.data.splits.partition`; empty draws the scored patients.
        fold: of the split.
        seed: of the drawn patients and of the order.

    Raises:
        LesslabelError: if nobody can be scored, an annotation does not exist, or no label is left for training.
    """
    records = list(store.records.values())
    if split:
        parts = partition(records, split, fold=fold, allow_missing=True).cases
        train, scored = (_patients_of(store, parts[part]) for part in ("train", "validation"))
        described = f"the validation part of {split}, fold {fold}, whose test part is not used"
    else:
        train, scored = _hold_out(records, reference, seed)
        described = f"{len(scored)} patients with '{reference}', drawn with seed {seed}"
    if not any(record.patient in scored and reference in record.annotation_names for record in records):
        raise ConfigError(
            f"{store.path}: no patient {f'of the validation part of {split} ' if split else ''}can be scored by "
            f"'{reference}'; draw dense labels for some patients, or name one of {_known(records)} with --reference"
        )
    train = tuple(draw_order(train, seed))
    training = [record for record in records if record.patient in train]
    kinds = _kinds(store, training)
    drawn = [name for kind in _DRAWN_BY_PEOPLE for name in sorted(kinds) if kinds[name] == kind]
    used = tuple(shown) or tuple(Shown(name) for name in drawn)
    if unknown := [one.annotation for one in used if one.annotation not in kinds]:
        raise ConfigError(f"--annotation {unknown[0]}: no training case has it; they have {_known(training)}")
    labelled = _labelled(store, training, used, train)
    if not labelled:
        raise ConfigError(f"{store.path}: no training case has a label that people drew; they have {_known(training)}")
    names = {name for found in labelled.values() for name in found}
    unlabelled = len(labelled) < len(training)
    return ComparedData(
        train=train,
        scored=scored,
        shown=tuple(one for one in used if one.annotation in names),
        labels=_labels_of([kinds[name] for name in names], unlabelled=unlabelled),
        unlabelled=unlabelled,
        hidden=tuple(name for name in drawn if name not in names),
        described=described,
    )


def _hold_out(records: Sequence[CaseRecord], reference: str, seed: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The training patients, and those that are scored."""
    tested = {record.patient for record in records if GROUP_PARTS.get(record.group.lower()) == "test"}
    left = [patient for patient in dict.fromkeys(record.patient for record in records) if patient not in tested]
    whole = set(left) - {record.patient for record in records if reference not in record.annotation_names}
    count = min(_MOST_SCORED, -(-len(whole) // _ONE_OF_SO_MANY_IS_SCORED))
    scored = tuple(draw_order(sorted(whole), seed)[:count])
    return tuple(patient for patient in left if patient not in scored), scored


def _labelled(
    store: Store, training: Sequence[CaseRecord], used: Sequence[Shown], order: Sequence[str]
) -> dict[str, list[str]]:
    """The annotations that supervise each labelled training case, as a training finds them."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "order.txt"
        write_text(path, "\n".join(order))
        view = View([Supervision(one.annotation, one.patients, str(path)) for one in used])
        shown = assign_supervision(view, training, store.covered_slices)
    return {uid: [entry.annotation for entry in entries] for uid, entries in shown.items()}


def _patients_of(store: Store, uids: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(store.records[uid].patient for uid in uids))


def _kinds(store: Store, records: Sequence[CaseRecord]) -> Mapping[str, Kind]:
    """The kind of each annotation, as its first case has it."""
    kinds: dict[str, Kind] = {}
    corner = (slice(0, 1),) * 3
    for record in records:
        for name in record.annotation_names:
            if name not in kinds:
                kinds[name] = store.read_subvolume(record.uid, corner, [name]).annotations[name].kind
    return kinds


def _labels_of(kinds: Sequence[Kind], *, unlabelled: bool) -> Labels:
    dense, sparse = Kind.DENSE in kinds, any(kind != Kind.DENSE for kind in kinds)
    if sparse:
        return "mixed" if dense else "sparse"
    return "few dense" if unlabelled else "dense"


def _known(records: Sequence[CaseRecord]) -> str:
    return ", ".join(sorted({name for record in records for name in record.annotation_names})) or "none"
