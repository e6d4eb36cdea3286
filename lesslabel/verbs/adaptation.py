"""``bundle``, ``select``, ``expect`` and ``adapt``: use a model at another hospital."""

import argparse
import shlex
from pathlib import Path

from lesslabel.command_words import read_settings
from lesslabel.verbs.arguments import add_unit_arguments
from lesslabel.verbs.next_step import after_training


def bundle(given: list[str]) -> int:
    """Export, inspect or verify a bundle."""
    parser = argparse.ArgumentParser(
        "lesslabel bundle", description="A trained model for another hospital: weights, references, manifest; no image."
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="export|inspect|verify")
    export = actions.add_parser("export", help="make a bundle from a finished run", allow_abbrev=False)
    export.add_argument("run", type=Path, help="run folder")
    export.add_argument("out", type=Path, help="folder to make")
    export.add_argument("--store", type=Path, required=True, help="the store that the run was trained on")
    export.add_argument("--references", type=int, default=10, help="how many references (default 10)")
    export.add_argument("--seed", type=int, default=0, help="of the clustering")
    export.add_argument("--mask", choices=("predicted", "background-softmax"), default="predicted", help="of features")
    export.add_argument("--scale", choices=("published", "unit-length"), default="published", help="of features")
    export.add_argument("--min-patients", type=int, default=2, help="behind each reference (default 2; published 1)")
    inspect = actions.add_parser("inspect", help="check a bundle and print its card")
    verify = actions.add_parser("verify", help="check a bundle")
    for action in (inspect, verify):
        action.add_argument("bundle", type=Path)
    verify.add_argument("--zoo", type=Path, default=None, help="folder whose zoo.yaml must hold its weights")
    options = parser.parse_args(given)
    return _handle_bundle(options)


def select(given: list[str]) -> int:
    """Rank what to annotate."""
    options = _select_options(given)
    from lesslabel.adaptation.selecting import QueueSummary
    from lesslabel.adaptation.selecting import select as choose
    from lesslabel.adaptation.units import AnnotationUnit
    from lesslabel.selection.cost import AnnotationCost

    unit = AnnotationUnit.of(options.unit, options.patch_voxel)
    summaries: list[QueueSummary] = []
    queue = choose(
        options.bundle,
        options.store,
        options.out,
        budget=options.budget,
        run=options.run,
        ensemble=options.ensemble,
        strategy=options.strategy,
        unit=options.unit,
        patch_voxel=options.patch_voxel,
        images=options.images,
        prelabels=options.prelabels,
        prelabel_label=options.prelabel_label,
        previous=options.previous,
        diversity=options.diversity,
        seed=options.seed,
        split=options.split,
        fold=options.fold,
        allow_missing=options.allow_missing,
        centres=options.centres,
        workers=options.workers,
        skip_damaged=options.skip_damaged,
        cost=AnnotationCost(options.first_minutes, options.further_minutes),
        describe=summaries.append,
    )
    (seen,) = summaries
    print(f"{options.out}: {len(queue.rows)} {unit.plural} of {len(queue.slices)} cases, chosen by {seen.strategy}")
    skipped = f"; {seen.left_out} cases left out" if seen.left_out else ""
    ranked = "slices" if unit.name == "case" else unit.plural
    print(f"{seen.images} {ranked} ranked, {seen.without_foreground} without foreground{skipped}")
    if seen.held_out:
        print(f"{seen.held_out} cases outside the training part of the split are not ranked; --split all takes them")
    first, further = f"{options.first_minutes:g} (--first-minutes)", f"{options.further_minutes:g} (--further-minutes)"
    print(f"this round costs {seen.minutes:.4g} minutes, at {first} for a patient's first slice, then {further}")
    print(f"next: {_next_of_queue(options.store, options.out, unit.name)}")
    return 0


def _next_of_queue(store: Path, queue: Path, unit: str) -> str:
    of_queue = f"{shlex.quote(str(store))} --queue {shlex.quote(str(queue))}"
    elsewhere = f"lesslabel import {of_queue} --from FOLDER --annotation NAME --author WHO"
    if unit == "patch":
        return f"annotate, then {elsewhere}"
    in_the_page = f"lesslabel annotate {of_queue} --annotation NAME --author WHO"
    return f"{in_the_page}; drawn elsewhere: {elsewhere}"


