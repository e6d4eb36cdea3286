"""The steps of a job: each done once, from wherever a killed process left them."""

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from lesslabel.errors import RunError
from lesslabel.studies.step_work import describe_results, make_ready, run_steps
from lesslabel.tables.label_costs import LabelCount


class Commands:
    """In place of the command line: writes what each command would, until one is to fail."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.called: list[list[str]] = []
        self.fail = ""
        monkeypatch.setattr("lesslabel.studies.step_work.run_command", self)

    def __call__(self, command: str, words: list[str]) -> int:
        step = [command, *words]
        self.called.append(step)
        if step[0] == self.fail:
            return 3
        out = Path(step[step.index("--run" if step[0] in ("fit", "test") else "--out") + 1])
        if step[0] == "fit":
            (out / "checkpoints").mkdir(parents=True, exist_ok=True)
            (out / "checkpoints" / "last.ckpt").touch()
        elif step[0] == "test":
            (out / "test").mkdir()
            (out / "test" / "metrics.csv").touch()
        else:
            out.mkdir(parents=True, exist_ok=True)
            (out / "adapt.json").touch()
            (out / "summary.json").write_text('{"checkpoint": "last"}')
        return 0

    @property
    def names(self) -> list[str]:
        return [step[0] for step in self.called]


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> Commands:
    return Commands(monkeypatch)


def job_in(folder: Path) -> dict[str, Any]:
    run, clicks = str(folder / "run"), str(folder / "clicks")
    steps = [
        ["fit", "--run", run],
        ["clicks", "--out", clicks],
        ["adapt", "--out", str(folder / "adapted")],
        ["test", "--run", run],
    ]
    return {"steps": steps, "clicks": [{"folder": clicks}], "checkpoint": "last"}


def test_a_finished_step_is_not_done_again(commands: Commands, tmp_path: Path) -> None:
    run_steps(tmp_path, job_in(tmp_path))
    assert commands.names == ["fit", "clicks", "adapt", "test"]
    run_steps(tmp_path, job_in(tmp_path))
    assert len(commands.called) == 4


def test_a_failed_step_ends_the_job_with_its_code_and_is_tried_again(commands: Commands, tmp_path: Path) -> None:
    commands.fail = "clicks"
    with pytest.raises(SystemExit, match="3"):
        run_steps(tmp_path, job_in(tmp_path))
    assert json.loads((tmp_path / "steps.json").read_text()) == {"finished": 1}
    commands.fail = ""
    run_steps(tmp_path, job_in(tmp_path))
    assert commands.names == ["fit", "clicks", "clicks", "adapt", "test"]


@pytest.mark.parametrize("step", range(4))
def test_killed_after_a_step_before_it_was_noted(step: int, commands: Commands, tmp_path: Path) -> None:
    job = job_in(tmp_path)
    run_steps(tmp_path, {**job, "steps": job["steps"][: step + 1], "clicks": []})
    (tmp_path / "steps.json").write_text(json.dumps({"finished": step}))
    commands.called.clear()
    run_steps(tmp_path, job)
    again = {"fit": [["fit", "--run", str(tmp_path / "run"), "--ckpt_path", "last"]], "adapt": [job["steps"][2]]}
    assert commands.called == again.get(job["steps"][step][0], []) + job["steps"][step + 1 :]


@pytest.mark.parametrize(("gone", "again"), [("clicks", ["clicks", "adapt", "test"]), ("run/test", ["test"])])
def test_a_result_that_was_removed_is_made_again_and_what_was_made_of_it(
    gone: str, again: list[str], commands: Commands, tmp_path: Path
) -> None:
    run_steps(tmp_path, job_in(tmp_path))
    shutil.rmtree(tmp_path / gone)
    (tmp_path / "adapted" / "old").touch()
    commands.called.clear()
    run_steps(tmp_path, job_in(tmp_path))
    assert commands.names == again
    assert (tmp_path / "adapted" / "old").exists() == ("adapt" not in again)
    assert (tmp_path / gone).exists()
    assert json.loads((tmp_path / "steps.json").read_text()) == {"finished": 4}


def test_an_adaptation_that_does_not_say_what_it_is_begins_anew(commands: Commands, tmp_path: Path) -> None:
    (tmp_path / "adapted" / "half").mkdir(parents=True)
    run_steps(tmp_path, job_in(tmp_path))
    assert commands.names == ["fit", "clicks", "adapt", "test"]
    assert not (tmp_path / "adapted" / "half").exists()


def test_what_was_written_is_named_from_the_folder_wherever_the_job_ran(
    commands: Commands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    job = {**job_in(Path("runs/a")), "scores": {}, "clicks": []}
    run_steps(Path("runs/a").resolve(), job)
    assert commands.names
    ended = describe_results(Path("runs/a").resolve(), job)
    assert ended == {"results": ["run", "clicks", "adapted", "run/test/metrics.csv"], "runs": {}}


def test_clicks_with_another_checkpoint_are_refused(commands: Commands, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"clicks: played with the checkpoint 'last', the study selects 'best'"):
        run_steps(tmp_path, {**job_in(tmp_path), "checkpoint": "best"})
    assert commands.names


def test_a_model_without_a_run_has_no_checkpoint_to_select_and_no_labels(commands: Commands, tmp_path: Path) -> None:
    clicks = str(tmp_path / "clicks")
    job = {
        "steps": [["clicks", "--model", "training-free", "--out", clicks]],
        "clicks": [{"folder": clicks, "method": "training-free"}],
        "checkpoint": "best",
        "scores": {},
    }
    run_steps(tmp_path, job)
    assert commands.names == ["clicks"]
    (described,) = describe_results(tmp_path, job)["runs"].values()
    assert described["commit"]
    assert described["labels"] == asdict(LabelCount())


def test_a_run_goes_on_from_its_checkpoint_and_else_begins_anew(tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert not make_ready(run)
    (run / "logs").mkdir(parents=True)
    assert not make_ready(run)
    assert not run.exists()
    (run / "checkpoints").mkdir(parents=True)
    (run / "checkpoints" / "last.ckpt").touch()
    assert make_ready(run)
    assert run.exists()
