"""``prepare``, ``verify``, ``scribble`` and ``spread``: a store, from raw data to weak and pseudo-labels."""

import argparse
import shlex
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from lesslabel.data.sources import SOURCES
from lesslabel.data.sources.base import Source, source_options
from lesslabel.errors import ConfigError
from lesslabel.files import write_json
from lesslabel.printing import show_progress
from lesslabel.terminal import make_console, print_warning

if TYPE_CHECKING:  # importing it would slow `lesslabel prepare --help` by half a second
    from lesslabel.data.verify.fix import Change


def prepare(given: list[str]) -> int:
    """Read raw data into a store."""
    parser = argparse.ArgumentParser("lesslabel prepare", description="Read raw data into a store.")
    parser.add_argument("source", choices=SOURCES, metavar="source", help=f"layout: {', '.join(SOURCES)}")
    parser.add_argument("raw", type=Path, help="raw folder, table for 'folder', '-' for 'phantom'")
    parser.add_argument("store", type=Path, help="folder to make")
    parser.add_argument("--workers", type=int, default=None, help="processes; default all cores, 0 reads in this one")
    parser.add_argument("--skip-damaged", action="store_true", help="leave damaged cases out and list them")
    parser.add_argument(
        "--same-grid",
        default="",
        metavar="CASES",
        help="cases, joined by commas, or 'all': take label maps in the image's order of voxels, ignore their header",
    )
    source = SOURCES[given[0]] if given and given[0] in SOURCES else None
    if source is not None:
        _add_source_arguments(parser, source)
    return _prepare_store(parser.parse_args(given))


def verify(given: list[str]) -> int:
    """Check a store."""
    parser = argparse.ArgumentParser("lesslabel verify", description="Check a store; exit code 1 if anything is wrong.")
    parser.add_argument("store", type=Path)
    parser.add_argument("--split", default=None, help="also check this split")
    parser.add_argument("--fold", type=int, default=0)
    parser.add_argument("--workers", type=int, default=None, help="processes; default all cores, 0 reads in this one")
    parser.add_argument("--cases", action="store_true", help="also print a row for every case")
    parser.add_argument("--json", type=Path, default=None, help="also write cases and findings here")
    parser.add_argument("--fix", action="store_true", help="first make the repairs that hashes confirm")
    parser.add_argument("--propose", type=Path, default=None, help="write a configuration to begin with here")
    parser.add_argument("--annotation", default=None, help="of --propose: learn from this one")
    options = parser.parse_args(given)
    return _verify_store(options)


