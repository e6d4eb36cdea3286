"""Divide cases into training, validation and test by patient; special lists repeat studies that divided by case."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lesslabel.data.patient_lists import GROUP_PARTS, PARTS, load_case_counts, load_leak, load_split
from lesslabel.data.store import CaseRecord
from lesslabel.errors import DataError

_MADE_FROM_THE_TABLE = ("groups", "all", "random", "random_by_centre")
_RANDOM_SHARES = (0.7, 0.1, 0.2)


@dataclass(frozen=True)
class Partition:
    """The cases of a store, by part.

    Attributes:
        cases: uids by part; no patient is in two parts, unless the split samples cases.
        missing_patients: patients that the split names and the store does not have.
    """

    cases: Mapping[str, tuple[str, ...]]
    missing_patients: tuple[str, ...] = ()


def partition(records: Sequence[CaseRecord], split: str, *, fold: int = 0, allow_missing: bool = False) -> Partition:
    """Divide the cases of a store by patient.

    A list may hold ``unit: case`` and ``draw: {train: 200, test: 150}`` instead of folds: that many cases are sampled
    by `draw_order` with the fold as random seed, whatever their patients. **Patients are then in training and in
    test**: such a list repeats published studies on slices and says so under ``leak``; without, training refuses it.

    Args:
        records: rows of the store's table of cases.
        split: a committed list (``"acdc/five_fold"``), a YAML file, ``"groups"`` for the official parts of the
            source, ``"all"`` to train on every patient and score none, ``"random"`` for a seeded 70/10/20 split, or
            ``"random_by_centre"`` for such a split inside every centre, which does not depend on the other centres.
        fold: the fold of the list; for a random split the random seed.
        allow_missing: drop patients that the store does not have instead of refusing.

    Raises:
        DataError: if a patient is in two parts or missing, the fold does not exist, or training is left empty.
    """
    if (counts := _cases_to_draw(split)) is not None:
        return Partition(_draw_cases(records, counts, split, fold))
    parts = divide_patients(records, split, fold)
    for patient, (first, second, *_) in find_overlaps(parts).items():
        raise DataError(f"split '{split}': patient {patient} is in {first} and in {second}; keep it in one")
    present = {record.patient for record in records}
    missing = tuple(sorted({patient for members in parts.values() for patient in members} - present))
    if missing and not allow_missing:
        shown = ", ".join(missing[:3]) + (" …" if len(missing) > 3 else "")
        raise DataError(
            f"split '{split}': {len(missing)} of its patients are not in the store ({shown}); "
            "prepare them, or set data.allow_missing to true and say so in your table"
        )
    part_of = {patient: part for part, members in parts.items() for patient in members}
    cases = {part: tuple(record.uid for record in records if part_of.get(record.patient) == part) for part in PARTS}
    if not cases["train"]:
        raise DataError(f"split '{split}', fold {fold}: no case of the store is in its training part")
    return Partition(cases, missing)


def divide_patients(records: Sequence[CaseRecord], split: str, fold: int = 0) -> dict[str, tuple[str, ...]]:
    """Patients by part in a split, also those that the store does not have; see `partition` for the arguments.

    Raises:
        DataError: if there is no such split or fold, a group names no part, or there are too few patients.
    """
    if split == "groups":
        return _by_group(records)
    if split == "all":
        return {"train": tuple(dict.fromkeys(record.patient for record in records)), "validation": (), "test": ()}
    if split == "random":
        return _by_chance(list(dict.fromkeys(record.patient for record in records)), fold, "the store")
    if split == "random_by_centre":
        return _by_chance_inside_centres(records, fold)
    if (counts := _cases_to_draw(split)) is not None:
        patient_of = {record.uid: record.patient for record in records}
        drawn = _draw_cases(records, counts, split, fold)
        return {part: tuple(dict.fromkeys(patient_of[uid] for uid in uids)) for part, uids in drawn.items()}
    return load_split(split, fold)


def keep_centres(divided: Partition, records: Sequence[CaseRecord], centres: Mapping[str, Sequence[str]]) -> Partition:
    """Keep only the cases of some centres; they stay in their parts.

    Args:
        divided: the division of the whole store.
        records: rows of the store's table of cases.
        centres: the centres to keep, by part; a part without an entry keeps all.

    Raises:
        DataError: if the store has no such centre, or training is left empty.
    """
    centre_of = {record.uid: record.centre for record in records}
    for centre in (centre for chosen in centres.values() for centre in chosen):
        if centre not in centre_of.values():
            known = ", ".join(sorted(set(centre_of.values()) - {""})) or "none"
            raise DataError(f"the store has no centre '{centre}'; its centres are {known}")
    kept = {
        part: tuple(uid for uid in uids if part not in centres or centre_of[uid] in centres[part])
        for part, uids in divided.cases.items()
    }
    if not kept["train"]:
        raise DataError(f"no training case is of {', '.join(centres['train']) or 'no centre'}; choose another centre")
    return Partition(kept, divided.missing_patients)


def find_overlaps(parts: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Find patients in more than one part, with these parts."""
    parts_of: dict[str, list[str]] = {}
    for part, members in parts.items():
        for patient in dict.fromkeys(members):
            parts_of.setdefault(patient, []).append(part)
    return {patient: tuple(found) for patient, found in parts_of.items() if len(found) > 1}


