"""Whose turn it is to compute, when several annotators ask the model at once."""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from lesslabel.processes import usable_cores


class Processors:
    """As many ask the model at a time as there are processors, first come, first served.

    One alone has all threads of PyTorch, two have half of them each: small networks do not fill two processors, and
    more threads than processors only wait for one another.

    Args:
        count: processors; None for those that this process may use.
    """

    def __init__(self, count: int | None = None) -> None:
        self._count = count or usable_cores()
        self._threads = torch.get_num_threads()
        self._at_work = 0
        self._waiting: deque[threading.Event] = deque()
        self._lock = threading.Lock()

    @contextmanager
    def share(self) -> Iterator[int]:
        """Wait for a processor and keep it until the block ends.

        Yields:
            the threads of PyTorch in the block; they are those of the calling thread alone.
        """
        threads = max(1, self._threads // self._enter())
        torch.set_num_threads(threads)
        try:
            yield threads
        finally:
            torch.set_num_threads(self._threads)  # what new threads begin with
            self._leave()

    def _enter(self) -> int:
        """The number of those at work, this one included."""
        with self._lock:
            if self._at_work < self._count:
                self._at_work += 1
                return self._at_work
            mine = threading.Event()
            self._waiting.append(mine)
        mine.wait()
        return self._count

    def _leave(self) -> None:
        """Give the processor to the one that waits longest."""
        with self._lock:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._at_work -= 1
