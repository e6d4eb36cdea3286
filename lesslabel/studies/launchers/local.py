"""Run jobs as processes of this machine, which share its cores and accelerators."""

import contextlib
import os
import signal
import subprocess
import uuid

from lesslabel.errors import ConfigError
from lesslabel.processes import usable_cores
from lesslabel.studies.launchers.base import start_worker
from lesslabel.studies.work import JobFolder

_PATIENCE_SECONDS = 10.0


class LocalLauncher:
    """Starts jobs on this machine.

    Args:
        slots: the number of jobs at a time; each gets an equal share of the cores.
        accelerators: names of the available accelerators (``CUDA_VISIBLE_DEVICES``), assigned in turn.

    Raises:
        ConfigError: if there is no slot.
    """

    def __init__(self, slots: int = 1, accelerators: tuple[str, ...] = ()) -> None:
        if slots < 1:
            raise ConfigError(f"--jobs is {slots}; use 1 or more")
        self.slots = slots
        self.accelerators = accelerators
        self.threads = max(1, usable_cores() // slots)

    def start(self, folder: JobFolder, slot: int, *, devices: int, nodes: int) -> "LocalHandle":
        """Start a job; see `Launcher.start`.

        Raises:
            ConfigError: if it takes several machines.
        """
        if nodes > 1:
            raise ConfigError(f"nodes: a job on {nodes} machines needs a cluster; use --launcher slurm")
        threads, attempt = max(1, self.threads // devices), uuid.uuid4().hex
        return LocalHandle(start_worker(folder, attempt, threads=threads, environment=self._share(slot, devices)))

    def _share(self, slot: int, devices: int) -> dict[str, str]:
        """The accelerators of a slot; more slots than accelerators share them."""
        if not self.accelerators:
            return {}
        places = range(slot * devices, (slot + 1) * devices)
        mine = dict.fromkeys(self.accelerators[place % len(self.accelerators)] for place in places)
        return {"CUDA_VISIBLE_DEVICES": ",".join(mine)}


class LocalHandle:
    """A job's process.

    Args:
        process: the leader of its process group.
    """

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self.process = process

    def poll(self) -> int | None:
        """The exit code, None while it runs."""
        return self.process.poll()

    def stop(self) -> None:
        """Ask its process group to end, and kill it after a time limit; no checkpoint is left incomplete."""
        for sent in (signal.SIGTERM, signal.SIGKILL):
            if self.process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self.process.pid, sent)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self.process.wait(_PATIENCE_SECONDS)
