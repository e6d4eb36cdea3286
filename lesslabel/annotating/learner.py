"""At most one process that learns in the background, begun when a case was finished."""

import contextlib
import logging
import os
import subprocess
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

from lesslabel.annotating.served_models import ServedModels
from lesslabel.annotating.task import Task
from lesslabel.errors import ConfigError
from lesslabel.processes import python_command

NICENESS = 5
"""By which the process yields to the server, which people wait for."""
_LOG = logging.getLogger(__name__)


class Learner:
    """Runs a command in the background; asked while it runs, it runs once more afterwards.

    A run that fails, or is killed, is one line in the log.

    Args:
        command: makes the command, each time anew.
        taught: called after a run that succeeded.
    """

    def __init__(self, command: Callable[[], Sequence[str]], taught: Callable[[], None]) -> None:
        self._command = command
        self._taught = taught
        self._changed = threading.Condition()
        self._asked = self._at_work = self._ended = False
        self._process: subprocess.Popen[str] | None = None

    @classmethod
    def of(cls, models: ServedModels, store: Path, task: Task) -> Self:
        """A learner of the steps of a task, which first takes up what was learned before.

        Raises:
            ConfigError: if the model cannot learn.
        """
        if not models.can_learn or models.newest is None:
            name = "none" if models.newest is None else models.newest.described.get("name", "it")
            raise ConfigError(
                f"--learn: {name} cannot learn between cases; draw dense with --model general, or leave --learn out"
            )
        models.take_up()

        def command() -> list[str]:
            served = "" if models.newest is None else models.newest.described["weights"]
            words = [str(store.resolve()), task.annotation, served, str(task.learn)]
            return [*python_command("lesslabel.annotating.learning_process"), *words]

        return cls(command, models.take_up)

    @property
    def at_work(self) -> bool:
        """Whether it learns right now."""
        with self._changed:
            return self._at_work

    def start(self) -> None:
        """Learn in the background from what is in the store by now."""
        with self._changed:
            self._asked = True
            if not self._at_work and not self._ended:
                self._at_work = True
                threading.Thread(target=self._work, daemon=True).start()

    def wait(self, timeout_s: float) -> bool:
        """Wait until nothing is at work; False if it still is after so many seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._at_work, timeout_s)

    def end(self) -> None:
        """End the process, and begin no other."""
        with self._changed:
            self._ended = True
            if self._process is not None:
                self._process.terminate()

    def _work(self) -> None:
        while self._next():
            try:
                self._run()
            except Exception as error:  # whatever it is, the page goes on, and what was asked meanwhile is done
                _LOG.warning("learning: failed (%s); the page goes on with the weights it has", error)

    def _next(self) -> bool:
        with self._changed:
            self._at_work = self._asked and not self._ended
            self._asked = False
            self._changed.notify_all()
            return self._at_work

    def _run(self) -> None:
        with self._changed:
            if self._ended:
                return
            # its input ends with this process, and so does it; Ctrl-C in the terminal is not for it
            process = subprocess.Popen(
                self._command(),
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                env={**os.environ, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"},
                start_new_session=True,
            )
            self._process = process
        with contextlib.suppress(OSError):  # it is over already
            os.setpriority(os.PRIO_PROCESS, process.pid, min(19, os.nice(0) + NICENESS))
        with process:
            assert process.stderr is not None
            said = process.stderr.read().strip()
        with self._changed:
            self._process = None
        if process.returncode == 0:
            self._taught()
        elif not self._ended:
            why = said.splitlines()[-1] if said else f"exit status {process.returncode}"
            _LOG.warning("learning: failed (%s); the page goes on with the weights it has", why)
