"""Does a split have one patient, or one image, in two parts? An error, unless the file of the split says why.

A list that repeats a published study may share patients on purpose: then its key ``leak`` says so, and it is a warning.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from lesslabel.data.findings import Finding
from lesslabel.data.sources import SOURCES
from lesslabel.data.splits import divide_patients, draws_cases, find_overlaps, stated_leak
from lesslabel.data.store import CaseRecord, Store
from lesslabel.errors import DataError

_OR_SAY_WHY = "; or, to repeat a published split, say why in its file: 'leak: REASON'"


def check_leakage(
    store: Store, digests: Mapping[str, str], parts: Mapping[str, Sequence[str]], split: str
) -> Iterator[Finding]:
    """Run every check of patients and images that occur twice.

    Args:
        store: where the cases lie.
        digests: hash of the image by uid; empty or absent where it was not read.
        parts: patients by part; empty if no split is checked.
        split: its name; empty if none is checked.
    """
    reason = stated_leak(split) if split else ""
    records = list(store.records.values())
    found = [*check_duplicates(records, digests, parts)]
    if store.source in SOURCES:
        found.extend(check_withdrawn(records, SOURCES[store.source].withdrawn, parts))
    yield from (_judge(finding, reason) for finding in found)
    drawn = bool(split) and draws_cases(split)
    yield from (_judge(finding, reason if drawn else "") for finding in check_overlaps(parts, split))


def require_apart(store: Store, digests: Mapping[str, str], split: str, fold: int) -> None:
    """Refuse a split in which `check_leakage` finds an error.

    Raises:
        DataError: names the split, the patient or case, and the fix.
    """
    parts = divide_patients(list(store.records.values()), split, fold)
    for finding in check_leakage(store, digests, parts, split):
        if finding.severity == "error":
            raise DataError(f"split '{split}', {finding.case}: {finding.problem}; {finding.fix}")


def check_overlaps(parts: Mapping[str, Sequence[str]], split: str) -> Iterator[Finding]:
    """Is there a patient in two parts?"""
    for patient, among in find_overlaps(parts).items():
        problem = f"split '{split}' has this patient in {' and in '.join(among)}"
        yield Finding.error(patient, problem, "the lists were not made by patient", "keep the patient in one part")


def check_duplicates(
    records: Sequence[CaseRecord], digests: Mapping[str, str], parts: Mapping[str, Sequence[str]]
) -> Iterator[Finding]:
    """Is one image there under two names? An error if the split has the two in different parts.

    Args:
        records: rows of the table of cases.
        digests: hash of the image by uid; empty where it could not be read.
        parts: patients by part; empty if no split is checked.
    """
    part_of = _parts_of(parts)
    first_with: dict[str, CaseRecord] = {}
    for record in records:
        digest = digests.get(record.uid, "")
        first = first_with.setdefault(digest, record) if digest else record
        if first is record:
            continue
        among = {part_of[patient] for patient in (first.patient, record.patient) if patient in part_of}
        owner = "the same patient" if first.patient == record.patient else f"patient {first.patient}"
        yield Finding(
            record.uid,
            f"the image is that of case '{first.uid}' of {owner}" + (", in another part" if len(among) > 1 else ""),
            "error" if len(among) > 1 else "warning",
            "the raw data hold a copy under another name",
            "keep one of the two, or keep both in one part of every split",
        )


def check_withdrawn(
    records: Sequence[CaseRecord], withdrawn: Mapping[str, str], parts: Mapping[str, Sequence[str]]
) -> Iterator[Finding]:
    """Is there a patient whom the publisher took back? An error if the split has its copies in different parts.

    Args:
        records: rows of the table of cases.
        withdrawn: withdrawn patients, and whom each repeats.
        parts: patients by part; empty if no split is checked.
    """
    present = dict.fromkeys(record.patient for record in records)
    part_of = _parts_of(parts)
    for patient in (patient for patient in present if patient in withdrawn):
        original = withdrawn[patient]
        copies = [other for other in present if withdrawn.get(other, other) == original]
        apart = len({part_of[copy] for copy in copies if copy in part_of}) > 1
        yield Finding(
            patient,
            f"withdrawn by the publisher: it repeats patient {original}"
            + (f", and the split has {' and '.join(copies)} in different parts" if apart else ""),
            "error" if apart else "warning",
            "the raw data were downloaded before that",
            "leave it out and use a split without it, or keep it to repeat published figures and say so in your table",
        )


def _judge(finding: Finding, reason: str) -> Finding:
    """A warning if the split says why, otherwise an error with both ways out."""
    if finding.severity != "error":
        return finding
    if reason:
        return replace(finding, severity="warning", cause=f"{finding.cause}; the split says: {reason}")
    return replace(finding, fix=finding.fix + _OR_SAY_WHY)


def _parts_of(parts: Mapping[str, Sequence[str]]) -> dict[str, str]:
    return {patient: part for part, members in parts.items() for patient in members}