def _select_options(given: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "lesslabel select",
        description="Rank the training part of a store; writes queue.csv and queue.json.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--bundle", type=Path, default=None, help="the bundle of a source; without it and --run no model"
    )
    parser.add_argument("--run", type=Path, default=None, help="a finished run of your own, instead of a bundle")
    parser.add_argument(
        "--ensemble",
        type=Path,
        nargs="+",
        default=[],
        metavar="RUN",
        help="further runs of the same data: bald and mean-deviation compare the models instead of using dropout",
    )
    parser.add_argument("--store", type=Path, required=True, help="the store to choose from; labels are not used")
    parser.add_argument(
        "--strategy",
        default=None,
        help="stdr (default with a bundle), foreground-random (default without), …; a wrong name lists all",
    )
    parser.add_argument("--budget", required=True, help="20%%, 0.2, a count, or '45 min'")
    parser.add_argument("--first-minutes", type=float, default=4.0, help="price of a patient's first slice (default 4)")
    parser.add_argument("--further-minutes", type=float, default=4.0, help="price of each further slice (default 4)")
    add_unit_arguments(parser)
    parser.add_argument("--out", type=Path, required=True, help="the queue.csv to write")
    parser.add_argument("--images", type=Path, default=None, help="also write the images and prelabels, to this folder")
    parser.add_argument(
        "--prelabels",
        choices=("box", "centre"),
        default=None,
        help="without a model: masks of the general clicker, pointed at so by a coarse rule",
    )
    parser.add_argument("--prelabel-label", default=None, metavar="NAME", help="their label, if the store has several")
    parser.add_argument("--previous", type=Path, default=None, help="queue of earlier rounds, continued in the new one")
    parser.add_argument("--diversity", action="store_true", help="spread the choice inside each end of stdr")
    parser.add_argument("--seed", type=int, default=0, help="of the strategy")
    parser.add_argument(
        "--split", default=None, help="only its training part is chosen from (default random, or the run's)"
    )
    parser.add_argument("--fold", type=int, default=None, help="of the split (default 0, or the run's)")
    parser.add_argument("--allow-missing", action="store_true", help="drop patients of the split that are not there")
    parser.add_argument("--centres", nargs="+", default=None, help="choose from these hospitals of the store alone")
    parser.add_argument("--workers", type=int, default=0, help="processes that read")
    parser.add_argument("--skip-damaged", action="store_true", help="leave cases with errors of verify out, list them")
    return parser.parse_args(given)


def expect(given: list[str]) -> int:
    """Write the Dice to expect of each case."""
    options = _expect_options(given)
    from lesslabel.adaptation.expecting import ExpectationSummary
    from lesslabel.adaptation.expecting import expect as expect_dice

    summaries: list[ExpectationSummary] = []
    expect_dice(
        options.store,
        options.out,
        bundle=options.bundle,
        run=options.run,
        part=options.part,
        compare=options.compare,
        split=options.split,
        fold=options.fold,
        allow_missing=options.allow_missing,
        centres=options.centres,
        workers=options.workers,
        skip_damaged=options.skip_damaged,
        describe=summaries.append,
    )
    (seen,) = summaries
    print(f"{options.out}: expected Dice {seen.dice:.3f} over {seen.cases} cases; {seen.source_dice:.3f} at the source")
    print(f"{seen.cases - seen.trusted} cases not to trust: below {seen.least_usual:.3f}, or a class is not predicted")
    if seen.mean_absolute_error is not None:
        print(
            f"compared with the labels of {seen.compared} cases: mean absolute error {seen.mean_absolute_error:.3f}, "
            f"rank correlation {seen.rank_correlation:.2f}"
        )
    return 0


