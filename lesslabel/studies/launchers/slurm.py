"""Jobs on a SLURM cluster, or on this machine in the same way, through submitit."""

import os
import shlex
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from lesslabel.errors import ConfigError
from lesslabel.processes import interpreter_command
from lesslabel.studies.launchers.base import start_worker
from lesslabel.studies.launchers.local import LocalHandle
from lesslabel.studies.work import JobFolder

_WEEK_MINUTES = 7 * 24 * 60
_FIRST_PORT, _PORTS = 20_000, 20_000


class SlurmLauncher:
    """Submits jobs through submitit, which keeps its own files in ``<output>/submitit``.

    A job is one task on each of its machines; Lightning starts a process for each further accelerator. A job that the
    cluster ends at its time limit or preempts is queued again and resumed from its last checkpoint.

    Args:
        folder: of submitit's files; on a cluster all machines must have access to it.
        slots: the number of jobs in the queue at a time.
        threads: cores of a job on each machine.
        cluster: ``slurm``, or ``local`` for processes of this machine.
        settings: of submitit's `update_parameters`, such as ``{"slurm_partition": "gpu", "timeout_min": 240}``.

    Raises:
        ConfigError: if submitit is not installed, there is no SLURM, or a setting is unknown.
    """

    def __init__(
        self,
        folder: Path,
        *,
        slots: int,
        threads: int,
        cluster: Literal["slurm", "local"] = "slurm",
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        try:
            import submitit
        except ModuleNotFoundError as error:
            raise ConfigError("--launcher: needs submitit; install it with pip install 'lesslabel[slurm]'") from error
        if slots < 1:
            raise ConfigError(f"--jobs is {slots}; use 1 or more")
        self.slots, self.threads, self.cluster = slots, threads, cluster
        self.settings = {} if settings is None else dict(settings)
        try:
            python = {f"{cluster}_python": shlex.join(interpreter_command())}
            self.executor = submitit.AutoExecutor(folder=folder / "%j", cluster=cluster, **python)
            self.executor.update_parameters(timeout_min=_WEEK_MINUTES if cluster == "local" else 24 * 60)
            self.executor.update_parameters(**self.settings)
        except (NameError, TypeError, ValueError, RuntimeError) as error:
            raise ConfigError(f"--launcher: {' '.join(str(error).split())}") from error

    def start(self, folder: JobFolder, slot: int, *, devices: int, nodes: int) -> "SlurmHandle":  # noqa: ARG002
        """Submit a job; see `Launcher.start`. The slot is ignored: the cluster assigns machines.

        Raises:
            ConfigError: if it takes several machines and there is only this one.
        """
        if nodes > 1 and self.cluster == "local":
            raise ConfigError(f"nodes: a job on {nodes} machines needs a cluster; use --launcher slurm")
        placed = {"name": folder.path.name, "nodes": nodes, "tasks_per_node": 1, "cpus_per_task": self.threads}
        if self.cluster == "slurm" and "gpus_per_node" not in self.settings and devices > 1:
            placed["gpus_per_node"] = devices
        self.executor.update_parameters(**placed)
        return SlurmHandle(self.executor.submit(Submission(str(folder.path.resolve()), str(Path.cwd()), self.threads)))


class SlurmHandle:
    """A submitted job.

    Args:
        job: submitit's.
    """

    def __init__(self, job: Any) -> None:
        self.job = job

    def poll(self) -> int | None:
        """0 if it succeeded, 1 if it failed, None while it runs or waits."""
        if not self.job.done():
            return None
        return 1 if self.job.exception() else 0

    def stop(self) -> None:
        """Remove it from the queue, or end it."""
        if not self.job.done():
            self.job.cancel(check=False)


class Submission:
    """The process of a job on a machine of the cluster.

    Args:
        folder: of the job.
        workplace: folder that the paths of the study are relative to.
        threads: of the process.
    """

    def __init__(self, folder: str, workplace: str, threads: int) -> None:
        self.folder, self.workplace, self.threads = folder, workplace, threads
        self.attempt = uuid.uuid4().hex

    def __call__(self) -> None:
        """Run the job to its end.

        Raises:
            RuntimeError: if it failed; submitit reports it.
        """
        import submitit

        place = submitit.JobEnvironment()
        os.chdir(self.workplace)
        together = {}
        if place.num_nodes > 1:
            port = _FIRST_PORT + int(place.raw_job_id) % _PORTS
            together = {"NODE_RANK": str(place.node), "MASTER_ADDR": place.hostnames[0], "MASTER_PORT": str(port)}
        attempt = f"{self.attempt}-{os.environ.get('SLURM_RESTART_COUNT', '0')}"
        job = JobFolder(Path(self.folder))
        process = start_worker(job, attempt, threads=self.threads, node=place.node, environment=together)
        try:
            code = process.wait()
        except BaseException:
            LocalHandle(process).stop()  # it has its own process group, which the signal did not reach
            raise
        if code:
            raise RuntimeError(f"exit code {code}; see {job.log}")

    def checkpoint(self) -> Any:
        """The job that submitit queues instead: the same, resumed from the last checkpoint."""
        import submitit

        return submitit.helpers.DelayedSubmission(self)

    __submitit_checkpoint__ = checkpoint


def read_settings(given: list[str]) -> dict[str, Any]:
    """Read ``NAME=VALUE`` settings of submitit; whole numbers are read as such.

    Raises:
        ConfigError: if one is written otherwise.
    """
    settings: dict[str, Any] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not (name and equals and value):
            raise ConfigError(f"--slurm: '{text}' is no NAME=VALUE, such as slurm_partition=gpu")
        settings[name] = int(value) if value.isdigit() else value
    return settings
