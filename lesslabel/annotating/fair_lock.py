"""A lock that is given to whoever has waited longest."""

import threading
from collections import deque
from types import TracebackType
from typing import Self


class FairLock:
    """One thread at a time, in the order in which they came.

    A network uses all cores at once. Two of them at the same time only get in each other's way, and an ordinary lock
    lets a quick thread overtake one that waits.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[threading.Event] = deque()
        self._taken = False

    def __enter__(self) -> Self:
        with self._lock:
            if not self._taken:
                self._taken = True
                return self
            mine = threading.Event()
            self._waiting.append(mine)
        mine.wait()  # the lock is handed on, never free in between
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._taken = False
