"""From finished jobs to the experiment folder: values, costs, curves, table."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from lesslabel.evaluation import add_run, write_table
from lesslabel.evaluation.experiment_runs import RunCost, add_run_costs
from lesslabel.files import read_json, write_json
from lesslabel.report.experiment_figure import write_figure
from lesslabel.studies.curve import write_curves
from lesslabel.studies.declaration import Study
from lesslabel.studies.jobs import Job


def write_results(study: Study, done: Sequence[Job]) -> Path:
    """Take finished jobs into the experiment folder and make its table and figures anew.

    Rows of other methods, folds and seeds stay as they are, with the commit that made them.

    Args:
        study: the study.
        done: its finished jobs, at least one.

    Returns:
        The path of ``table.md``.

    Raises:
        LesslabelError: if a run or a file of the experiment is damaged, or was scored differently.
    """
    for job in done:
        add_run(study.folder, job.folder.run, fold=str(job.fold), method=job.method)
    write_json(study.folder / "costs.json", asdict(study.costs))
    add_run_costs(study.folder, [_cost_of(study, job) for job in done])
    write_curves(study.folder)
    write_figure(study.folder)
    return write_table(study.folder)


def _cost_of(study: Study, job: Job) -> RunCost:
    ended = read_json(job.folder.done, "the end of a job")
    made_by = read_json(job.folder.run / "environment.json", "the environment of a run")
    return RunCost(
        method=job.method,
        series=job.series,
        fold=str(job.fold),
        seed=job.seed,
        patients=job.labels.patients,
        cases=job.labels.cases,
        annotation_minutes=round(job.labels.minutes(study.costs), 2),
        minutes=ended["minutes"],
        hardware=ended["hardware"],
        commit=str(made_by["commit"] or "unknown")[:10] + ("-dirty" if made_by.get("dirty") else ""),
        key=job.key,
    )
