"""What the verbs without a run do, once the command line is parsed."""

import argparse
import inspect
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from rich.console import Console
from rich.table import Table
from rich.text import Text

from lesslabel.data.sources import SOURCES
from lesslabel.data.sources.base import Source
from lesslabel.errors import ConfigError
from lesslabel.files import write_json, write_text, written_aside
from lesslabel.printing import print_clicks, print_frame, show_progress

if TYPE_CHECKING:  # half a second that `lesslabel prepare --help` need not pay
    from lesslabel.data.verify_fix import Change
    from lesslabel.evaluation import EmptyPolicy, HD95Convention


def add_source_arguments(parser: argparse.ArgumentParser, source: type[Source]) -> None:
    """Offer a source's constructor arguments as options."""
    for name, parameter in _options(source).items():
        kinds = get_args(parameter.annotation) or (parameter.annotation,)
        kind = next(kind for kind in kinds if kind is not type(None))
        default = "" if parameter.default is None else f" (default {parameter.default})"
        parser.add_argument(
            f"--{name}", type=kind, default=parameter.default, help=f"of the source '{source.name}'{default}"
        )


def prepare_store(options: argparse.Namespace) -> int:
    """Make a store and say what is in it."""
    from lesslabel.data.prepare import prepare

    chosen = SOURCES[options.source]
    source = chosen(options.raw, **{name: getattr(options, name) for name in _options(chosen)})
    with show_progress("reading") as progress:
        store, skipped = prepare(
            source,
            options.store,
            workers=options.workers,
            skip_damaged=options.skip_damaged,
            progress=progress,
        )
    for case in skipped:
        print(f"left out {case.uid}: {case.reason}", file=sys.stderr)
    fingerprint = store.fingerprint
    print(f"{store.path}: {fingerprint['cases']} cases of {fingerprint['patients']} patients from '{store.source}'")
    for name, annotation in fingerprint["annotations"].items():
        print(f"  {name}: {annotation['cases']} cases")
    print(f"next: lesslabel verify {store.path}")
    return 0


def verify(options: argparse.Namespace) -> int:
    """Check a store, after fixing what is safe to if asked; 1 if there is any error."""
    from lesslabel.data.store import Store
    from lesslabel.data.verify import render_findings, verify_store
    from lesslabel.data.verify_report import describe_store, render_cases

    changes = _fix(options.store) if options.fix else []
    findings = verify_store(options.store, split=options.split, fold=options.fold, workers=options.workers)
    store = Store(options.store)
    if options.json is not None:
        write_json(options.json, {**describe_store(store, findings), "changes": [vars(change) for change in changes]})
    if options.cases:
        Console().print(render_cases(store, findings))
    errors = sum(finding.severity == "error" for finding in findings)
    if findings:
        Console().print(render_findings(findings))
    print(f"{options.store}: {errors} errors, {len(findings) - errors} warnings")
    if options.propose is not None:
        from lesslabel.data.propose import propose_config

        print(propose_config(store, options.propose), end="")
        print(f"next: edit {options.propose}, then lesslabel fit --config {options.propose} --run DIR")
    return 1 if errors else 0


def _fix(path: Path) -> "list[Change]":
    """Fix what is safe to, and say what was changed."""
    from lesslabel.data.verify_fix import fix_store

    changes = fix_store(path)
    for change in changes:
        print(f"fixed {change.case}, {change.what}: {change.before} is now {change.after}")
    if not changes:
        print("nothing that --fix may change")
    return changes


