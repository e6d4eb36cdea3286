"""``export`` and ``import``: to annotation programs and back."""

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path

from lesslabel.printing import show_progress
from lesslabel.terminal import add_row, lines_cell, make_console, make_table


def export(given: list[str]) -> int:
    """Write cases for another program."""
    parser = argparse.ArgumentParser(
        "lesslabel export",
        description="Write cases as another program reads them; `lesslabel import` takes back what it saves.",
    )
    parser.add_argument("store", type=Path)
    parser.add_argument("--to", choices=("slicer", "itksnap", "nnunet", "monailabel"), required=True, help="program")
    parser.add_argument("--out", type=Path, required=True, help="folder to make")
    parser.add_argument("--annotation", default=None, help="also write this one; else images alone")
    parser.add_argument("--part", choices=("train", "validation", "test", "all"), default="all")
    parser.add_argument("--split", default="random", help="the split of --part")
    parser.add_argument("--fold", type=int, default=0)
    options = parser.parse_args(given)
    return _export_cases(options)


def import_drawn(given: list[str]) -> int:
    """Import annotations."""
    parser = argparse.ArgumentParser(
        "lesslabel import", description="Check label maps drawn on a store's images, then add all of them or none."
    )
    parser.add_argument("store", type=Path)
    parser.add_argument("--queue", type=Path, default=None, help="queue.csv: import its units; all are required")
    parser.add_argument("--from", type=Path, required=True, dest="folder", help="folder of the label maps")
    parser.add_argument("--annotation", required=True, help="name of the new annotation")
    parser.add_argument("--author", required=True, help="who drew it, without patient data")
    parser.add_argument("--kind", choices=("dense", "scribble", "points", "box"), default="dense")
    parser.add_argument(
        "--overlaps", choices=("refuse", "unknown", "last"), default="refuse", help="where segments of Slicer overlap"
    )
    parser.add_argument("--allow-empty", action="store_true", help="also take units without any label")
    parser.add_argument("--replace", action="store_true", help="keep an existing annotation of that name as NAME@1")
    options = parser.parse_args(given)
    return _import_label_maps(options)


def _export_cases(options: argparse.Namespace) -> int:
    """Write cases for another program."""
    from lesslabel.data.exchange import export_store
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


def _import_label_maps(options: argparse.Namespace) -> int:
    """Import label maps into a store and print the result of each case; 1 if any was refused."""
    from lesslabel.data.case import Kind
    from lesslabel.data.exchange.annotation_import import import_annotations
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
    table = make_table("case", "slices", "voxels", "problem", lines=True)
    for case in returned:
        voxels = lines_cell(f"{label}: {count}" for label, count in case.voxels.items())
        add_row(table, case.uid, case.shown_units, voxels, case.problem)
    make_console().print(table)
    if refused := sum(bool(case.problem) for case in returned):
        print(f"{options.store}: nothing was added, {refused} of {len(returned)} cases were refused", file=sys.stderr)
        return 1
    print(f"{options.store}: '{options.annotation}' added to {len(returned)} cases")
    return 0