def draw_order(patients: Sequence[str], seed: int) -> list[str]:
    """Order patients by a seeded hash: the first n of them are the label budget n.

    A larger budget contains the smaller ones, and the order of two patients does not depend on the others.
    """
    return sorted(patients, key=lambda patient: hashlib.sha256(f"{seed}:{patient}".encode()).hexdigest())


def stated_leak(split: str) -> str:
    """Why a split has a patient, or copies of an image, in two parts on purpose; empty if its file says nothing."""
    return "" if split in _MADE_FROM_THE_TABLE else load_leak(split)


def draws_cases(split: str) -> bool:
    """Whether a split samples cases, whatever their patients."""
    return _cases_to_draw(split) is not None


def _cases_to_draw(split: str) -> dict[str, int] | None:
    """How many cases a split samples for each part; None if it divides by patient."""
    return None if split in _MADE_FROM_THE_TABLE else load_case_counts(split)


def _draw_cases(
    records: Sequence[CaseRecord], counts: Mapping[str, int], split: str, seed: int
) -> dict[str, tuple[str, ...]]:
    order = draw_order([record.uid for record in records], seed)
    if sum(counts.values()) > len(order):
        raise DataError(
            f"split '{split}': it draws {sum(counts.values())} cases, the store has {len(order)}; prepare the whole "
            "data set, or write a split file with other numbers"
        )
    parts = {}
    for part, count in counts.items():
        parts[part], order = tuple(order[:count]), order[count:]
    return parts


def _by_group(records: Sequence[CaseRecord]) -> dict[str, tuple[str, ...]]:
    parts: dict[str, dict[str, None]] = {part: {} for part in PARTS}
    for record in records:
        part = GROUP_PARTS.get(record.group.lower())
        if part is None:
            raise DataError(
                f"case '{record.uid}': group '{record.group}' names no part; use a split file, or prepare with groups "
                f"among {', '.join(sorted(GROUP_PARTS))}"
            )
        parts[part][record.patient] = None
    return {part: tuple(members) for part, members in parts.items()}


def _by_chance(patients: Sequence[str], seed: int, where: str) -> dict[str, tuple[str, ...]]:
    order = draw_order(patients, seed)
    test = max(1, round(_RANDOM_SHARES[2] * len(order)))
    validation = max(1, round(_RANDOM_SHARES[1] * len(order)))
    if len(order) < 3:
        raise DataError(f"a random split needs at least 3 patients, {where} has {len(order)}; write a split file")
    bounds = np.cumsum([len(order) - test - validation, validation])
    return {
        "train": tuple(order[: bounds[0]]),
        "validation": tuple(order[bounds[0] : bounds[1]]),
        "test": tuple(order[bounds[1] :]),
    }


def _by_chance_inside_centres(records: Sequence[CaseRecord], seed: int) -> dict[str, tuple[str, ...]]:
    patients: dict[str, dict[str, None]] = {}
    centre_of: dict[str, str] = {}
    for record in records:
        if (centre := centre_of.setdefault(record.patient, record.centre)) != record.centre:
            raise DataError(
                f"split 'random_by_centre': patient {record.patient} is of centre '{centre}' and of '{record.centre}'; "
                "give each its own name, or use split 'random'"
            )
        patients.setdefault(record.centre, {})[record.patient] = None
    divided = [_by_chance(list(patients[centre]), seed, f"centre '{centre}'") for centre in sorted(patients)]
    return {part: tuple(patient for parts in divided for patient in parts[part]) for part in PARTS}
