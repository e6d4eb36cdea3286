"""Process cases in parallel: one process per core with one thread each, which end with this process."""

import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import TypeVar

from lesslabel.errors import ConfigError, DataError

_ALONE_SECONDS = 1.0
"""About the seconds to start a process that can read a case: less work than that is done in this process."""
_THREADS = ("OMP", "OPENBLAS", "MKL", "VECLIB_MAXIMUM", "NUMEXPR", "NUMBA")

Item = TypeVar("Item")
Result = TypeVar("Result")


def python_command(module: str) -> list[str]:
    """The command that runs a module in a process with the import path of this one; see `interpreter_command`."""
    return [*interpreter_command(), "-m", module]


def interpreter_command() -> list[str]:
    """The command of the interpreter for further processes.

    It imports no file of the current folder, which may be untrusted, unless this process does.
    """
    here = "" in sys.path or str(Path.cwd()) in sys.path
    return [sys.executable, *([] if here else ["-P"])]


def end_with_input() -> None:
    """Let this process end as soon as its standard input does: that of a process whose parent was killed."""

    def wait() -> None:
        while os.read(0, 1024):  # not sys.stdin, whose lock the end of the interpreter would wait for
            pass
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def usable_cores() -> int:
    """The number of cores that this process may use, within the limits of a scheduler or a container."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def share_out(
    function: Callable[[Item], Result], items: Iterable[Item], workers: int | None, where: object
) -> Generator[Result, None, None]:
    """Apply a function to every item; the results are in the order of the items for any number of workers.

    Args:
        function: it and the items must be picklable; its errors are raised in this process.
        items: its arguments.
        workers: number of processes, at most that of items; 0 or 1 uses this process. None takes the available cores,
            if the work takes more than a second in this process.
        where: name of the work, for messages.

    Raises:
        ConfigError: if `workers` is negative.
        DataError: if a process was killed.
    """
    if workers is not None and workers < 0:
        raise ConfigError(f"workers: {workers}; pass 0 to read in this process, or as many as are to read")
    waiting = deque(items)
    if workers is None:
        begin = time.monotonic()
        while waiting and time.monotonic() - begin < _ALONE_SECONDS:
            yield function(waiting.popleft())
        workers = usable_cores()
    workers = min(workers, len(waiting))
    if workers <= 1:
        yield from map(function, waiting)
        return
    with worker_pool(workers, where) as pool:
        for future in [pool.submit(function, item) for item in waiting]:
            yield future.result()


@contextmanager
def worker_pool(workers: int, where: object) -> Iterator[ProcessPoolExecutor]:
    """Processes with one thread each, which end with the block, and also if this process is killed.

    Raises:
        DataError: if one was killed; names `where`.
    """
    # spawn: forking a process that may hold OpenMP threads can hang
    pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_begin)
    try:
        yield pool
    except BrokenProcessPool as error:
        raise DataError(f"{where}: a process that worked on it was killed; use fewer workers") from error
    finally:
        pool.shutdown(cancel_futures=True)


def _begin() -> None:
    """Prepare a worker before it imports packages that read the number of threads from the environment."""
    os.environ.update({f"{library}_NUM_THREADS": "1" for library in _THREADS})
    # a worker waits on a pipe that it holds itself, so it would not notice that the other end is closed
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
