"""Changing a store that exists: wholly or not at all, whatever is killed when, one writer at a time.

What changes is first written beside the store's own files. A folder `update` then appears in one step, and from there
on the change is decided: its files are moved into place, and whoever opens the store next goes on where a killed
process stopped.
"""

import fcntl
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace as changed
from pathlib import Path

from lesslabel.data.case import Annotation, Case
from lesslabel.data.case_file import content_hash, write_case
from lesslabel.data.fingerprint import hash_records, retotal_annotations
from lesslabel.data.store import (
    FINGERPRINT,
    TABLE,
    UPDATE,
    CaseRecord,
    Store,
    case_path,
    write_fingerprint,
    write_table,
)
from lesslabel.data.verify_annotations import check_annotation
from lesslabel.errors import DataError
from lesslabel.files import written_aside

_LOCK = ".lock"


def add_annotations(path: Path, name: str, annotations: Iterable[tuple[str, Annotation]], *, replace: bool) -> None:
    """Do what `Store.add_annotations` says."""
    with update(path) as (store, aside):
        records, totals = dict(store.records), store.fingerprint["annotations"]
        done: set[str] = set()
        for uid, annotation in annotations:
            if uid in done:
                raise DataError(f"{path}: two annotations '{name}' for case '{uid}'; give one")
            done.add(uid)
            before = _read_sound(store, uid)
            after = _with_annotation(before, name, annotation, replace)
            records[uid] = CaseRecord.of(after, write_case(case_path(aside, uid), after))
            _require_fit(after, name, store)
            totals = retotal_annotations(totals, before, after)
        write_table(aside / TABLE, list(records.values()))
        data_hash = hash_records(list(records.values()))
        write_fingerprint(aside / FINGERPRINT, {**store.fingerprint, "annotations": totals, "data_hash": data_hash})


@contextmanager
def update(path: Path) -> Iterator[tuple[Store, Path]]:
    """Change a store: what the block writes takes the place of the store's own files once the block ends well.

    Args:
        path: the store.

    Yields:
        The store as it is, and a folder for case files (`case_path`), table and fingerprint that replace its own.

    Raises:
        DataError: if another process is changing the store, or it cannot be written.
    """
    with _locked(path):
        _move_into_place(path)
        with written_aside(path / UPDATE) as aside:
            aside.mkdir()
            yield Store(path), aside
        _move_into_place(path)


def finish_addition(path: Path) -> None:
    """Finish an addition that was decided; if another process is at it, wait for its end.

    Raises:
        DataError: if the store cannot be written.
    """
    with _locked(path, wait=True):
        _move_into_place(path)


def _move_into_place(path: Path) -> None:
    """Move the files of a decided addition; may be killed and called again at any point."""
    update = path / UPDATE
    if not update.is_dir():
        return
    for source in (*sorted((update / "cases").glob("*.h5")), update / TABLE, update / FINGERPRINT):
        if source.exists():
            source.replace(path / source.relative_to(update))
    shutil.rmtree(update)


@contextmanager
def _locked(path: Path, *, wait: bool = False) -> Iterator[None]:
    """Keep other writers out; the system lifts the lock when a process ends, however it ends."""
    try:
        with (path / _LOCK).open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
    except BlockingIOError as error:
        raise DataError(f"{path}: another process is adding annotations; wait for its end, then try again") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror}); an addition needs write access") from error


def _read_sound(store: Store, uid: str) -> Case:
    """Read a case, and refuse it if a new hash would hide that it is not the one the table speaks of."""
    case = store.read(uid)
    if CaseRecord.of(case, content_hash(case)) != store.records[uid]:
        raise DataError(
            f"{store.case_path(uid)}: not what the table of cases says; run `lesslabel verify {store.path}`"
        )
    return case


def _with_annotation(case: Case, name: str, annotation: Annotation, replace: bool) -> Case:
    annotations = dict(case.annotations)
    if name in annotations:
        number = next(number for number in range(1, len(annotations) + 1) if f"{name}@{number}" not in annotations)
        if not replace:
            raise DataError(
                f"case {case.uid}: has an annotation '{name}' already; choose another name, or replace it, which keeps "
                f"the old one as '{name}@{number}'"
            )
        annotations[f"{name}@{number}"] = annotations[name]
    return changed(case, annotations={**annotations, name: annotation})


def _require_fit(case: Case, name: str, store: Store) -> None:
    for finding in check_annotation(case, name, tuple(store.labels)):
        if finding.severity == "error":
            raise DataError(f"case {case.uid}: {finding.problem}; correct the annotation")