def draw_scribbles(options: argparse.Namespace) -> int:
    """Draw a weak annotation from a dense one and say how much of every label it shows."""
    from lesslabel.data.scribble_maker import draw_store
    from lesslabel.data.sparse_labels import Drawing
    from lesslabel.data.store import Store

    store = Store(options.store)
    drawing = Drawing(
        form=options.kind,
        style=options.style,
        slices=options.slices,
        length=options.length,
        points=options.points,
        thickness_voxel=options.thickness,
        minimum_area_voxel=options.minimum_area,
    )
    with show_progress("drawing") as progress:
        count = draw_store(
            store,
            options.annotation,
            options.name,
            drawing,
            seed=options.seed,
            time=datetime.now(UTC).isoformat(timespec="seconds"),
            workers=options.workers,
            progress=progress,
        )
    print(
        f"{store.path}: '{options.name}' added to {count} cases; known voxels, beside those of '{options.annotation}':"
    )
    totals = store.fingerprint["annotations"]
    drawn, dense = (totals[name]["voxels"] for name in (options.name, options.annotation))
    for code, label in {0: "background", **store.labels}.items():
        if voxels := dense.get(str(code), 0):
            print(f"  {label}: {drawn.get(str(code), 0)} ({drawn.get(str(code), 0) / voxels:.2%})")
    return 0


def export_cases(options: argparse.Namespace) -> int:
    """Write cases for another program."""
    from lesslabel.data.export import export_store
    from lesslabel.data.splits import partition
    from lesslabel.data.store import Store

    store, uids = Store(options.store), None
    if options.part != "all":
        uids = partition(list(store.records.values()), options.split, fold=options.fold).cases[options.part]
    with show_progress("writing") as progress:
        count = export_store(
            store,
            options.to,
            options.out,
            annotation=options.annotation,
            uids=uids,
            progress=progress,
        )
    print(f"{options.out}: {count} cases for {options.to}")
    print(f"back: lesslabel import {store.path} --from {options.out} --annotation NAME --author WHO")
    return 0


def import_label_maps(options: argparse.Namespace) -> int:
    """Bring label maps into a store and say what came back, case by case; 1 if any was refused."""
    from lesslabel.data.annotation_import import import_annotations
    from lesslabel.data.case import Kind
    from lesslabel.data.queue import read_queue
    from lesslabel.data.store import Store

    store = Store(options.store)
    returned = import_annotations(
        store,
        None if options.queue is None else read_queue(options.queue, store),
        options.folder,
        options.annotation,
        author=options.author,
        time=datetime.now(UTC).isoformat(timespec="seconds"),
        kind=Kind[options.kind.upper()],
        overlaps=options.overlaps,
        allow_empty=options.allow_empty,
        replace=options.replace,
    )
    table = Table("case", "slices", "voxels", "problem", show_lines=True)
    for case in returned:
        slices = "all" if case.slices is None else ", ".join(map(str, case.slices))
        voxels = "\n".join(f"{label}: {count}" for label, count in case.voxels.items())
        table.add_row(*map(Text, (case.uid, slices, voxels, case.problem)))
    Console().print(table)
    if refused := sum(bool(case.problem) for case in returned):
        print(f"{options.store}: nothing was added, {refused} of {len(returned)} cases were refused", file=sys.stderr)
        return 1
    print(f"{options.store}: '{options.annotation}' added to {len(returned)} cases")
    return 0


def clicks(options: argparse.Namespace, settings: Sequence[str]) -> int:
    """Run a click protocol and print what it came to."""
    from lesslabel.runs.click_player import ClickProtocol
    from lesslabel.runs.clicks import OtherStore, run_clicks

    protocol = ClickProtocol(
        first=options.first,
        robot=options.robot,
        cap=options.cap,
        turns=options.turns,
        jitter_voxel=options.jitter,
        seed=options.seed,
        min_voxels=options.min_voxels,
        slices=options.slices,
    )
    store = None
    if options.store is not None:
        store = OtherStore(options.store, options.split, options.fold, options.reference)
    elif options.reference is not None:
        raise ConfigError("--reference: goes with --store; the run's own store has the reference of its view")
    out = options.out or options.run / "clicks"
    with show_progress("clicking") as progress:
        summary = run_clicks(
            options.run,
            protocol,
            out,
            store=store,
            part=options.part,
            labels=options.labels,
            settings=settings,
            progress=progress,
        )
    print_clicks(summary)
    print(f"clicks: {out}\nnext: lesslabel report {out}")
    return 0


