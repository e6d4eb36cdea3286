"""The base class of launchers, and the process that they start."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from lesslabel.processes import python_command
from lesslabel.studies.work import JobFolder

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
_WAITING = {"OMP_WAIT_POLICY": "PASSIVE"}
"""Threads that wait for each other sleep. Where other programs compute too, threads that spin made a step of a small
network seven times as slow as one thread alone (2.2 s instead of 0.31 s)."""
_CLUSTER = ("SLURM_", "SRUN_", "PMI_", "PMIX_")
"""Variables that would make Lightning use the cluster's tasks as its processes; here it starts its own."""


class Handle(Protocol):
    """A job that was started."""

    def poll(self) -> int | None:
        """The exit code, None while it runs or waits."""

    def stop(self) -> None:
        """End it, if it has not ended."""


class Launcher(Protocol):
    """Starts jobs.

    Attributes:
        slots: the largest number of jobs at a time.
    """

    slots: int

    def start(self, folder: JobFolder, slot: int, *, devices: int, nodes: int) -> Handle:
        """Start a job.

        Args:
            folder: its folder, which describes it.
            slot: a number below `slots` that no other running job has.
            devices: accelerators that it takes on each node.
            nodes: machines that it takes.
        """


def start_worker(
    folder: JobFolder, attempt: str, *, threads: int, node: int = 0, environment: Mapping[str, str] | None = None
) -> "subprocess.Popen[bytes]":
    """Start the process of a job in its own process group; its output is added to the job's log.

    Its threads wait without spinning, unless ``OMP_WAIT_POLICY`` is set.

    Args:
        folder: the job.
        attempt: name of this attempt, the same on all its machines.
        threads: number of threads of the process.
        node: number of this machine.
        environment: further variables.
    """
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(_CLUSTER)}
    command = [*python_command("lesslabel.studies.work"), str(folder.path), "--attempt", attempt]
    with _log_of(folder.log, node).open("ab") as log:
        return subprocess.Popen(
            [*command, "--node", str(node)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**_WAITING, **inherited, **dict.fromkeys(THREADS, str(threads)), **(environment or {})},
            start_new_session=True,
        )


def _log_of(log: Path, node: int) -> Path:
    return log.with_stem(f"{log.stem}-node{node}") if node else log
