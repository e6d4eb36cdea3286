"""Safe repairs of a prepared store: those that provably restore the prepared content.

The table of cases keeps a hash of every case. A case file whose content has this hash is the one that was prepared,
whatever number types another program gave its arrays, and the table must agree with it. Nothing else is
changed: a person must check everything that no hash confirms.
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
"""Columns without a hash: people may have edited them on purpose."""


@dataclass(frozen=True)
class Change:
    """A repair.

    Attributes:
        case: uid.
        what: the file's part, or the table's column.
        before: the old value.
        after: the new value.
    """

    case: str
    what: str
    before: str
    after: str


def fix_store(path: Path) -> list[Change]:
    """Make all safe repairs or, on an error, none.

    Number types: arrays of a case file that are not float32 or int16 (image), float32 (confidence) or uint8 (labels),
    if no value changes.
    Rounding: columns of the table that differ from the file, such as spacings that a spreadsheet rounded. Both only
    where the hashes confirm that the result is the prepared content.

    Args:
        path: the store.

    Returns:
        The repairs; empty if there was nothing to do.

    Raises:
        DataError: if there is no store, its table cannot be read, or another process is changing it.
    """
    Store(path)  # checks first, so that no lock file is made in a folder that is not a store
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
        # only the hash over all rows confirms a patient's name
        vouched = hash_records(list(records.values())) == store.data_hash
        if not vouched:
            records = {uid: _with_patient(record, store.records[uid].patient) for uid, record in records.items()}
        rows = [change for uid in records for change in _compare(store.records[uid], records[uid])]
        if rows:
            write_table(aside / TABLE, list(records.values()))
        changes.extend(rows)
    return changes


def _read_loosely(path: Path, scratch: Path) -> tuple[Case | None, list[WrongType]]:
    """Read a case whose arrays may have other types, and list them; None if it cannot be read without loss."""
    wrong = find_wrong_types(path)
    try:
        if not wrong:
            return read_case(path), []
        shutil.copyfile(path, scratch)
        return (read_case(scratch), wrong) if correct_types(scratch) else (None, [])
    except DataError:
        return None, []


def _restore(record: CaseRecord, case: Case) -> CaseRecord:
    """The row by the file, except the columns without a hash."""
    return CaseRecord(**(asdict(CaseRecord.of(case, record.sha256)) | {key: getattr(record, key) for key in _UNHASHED}))


def _with_patient(record: CaseRecord, patient: str) -> CaseRecord:
    return CaseRecord(**(asdict(record) | {"patient": patient}))


def _compare(before: CaseRecord, after: CaseRecord) -> Iterator[Change]:
    old, new = asdict(before), asdict(after)
    for key in old:
        if str(old[key]) != str(new[key]):
            yield Change(before.uid, f"{TABLE}: {key}", str(old[key]), str(new[key]))
