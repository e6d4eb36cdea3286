"""Many jobs on few slots."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from studying import finish, made_up_job

from lesslabel.studies.progress import render
from lesslabel.studies.scheduler import Progress, run_jobs
from lesslabel.studies.work import JobFolder


class Rehearsal:
    """A launcher whose jobs end after three looks; those whose name begins with a letter in `fail` fail."""

    def __init__(self, slots: int, fail: str = "") -> None:
        self.slots, self.fail = slots, fail
        self.started: list[str] = []
        self.running: dict[int, str] = {}
        self.most = 0
        self.stopped: list[str] = []

    def start(self, folder: JobFolder, slot: int, *, devices: int, nodes: int) -> "Part":
        assert slot not in self.running
        assert (devices, nodes) == (1, 1)
        assert folder.declaration.is_file()
        self.running[slot] = folder.path.name
        self.started.append(folder.path.name)
        self.most = max(self.most, len(self.running))
        return Part(self, folder, slot)


class Part:
    def __init__(self, launcher: Rehearsal, folder: JobFolder, slot: int) -> None:
        self.launcher, self.folder, self.slot, self.looks = launcher, folder, slot, 0

    def poll(self) -> int | None:
        self.looks += 1
        if self.looks < 3:
            return None
        del self.launcher.running[self.slot]
        if self.folder.path.name in self.launcher.fail:
            self.folder.log.write_text("begin\nlesslabel: it went wrong\n")
            return 1
        finish(self.folder)
        return 0

    def stop(self) -> None:
        self.launcher.stopped.append(self.folder.path.name)


def test_every_job_runs_once_and_never_more_than_there_are_slots(tmp_path: Path) -> None:
    launcher = Rehearsal(slots=2)
    jobs = [made_up_job(tmp_path, name) for name in "abcde"]
    table = run_jobs(jobs, launcher, poll_seconds=0)
    assert launcher.started == list("abcde")
    assert launcher.most == 2
    assert {progress.state for progress in table} == {"done"}


def test_what_is_done_is_not_started_again(tmp_path: Path) -> None:
    jobs = [made_up_job(tmp_path, name) for name in "abc"]
    finish(jobs[1].folder)
    launcher = Rehearsal(slots=1)
    table = run_jobs(jobs, launcher, poll_seconds=0)
    assert launcher.started == ["a", "c"]
    assert [progress.state for progress in table] == ["done", "done before", "done"]
    again = Rehearsal(slots=1)
    run_jobs(jobs, again, poll_seconds=0)
    assert again.started == []


def test_a_failed_job_stops_no_other_and_says_why(tmp_path: Path) -> None:
    jobs = [made_up_job(tmp_path, name) for name in "abc"]
    table = run_jobs(jobs, Rehearsal(slots=1, fail="b"), poll_seconds=0)
    assert [progress.state for progress in table] == ["done", "failed", "done"]
    assert table[1].last_words == "lesslabel: it went wrong"


def test_a_job_waits_for_what_it_needs_and_others_go_first(tmp_path: Path) -> None:
    jobs = [
        made_up_job(tmp_path, name, needs=needs) for name, needs in {"a": (), "b": ("a",), "c": (), "d": ("b",)}.items()
    ]
    launcher = Rehearsal(slots=2)
    table = run_jobs(jobs, launcher, poll_seconds=0)
    assert launcher.started == list("acbd")
    assert {progress.state for progress in table} == {"done"}


def test_a_failed_need_fails_what_needs_it_and_nothing_else(tmp_path: Path) -> None:
    needs = {"a": (), "b": ("a",), "c": ("b",), "d": (), "e": ("d",)}
    jobs = [made_up_job(tmp_path, name, needs=needed) for name, needed in needs.items()]
    launcher = Rehearsal(slots=1, fail="a")
    table = run_jobs(jobs, launcher, poll_seconds=0)
    assert launcher.started == ["a", "d", "e"]
    assert [progress.state for progress in table] == ["failed", "failed", "failed", "done", "done"]
    assert table[1].last_words == "needs a, fold 0, seed 0, which failed"
    assert table[2].last_words == "needs b, fold 0, seed 0, which failed"


def test_a_job_that_ends_well_without_a_result_failed(tmp_path: Path) -> None:
    class Nothing(Part):
        def poll(self) -> int | None:
            return 0

    launcher = Rehearsal(slots=1)
    launcher.start = lambda folder, slot, **_: Nothing(launcher, folder, slot)  # type: ignore[method-assign]
    assert run_jobs([made_up_job(tmp_path)], launcher, poll_seconds=0)[0].state == "failed"


def test_an_interruption_ends_what_runs(tmp_path: Path) -> None:
    launcher = Rehearsal(slots=2)

    def press(table: Sequence[Progress]) -> None:
        if any(progress.state == "running" for progress in table):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_jobs([made_up_job(tmp_path, name) for name in "abc"], launcher, press, poll_seconds=0)
    assert sorted(launcher.stopped) == ["a", "b"]


def test_the_live_table_has_a_row_for_each_job(tmp_path: Path) -> None:
    jobs = [made_up_job(tmp_path, name) for name in "ab"]
    finish(jobs[0].folder)
    table = render(run_jobs(jobs, Rehearsal(slots=1), poll_seconds=0))
    assert table.row_count == 2
    assert str(table.title) == "2 of 2 done"
