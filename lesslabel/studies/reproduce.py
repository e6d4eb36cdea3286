"""``lesslabel reproduce``: from a declaration to its table."""

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

from lesslabel.data.sources.phantom import Phantom
from lesslabel.data.store.prepare import prepare
from lesslabel.errors import ConfigError, DataError
from lesslabel.runs.config_rules import leads_outside
from lesslabel.studies.declaration import Study, read_study
from lesslabel.studies.job import Machines
from lesslabel.studies.jobs import make_jobs
from lesslabel.studies.launchers import Launcher, LocalLauncher
from lesslabel.studies.launchers.local import count_cores
from lesslabel.studies.progress import print_jobs, watching
from lesslabel.studies.results import write_results
from lesslabel.studies.scheduler import Progress, run_jobs
from lesslabel.studies.zoo import add_to_zoo
from lesslabel.tables.protocol import read_protocol, read_published


def run_reproduce(options: argparse.Namespace) -> int:
    """Run the jobs of a study that are not done, and write its results; 1 if a job failed.

    Raises:
        LesslabelError: if the study, its data or its launcher is not as it should be.
    """
    study = _choose(read_study(options.experiment), options)
    read_protocol(study.folder)  # what the table needs in the end is there in the beginning
    read_published(study.folder)
    store = options.store or study.store
    output = options.output or Path("runs") / study.folder.resolve().name
    if not store.exists():
        _make_store(study, store, options)
    jobs = make_jobs(study, output, store, Machines(options.devices, options.nodes))
    if options.dry_run:
        print_jobs(jobs)
        return 0
    if not os.access(study.folder, os.W_OK):
        raise DataError(f"{study.folder}: may not be written to, where the results belong; copy the folder elsewhere")
    table: Sequence[Progress] = ()
    if not options.table:
        launcher = _make_launcher(options, output)
        try:
            with watching() as watch:
                table = run_jobs(jobs, launcher, watch)
        except KeyboardInterrupt as error:
            raise KeyboardInterrupt("interrupted; the same command goes on") from error
    failed = _report_failures(table)
    done = [job for job in jobs if job.folder.is_done()]
    has_rows = any(job.tested or job.clicks for job in done)
    if has_rows or (options.table and (study.folder / "results.csv").is_file()):
        print(f"table: {write_results(study, done)}")
    if done and options.zoo is not None:
        print(f"zoo: {add_to_zoo(options.zoo, study, done, store)}")
    return 1 if failed else 0


def _choose(study: Study, options: argparse.Namespace) -> Study:
    """The part of a study that the command line asks for.

    Raises:
        ConfigError: if there is no such part.
    """
    methods = tuple(method for method in study.methods if fnmatchcase(method.name, options.only or "*"))
    if not methods:
        names = "; ".join(method.name for method in study.methods)
        raise ConfigError(f"--only {options.only}: no method is called so; there is {names}")
    for name, given, declared in (("--folds", options.folds, study.folds), ("--seeds", options.seeds, study.seeds)):
        if unknown := sorted(set(given or ()) - set(declared)):
            raise ConfigError(f"{name} {unknown[0]}: the study has {', '.join(map(str, declared))}; choose among them")
    folds = tuple(dict.fromkeys(options.folds or study.folds))
    seeds = tuple(dict.fromkeys(options.seeds or study.seeds))
    return replace(study, methods=methods, folds=folds, seeds=seeds)


def _make_store(study: Study, store: Path, options: argparse.Namespace) -> None:
    if study.phantom is None:
        raise ConfigError(
            f"{store}: no store here; prepare it as {study.folder / 'protocol.yaml'} says, or name it with --store"
        )
    if not options.store and not _is_here(study.store):
        raise ConfigError(
            f"{study.folder / 'study.yaml'}: store: {study.store} would be made outside the current folder; name it "
            "with --store"
        )
    prepare(Phantom(**study.phantom), store)
    print(f"{store}: generated")


def _is_here(path: Path) -> bool:
    """Whether a path that a study names lies in the current folder, links followed."""
    return not leads_outside(str(path)) and path.resolve().is_relative_to(Path.cwd().resolve())


def _make_launcher(options: argparse.Namespace, output: Path) -> Launcher:
    if options.launcher == "local":
        return LocalLauncher(options.jobs, _visible_accelerators())
    from lesslabel.studies.launchers.slurm import SlurmLauncher, read_settings

    settings = read_settings(options.slurm)
    here = options.launcher == "submitit-local"
    threads = max(1, count_cores() // max(1, options.jobs)) if here else int(settings.pop("cpus_per_task", 1))
    cluster: Literal["slurm", "local"] = "local" if here else "slurm"
    return SlurmLauncher(output / "submitit", slots=options.jobs, threads=threads, cluster=cluster, settings=settings)


def _visible_accelerators() -> tuple[str, ...]:
    """Names of the accelerators that this process may use."""
    if (visible := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        return tuple(name for name in visible.split(",") if name)
    import torch

    return tuple(str(index) for index in range(torch.cuda.device_count()))


def _report_failures(table: Sequence[Progress]) -> int:
    """List what failed, with its log; return how many."""
    failed = [progress for progress in table if progress.state == "failed"]
    for progress in failed:
        words = progress.last_words or "nothing was said"
        log = "" if progress.reason else f"\n  log: {progress.job.folder.log}"
        print(f"failed: {progress.job.name}: {words}{log}", file=sys.stderr)
    if failed:
        print(f"{len(failed)} of {len(table)} jobs failed; the same command tries them again", file=sys.stderr)
    return len(failed)
