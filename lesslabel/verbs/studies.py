"""``reproduce`` and ``curve``: many runs that make one table."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # importing it would slow `lesslabel curve --help` by seconds
    from lesslabel.studies.reproduce import Launching


def reproduce(given: list[str]) -> int:
    """Run a declared study."""
    parser = argparse.ArgumentParser(
        "lesslabel reproduce", description="Run the jobs of a study that are not done; write its table and figures."
    )
    parser.add_argument("experiment", type=Path, help="folder with study.yaml, protocol.yaml and published.csv")
    _add_study_arguments(parser)
    parser.add_argument("--only", default=None, metavar="PATTERN", help="methods whose names match, and what they need")
    parser.add_argument("--folds", type=int, nargs="+", default=None, help="some of the study's")
    parser.add_argument("--seeds", type=int, nargs="+", default=None, help="some of the study's")
    parser.add_argument("--dry-run", action="store_true", help="print the jobs and run none")
    parser.add_argument("--table", action="store_true", help="run no job; write the table of finished ones")
    parser.add_argument("--zoo", type=Path, default=None, help="also add the models to the zoo in this folder")
    options = parser.parse_args(given)
    from lesslabel.studies.reproduce import Chosen
    from lesslabel.studies.reproduce import reproduce as run_study

    return run_study(
        options.experiment,
        chosen=Chosen(options.only, options.folds, options.seeds),
        launching=_launching(options),
        dry_run=options.dry_run,
        table=options.table,
        zoo=options.zoo,
    )


def curve(given: list[str]) -> int:
    """Declare a study of label budgets, and run it."""
    parser = argparse.ArgumentParser(
        "lesslabel curve", description="Train methods at several label budgets and draw Dice over cases and minutes."
    )
    parser.add_argument("experiment", type=Path, help="folder to make, or that this command made before")
    parser.add_argument("--config", action="append", required=True, help="a method; several may be given")
    parser.add_argument("--overlay", action="append", default=[], help="configuration for all of them")
    parser.add_argument("--order", required=True, help="order of patients for budgets: acdc/order_seed0, or a file")
    parser.add_argument("--budgets", nargs="+", default=["1", "2", "4", "8", "all"], help="labelled patients")
    parser.add_argument("--folds", type=int, nargs="+", default=[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument(
        "--checkpoint", choices=("best", "last"), default="best", help="best on validation, or the last"
    )
    _add_study_arguments(parser)
    options = parser.parse_args(given)
    from lesslabel.studies.budget_study import Curve, run_curve

    declared = Curve(
        configs=options.config,
        order=options.order,
        overlays=options.overlay,
        budgets=options.budgets,
        folds=options.folds,
        seeds=options.seeds,
        checkpoint=options.checkpoint,
    )
    return run_curve(options.experiment, declared, _launching(options))


def _add_study_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--launcher", choices=("local", "slurm", "submitit-local"), default="local")
    parser.add_argument("--jobs", type=int, default=1, help="how many run, or are queued, at a time")
    parser.add_argument(
        "--devices", type=int, default=1, help="accelerators of each job on a machine; they share a batch"
    )
    parser.add_argument("--nodes", type=int, default=1, help="machines of each job (SLURM)")
    parser.add_argument("--slurm", nargs="+", default=[], metavar="NAME=VALUE", help="settings of submitit")
    parser.add_argument("--store", type=Path, default=None, help="the store, if not that of the study")
    parser.add_argument("--output", type=Path, default=None, help="folder of the jobs; default runs/NAME")


def _launching(options: argparse.Namespace) -> "Launching":
    from lesslabel.studies.reproduce import Launching

    return Launching(
        launcher=options.launcher,
        jobs=options.jobs,
        devices=options.devices,
        nodes=options.nodes,
        slurm=options.slurm,
        store=options.store,
        output=options.output,
    )
