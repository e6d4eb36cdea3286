"""Runs many jobs on few slots: skips finished jobs, waits for needed ones, continues when one fails."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from lesslabel.files import write_json
from lesslabel.studies.job import Job
from lesslabel.studies.launchers.base import Handle, Launcher

State = Literal["waiting", "running", "done", "done before", "failed"]


@dataclass
class Progress:
    """The progress of a job.

    Attributes:
        job: the job.
        state: its state.
        since: its start, in seconds of `time.monotonic`; None before.
        seconds: its duration until now or its end.
        reason: the reason why it was not started.
    """

    job: Job
    state: State = "waiting"
    since: float | None = None
    seconds: float = 0.0
    reason: str = ""

    @property
    def last_words(self) -> str:
        """The reason why it was not started, or the last line of its log."""
        return self.reason or last_line(self.job)


def run_jobs(
    jobs: Sequence[Job],
    launcher: Launcher,
    watch: Callable[[Sequence[Progress]], None] = lambda _: None,
    *,
    poll_seconds: float = 0.2,
) -> list[Progress]:
    """Run the jobs that are not done, in their order, as many at a time as the launcher has slots.

    A job starts after those that it needs; if one of them failed, it fails without a start.

    Args:
        jobs: the jobs, those that others need before them.
        launcher: starts them.
        watch: called after every poll.
        poll_seconds: time between two polls.

    Returns:
        The final state of each. A failed job stops no other.

    Raises:
        KeyboardInterrupt: if interrupted; the running jobs are ended, and resumed by the next call.
    """
    table = [Progress(job, "done before" if job.folder.is_done() else "waiting") for job in jobs]
    waiting = [progress for progress in table if progress.state == "waiting"]
    running: dict[int, tuple[Progress, Handle]] = {}
    try:
        while waiting or running:
            _give_up(waiting, table)
            for slot in range(launcher.slots):
                if slot not in running and (ready := _next_ready(waiting, table)) is not None:
                    running[slot] = _start(ready, launcher, slot)
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


def _next_ready(waiting: list[Progress], table: Sequence[Progress]) -> Progress | None:
    """Remove and return the first job that waits for no other."""
    done = {progress.job.key for progress in table if progress.state.startswith("done")}
    for index, progress in enumerate(waiting):
        if done.issuperset(progress.job.needs):
            return waiting.pop(index)
    return None


def _give_up(waiting: list[Progress], table: Sequence[Progress]) -> None:
    """Fail jobs that need a failed one; one pass is enough, since needed jobs come first in the list."""
    failed = {progress.job.key: progress.job.name for progress in table if progress.state == "failed"}
    for progress in list(waiting):
        for key in progress.job.needs:
            if key in failed and progress in waiting:
                progress.state, progress.reason = "failed", f"needs {failed[key]}, which failed"
                failed[progress.job.key] = progress.job.name
                waiting.remove(progress)


def _start(progress: Progress, launcher: Launcher, slot: int) -> tuple[Progress, Handle]:
    job = progress.job
    job.folder.path.mkdir(parents=True, exist_ok=True)
    write_json(job.folder.declaration, job.describe())
    progress.state, progress.since = "running", time.monotonic()
    return progress, launcher.start(job.folder, slot, devices=job.devices, nodes=job.nodes)
