"""Changing a store that exists: wholly or not at all, whatever is killed when, one writer at a time.

What changes is first written beside the store's own files. A folder `update` then appears in one step, and from there
on the change is decided: its files are moved into place, and whoever opens the store next goes on where a killed
process stopped.
"""

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lesslabel.data.store.records import FINGERPRINT, TABLE, UPDATE
from lesslabel.errors import DataError
from lesslabel.files import written_aside

_LOCK = ".lock"


@contextmanager
def update(path: Path) -> Iterator[Path]:
    """Change a store: what the block writes takes the place of the store's own files once the block ends well.

    Args:
        path: the store.

    Yields:
        A folder for case files (`case_path`), table and fingerprint that replace those of the store.

    Raises:
        DataError: if another process is changing the store, or it cannot be written.
    """
    with _locked(path):
        _move_into_place(path)
        with written_aside(path / UPDATE) as aside:
            aside.mkdir()
            yield aside
        _move_into_place(path)


def finish_update(path: Path) -> None:
    """Finish a change that was decided; if another process is at it, wait for its end.

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
    for folder in (update, update / "cases"):
        if folder.is_symlink():
            raise DataError(f"{folder}: a link, and a change of a store lies in the store itself; remove the link")
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
