"""``reproduce``, ``curve``, ``campaign`` and ``plan``: many runs that make one table, and what more would bring."""

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


def campaign(given: list[str]) -> int:
    """Declare a campaign of several strategies, and run it."""
    parser = argparse.ArgumentParser(
        "lesslabel campaign", description="Choose, show labels, train, test: round by round, for several strategies."
    )
    parser.add_argument("experiment", type=Path, help="folder to make, or that this command made before")
    parser.add_argument("--config", required=True, help="the training of every round")
    parser.add_argument("--overlay", action="append", default=[], help="further configuration")
    parser.add_argument("--strategies", nargs="+", required=True, help="foreground-random is added as the baseline")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--budget", default="5%", help="of each round (default 5%%)")
    parser.add_argument("--unit", choices=("slice", "case"), default="slice", help="the annotation unit")
    parser.add_argument("--annotation", default="dense", help="of the store, shown where chosen (default dense)")
    parser.add_argument("--folds", type=int, nargs="+", default=[], help="of the split (default the configuration's)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument(
        "--checkpoint", choices=("best", "last"), default="last", help="best on validation, or the last"
    )
    _add_study_arguments(parser)
    options = parser.parse_args(given)
    from lesslabel.studies.campaign import Campaign, run_campaign

    declared = Campaign(
        config=options.config,
        strategies=options.strategies,
        overlays=options.overlay,
        rounds=options.rounds,
        budget=options.budget,
        unit=options.unit,
        annotation=options.annotation,
        folds=options.folds,
        seeds=options.seeds,
        checkpoint=options.checkpoint,
    )
    return run_campaign(options.experiment, declared, _launching(options))


def plan(given: list[str]) -> int:
    """Fit a learning curve to the rounds so far."""
    parser = argparse.ArgumentParser(
        "lesslabel plan", description="What more annotation would buy: a learning curve of the rounds so far, checked."
    )
    parser.add_argument("paths", type=Path, nargs="+", metavar="RUN", help="tested runs, or one experiment folder")
    parser.add_argument("--minutes", type=float, default=60.0, help="further minutes of annotation (default 60)")
    options = parser.parse_args(given)
    from lesslabel.studies.planning import plan as plan_rounds

    for one in plan_rounds(options.paths, minutes=options.minutes):
        print("\n".join(one.lines()))
    return 0


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