def _expect_options(given: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "lesslabel expect",
        description="Predict the cases of a store and write the Dice to expect of each; labels are not used.",
        allow_abbrev=False,
    )
    parser.add_argument("store", type=Path, help="the store; it may have no label")
    parser.add_argument("--bundle", type=Path, default=None, help="the bundle of a source, which holds its calibration")
    parser.add_argument(
        "--run", type=Path, default=None, help="a finished run instead, calibrated on its own validation part"
    )
    parser.add_argument("--out", type=Path, required=True, help="the CSV file to write")
    parser.add_argument("--part", choices=("train", "validation", "test", "all"), default="all", help="(default all)")
    parser.add_argument("--compare", action="store_true", help="also score against the labels of the store")
    parser.add_argument("--split", default=None, help="of --part (default random, or the run's)")
    parser.add_argument("--fold", type=int, default=None, help="of the split (default 0, or the run's)")
    parser.add_argument("--allow-missing", action="store_true", help="drop patients of the split that are not there")
    parser.add_argument("--centres", nargs="+", default=None, help="hospitals of the split's parts")
    parser.add_argument("--workers", type=int, default=0, help="processes that read")
    parser.add_argument("--skip-damaged", action="store_true", help="leave cases with errors of verify out, list them")
    return parser.parse_args(given)


def adapt(given: list[str]) -> int:
    """Adapt a bundle to a store."""
    parser = argparse.ArgumentParser(
        "lesslabel adapt",
        description="Fine-tune on what a queue shows, pseudo-label the rest, train on both. Further settings are those "
        "of `lesslabel fit`: --trainer.max_steps 400, --data.split, --config FILE.yaml …",
        allow_abbrev=False,
    )
    parser.add_argument("--bundle", type=Path, required=True, help="the bundle of the source")
    parser.add_argument("--store", type=Path, required=True, help="the target")
    parser.add_argument("--queue", type=Path, default=None, help="the annotated queue.csv")
    parser.add_argument("--annotation", default=None, help="its name in the store")
    parser.add_argument("--out", type=Path, required=True, help="folder to make; the same command resumes it")
    parser.add_argument("--stages", type=int, choices=(1, 3), default=3, help="1 ends after fine-tuning (default 3)")
    parser.add_argument("--confidence", type=float, default=0.0, help="pseudo-labels below it are unknown (default 0)")
    parser.add_argument("--restart-from-source", action="store_true", help="third stage from the source's weights")
    parser.add_argument("--name", default="Fine-tuned", help="of the method in tables")
    parser.add_argument(
        "--without-labels",
        default=None,
        help="instead of a queue: none, histogram, tent …; a wrong name lists all",
    )
    options, settings = parser.parse_known_args(given)
    from lesslabel.adaptation.adapting import adapt as adapt_model

    run = adapt_model(
        options.bundle,
        options.store,
        options.out,
        queue=options.queue,
        annotation=options.annotation,
        without_labels=options.without_labels,
        self_train=options.stages == 3,
        confidence=options.confidence,
        restart_from_source=options.restart_from_source,
        name=options.name,
        overrides=read_settings(settings),
    )
    print(f"adapted: {run.path}\nnext: {after_training(run.path)}")
    return 0


def _handle_bundle(options: argparse.Namespace) -> int:
    """Export, inspect or verify a bundle."""
    from lesslabel.bundle import export_bundle, load_bundle

    if options.action == "export":
        made = export_bundle(
            options.run,
            options.out,
            options.store,
            n_references=options.references,
            seed=options.seed,
            mask=options.mask,
            scale=options.scale,
            min_patients=options.min_patients,
        )
        single = sum(patients == 1 for patients in made.manifest.references.patients)
        print(f"{made.path}: {len(made.references)} references, {single} of them from a single patient each")
        print(f"next: lesslabel bundle inspect {made.path}")
        return 0
    found = load_bundle(options.bundle)
    if options.action == "inspect":
        print((found.path / "CARD.md").read_text(encoding="utf-8"), end="")
    else:
        print(f"{found.path}: whole and unchanged; sha256 of the weights {found.model_sha256}")
        if options.zoo is not None:
            from lesslabel.studies.zoo import require_entered

            print(f"{options.zoo}: the weights are those of {require_entered(found, options.zoo)}")
    return 0
