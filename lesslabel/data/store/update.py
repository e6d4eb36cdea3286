"""Change an existing store atomically, even if a process is killed; one writer at a time.

The changed files are first written beside the files of the store. Then a folder `update` appears in one step, and the
change is decided: its files are moved into place, and the next process that opens the store continues after a killed
one. All of it is on the disk before it is decided, and in its place before it counts as done: after a power cut the
store is as it was before or after the change.
"""

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lesslabel.data.store.records import FINGERPRINT, TABLE, UPDATE
from lesslabel.errors import BusyError, DataError
from lesslabel.files import sync_alone, written_aside

_LOCK = ".lock"


@contextmanager
def update(path: Path) -> Iterator[Path]:
    """Change a store: the files that the block writes replace those of the store if the block succeeds.

    Args:
        path: the store.

    Yields:
        A folder for case files (`case_path`), table and fingerprint that replace those of the store.

    Raises:
        DataError: if another process is changing the store, or it cannot be written.
    """
    with _locked(path):
        _move_into_place(path)
        with written_aside(path / UPDATE, synced=True) as aside:
            aside.mkdir()
            yield aside
        _move_into_place(path)


def finish_update(path: Path) -> None:
    """Finish a decided change; if another process does it, wait for its end.

    Raises:
        DataError: if the store cannot be written.
    """
    with _locked(path, wait=True):
        _move_into_place(path)


def _move_into_place(path: Path) -> None:
    """Move the files of a decided change; safe to kill and to call again at any point."""
    update = path / UPDATE
    if not update.is_dir():
        return
    for folder in (update, update / "cases"):
        if folder.is_symlink():
            raise DataError(f"{folder}: a link, and a change of a store lies in the store itself; remove the link")
    for source in (*sorted((update / "cases").glob("*.h5")), update / TABLE, update / FINGERPRINT):
        if source.exists():
            source.replace(path / source.relative_to(update))
    sync_alone(path / "cases")
    sync_alone(path)
    shutil.rmtree(update)


@contextmanager
def _locked(path: Path, *, wait: bool = False) -> Iterator[None]:
    """Lock out other writers; the system releases the lock when the process ends, also after a crash."""
    try:
        with (path / _LOCK).open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
    except BlockingIOError as error:
        raise BusyError(f"{path}: another process is adding annotations; wait for its end, then try again") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror}); an addition needs write access") from error
