"""Runs many jobs on few slots: skips what is done, goes on when one fails."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from lesslabel.files import write_json
from lesslabel.studies.jobs import Job
from lesslabel.studies.launchers.base import Handle, Launcher

State = Literal["waiting", "running", "done", "done before", "failed"]


@dataclass
class Progress:
    """How far a job is.

    Attributes:
        job: the job.
        state: what became of it so far.
        since: when it was started, seconds of `time.monotonic`; None before.
        seconds: how long it took or has been taking.
    """

    job: Job
    state: State = "waiting"
    since: float | None = None
    seconds: float = 0.0

    @property
    def last_words(self) -> str:
        """The last line of its log."""
        return last_line(self.job)


def run_jobs(
    jobs: Sequence[Job],
    launcher: Launcher,
    watch: Callable[[Sequence[Progress]], None] = lambda _: None,
    *,
    poll_seconds: float = 0.2,
) -> list[Progress]:
    """Run the jobs that are not done, in their order, as many at a time as the launcher has slots.

    Args:
        jobs: the jobs.
        launcher: starts them.
        watch: called after every look at them.
        poll_seconds: time between two looks.

    Returns:
        What became of each. A failed one stops no other.

    Raises:
        KeyboardInterrupt: if interrupted; the running jobs are ended, and go on where they were the next time.
    """
    table = [Progress(job, "done before" if job.folder.is_done() else "waiting") for job in jobs]
    waiting = [progress for progress in table if progress.state == "waiting"]
    running: dict[int, tuple[Progress, Handle]] = {}
    try:
        while waiting or running:
            for slot in range(launcher.slots):
                if slot not in running and waiting:
                    running[slot] = _start(waiting.pop(0), launcher, slot)
            for slot, (progress, handle) in list(running.items()):
                progress.seconds = time.monotonic() - (progress.since or 0.0)
                code = handle.poll()
                if code is not None:
                    progress.state = "done" if code == 0 and progress.job.folder.is_done() else "failed"
                    del running[slot]
            watch(table)
            if running:
                time.sleep(poll_seconds)
    except BaseException:
        for _, handle in running.values():
            handle.stop()
        raise
    watch(table)
    return table


def last_line(job: Job) -> str:
    """The last line that a job's processes wrote, empty before the first."""
    if not job.folder.log.is_file():
        return ""
    with job.folder.log.open("rb") as log:
        log.seek(max(0, log.seek(0, 2) - 4096))
        lines = log.read().decode("utf-8", "replace").strip().splitlines()
    return lines[-1].strip() if lines else ""


def _start(progress: Progress, launcher: Launcher, slot: int) -> tuple[Progress, Handle]:
    job = progress.job
    job.folder.path.mkdir(parents=True, exist_ok=True)
    write_json(job.folder.declaration, job.describe())
    progress.state, progress.since = "running", time.monotonic()
    return progress, launcher.start(job.folder, slot, devices=job.devices, nodes=job.nodes)