def scribble(given: list[str]) -> int:
    """Make a weak annotation from a dense one."""
    parser = argparse.ArgumentParser(
        "lesslabel scribble",
        description="Draw a weak annotation from a dense one, so that any dense set can be a benchmark of few labels.",
    )
    parser.add_argument("store", type=Path)
    parser.add_argument("--annotation", default="dense", help="the dense annotation (default dense)")
    parser.add_argument("--name", required=True, help="of the new annotation; no case may have it")
    parser.add_argument("--kind", choices=("scribble", "points", "box"), default="scribble")
    parser.add_argument("--style", choices=("skeleton", "loop"), default="skeleton", help="of scribbles")
    parser.add_argument("--slices", type=float, default=1.0, help="share of the axial slices (default 1)")
    parser.add_argument("--length", type=float, default=0.8, help="share of a middle line (default 0.8)")
    parser.add_argument("--points", type=int, default=1, help="for each part of a label (default 1)")
    parser.add_argument("--thickness", type=int, default=1, help="of strokes and points, in voxels (default 1)")
    parser.add_argument("--minimum-area", type=int, default=4, help="smaller parts are left out, in voxels (default 4)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=0, help="processes that draw")
    options = parser.parse_args(given)
    return _draw_scribbles(options)


def spread(given: list[str]) -> int:
    """Spread scribbles over whole slices."""
    parser = argparse.ArgumentParser(
        "lesslabel spread",
        description="Spread scribbles over whole slices by a random walker: pseudo-labels, made once for every case.",
    )
    parser.add_argument("store", type=Path)
    parser.add_argument("--annotation", default="scribble", help="the scribbles (default scribble)")
    parser.add_argument("--name", default="random_walker", help="of the pseudo-labels (default random_walker)")
    parser.add_argument("--beta", type=float, default=100.0, help="penalty of an edge (default 100)")
    parser.add_argument("--confidence", type=float, default=0.0, help="voxels below it stay unknown (default 0)")
    options = parser.parse_args(given)
    from lesslabel.data.store import Store
    from lesslabel.data.store.spreading import spread_annotation

    with show_progress("spreading") as progress:
        count = spread_annotation(
            Store(options.store),
            options.annotation,
            options.name,
            beta=options.beta,
            confidence=options.confidence,
            time=datetime.now(UTC).isoformat(timespec="seconds"),
            progress=progress,
        )
    print(f"{options.store}: '{options.name}' added to {count} cases")
    return 0


def _add_source_arguments(parser: argparse.ArgumentParser, source: type[Source]) -> None:
    """Offer a source's constructor arguments as options."""
    for name, parameter in source_options(source).items():
        kinds = get_args(parameter.annotation) or (parameter.annotation,)
        kind = next(kind for kind in kinds if kind is not type(None))
        default = "" if parameter.default is None else f" (default {parameter.default})"
        parser.add_argument(
            f"--{name}", type=kind, default=parameter.default, help=f"of the source '{source.name}'{default}"
        )


def _prepare_store(options: argparse.Namespace) -> int:
    """Make a store and print its content."""
    from lesslabel.data.preparing import prepare
    from lesslabel.data.store.prepare import Skipped

    same_grid = [name for name in options.same_grid.split(",") if name]
    skipped: list[Skipped] = []
    warnings: list[str] = []
    with show_progress("reading") as progress:
        store = prepare(
            options.source,
            options.raw,
            options.store,
            options={name: getattr(options, name) for name in source_options(SOURCES[options.source])},
            workers=options.workers,
            skip_damaged=options.skip_damaged,
            same_grid="all" if same_grid == ["all"] else same_grid,
            skipped=skipped.append,
            progress=progress,
            warn=warnings.append,
        )
    for warning in warnings:
        print_warning(warning)
    for case in skipped:
        print(f"left out {case.uid}: {case.reason}", file=sys.stderr)
    fingerprint = store.fingerprint
    print(f"{store.path}: {fingerprint['cases']} cases of {fingerprint['patients']} patients from '{store.source}'")
    for name, annotation in fingerprint["annotations"].items():
        print(f"  {name}: {annotation['cases']} cases")
    print(f"next: lesslabel verify {store.path}")
    return 0


def _verify_store(options: argparse.Namespace) -> int:
    """Check a store, after the safe repairs if requested; 1 if there is an error."""
    from lesslabel.data.store import Store
    from lesslabel.data.verify.report import describe_store, render_cases
    from lesslabel.data.verify.store_check import render_findings, verify_store

    if options.annotation is not None and options.propose is None:
        raise ConfigError("--annotation NAME is for --propose FILE; verify checks all annotations")
    changes = _fix(options.store) if options.fix else []
    findings = verify_store(options.store, split=options.split, fold=options.fold, workers=options.workers)
    store = Store(options.store)
    if options.json is not None:
        write_json(options.json, {**describe_store(store, findings), "changes": [vars(change) for change in changes]})
    if options.cases:
        make_console().print(render_cases(store, findings))
    errors = sum(finding.severity == "error" for finding in findings)
    if findings:
        make_console().print(render_findings(findings))
    print(f"{options.store}: {errors} errors, {len(findings) - errors} warnings")
    if options.propose is not None:
        from lesslabel.data.verify.propose import propose_config

        print(propose_config(store, options.propose, options.annotation), end="")
        config = shlex.quote(str(options.propose))
        print(f"next: edit {config}, then lesslabel fit --config {config} --run DIR")
    return 1 if errors else 0


def _fix(path: Path) -> "list[Change]":
    """Make the safe repairs and print the changes."""
    from lesslabel.data.verify.fix import fix_store

    changes = fix_store(path)
    for change in changes:
        print(f"fixed {change.case}, {change.what}: {change.before} is now {change.after}")
    if not changes:
        print("nothing that --fix may change")
    return changes


def _draw_scribbles(options: argparse.Namespace) -> int:
    """Make a weak annotation from a dense one and print its share of every label."""
    from lesslabel.data.store import Store
    from lesslabel.data.store.weak_labels import make_weak_labels
    from lesslabel.data.weak_labels.sparse_labels import SparseLabelSettings

    store = Store(options.store)
    settings = SparseLabelSettings(
        kind=options.kind,
        style=options.style,
        slices=options.slices,
        length=options.length,
        points=options.points,
        thickness_voxel=options.thickness,
        minimum_area_voxel=options.minimum_area,
    )
    with show_progress("drawing") as progress:
        count = make_weak_labels(
            store,
            options.annotation,
            options.name,
            settings,
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
