"""Run the steps of a job in order, and resume them after a killed process."""

import shlex
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lesslabel.adaptation import ADAPTATION
from lesslabel.commands import run_command
from lesslabel.errors import RunError
from lesslabel.files import read_json, remove, write_json
from lesslabel.runs.reading import RunFiles, shown_commit
from lesslabel.studies.step_paths import require_inside
from lesslabel.studies.steps import option, output_of

FINISHED = "steps.json"
"""File in a job's folder with the number of finished steps."""


def run_steps(folder: Path, job: Mapping[str, Any]) -> None:
    """Run the steps that are not finished, or whose result is absent; a training is resumed from its last epoch.

    Args:
        folder: of the job.
        job: the content of ``job.json``.

    Raises:
        SystemExit: if a step ends with an exit code; it has printed the reason.
        LesslabelError: if a step fails, a link leads an output out of the folder, or a click protocol was not simulated
            with the checkpoint that the study selects.
    """
    noted = folder / FINISHED
    finished = read_json(noted, "the finished steps of a job")["finished"] if noted.is_file() else 0
    finished = _keep_whole(noted, job["steps"], finished)
    for number, step in enumerate(job["steps"][finished:], start=finished + 1):
        require_inside(step, folder)
        if not _is_made(step):
            print(f"$ lesslabel {shlex.join(step)}", flush=True)
            if code := run_command(step[0], _continued(step)[1:]):
                raise SystemExit(code)
        write_json(noted, {"finished": number})
    without_run = {output_of(step) for step in job["steps"] if step[0] == "clicks" and option(step, "--model")}
    for clicked in job["clicks"]:
        if clicked["folder"] not in without_run:  # such a model has no checkpoints to select from
            _require_selected(Path(clicked["folder"]), job["checkpoint"])


def describe_results(folder: Path, job: Mapping[str, Any]) -> dict[str, Any]:
    """The record of a finished job: the outputs of its steps, and the runs of the table.

    Args:
        folder: of the job.
        job: the content of ``job.json``.

    Returns:
        ``results``, paths in the folder, and ``runs``: commit, fold and labels by the name of the method in tables;
        a model without a run has the commit of this code, and no labels.
    """
    # a cluster uses the absolute path of the folder, the steps that of the call
    results = [Path(_result_of(step)).resolve().relative_to(folder.resolve()).as_posix() for step in job["steps"]]
    played = {output_of(step): option(step, "--run") or "" for step in job["steps"] if step[0] == "clicks"}
    runs = {**job["scores"], **{clicked["method"]: played[clicked["folder"]] for clicked in job["clicks"]}}
    return {"results": results, "runs": {method: _describe_run(Path(run)) for method, run in runs.items()}}


def make_ready(run: Path) -> bool:
    """Whether training resumes a checkpoint; a run that was killed before its first one is removed."""
    if (run / "checkpoints" / "last.ckpt").is_file():
        return True
    if run.exists():
        shutil.rmtree(run)
    return False


def _keep_whole(noted: Path, steps: Sequence[Sequence[str]], finished: int) -> int:
    """The number of finished steps whose results exist; results after a missing one are removed."""
    lost = next((number for number in range(finished) if not Path(_result_of(steps[number])).exists()), finished)
    if lost < finished:
        write_json(noted, {"finished": lost})
        for step in steps[lost:finished]:
            remove(Path(_result_of(step)).parent if step[0] == "test" else Path(output_of(step)))
    return lost


def _is_made(step: Sequence[str]) -> bool:
    """Whether a step is finished by its output; steps that train decide it themselves."""
    return step[0] not in ("fit", "adapt") and Path(_result_of(step)).exists()


def _result_of(step: Sequence[str]) -> str:
    return f"{output_of(step)}/test/metrics.csv" if step[0] == "test" else output_of(step)


def _continued(step: Sequence[str]) -> list[str]:
    """The command with the options to resume existing output."""
    out = Path(output_of(step))
    if step[0] == "fit" and make_ready(out):
        return [*step, "--ckpt_path", "last"]
    if (
        step[0] == "adapt" and out.exists() and not (out / ADAPTATION).is_file()
    ):  # killed before it wrote its description
        shutil.rmtree(out)
    return list(step)


def _require_selected(clicks: Path, checkpoint: str) -> None:
    played = read_json(clicks / "summary.json", "the summary of a click protocol")["checkpoint"]
    if played != checkpoint:
        raise RunError(f"{clicks}: played with the checkpoint '{played}', the study selects '{checkpoint}'; correct it")


def _describe_run(run: Path) -> dict[str, Any]:
    """The record of a run for the table; the run may be in the folder of another job and be removed later."""
    if run == Path():
        return _describe_no_run()
    files = RunFiles(run)
    return {"commit": files.commit, "fold": files.fold, "labels": _count_labels(run)}


def _describe_no_run() -> dict[str, Any]:
    from lesslabel.runs.folder import git_state
    from lesslabel.tables.label_costs import LabelCount

    return {"commit": shown_commit(git_state(Path(__file__).parent)), "fold": 0, "labels": asdict(LabelCount())}


def _count_labels(run: Path) -> dict[str, int]:
    """The labels of a run that people drew: those in its store, restricted by its queue."""
    from lesslabel.runs.parsing import parse_run
    from lesslabel.runs.settings import settings_of
    from lesslabel.tables.label_costs import LabelCounter

    data = parse_run(settings_of(run / "config.yaml")).datamodule
    names = {uid: record.annotation_names for uid, record in data.store.records.items()}
    shown = {
        uid: [entry for entry in entries if entry.annotation in names[uid]] for uid, entries in data.shown().items()
    }
    return asdict(LabelCounter(data.store).count({uid: entries for uid, entries in shown.items() if entries}))
