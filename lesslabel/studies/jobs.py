"""The jobs of a study: one fit and its test each, or the steps of a recipe."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lesslabel.data.store import FINGERPRINT
from lesslabel.errors import ConfigError, LesslabelError
from lesslabel.runs.parsing import RunCLI, parse_run
from lesslabel.studies.declaration import DECLARATION, Study, StudyMethod
from lesslabel.studies.job import ONE_DEVICE, Job, Machines, find_folder
from lesslabel.studies.key import hash_lock, hash_sources, hash_values
from lesslabel.studies.labels import LabelCounter
from lesslabel.studies.recipe_jobs import RecipeJobs
from lesslabel.studies.resolved import (
    hash_content,
    hash_files,
    require_blind_to_test,
    require_fresh,
    require_validation,
    without_place,
)
from lesslabel.studies.work import JobFolder


def make_jobs(study: Study, output: Path, store: Path | None = None, machines: Machines = ONE_DEVICE) -> list[Job]:
    """List the jobs of a study, methods first, then budgets, folds and seeds. Nothing is written.

    A job comes after those that it needs; one that several need, or that does not depend on the fold, is there once.

    Args:
        study: the study.
        output: folder that holds the folders of the jobs.
        store: where the data lie, if not where the study says.
        machines: what each job takes.

    Raises:
        LesslabelError: if a configuration is wrong, does not fit the data or the machines, or selects on the test part.
    """
    common = {"sources": hash_sources(), "lock": hash_lock()}
    jobs: list[Job] = []
    by_recipe = RecipeJobs(study, output, store or study.store, common)
    for method in study.methods:
        try:
            if method.recipes and machines.processes > 1:
                raise ConfigError("recipes run on one device; leave --devices and --nodes out")
            if method.recipes:
                jobs += by_recipe.add(method)
                continue
            for budget in (0,) if study.budgets is None else study.budgets.patients:
                jobs += _jobs_of(study, method, budget, output, store or study.store, common, machines)
        except LesslabelError as error:
            raise type(error)(f"{study.folder / DECLARATION}: {method.name}: {error}") from error
    _require_own_rows(jobs, str(study.folder / DECLARATION))
    return jobs


def name_with_budget(name: str, budget: int | None) -> str:
    """The name of a method at a number of labelled patients; None is all."""
    return f"{name}, all patients" if budget is None else f"{name}, {budget} patient{'s' * (budget != 1)}"


def _require_own_rows(jobs: Iterable[Job], where: str) -> None:
    """Refuse two jobs whose results would have one place in the table, of which the second would hide the first."""
    known: dict[tuple[object, ...], Job] = {}
    for job in jobs:
        names = [*job.tested, *(", ".join((clicked.set, clicked.method, clicked.annotator)) for clicked in job.clicks)]
        for name in names:
            other = known.setdefault((name, job.fold, job.seed), job)
            if other is not job:
                raise ConfigError(
                    f"{where}: {other.name} and {job.name} would both be '{name}' in the table; rename one"
                )


def _jobs_of(
    study: Study,
    method: StudyMethod,
    budget: int | None,
    output: Path,
    store: Path,
    common: Mapping[str, str],
    machines: Machines,
) -> Iterable[Job]:
    """The jobs of one method at one budget; parsed once, since fold and seed change nothing else."""
    name = method.name if study.budgets is None else name_with_budget(method.name, budget)
    arguments = _arguments(study, method, name, store, machines)
    run = parse_run(arguments)
    if study.budgets is not None:
        arguments += _budget_settings(run, budget, study.budgets.order)
        run = parse_run(arguments)
    config = run.plain_config()
    require_blind_to_test(config)
    require_fresh(run.config)
    weights = {} if run.config["weights"] is None else {"weights": hash_content(Path(str(run.config["weights"])))}
    counter = LabelCounter(run.datamodule.training_store)
    lists = [run.datamodule.split, *(entry.order for entry in run.datamodule.view.supervision)]
    inputs = hash_files([*method.configs, *study.configs, store / FINGERPRINT, *lists])
    jobs = []
    for fold in study.folds:
        run.datamodule.fold = fold
        more = _batch_settings(run, machines, complete=study.budgets is not None and budget is None)
        data = run.datamodule.describe()
        if study.checkpoint == "best":
            require_validation(data["parts"], data["patients"])
        labels = counter.count(run.datamodule.shown())
        for seed in study.seeds:
            late = [*more, "--data.fold", str(fold), "--seed", str(seed)]
            scored = {**asdict(study.scoring), "checkpoint": study.checkpoint}
            keyed = {**without_place(config), **weights, "late": late, "test": scored}
            parts = {**common, "config": hash_values(keyed), "data": hash_values(data)}
            key = hash_values(parts)
            jobs.append(
                Job(
                    method=name,
                    series=method.name,
                    fold=fold,
                    seed=seed,
                    arguments=(*arguments, *late),
                    scoring=asdict(study.scoring),
                    checkpoint=study.checkpoint,
                    devices=machines.devices,
                    nodes=machines.nodes,
                    labels=labels,
                    parts=parts,
                    key=key,
                    folder=JobFolder(find_folder(output, name, fold, seed, key)),
                    inputs=inputs,
                )
            )
    return jobs


def _arguments(study: Study, method: StudyMethod, name: str, store: Path, machines: Machines) -> list[str]:
    configs = [text for config in (*method.configs, *study.configs) for text in ("--config", config)]
    together = {"trainer.strategy": "ddp"} if machines.processes > 1 else {}
    settings: dict[str, Any] = {**together, **study.settings, **method.settings}
    settings |= {"name": name, "data.store": str(store)}
    settings |= {"trainer.devices": machines.devices, "trainer.num_nodes": machines.nodes}
    return configs + _flags(settings)


def _budget_settings(run: RunCLI, budget: int | None, order: str) -> list[str]:
    """The view of a configuration with its labels on as many patients."""
    given = run.plain_config()["data"]["init_args"]["view"]["supervision"]
    if len(given) != 1:
        raise ConfigError(f"budgets: the view shows {len(given)} annotations; a budget is one of a single annotation")
    limited = {**given[0], "patients": budget, "order": "" if budget is None else order}
    shown = [{key: value for key, value in limited.items() if value is not None}]
    # emptied first: an entry is laid over the former one, whose budget would else stay where all are asked for
    return [*_flags({"data.view.supervision": []}), *_flags({"data.view.supervision": shown})]


def _batch_settings(run: RunCLI, machines: Machines, *, complete: bool) -> list[str]:
    """The batch of each process where it is not that of the configuration.

    At the budget of all nothing is left without labels: the places in the batch go to the labelled. And several
    processes share a batch, so that a study is the same on all machines.
    """
    data = run.datamodule
    declared = labelled, unlabelled = data.batch_size, data.unlabelled_batch_size
    if complete and data.describe()["labelled"].keys() == {record.uid for record in data.records("train")}:
        labelled, unlabelled = labelled + unlabelled, 0
    if labelled % machines.processes or unlabelled % machines.processes:
        raise ConfigError(
            f"--devices, --nodes: {machines.processes} processes cannot share a batch of {labelled} labelled and "
            f"{unlabelled} unlabelled samples evenly; take a number that divides both"
        )
    shared = labelled // machines.processes, unlabelled // machines.processes
    if shared == declared:
        return []
    return _flags({"data.batch_size": shared[0], "data.unlabelled_batch_size": shared[1]})


def _flags(settings: Mapping[str, Any]) -> list[str]:
    """Settings as a command line has them."""
    written = {key: value if isinstance(value, str) else json.dumps(value) for key, value in settings.items()}
    return [text for key, value in written.items() for text in (f"--{key}", value)]
