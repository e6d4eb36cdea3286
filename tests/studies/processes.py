"""Studies as processes that a test may kill."""

import fcntl
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lesslabel.studies.work import JobFolder


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """A folder that one of pytest's workers makes and all of them read; whoever changes it copies it first."""
    base = factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder, finished = shared / name, shared / f"{name}.finished"
    with (shared / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not finished.exists():
            shutil.rmtree(folder, ignore_errors=True)  # of a worker that failed
            folder.mkdir()
            make(folder)
            finished.touch()
    return folder


def start(place: Path, study: Path) -> "subprocess.Popen[str]":
    """The launcher in a process of its own."""
    command = [sys.executable, "-m", "lesslabel.cli", "reproduce", str(study), "--jobs", "2"]
    return subprocess.Popen(command, cwd=place, stderr=subprocess.PIPE, text=True, start_new_session=True)


def jobs_of(place: Path, study: Path) -> list[JobFolder]:
    """The jobs that were started."""
    return [JobFolder(path.parent) for path in sorted((place / "runs" / study.name).glob("*/job.json"))]


def wait_until(condition: Callable[[], bool], process: "subprocess.Popen[str]", seconds: float = 600.0) -> None:
    """Wait, as long as the launcher lives."""
    until = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.02)


def worker_of(job: JobFolder, place: Path) -> int:
    """The process that works on a job, whatever runs elsewhere."""
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_bytes().decode().split("\0")
            is_here = (entry / "cwd").resolve() == place.resolve()
        except OSError:
            continue
        if is_here and "lesslabel.studies.work" in command and any(word.endswith(job.path.name) for word in command):
            return int(entry.name)
    raise AssertionError(f"nobody works on {job.path}")
