"""``evaluate`` and ``raters``: compare label maps with references, and raters with each other."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from lesslabel.errors import ConfigError
from lesslabel.files import write_text, written_aside
from lesslabel.plain_text import visible
from lesslabel.printing import print_frame

if TYPE_CHECKING:  # importing it would slow `lesslabel evaluate --help` by half a second
    from lesslabel.evaluation import EmptyPolicy, HD95Convention


def evaluate(given: list[str]) -> int:
    """Score files of any program."""
    parser = argparse.ArgumentParser("lesslabel evaluate", description="Score label maps against references.")
    parser.add_argument("pred", type=Path, help="NIfTI file, or folder of files")
    parser.add_argument("ref", type=Path, help="file, or folder with the same names")
    parser.add_argument("--unit", choices=("mm", "voxel"), default="mm")
    parser.add_argument("--hd95", choices=("pooled", "max-of-directed"), default="pooled")
    parser.add_argument("--empty", choices=("diagonal", "nan", "inf"), default="diagonal")
    parser.add_argument("--csv", type=Path, default=None, help="also write the table here")
    options = parser.parse_args(given)
    return _score(options.pred, options.ref, options.unit, options.hd95, options.empty, options.csv)


def raters(given: list[str]) -> int:
    """Print the agreement of raters."""
    parser = argparse.ArgumentParser("lesslabel raters", description="Dice and HD95 between the raters of a store.")
    parser.add_argument("store", type=Path)
    parser.add_argument("--annotations", nargs="+", default=[], help="names of two or more; default every dense one")
    parser.add_argument("--output", type=Path, default=None, help="also write the table here, .md or .csv")
    options = parser.parse_args(given)
    return _compare(options.store, options.annotations, options.output)


def _score(
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
    if not frame["dice"].any():
        print(
            f"warning: nowhere do {visible(str(pred))} and {visible(str(ref))} have the same label; are the codes the "
            "same in both?",
            file=sys.stderr,
        )
    if csv_path is not None:
        with written_aside(csv_path) as aside:
            frame.to_csv(aside, index=False)
    print_frame(frame, f"distances in {unit}")
    return 0


def _compare(store: Path, annotations: Sequence[str], output: Path | None) -> int:
    """Print the agreement of the raters of a store: a table per label."""
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
