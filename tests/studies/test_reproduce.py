"""The command as a whole, with jobs that nobody runs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from studying import declare, finish, made_up_job

from lesslabel.cli import main
from lesslabel.studies import reproduce
from lesslabel.studies.jobs import Job
from lesslabel.studies.scheduler import Progress


@pytest.fixture
def experiment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A declared study of the jobs a and b, of which b fails."""
    folder = declare(tmp_path / "experiment", store=str(tmp_path))
    keys = "name data split subset seeds iterations checkpoint_rule metrics hardware commands"
    (folder / "protocol.yaml").write_text("".join(f"{key}: x\n" for key in keys.split()))
    (folder / "published.csv").write_text("method,setting,metric,value,source\n")
    jobs = [made_up_job(tmp_path, name) for name in "ab"]

    def run(jobs: Sequence[Job], *_: Any) -> list[Progress]:
        finish(jobs[0].folder)
        jobs[1].folder.path.mkdir()
        jobs[1].folder.log.write_text("lesslabel: no space left\n")
        return [Progress(jobs[0], "done"), Progress(jobs[1], "failed")]

    monkeypatch.setattr(reproduce, "make_jobs", lambda *_: jobs)
    monkeypatch.setattr(reproduce, "run_jobs", run)
    return folder


def test_a_failed_job_is_listed_with_its_log_and_the_rest_is_taken_in(
    experiment: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    taken: list[str] = []
    monkeypatch.setattr(reproduce, "write_results", lambda _, done: taken.extend(job.method for job in done) or "t")
    assert main(["reproduce", str(experiment)]) == 1
    assert taken == ["a"]
    said = capsys.readouterr().err
    assert "failed: b, fold 0, seed 0: lesslabel: no space left" in said
    assert str(experiment.parent / "b" / "log.txt") in said
    assert "1 of 2 jobs failed" in said


def test_a_dry_run_runs_nothing(
    experiment: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(reproduce, "run_jobs", lambda *_: pytest.fail("something ran"))
    assert main(["reproduce", str(experiment), "--dry-run"]) == 0
    assert capsys.readouterr().out.count("to do") == 2


def test_what_the_table_needs_is_there_before_anything_runs(
    experiment: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(reproduce, "run_jobs", lambda *_: pytest.fail("something ran"))
    (experiment / "published.csv").unlink()
    assert main(["reproduce", str(experiment)]) == 1
    assert "published.csv: no such file" in capsys.readouterr().err


def test_a_missing_store_is_named_with_the_way_to_make_it(experiment: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reproduce", str(experiment), "--store", str(experiment / "nowhere")]) == 1
    said = capsys.readouterr().err
    assert "nowhere: no store here; prepare it as" in said
    assert "protocol.yaml says" in said
