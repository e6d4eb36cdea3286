"""Who has which case in front of them: kept in a file, so that several servers on one store see it as well."""

import fcntl
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lesslabel.errors import DataError, LesslabelError
from lesslabel.files import read_json, write_json

LEASE_S = 300.0
"""Seconds without a word from the page after which a case is free for others."""


class LeasedError(LesslabelError):
    """Another annotator, or another tab, has the case in front of them."""


class OtherTabError(LeasedError):
    """Another tab of the same author has the case, which this one may take over."""


@dataclass(frozen=True)
class Lease:
    """One case in front of one annotator.

    Attributes:
        author: who.
        tab: which tab of the browser.
        until: seconds since 1970 at which it expires.
        host: of the server that gave it.
        process: of that server; a lease of one that was killed does not count.
    """

    author: str
    tab: str
    until: float
    host: str = ""
    process: int = 0

    @property
    def counts(self) -> bool:
        """Whether it has not expired, and its server lives as far as can be seen from here."""
        return self.until > time.time() and (self.host != socket.gethostname() or _lives(self.process))


class Leases:
    """The leases of one annotation of a store.

    Args:
        path: a JSON file.
        lease_s: how long a lease lasts.
    """

    def __init__(self, path: Path, lease_s: float = LEASE_S) -> None:
        self._path = path
        self._lease_s = lease_s

    def current(self) -> dict[str, Lease]:
        """Those that have not expired, by what is leased."""
        return {key: lease for key, lease in self._read().items() if lease.counts}

    def take(self, key: str, author: str, tab: str, *, from_other_tab: bool = False) -> None:
        """Take or renew a lease.

        Args:
            key: what is leased.
            author: who takes it.
            tab: in which tab.
            from_other_tab: also if the same author has it in another tab, which then loses it.

        Raises:
            LeasedError: if someone else has it, or the same author elsewhere.
        """
        with self._changing() as leases:
            held = leases.get(key)
            if held is not None and held.author != author:
                raise LeasedError(f"'{held.author}' has this case open; take another one")
            if held is not None and held.tab != tab and not from_other_tab:
                raise OtherTabError("this case is open in another tab; go on there, or take it over here")
            leases[key] = Lease(author, tab, time.time() + self._lease_s, socket.gethostname(), os.getpid())

    def release(self, key: str, author: str, tab: str) -> None:
        """Give a lease back; nothing happens if it is not held."""
        with self._changing() as leases:
            held = leases.get(key)
            if held is not None and (held.author, held.tab) == (author, tab):
                del leases[key]

    @contextmanager
    def _changing(self) -> Iterator[dict[str, Lease]]:
        """The current leases, written back at the end; no other process reads or writes them meanwhile."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.with_suffix(".lock").open("a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                leases = self.current()
                before = dict(leases)
                yield leases
                if leases != before:
                    write_json(self._path, {key: asdict(lease) for key, lease in leases.items()})
        except OSError as error:
            raise DataError(f"{self._path}: cannot be written ({error.strerror}); check space and rights") from error

    def _read(self) -> dict[str, Lease]:
        if not self._path.exists():
            return {}
        content: Any = read_json(self._path, "the leases of an annotation")
        try:
            return {str(key): _lease(row) for key, row in content.items()}
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise DataError(f"{self._path}: damaged ({error}); remove it") from error


def _lease(row: dict[str, Any]) -> Lease:
    return Lease(str(row["author"]), str(row["tab"]), float(row["until"]), str(row["host"]), int(row["process"]))


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # it is there, and another person's
    return True


def other_holder(lease: Lease | None, author: str) -> str:
    """The name of who has the case; empty if nobody or this author has it."""
    return "" if lease is None or lease.author == author else lease.author
