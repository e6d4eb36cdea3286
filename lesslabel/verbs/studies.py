"""``reproduce``, ``compare``, ``curve``, ``campaign``, ``plan``: many runs that make one table, and what next."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from lesslabel.verbs.arguments import add_unit_arguments

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


def compare(given: list[str]) -> int:
    """Declare a short comparison of methods on a store, run it, and say what to use next."""
    parser = argparse.ArgumentParser(
        "lesslabel compare",
        description="Train every method for the labels of a store for a few iterations, and say what to use next.",
    )
    parser.add_argument("data", type=Path, help="a store; or the folder of a comparison, which runs as it stands there")
    parser.add_argument("--methods", nargs="+", default=[], metavar="NAME", help="some of those for the labels")
    parser.add_argument("--budget", type=int, default=200, help="training iterations of each method (default 200)")
    parser.add_argument(
        "--annotation",
        nargs="+",
        default=[],
        metavar="NAME[:PATIENTS]",
        help="labels to train on, best first, such as dense:3 scribble; default all that people drew",
    )
    parser.add_argument("--reference", default="dense", help="the annotation that scores (default dense)")
    parser.add_argument("--split", default="", help="train and score on its training and validation part")
    parser.add_argument("--fold", type=int, default=0, help="of the split")
    parser.add_argument("--size", type=int, default=96, help="side of the slices in voxels (default 96)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="trainings of each method")
    parser.add_argument(
        "--experiment", type=Path, default=None, metavar="FOLDER", help="to make; default experiments/compare-STORE"
    )
    _add_launching_arguments(parser)
    parser.set_defaults(store=None)  # that of the data
    options = parser.parse_args(given)
    from lesslabel.studies.compared_data import Shown
    from lesslabel.studies.comparing import Comparison, run_comparison

    declared = Comparison(
        methods=options.methods,
        iterations=options.budget,
        size=options.size,
        shown=[Shown.parse(word) for word in options.annotation],
        reference=options.reference,
        split=options.split,
        fold=options.fold,
        seeds=options.seeds,
    )
    folder = options.experiment or Path("experiments") / f"compare-{options.data.resolve().name}"
    return run_comparison(options.data, folder, declared, _launching(options))


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
    add_unit_arguments(parser)
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
        patch_voxel=options.patch_voxel,
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
    from lesslabel.tables.planning import plan as plan_rounds

    for one in plan_rounds(options.paths, minutes=options.minutes):
        print("\n".join(one.lines()))
    return 0


def _add_study_arguments(parser: argparse.ArgumentParser) -> None:
    _add_launching_arguments(parser)
    parser.add_argument("--store", type=Path, default=None, help="the store, if not that of the study")


def _add_launching_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--launcher", choices=("local", "slurm", "submitit-local"), default="local")
    parser.add_argument("--jobs", type=int, default=1, help="how many run, or are queued, at a time")
    parser.add_argument(
        "--devices", type=int, default=1, help="accelerators of each job on a machine; they share a batch"
    )
    parser.add_argument("--nodes", type=int, default=1, help="machines of each job (SLURM)")
    parser.add_argument("--slurm", nargs="+", default=[], metavar="NAME=VALUE", help="settings of submitit")
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
