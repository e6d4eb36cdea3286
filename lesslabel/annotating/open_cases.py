"""The cases that are open, each with its own lock, in bounded memory."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from lesslabel.annotating.case_session import CaseSession
from lesslabel.annotating.items import Item
from lesslabel.errors import LesslabelError

KEPT_BYTES = 2**31
"""Of open cases in memory, with the model's answers; the one that was used longest ago is closed first, and opened
again from its journal when it is asked for."""


@dataclass(eq=False)
class _Slot:
    lock: threading.Lock = field(default_factory=threading.Lock)
    session: CaseSession | None = None
    nbytes: int = 0
    users: int = 0


class OpenCases:
    """Opens cases when they are asked for, and closes those that nobody uses.

    Args:
        make: opens a case for an author.
        kept_bytes: see `KEPT_BYTES`.
    """

    def __init__(self, make: Callable[[str, Item], CaseSession], kept_bytes: int = KEPT_BYTES) -> None:
        self._make = make
        self._kept_bytes = kept_bytes
        self._slots: OrderedDict[tuple[str, str], _Slot] = OrderedDict()
        self._lock = threading.Lock()

    @contextmanager
    def using(
        self, author: str, item: Item, outdated: Callable[[CaseSession], bool] | None = None
    ) -> Iterator[CaseSession]:
        """The case, for this thread alone until the block ends; other cases do not wait.

        After an error that nobody foresaw it is made again from its journal, which knows what was done.

        Args:
            author: who works on it.
            item: the case.
            outdated: tells an open case that is to be opened anew.

        Raises:
            DataError: if it cannot be opened.
        """
        place = author, item.key
        with self._lock:
            slot = self._slots.setdefault(place, _Slot())
            slot.users += 1
            self._slots.move_to_end(place)
        try:
            with slot.lock:
                if slot.session is not None and outdated is not None and outdated(slot.session):
                    slot.session = None
                if slot.session is None or not slot.session.is_current():
                    slot.session, slot.nbytes = None, 0  # so that two are never in memory
                    slot.session = self._make(author, item)
                try:
                    yield slot.session
                except BaseException as error:
                    if not isinstance(error, LesslabelError):
                        slot.session = None
                    raise
                finally:
                    slot.nbytes = 0 if slot.session is None else slot.session.nbytes
        finally:
            with self._lock:
                slot.users -= 1
                self._close_unused()

    @property
    def nbytes(self) -> int:
        """Bytes held by all open cases when each was last used."""
        return sum(slot.nbytes for slot in self._slots.values())

    def _close_unused(self) -> None:
        for place in list(self._slots)[:-1]:
            if self.nbytes <= self._kept_bytes:
                return
            if not self._slots[place].users:
                del self._slots[place]
