"""Terminal output while the jobs of a study run."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.table import Table

from lesslabel.plain_text import visible
from lesslabel.studies.job import Job
from lesslabel.studies.scheduler import Progress, State
from lesslabel.terminal import add_row, cell, make_console, make_table, print_table

_STYLES: dict[State, str] = {
    "waiting": "dim",
    "running": "bold",
    "done": "green",
    "done before": "green dim",
    "failed": "bold red",
}


@contextmanager
def watching(console: Console | None = None) -> Iterator[Callable[[Sequence[Progress]], None]]:
    """Yield the callback of `run_jobs`: it updates a table on a terminal, else prints a line for each change.

    Args:
        console: the output; stderr by default.
    """
    console = console or make_console(stderr=True)
    if not console.is_terminal:
        reported: dict[str, State] = {}

        def tell(table: Sequence[Progress]) -> None:
            for progress in table:
                if reported.get(progress.job.key) != progress.state and progress.state != "waiting":
                    reported[progress.job.key] = progress.state
                    print(f"{visible(progress.job.name)}: {progress.state}", file=sys.stderr, flush=True)

        yield tell
        return
    with Live(console=console, refresh_per_second=2, transient=False) as live:
        yield lambda table: live.update(render(table))


def render(table: Sequence[Progress]) -> Table:
    """The present table of jobs."""
    count = sum(progress.state.startswith("done") for progress in table)
    shown = make_table("job", "state", "time", "last words", title=f"{count} of {len(table)} done")
    for progress in table:
        minutes, seconds = divmod(round(progress.seconds), 60)
        elapsed = f"{minutes}:{seconds:02d}" if progress.since is not None else ""
        words = progress.last_words if progress.state in ("running", "failed") else ""
        last = cell(words)
        last.overflow, last.no_wrap = "ellipsis", True
        add_row(shown, progress.job.name, cell(progress.state, _STYLES[progress.state]), elapsed, last)
    return shown


def print_jobs(jobs: Sequence[Job], console: Console | None = None) -> None:
    """Print the jobs of a dry run: state, labels, needed jobs and key."""
    table = make_table("job", "", "labelled cases", "needs", "key")
    names = {job.key: job.name for job in jobs}
    for job in jobs:
        state = "done" if job.folder.is_done() else "to do"
        seen = "" if job.labels is None else str(job.labels.cases)
        add_row(table, job.name, state, seen, "; ".join(names[key] for key in job.needs), job.key[:12])
    if console is None:
        print_table(table)
    else:
        console.print(table)
