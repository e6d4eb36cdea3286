"""The independent jobs of a study: one fit and its test each, in a folder of its own."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lesslabel.errors import ConfigError, LesslabelError
from lesslabel.runs.parsing import RunCLI, parse_run
from lesslabel.studies.declaration import DECLARATION, Study, StudyMethod
from lesslabel.studies.key import hash_lock, hash_sources, hash_values
from lesslabel.studies.labels import LabelCount, LabelCounter
from lesslabel.studies.work import JobFolder

_SHOWN_DIGITS = 12


@dataclass(frozen=True)
class Job:
    """One fit and its test.

    Attributes:
        method: name in tables, the budget included.
        series: name of the method without its budget; its points make one curve.
        fold: of the split.
        seed: of the run.
        arguments: of `lesslabel fit`, without the run folder.
        scoring: conventions of the test.
        checkpoint: the one that is tested.
        devices: accelerators on each node.
        nodes: machines.
        labels: what the run sees, and an annotator would have to draw.
        parts: hashes of the sources, the configuration, the data and the lock file.
        key: hash of `parts`; jobs with one key give one result.
        folder: where it is worked on.
    """

    method: str
    series: str
    fold: int
    seed: int
    arguments: tuple[str, ...]
    scoring: Mapping[str, str]
    checkpoint: str
    devices: int
    nodes: int
    labels: LabelCount
    parts: Mapping[str, str]
    key: str
    folder: JobFolder

    @property
    def name(self) -> str:
        """Method, fold and seed in a few words."""
        return f"{self.method}, fold {self.fold}, seed {self.seed}"

    def describe(self) -> dict[str, Any]:
        """The content of ``job.json``."""
        return {**asdict(self), "folder": self.folder.path.name}


def make_jobs(study: Study, output: Path, store: Path | None = None) -> list[Job]:
    """List the jobs of a study, methods first, then budgets, folds and seeds. Nothing is written.

    Args:
        study: the study.
        output: folder that holds the folders of the jobs.
        store: where the data lie, if not where the study says.

    Raises:
        LesslabelError: if a configuration is wrong, does not fit the data, or selects on the test part.
    """
    common = {"sources": hash_sources(), "lock": hash_lock()}
    jobs: list[Job] = []
    for method in study.methods:
        for budget in (0,) if study.budgets is None else study.budgets.patients:
            try:
                jobs += _jobs_of(study, method, budget, output, store or study.store, common)
            except LesslabelError as error:
                raise type(error)(f"{study.folder / DECLARATION}: {method.name}: {error}") from error
    return jobs


def name_with_budget(name: str, budget: int | None) -> str:
    """The name of a method at a number of labelled patients; None is all."""
    return f"{name}, all patients" if budget is None else f"{name}, {budget} patient{'s' * (budget != 1)}"


def _jobs_of(
    study: Study, method: StudyMethod, budget: int | None, output: Path, store: Path, common: Mapping[str, str]
) -> Iterable[Job]:
    """The jobs of one method at one budget; parsed once, since fold and seed change nothing else."""
    name = method.name if study.budgets is None else name_with_budget(method.name, budget)
    arguments = _arguments(study, method, name, store)
    run = parse_run(arguments)
    if study.budgets is not None:
        arguments += _budget_settings(run, budget, study.budgets.order)
        run = parse_run(arguments)
    config = run.plain_config()
    _require_blind_to_test(config)
    counter = LabelCounter(run.datamodule.training_store)
    jobs = []
    for fold in study.folds:
        run.datamodule.fold = fold
        more = _without_unlabelled(run) if study.budgets is not None and budget is None else []
        data = run.datamodule.describe()
        if study.checkpoint == "best" and not data["parts"]["validation"]:
            raise ConfigError(
                "selection: best needs a validation part, and the split has none; choose last, the end of the training"
            )
        labels = counter.count(run.datamodule.shown())
        for seed in study.seeds:
            late = [*more, "--data.fold", str(fold), "--seed", str(seed)]
            scored = {**asdict(study.scoring), "checkpoint": study.checkpoint}
            keyed = {**_without_place(config), "late": late, "test": scored}
            parts = {**common, "config": hash_values(keyed), "data": hash_values(data)}
            key = hash_values(parts)
            slug = f"{_slug(name)}-fold{fold}-seed{seed}-{key[:_SHOWN_DIGITS]}"
            jobs.append(
                Job(
                    method=name,
                    series=method.name,
                    fold=fold,
                    seed=seed,
                    arguments=(*arguments, *late),
                    scoring=asdict(study.scoring),
                    checkpoint=study.checkpoint,
                    devices=study.devices,
                    nodes=study.nodes,
                    labels=labels,
                    parts=parts,
                    key=key,
                    folder=JobFolder(output / slug),
                )
            )
    return jobs


def _arguments(study: Study, method: StudyMethod, name: str, store: Path) -> list[str]:
    configs = [text for config in (*method.configs, *study.configs) for text in ("--config", config)]
    together = {"trainer.strategy": "ddp"} if study.devices * study.nodes > 1 else {}
    settings: dict[str, Any] = {**together, **study.settings, **method.settings}
    settings |= {"name": name, "data.store": str(store)}
    settings |= {"trainer.devices": study.devices, "trainer.num_nodes": study.nodes}
    return configs + _flags(settings)


def _budget_settings(run: RunCLI, budget: int | None, order: str) -> list[str]:
    """The view of a configuration with its labels on as many patients."""
    shown = run.plain_config()["data"]["init_args"]["view"]["supervision"]
    if len(shown) != 1:
        raise ConfigError(f"budgets: the view shows {len(shown)} annotations; a budget is one of a single annotation")
    limited = {**shown[0], "patients": budget, "order": "" if budget is None else order}
    return _flags({"data.view.supervision": [{key: value for key, value in limited.items() if value is not None}]})


def _without_unlabelled(run: RunCLI) -> list[str]:
    """At the budget of all nothing is left without labels: the places in the batch go to the labelled."""
    data = run.datamodule
    fully = data.describe()["labelled"].keys() == {record.uid for record in data.records("train")}
    if not fully or not data.unlabelled_batch_size:
        return []
    return _flags({"data.batch_size": data.batch_size + data.unlabelled_batch_size, "data.unlabelled_batch_size": 0})


def _flags(settings: Mapping[str, Any]) -> list[str]:
    """Settings as a command line has them."""
    written = {key: value if isinstance(value, str) else json.dumps(value) for key, value in settings.items()}
    return [text for key, value in written.items() for text in (f"--{key}", value)]


def _without_place(config: dict[str, Any]) -> dict[str, Any]:
    """The resolved configuration but for where the data lie: their hash says what they are."""
    data = {key: value for key, value in config["data"]["init_args"].items() if key != "store"}
    return {**config, "data": {**config["data"], "init_args": data}}


def _require_blind_to_test(config: Mapping[str, Any]) -> None:
    """Refuse a callback of the trainer that watches a value of the test part."""
    for callback in config["trainer"].get("callbacks") or []:
        watched = str((callback.get("init_args") or {}).get("monitor") or "")
        if re.match(r"test\b", watched):
            raise ConfigError(
                f"trainer.callbacks: {callback.get('class_path')} watches '{watched}'; a study that selects on test "
                "does not start, watch validation/dice"
            )


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
