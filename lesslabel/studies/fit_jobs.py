"""The jobs of a study's configurations: one fit and its test for each method, budget, fold and seed."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lesslabel.command_words import read_settings
from lesslabel.data.store.records import FINGERPRINT
from lesslabel.errors import ConfigError
from lesslabel.networks.pretrained import pretrained_of
from lesslabel.runs.config_files import shared_files
from lesslabel.runs.config_rules import require_own_folder
from lesslabel.runs.parsing import RunCLI, parse_run
from lesslabel.studies.declaration import Study, StudyMethod
from lesslabel.studies.job import Job, Machines, find_folder
from lesslabel.studies.key import hash_lock, hash_values
from lesslabel.studies.resolved import (
    hash_content,
    hash_files,
    require_blind_to_test,
    require_fresh,
    require_validation,
    what_counts,
)
from lesslabel.studies.sources import Sources
from lesslabel.studies.work import JobFolder
from lesslabel.tables.label_costs import LabelCounter

_WORK = ("lesslabel.runs.fitting", "lesslabel.runs.testing")
"""The functions of a job: fit and test."""


class FitJobs:
    """Makes jobs; a configuration is parsed once for all folds and seeds, an annotation is counted once.

    Args:
        study: the study.
        output: folder that holds the folders of the jobs.
        store: the store of the study.
        sources: of the package.
        machines: the machines of each job.
    """

    def __init__(self, study: Study, output: Path, store: Path, sources: Sources, machines: Machines) -> None:
        self.study, self.output, self.store, self.sources, self.machines = study, output, store, sources, machines
        self._content = sources.content  # before any source is hashed, so that a change in between is noticed
        self._counters: dict[tuple[str, ...], LabelCounter] = {}

    def add(self, method: StudyMethod) -> list[Job]:
        """The jobs of a method: budgets first, then folds and seeds.

        Raises:
            LesslabelError: if its configuration is wrong, does not fit the data or the machines, or selects on the test
                part.
        """
        arguments = _arguments(self.study, method, self.store, self.machines)
        run = parse_run(read_settings(arguments))
        if run.precision is not None:  # chosen once for all jobs, which may run on different machines
            arguments += ["--trainer.precision", run.precision.name]
        if self.study.budgets is None:
            return list(self._jobs_of(method, method.name, arguments, run))
        jobs: list[Job] = []
        for budget in self.study.budgets.patients:
            name = name_with_budget(method.name, budget)
            limited = [*arguments, "--name", name, *_budget_settings(run, budget, self.study.budgets.order)]
            jobs += self._jobs_of(method, name, limited, parse_run(read_settings(limited)), complete=budget is None)
        return jobs

    def _jobs_of(
        self, method: StudyMethod, name: str, arguments: Sequence[str], run: RunCLI, *, complete: bool = False
    ) -> Iterable[Job]:
        """The jobs of one configuration, which differ in fold and seed only."""
        study, config = self.study, run.plain_config()
        require_blind_to_test(config)
        require_own_folder(config, f"{name}: settings")
        require_fresh(run.config)
        weights = {name: hash_content(path) for name, path in _weights_of(run).items()}
        scored = {**asdict(study.scoring), "checkpoint": study.checkpoint}
        keyed = {**what_counts(config), **weights, "test": scored}
        names = (*_WORK, *self.sources.named_in([json.dumps(config)]))
        common = {"sources": self.sources.hash(names), "lock": hash_lock(self.sources.packages(names))}
        inputs = self._hash_inputs(method, run)
        for fold in study.folds:
            run.datamodule.fold = fold
            more = _batch_settings(run, self.machines, complete=complete)
            data = run.datamodule.describe()
            if study.checkpoint == "best":
                require_validation(data["parts"], data["patients"])
            labels = self._counter(run).count(run.datamodule.shown())
            for seed in study.seeds:
                late = [*more, "--data.fold", str(fold), "--seed", str(seed)]
                parts = {
                    **common,
                    "config": hash_values({**keyed, "late": late}),
                    "data": hash_values(data),
                }
                key = hash_values(parts)
                yield Job(
                    method=name,
                    series=method.name,
                    fold=fold,
                    seed=seed,
                    arguments=(*arguments, *late),
                    scoring=asdict(study.scoring),
                    checkpoint=study.checkpoint,
                    devices=self.machines.devices,
                    nodes=self.machines.nodes,
                    labels=labels,
                    parts=parts,
                    key=key,
                    folder=JobFolder(find_folder(self.output, name, fold, seed, key)),
                    inputs=inputs,
                    sources=names,
                    content=self._content,
                )

    def _hash_inputs(self, method: StudyMethod, run: RunCLI) -> dict[str, str]:
        lists = [run.datamodule.split, *(entry.order for entry in run.datamodule.view.supervision)]
        configs = [*method.configs, *self.study.configs]
        shared = [part for config in configs for part in shared_files(Path(config))]
        return hash_files([*configs, *shared, *_weights_of(run).values(), self.store / FINGERPRINT, *lists])

    def _counter(self, run: RunCLI) -> LabelCounter:
        overlays = tuple(map(str, run.datamodule.view.overlays))
        return self._counters.setdefault(overlays, LabelCounter(run.datamodule.training_store))


def _weights_of(run: RunCLI) -> dict[str, Path]:
    """The files of weights that a training starts from: all of the method's, and those of its encoder."""
    weights, pretrained = run.config["weights"], pretrained_of(run.plain_config()["model"]["init_args"])
    named = {"weights": None if weights is None else Path(str(weights)), "pretrained": pretrained}
    return {name: path for name, path in named.items() if path is not None}


def name_with_budget(name: str, budget: int | None) -> str:
    """The name of a method at a number of labelled patients; None is all."""
    return f"{name}, all patients" if budget is None else f"{name}, {budget} patient{'s' * (budget != 1)}"


def _arguments(study: Study, method: StudyMethod, store: Path, machines: Machines) -> list[str]:
    configs = [text for config in (*method.configs, *study.configs) for text in ("--config", config)]
    together = {"trainer.strategy": "ddp"} if machines.processes > 1 else {}
    settings: dict[str, Any] = {**together, **study.settings, **method.settings}
    settings |= {"name": method.name, "data.store": str(store)}
    settings |= {"trainer.devices": machines.devices, "trainer.num_nodes": machines.nodes}
    return configs + _flags(settings)


def _budget_settings(run: RunCLI, budget: int | None, order: str) -> list[str]:
    """The view of a configuration with the labels of so many patients."""
    given = run.plain_config()["data"]["init_args"]["view"]["supervision"]
    if len(given) != 1:
        raise ConfigError(f"budgets: the view shows {len(given)} annotations; a budget is one of a single annotation")
    limited = {**given[0], "patients": budget, "order": "" if budget is None else order}
    shown = [{key: value for key, value in limited.items() if value is not None}]
    # emptied first: a new entry is merged with the old one, whose budget would remain at the budget of all
    return [*_flags({"data.view.supervision": []}), *_flags({"data.view.supervision": shown})]


def _batch_settings(run: RunCLI, machines: Machines, *, complete: bool) -> list[str]:
    """The batch of each process if it differs from that of the configuration.

    At the budget of all there are no unlabelled samples, so the batch has labelled ones only. Several
    processes share a batch, so that the results do not depend on the number of machines.
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
    """Settings as arguments of a command line."""
    written = {key: value if isinstance(value, str) else json.dumps(value) for key, value in settings.items()}
    return [text for key, value in written.items() for text in (f"--{key}", value)]
