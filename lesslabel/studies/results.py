"""Write the results of finished jobs into the experiment folder: values, costs, curves, table."""

import fcntl
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from lesslabel.files import read_json, write_json
from lesslabel.reports.experiments.click_figure import write_click_figure
from lesslabel.reports.experiments.figure import write_figure
from lesslabel.runs.reading import RunFiles
from lesslabel.studies.campaign_results import write_campaign
from lesslabel.studies.curve import write_curves
from lesslabel.studies.declaration import Study
from lesslabel.studies.job import Job
from lesslabel.tables import write_table
from lesslabel.tables.click_results import PlayedProtocol, add_clicks
from lesslabel.tables.click_table import write_click_table
from lesslabel.tables.costs import RunCost, add_run_costs
from lesslabel.tables.label_costs import LabelCount
from lesslabel.tables.results import ScoredRun, add_runs


def write_results(study: Study, done: Sequence[Job]) -> Path:
    """Add finished jobs to the experiment folder and write its table and figures again.

    Rows of other methods, folds and seeds are kept, with their commit.

    Args:
        study: the study.
        done: its finished jobs; without any, only the table is written again.

    Returns:
        The path of ``table.md``.

    Raises:
        LesslabelError: if a run or a file of the experiment is damaged, or was scored differently.
    """
    with _alone(study.folder):
        if not study.plays_clicks:
            add_runs(study.folder, [run for job in done for run in _tested(job)])
        elif played := [protocol for job in done for protocol in _played(job)]:
            add_clicks(study.folder, played)
        if costs := _add_up(cost for job in done for cost in _costs_of(study, job)):
            write_json(study.folder / "costs.json", asdict(study.costs))
            add_run_costs(study.folder, costs)
        if study.plays_clicks:
            write_click_figure(study.folder)
            return write_click_table(study.folder)
        if costs:
            write_curves(study.folder)
        write_campaign(study.folder)
        write_figure(study.folder)
        return write_table(study.folder)


def _tested(job: Job) -> Iterator[ScoredRun]:
    fold = None if job.fold is None else str(job.fold)
    for method, run in job.tested.items():
        yield ScoredRun(run, fold, method, job.seed)


def _costs_of(study: Study, job: Job) -> Iterator[RunCost]:
    ended = read_json(job.folder.done, "the end of a job")
    for method, made in _runs_of(job, ended).items():
        labels = LabelCount(**made["labels"])
        yield RunCost(
            method=method,
            series=method if job.steps else job.series,
            fold=str(made["fold"] if job.fold is None else job.fold),
            seed=job.seed,
            patients=labels.patients,
            cases=labels.cases,
            annotation_minutes=round(labels.minutes(study.costs), 2),
            minutes=ended["minutes"],
            hardware=ended["hardware"],
            commit=made["commit"],
            key=job.key,
        )


def _runs_of(job: Job, ended: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    """Commit, fold and labels of the runs of a job by the name of the method in tables."""
    if job.labels is None:
        runs: Mapping[str, Mapping[str, Any]] = ended["runs"]
        return runs
    return {job.method: {"commit": RunFiles(job.folder.run).commit, "fold": job.fold, "labels": asdict(job.labels)}}


def _add_up(costs: Iterable[RunCost]) -> list[RunCost]:
    """One row for each method, fold and seed: the minutes of several click jobs of one method together."""
    rows: dict[tuple[str, str, int], RunCost] = {}
    for cost in costs:
        place = cost.method, cost.fold, cost.seed
        if (former := rows.get(place)) is None:
            rows[place] = cost
        else:
            hardware = "; ".join(dict.fromkeys((former.hardware, cost.hardware)))
            rows[place] = replace(former, minutes=round(former.minutes + cost.minutes, 2), hardware=hardware)
    return list(rows.values())


def _played(job: Job) -> Iterator[PlayedProtocol]:
    ended = read_json(job.folder.done, "the end of a job") if job.clicks else {}
    for clicked in job.clicks:
        commit = ended["runs"][clicked.method]["commit"]
        yield PlayedProtocol(
            Path(clicked.folder), clicked.set, clicked.method, clicked.annotator, commit, seed=job.seed
        )


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Lock the experiment folder, so that two studies that end together do not overwrite each other's rows."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
