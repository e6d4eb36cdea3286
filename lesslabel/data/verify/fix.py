"""What may be put right in a prepared store without asking: only what provably restores what was prepared.

The table of cases keeps a hash of every case. A case file whose content has this hash is the one that was prepared,
whatever number types another program gave its arrays, and says what the table should say of it. Nothing else is
touched: what a hash does not vouch for, a person has to look at.
"""

import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from lesslabel.data.case import Case
from lesslabel.data.store import Store
from lesslabel.data.store.case_file import content_hash, read_case, write_case
from lesslabel.data.store.fingerprint import hash_records
from lesslabel.data.store.records import TABLE, CaseRecord, case_path, write_table
from lesslabel.data.store.update import update
from lesslabel.data.verify.number_types import WrongType, correct_types, find_wrong_types
from lesslabel.errors import DataError

_UNHASHED = ("centre", "group", "modality")
"""Columns that no hash vouches for: people may have edited them, and mean it."""


@dataclass(frozen=True)
class Change:
    """Something that was put right.

    Attributes:
        case: uid.
        what: the file's part, or the table's column.
        before: as it was.
        after: as it is now.
    """

    case: str
    what: str
    before: str
    after: str


def fix_store(path: Path) -> list[Change]:
    """Put right what is safe to: all of it or, whatever happens, nothing.

    Number types: arrays of a case file that are not float32 or int16 (image), float32 (confidence) or uint8 (labels),
    if no value changes.
    Rounding: columns of the table that differ from the file, such as spacings that a spreadsheet rounded. Both only
    where the hashes say that the result is what was prepared.

    Args:
        path: the store.

    Returns:
        What was changed; empty if there was nothing to do.

    Raises:
        DataError: if there is no store, its table cannot be read, or another process is changing it.
    """
    Store(path)  # so that no lock is left in a folder that is no store
    changes: list[Change] = []
    with update(path) as aside:
        store = Store(path)
        records = dict(store.records)
        for uid, record in store.records.items():
            case, retyped = _read_loosely(store.case_path(uid), aside / "retyped.h5")
            if case is None or case.uid != uid or content_hash(case) != record.sha256:
                continue
            if retyped:
                write_case(case_path(aside, uid), case)
                changes.extend(Change(uid, *change) for change in retyped)
            records[uid] = _restore(record, case)
        # a patient's name is vouched for by the hash over all rows alone
        vouched = hash_records(list(records.values())) == store.data_hash
        if not vouched:
            records = {uid: _with_patient(record, store.records[uid].patient) for uid, record in records.items()}
        rows = [change for uid in records for change in _compare(store.records[uid], records[uid])]
        if rows:
            write_table(aside / TABLE, list(records.values()))
        changes.extend(rows)
    return changes


def _read_loosely(path: Path, scratch: Path) -> tuple[Case | None, list[WrongType]]:
    """A case whose arrays may be of other types, and which are; None if it cannot be read, or not without loss."""
    wrong = find_wrong_types(path)
    try:
        if not wrong:
            return read_case(path), []
        shutil.copyfile(path, scratch)
        return (read_case(scratch), wrong) if correct_types(scratch) else (None, [])
    except DataError:
        return None, []


def _restore(record: CaseRecord, case: Case) -> CaseRecord:
    """The row that the file gives, but for what no hash vouches for."""
    return CaseRecord(**(asdict(CaseRecord.of(case, record.sha256)) | {key: getattr(record, key) for key in _UNHASHED}))


def _with_patient(record: CaseRecord, patient: str) -> CaseRecord:
    return CaseRecord(**(asdict(record) | {"patient": patient}))


def _compare(before: CaseRecord, after: CaseRecord) -> Iterator[Change]:
    old, new = asdict(before), asdict(after)
    for key in old:
        if str(old[key]) != str(new[key]):
            yield Change(before.uid, f"{TABLE}: {key}", str(old[key]), str(new[key]))
