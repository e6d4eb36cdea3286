"""``report``: one HTML page for runs, an adaptation or click protocols."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from lesslabel.errors import ConfigError


def report(given: list[str]) -> int:
    """Write the page."""
    parser = argparse.ArgumentParser("lesslabel report", description="One HTML page for one or more tested runs.")
    parser.add_argument(
        "runs", type=Path, nargs="+", help="run folders with the same test cases, one adaptation, or folders of clicks"
    )
    parser.add_argument("--output", type=Path, default=None, help="HTML file; default RUN/report.html of the first")
    parser.add_argument("--experiment", type=Path, default=None, help="also add the runs to this experiment folder")
    adaptation = parser.add_argument_group("of an adaptation", "a page of what was chosen; --experiment is only read")
    adaptation.add_argument("--bundle", type=Path, default=None, help="what the adaptation began with")
    adaptation.add_argument("--store", type=Path, default=None, help="where the store lies now, if it moved")
    adaptation.add_argument("--map", choices=["pca", "tsne"], default="pca", help="how features become a map")
    options = parser.parse_args(given)

    if (options.runs[0] / "clicks.csv").is_file():
        return _report_clicks(options.runs, options.output)
    if options.bundle is not None:
        return _report_adaptation(options)
    return _report_runs(options.runs, options.output, options.experiment)


def _report_runs(runs: Sequence[Path], output: Path | None, experiment: Path | None) -> int:
    """Write the HTML page, and if asked the experiment's rows and table."""
    from lesslabel.reports import write_report

    path = write_report(runs, output or runs[0] / "report.html")
    print(f"report: {path}")
    if experiment is not None:
        from lesslabel.reports.experiments.figure import write_figure
        from lesslabel.tables import add_run, write_table

        if not (experiment / "protocol.yaml").is_file():
            raise ConfigError(
                f"{experiment}: no protocol.yaml; an experiment says how it was made first (docs/formats.md)"
            )
        for run in runs:
            add_run(experiment, run)
        write_figure(experiment)
        print(f"table: {write_table(experiment)}")
    return 0


def _report_clicks(folders: Sequence[Path], output: Path | None) -> int:
    """Write the HTML page of click protocols."""
    from lesslabel.reports.clicks.page import write_clicks_report

    print(f"report: {write_clicks_report(folders, output or folders[0] / 'report.html')}")
    return 0


def _report_adaptation(options: argparse.Namespace) -> int:
    """Write the HTML page of an adaptation by a queue."""
    from lesslabel.bundle import load_bundle
    from lesslabel.reports.adaptation.page import write_adaptation_report

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
