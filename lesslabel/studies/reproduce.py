"""``lesslabel reproduce``: run a declared study and write its table."""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

from lesslabel.data.sources.phantom import Phantom
from lesslabel.data.store.prepare import prepare
from lesslabel.errors import ConfigError, DataError
from lesslabel.processes import usable_cores
from lesslabel.runs.config_rules import leads_outside
from lesslabel.studies.declaration import Study, read_study
from lesslabel.studies.job import Machines
from lesslabel.studies.jobs import make_jobs
from lesslabel.studies.launchers import Launcher, LocalLauncher
from lesslabel.studies.progress import print_jobs, watching
from lesslabel.studies.results import write_results
from lesslabel.studies.scheduler import Progress, run_jobs
from lesslabel.studies.zoo import add_to_zoo
from lesslabel.tables.experiment_protocol import read_protocol, read_published


@dataclass(frozen=True)
class Launching:
    """Settings for running the jobs of a study.

    Attributes:
        launcher: ``local``, ``slurm``, or ``submitit-local``, which tries what ``slurm`` does on this machine.
        jobs: the number of jobs that run, or are queued, at a time.
        devices: accelerators of each job on a machine; they share a batch.
        nodes: machines of each job (SLURM).
        slurm: settings of submitit, each ``NAME=VALUE``.
        store: the store; None takes that of the declaration.
        output: folder of the jobs; None takes ``runs/NAME``.
    """

    launcher: Literal["local", "slurm", "submitit-local"] = "local"
    jobs: int = 1
    devices: int = 1
    nodes: int = 1
    slurm: Sequence[str] = ()
    store: Path | None = None
    output: Path | None = None


@dataclass(frozen=True)
class Chosen:
    """The part of a study to run.

    Attributes:
        only: a pattern of the names of methods; None takes all.
        folds: some of the study's; None takes all.
        seeds: the same.
    """

    only: str | None = None
    folds: Sequence[int] | None = None
    seeds: Sequence[int] | None = None


def reproduce(
    experiment: Path,
    *,
    chosen: Chosen = Chosen(),
    launching: Launching = Launching(),
    dry_run: bool = False,
    table: bool = False,
    zoo: Path | None = None,
) -> int:
    """Run the jobs of a study that are not done, and write its results.

    Args:
        experiment: folder of the study.
        chosen: the part of it to run.
        launching: settings for running its jobs.
        dry_run: print the jobs and run none.
        table: run no job; write the table of the finished ones.
        zoo: folder to add the models to.

    Returns:
        1 if a job failed, else 0.

    Raises:
        LesslabelError: if the study, its data or its launcher has an error.
    """
    study = _choose(read_study(experiment), chosen)
    read_protocol(study.folder)  # the table needs it at the end, so check it first
    read_published(study.folder)
    store = launching.store or study.store
    output = launching.output or Path("runs") / study.folder.resolve().name
    if not store.exists():
        _make_store(study, store, named=launching.store is not None)
    jobs = make_jobs(study, output, store, Machines(launching.devices, launching.nodes))
    if dry_run:
        print_jobs(jobs)
        return 0
    if not os.access(study.folder, os.W_OK):
        raise DataError(f"{study.folder}: may not be written to, where the results belong; copy the folder elsewhere")
    progress: Sequence[Progress] = ()
    if not table:
        launcher = _make_launcher(launching, output)
        try:
            with watching() as watch:
                progress = run_jobs(jobs, launcher, watch)
        except KeyboardInterrupt as error:
            raise KeyboardInterrupt("interrupted; the same command goes on") from error
    failed = _report_failures(progress)
    done = [job for job in jobs if job.folder.is_done()]
    has_rows = any(job.tested or job.clicks for job in done)
    if has_rows or (table and (study.folder / "results.csv").is_file()):
        print(f"table: {write_results(study, done)}")
    if done and zoo is not None:
        print(f"zoo: {add_to_zoo(zoo, study, done, store)}")
    return 1 if failed else 0


def _choose(study: Study, chosen: Chosen) -> Study:
    """The requested part of a study.

    Raises:
        ConfigError: if there is no such part.
    """
    methods = tuple(method for method in study.methods if fnmatchcase(method.name, chosen.only or "*"))
    if not methods:
        names = "; ".join(method.name for method in study.methods)
        raise ConfigError(f"--only {chosen.only}: no method is called so; there is {names}")
    for name, given, declared in (("--folds", chosen.folds, study.folds), ("--seeds", chosen.seeds, study.seeds)):
        if unknown := sorted(set(given or ()) - set(declared)):
            raise ConfigError(f"{name} {unknown[0]}: the study has {', '.join(map(str, declared))}; choose among them")
    folds = tuple(dict.fromkeys(chosen.folds or study.folds))
    seeds = tuple(dict.fromkeys(chosen.seeds or study.seeds))
    return replace(study, methods=methods, folds=folds, seeds=seeds)


def _make_store(study: Study, store: Path, *, named: bool) -> None:
    if study.phantom is None:
        raise ConfigError(
            f"{store}: no store here; prepare it by {study.folder / 'protocol.yaml'}, or name it with --store"
        )
    if not named and not _is_here(study.store):
        raise ConfigError(
            f"{study.folder / 'study.yaml'}: store: {study.store} would be made outside the current folder; name it "
            "with --store"
        )
    prepare(Phantom(**study.phantom), store)
    print(f"{store}: generated")


def _is_here(path: Path) -> bool:
    """Whether a path of a study is in the current folder, with links resolved."""
    return not leads_outside(str(path)) and path.resolve().is_relative_to(Path.cwd().resolve())


def _make_launcher(launching: Launching, output: Path) -> Launcher:
    if launching.launcher == "local":
        return LocalLauncher(launching.jobs, _visible_accelerators())
    from lesslabel.studies.launchers.slurm import SlurmLauncher, read_settings

    settings = read_settings(list(launching.slurm))
    here = launching.launcher == "submitit-local"
    threads = max(1, usable_cores() // max(1, launching.jobs)) if here else int(settings.pop("cpus_per_task", 1))
    cluster: Literal["slurm", "local"] = "local" if here else "slurm"
    return SlurmLauncher(output / "submitit", slots=launching.jobs, threads=threads, cluster=cluster, settings=settings)


def _visible_accelerators() -> tuple[str, ...]:
    """Names of the accelerators that this process may use."""
    if (visible := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        return tuple(name for name in visible.split(",") if name)
    import torch

    return tuple(str(index) for index in range(torch.cuda.device_count()))


def _report_failures(table: Sequence[Progress]) -> int:
    """Print the failed jobs with their logs; return their number."""
    failed = [progress for progress in table if progress.state == "failed"]
    for progress in failed:
        words = progress.last_words or "no output"
        log = "" if progress.reason else f"\n  log: {progress.job.folder.log}"
        print(f"failed: {progress.job.name}: {words}{log}", file=sys.stderr)
    if failed:
        print(f"{len(failed)} of {len(table)} jobs failed; the same command tries them again", file=sys.stderr)
    return len(failed)
