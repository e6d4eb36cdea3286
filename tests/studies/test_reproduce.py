"""The command as a whole, with jobs that nobody runs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from studying import declare, finish, made_up_job

from lesslabel.cli import main
from lesslabel.studies import Study, reproduce
from lesslabel.studies.job import Job
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


def test_a_folder_that_takes_no_results_is_refused_before_anything_runs(
    experiment: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(reproduce, "run_jobs", lambda *_: pytest.fail("a job ran"))
    monkeypatch.setattr("os.access", lambda path, _: path != experiment)  # root may write anywhere
    assert main(["reproduce", str(experiment)]) == 1
    assert f"{experiment}: may not be written to" in capsys.readouterr().err


def test_a_missing_store_is_named_with_the_way_to_make_it(experiment: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reproduce", str(experiment), "--store", str(experiment / "nowhere")]) == 1
    said = capsys.readouterr().err
    assert "nowhere: no store here; prepare it by" in said
    assert "protocol.yaml, or name it with --store" in said


def test_a_part_of_a_study_can_be_chosen(
    experiment: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    methods = [{"name": name, "configs": ["a.yaml"]} for name in ("pCE", "pCE [twice]", "DMPLS")]
    declare(experiment, store=str(experiment), methods=methods, seeds=[0, 1, 2], folds=[1, 2])
    chosen: list[Study] = []
    monkeypatch.setattr(reproduce, "make_jobs", lambda study, *_: chosen.append(study) or [])
    assert main(["reproduce", str(experiment), "--dry-run", "--only", "pCE*", "--seeds", "2", "0", "2"]) == 0
    assert [method.name for method in chosen[0].methods] == ["pCE", "pCE [twice]"]
    assert (chosen[0].seeds, chosen[0].folds) == ((2, 0), (1, 2))
    for options, said in (
        (["--only", "pce"], "--only pce: no method is called so; there is pCE; pCE [twice]; DMPLS"),
        (["--seeds", "0", "4"], "--seeds 4: the study has 0, 1, 2; choose among them"),
        (["--folds", "0"], "--folds 0: the study has 1, 2"),
    ):
        assert main(["reproduce", str(experiment), "--dry-run", *options]) == 1
        assert said in capsys.readouterr().err


def test_a_dry_run_says_what_comes_first(
    experiment: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    jobs = [made_up_job(experiment, "a"), made_up_job(experiment, "b", needs=("a",))]
    monkeypatch.setattr(reproduce, "make_jobs", lambda *_: jobs)
    assert main(["reproduce", str(experiment), "--dry-run"]) == 0
    last = capsys.readouterr().out.strip().splitlines()[-1]
    assert last.startswith("b, fold 0, seed 0")
    assert "a, fold 0, seed 0" in last


def test_a_table_without_a_finished_job_is_made_of_the_rows_that_are_there(
    experiment: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(reproduce, "make_jobs", lambda *_: [made_up_job(experiment, "nothing")])
    assert main(["reproduce", str(experiment), "--table"]) == 0
    assert not (experiment / "table.md").exists()
    results = "method,case,label,fold,seed,metric,value,commit\na,x,LV,0,0,dice,0.5,abc\n"
    (experiment / "results.csv").write_text(results)
    (experiment / "cases.csv").write_text("case,patient\nx,p\n")
    before = sorted(path.name for path in experiment.iterdir())
    assert main(["reproduce", str(experiment), "--table"]) == 0
    assert (experiment / "results.csv").read_text() == results
    assert sorted(path.name for path in experiment.iterdir()) == sorted([*before, "dice.svg", "table.md"])
    assert "table.md" in capsys.readouterr().out
