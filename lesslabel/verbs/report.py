"""``report``: one HTML page for runs, an adaptation, click protocols, or annotations and what they cost."""

import argparse
from pathlib import Path


def report(given: list[str]) -> int:
    """Write the page."""
    parser = argparse.ArgumentParser("lesslabel report", description="One HTML page for one or more tested runs.")
    parser.add_argument(
        "runs",
        type=Path,
        nargs="+",
        help="run folders with the same test cases, one adaptation, folders of clicks, or a store",
    )
    parser.add_argument("--output", type=Path, default=None, help="HTML file; default RUN/report.html of the first")
    parser.add_argument("--experiment", type=Path, default=None, help="also add the runs to this experiment folder")
    parser.add_argument(
        "--minutes", type=float, default=60.0, help="further minutes of annotation, for runs that are its rounds (60)"
    )
    parser.add_argument(
        "--expected", type=Path, default=None, metavar="CSV", help="of `lesslabel expect`: which cases not to trust"
    )
    adaptation = parser.add_argument_group("of an adaptation", "a page of what was chosen; --experiment is only read")
    adaptation.add_argument("--bundle", type=Path, default=None, help="the bundle of the adaptation")
    adaptation.add_argument("--store", type=Path, default=None, help="the present path of the store, if it moved")
    adaptation.add_argument("--map", choices=["pca", "tsne"], default="pca", help="how features become a map")
    annotations = parser.add_argument_group("of a store", "a page of what annotations cost; goes with --output")
    annotations.add_argument("--annotation", nargs="+", default=[], metavar="NAME", help="annotations of `annotate`")
    annotations.add_argument("--reference", default="dense", help="annotation to compare with (default dense)")
    options = parser.parse_args(given)
    from lesslabel.reports.reporting import report as write

    page = write(
        options.runs,
        options.output,
        bundle=options.bundle,
        store=options.store,
        experiment=options.experiment,
        projection=options.map,
        annotations=options.annotation,
        reference=options.reference,
        minutes=options.minutes,
        expected=options.expected,
    )
    print(f"report: {page}")
    is_of_runs = options.bundle is None and not options.annotation and not (options.runs[0] / "clicks.csv").is_file()
    if is_of_runs and options.experiment is not None:
        from lesslabel.reports.experiments.adding import add_to_experiment

        print(f"table: {add_to_experiment(options.experiment, options.runs)}")
    return 0