def evaluate(
    pred: Path,
    ref: Path,
    unit: Literal["mm", "voxel"],
    hd95: "HD95Convention",
    empty: "EmptyPolicy",
    csv_path: Path | None,
) -> int:
    """Score files and print a row per case and label."""
    from lesslabel.evaluation import evaluate_files

    frame = evaluate_files(pred, ref, unit=unit, hd95=hd95, empty=empty)
    if csv_path is not None:
        with written_aside(csv_path) as aside:
            frame.to_csv(aside, index=False)
    print_frame(frame, f"distances in {unit}")
    return 0


def raters(store: Path, annotations: Sequence[str], output: Path | None) -> int:
    """Print how far the raters of a store agree: a table per label."""
    from lesslabel.data.store import Store
    from lesslabel.evaluation.raters import (
        CONVENTIONS,
        compare_raters,
        render_raters,
        summarise_raters,
        tabulate_raters,
    )

    if output is not None and output.suffix not in (".md", ".csv"):
        raise ConfigError(f"output: {output} is neither .md nor .csv; give it one of these endings")
    summary = summarise_raters(compare_raters(Store(store), annotations))
    if output is not None:
        write_text(output, render_raters(summary) if output.suffix == ".md" else summary.to_csv(index=False))
    for title, table in tabulate_raters(summary).items():
        print_frame(table, title)
    print(CONVENTIONS)
    return 0


def report(runs: Sequence[Path], output: Path | None, experiment: Path | None) -> int:
    """Write the HTML page, and if asked the experiment's rows and table."""
    from lesslabel.report import write_report

    path = write_report(runs, output or runs[0] / "report.html")
    print(f"report: {path}")
    if experiment is not None:
        from lesslabel.evaluation import add_run, write_table
        from lesslabel.report.experiment_figure import write_figure

        if not (experiment / "protocol.yaml").is_file():
            raise ConfigError(
                f"{experiment}: no protocol.yaml; an experiment says how it was made first (docs/formats.md)"
            )
        for run in runs:
            add_run(experiment, run)
        write_figure(experiment)
        print(f"table: {write_table(experiment)}")
    return 0


def report_clicks(folders: Sequence[Path], output: Path | None) -> int:
    """Write the HTML page of click protocols."""
    from lesslabel.report.clicks import write_clicks_report

    print(f"report: {write_clicks_report(folders, output or folders[0] / 'report.html')}")
    return 0


def report_adaptation(options: argparse.Namespace) -> int:
    """Write the HTML page of an adaptation by a queue."""
    from lesslabel.bundle import load_bundle
    from lesslabel.report.adaptation import write_adaptation_report

    if len(options.runs) != 1:
        raise ConfigError("--bundle: goes with one adaptation; report runs without it")
    folder = options.runs[0]
    path = write_adaptation_report(
        folder,
        load_bundle(options.bundle),
        options.output or folder / "report.html",
        store=options.store,
        experiment=options.experiment,
        projection=options.map,
    )
    print(f"report: {path}")
    return 0


def bundle(options: argparse.Namespace) -> int:
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
        single = sum(patients == 1 for patients in made.recipe.references.patients)
        print(f"{made.path}: {len(made.references)} references, {single} of them from a single patient each")
        print(f"next: lesslabel bundle inspect {made.path}")
        return 0
    found = load_bundle(options.bundle)
    if options.action == "inspect":
        print((found.path / "CARD.md").read_text(encoding="utf-8"), end="")
    else:
        print(f"{found.path}: whole and unchanged; sha256 of the weights {found.model_sha256}")
    return 0


def _options(source: type[Source]) -> dict[str, inspect.Parameter]:
    parameters = dict(inspect.signature(source).parameters)
    parameters.pop("raw")
    return parameters
