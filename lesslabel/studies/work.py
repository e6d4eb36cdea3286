"""The process of one job: fit and test, or its steps. If it is killed, the next process on its folder resumes it.

    python -m lesslabel.studies.work FOLDER --attempt NAME

The folder describes the job. A lock makes a second process of the same job wait, such as one after a
killed launcher, whose job may still run; the system releases the lock when its holder ends.
"""

import argparse
import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lesslabel.errors import LesslabelError, RunError
from lesslabel.files import read_json, write_json
from lesslabel.processes import python_command
from lesslabel.runs.reading import RunFiles
from lesslabel.studies.resolved import hash_content
from lesslabel.studies.sources import Sources
from lesslabel.studies.step_work import FINISHED, describe_results, make_ready, run_steps

_TEST_OPTIONS = ("unit", "hd95", "empty")
_FOLLOW_SECONDS = 0.2


@dataclass(frozen=True)
class JobFolder:
    """Paths of one job.

    Attributes:
        path: the folder; it need not exist.
    """

    path: Path

    @property
    def declaration(self) -> Path:
        """The description of the job, written before it starts."""
        return self.path / "job.json"

    @property
    def run(self) -> Path:
        """The run folder."""
        return self.path / "run"

    @property
    def log(self) -> Path:
        """The output of its processes."""
        return self.path / "log.txt"

    @property
    def attempt(self) -> Path:
        """The start of the present or last process, and the minutes of earlier ones."""
        return self.path / "attempt.json"

    @property
    def lock(self) -> Path:
        """The lock of the process that works here."""
        return self.path / "lock"

    @property
    def done(self) -> Path:
        """Written last: minutes and hardware; for steps also their outputs."""
        return self.path / "done.json"

    def is_done(self) -> bool:
        """Whether the job is finished."""
        if not self.done.is_file():
            return False
        results = read_json(self.done, "the end of a job").get("results", ["run/test/metrics.csv"])
        return all((self.path / result).exists() for result in results)


def work(folder: JobFolder, attempt: str, node: int = 0) -> None:
    """Run the job of a folder, or resume it.

    Args:
        folder: the job.
        attempt: name of this attempt, the same on all its machines.
        node: number of this machine; all but the first only take part in the training.

    Raises:
        LesslabelError: if the job fails.
    """
    job = read_json(folder.declaration, "a job of a study")
    sources = Sources()
    if job.get("content") != sources.content and job["parts"]["sources"] != sources.hash(job.get("sources", ())):
        raise RunError("the sources of lesslabel changed after the study was started; start it again")
    for path, content in job["inputs"].items():
        if hash_content(Path(path)) != content:
            raise RunError(f"{path}: changed after the study was started; start it again")
    if node:
        _fit(folder, job, resume=_wait_for_first_node(folder, attempt))
        return
    with _alone(folder):
        if folder.is_done():
            return
        spent, has_steps = _minutes_of_earlier_attempts(folder), bool(job.get("steps"))
        since, resume = time.time(), not has_steps and make_ready(folder.run)
        noted = {"attempt": attempt, "resume": resume, "since": since, "minutes_before": spent}
        write_json(folder.attempt, noted)
        if has_steps:
            run_steps(folder.path, job)
            ended = describe_results(folder.path, job)
        else:
            _fit(folder, job, resume=resume)
            _test(folder, job)
            ended = {}
        minutes = round(spent + (time.time() - since) / 60, 2)
        write_json(folder.done, {"key": job["key"], "minutes": minutes, "hardware": _hardware(folder, job), **ended})


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one job and return the exit code; an error is printed in one line."""
    parser = argparse.ArgumentParser("python -m lesslabel.studies.work", description=__doc__)
    parser.add_argument("folder", type=Path, help="the job's folder")
    parser.add_argument("--attempt", required=True, help="name of this attempt, the same on all machines")
    parser.add_argument("--node", type=int, default=0, help="number of this machine")
    options = parser.parse_args(arguments)
    try:
        work(JobFolder(options.folder), options.attempt, options.node)
    except LesslabelError as error:
        print(f"lesslabel: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("lesslabel: interrupted; the same study goes on from here", file=sys.stderr)
        return 130
    return 0


def _fit(folder: JobFolder, job: dict[str, Any], *, resume: bool) -> None:
    if job["devices"] * job["nodes"] > 1:
        going_on = ["--ckpt_path", "last"] if resume else []
        # Lightning starts this command again for each further device
        _call("fit", [*job["arguments"], "--run", str(folder.run), *going_on])
        return
    from lesslabel.command_words import read_settings
    from lesslabel.runs.fitting import fit

    fit(read_settings([*job["arguments"], "--run", str(folder.run)]), resume=resume)


def _test(folder: JobFolder, job: dict[str, Any]) -> None:
    scoring = {option: job["scoring"][option] for option in _TEST_OPTIONS}
    if job["devices"] * job["nodes"] > 1:
        arguments = ["--run", str(folder.run), "--ckpt_path", job["checkpoint"]]
        _call("test", [*arguments, *(text for option, value in scoring.items() for text in (f"--{option}", value))])
        return
    from lesslabel.runs.testing import test

    test(folder.run, checkpoint=job["checkpoint"], **scoring)


def _call(command: str, arguments: Sequence[str]) -> None:
    """Run a command in a process of its own."""
    code = subprocess.run([*python_command("lesslabel.cli"), command, *arguments], check=False).returncode
    if code:
        raise RunError(f"`lesslabel {command}` ended with exit code {code}; see above")


def _wait_for_first_node(folder: JobFolder, attempt: str) -> bool:
    """The decision of the first machine in this attempt, to resume or not."""
    while True:
        if folder.attempt.is_file():
            noted = read_json(folder.attempt, "an attempt of a job")
            if noted["attempt"] == attempt:
                return bool(noted["resume"])
        time.sleep(_FOLLOW_SECONDS)


def _minutes_of_earlier_attempts(folder: JobFolder) -> float:
    """Minutes of killed processes, until their last log line or result."""
    if not folder.attempt.is_file():
        return 0.0
    noted = read_json(folder.attempt, "an attempt of a job")
    traces = [*folder.path.rglob("logs/metrics.csv"), *folder.path.glob(FINISHED)]
    since, before = float(noted["since"]), float(noted["minutes_before"])
    return before + max([0.0, *(trace.stat().st_mtime - since for trace in traces)]) / 60


def _hardware(folder: JobFolder, job: dict[str, Any]) -> str:
    """The hardware of a job: the accelerators, else the processor and its number of threads."""
    from lesslabel.runs.folder import describe_environment

    made_on = RunFiles(folder.run).environment or describe_environment(job["seed"])
    count = job["devices"] * job["nodes"]
    if made_on["accelerator"] != "none":
        return f"{count} × {made_on['accelerator']}"
    shared = f"{count} × " if count > 1 else ""
    return f"{shared}{made_on['threads']} thread{'s' * (made_on['threads'] != 1)} of {made_on['cpu']}"


@contextmanager
def _alone(folder: JobFolder) -> Iterator[None]:
    """Hold the job's lock; wait while another process works here."""
    handle = os.open(folder.lock, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


if __name__ == "__main__":
    sys.exit(main())
