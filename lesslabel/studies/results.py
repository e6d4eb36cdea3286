"""From finished jobs to the experiment folder: values, costs, curves, table."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from lesslabel.evaluation import add_run, write_table
from lesslabel.evaluation.click_experiment import PlayedProtocol, add_clicks, write_click_table
from lesslabel.evaluation.experiment_runs import RunCost, add_run_costs
from lesslabel.files import read_json, write_json
from lesslabel.report.experiment_figure import write_figure
from lesslabel.studies.curve import write_curves
from lesslabel.studies.declaration import Study
from lesslabel.studies.job import Job
from lesslabel.studies.labels import LabelCount
from lesslabel.studies.recipes import Clicked
from lesslabel.studies.steps import option, output_of


def write_results(study: Study, done: Sequence[Job]) -> Path:
    """Take finished jobs into the experiment folder and make its table and figures anew.

    Rows of other methods, folds and seeds stay as they are, with the commit that made them.

    Args:
        study: the study.
        done: its finished jobs; without any, only the table is made anew.

    Returns:
        The path of ``table.md``.

    Raises:
        LesslabelError: if a run or a file of the experiment is damaged, or was scored differently.
    """
    if study.plays_clicks:
        if played := [_played(job, clicked) for job in done for clicked in job.clicks]:
            add_clicks(study.folder, played)
        return write_click_table(study.folder)
    for job in done:
        for method, run in job.tested.items():
            add_run(study.folder, run, fold=None if job.fold is None else str(job.fold), method=method)
    if costs := [cost for job in done for cost in _costs_of(study, job)]:
        write_json(study.folder / "costs.json", asdict(study.costs))
        add_run_costs(study.folder, costs)
        write_curves(study.folder)
    write_figure(study.folder)
    return write_table(study.folder)


def _costs_of(study: Study, job: Job) -> Iterator[RunCost]:
    ended = read_json(job.folder.done, "the end of a job")
    for method, run in job.tested.items():
        labels = LabelCount(**ended["labels"][method]) if job.labels is None else job.labels
        yield RunCost(
            method=method,
            series=method if job.steps else job.series,
            fold=str(read_json(run / "data.json", "the data of a run")["fold"] if job.fold is None else job.fold),
            seed=job.seed,
            patients=labels.patients,
            cases=labels.cases,
            annotation_minutes=round(labels.minutes(study.costs), 2),
            minutes=ended["minutes"],
            hardware=ended["hardware"],
            commit=_commit_of(run),
            key=job.key,
        )


def _played(job: Job, clicked: Clicked) -> PlayedProtocol:
    (step,) = [step for step in job.steps if step[0] == "clicks" and output_of(step) == clicked.folder]
    commit = _commit_of(Path(option(step, "--run") or ""))
    return PlayedProtocol(Path(clicked.folder), clicked.set, clicked.method, clicked.annotator, commit)


def _commit_of(run: Path) -> str:
    made_by = read_json(run / "environment.json", "the environment of a run")
    return str(made_by["commit"] or "unknown")[:10] + ("-dirty" if made_by.get("dirty") else "")
