"""Writes numbers, charts and pictures as one HTML file."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from lesslabel.data.store import Store
from lesslabel.files import write_text
from lesslabel.reports.drawing import charts
from lesslabel.reports.drawing.svg import label_style, method_style
from lesslabel.reports.drawing.templates import load_template
from lesslabel.reports.runs import words
from lesslabel.reports.runs.budget import draw_budgets, points_of_methods
from lesslabel.reports.runs.learning import learning_curves
from lesslabel.reports.runs.methods import group_methods
from lesslabel.reports.runs.panels import curve_panels, gallery, strip_panels
from lesslabel.reports.runs.read import Run, read_runs
from lesslabel.reports.runs.results import tabulate
from lesslabel.reports.runs.revision import REVISION_BINS, tabulate_revisions
from lesslabel.reports.runs.run_facts import UNKNOWN, describe, run_facts
from lesslabel.reports.runs.slice_plots import read_slice_plots
from lesslabel.reports.runs.trust import read_trust
from lesslabel.tables.planning import require_minutes


def write_report(
    runs: Sequence[Path],
    output: Path,
    *,
    stores: Mapping[str, Path] | None = None,
    minutes: float = 60.0,
    expected: Path | None = None,
) -> Path:
    """Write one self-contained HTML page about tested runs that share a test set.

    The page loads no other file: its style is inside, its charts are SVG, its images embedded PNGs. It shows
    no absolute path, and of the patients only the uids of their cases. Runs that differ only in their seed
    become one method; all methods are compared with the first.

    Args:
        runs: tested run folders, see `docs/formats.md`.
        output: the page; a temporary file is written, then renamed.
        stores: the present paths of the stores by the name of their source (``data.json``'s ``source``), if not
            those of the runs' configurations. Without its store a page has a note and no pictures of cases.
        minutes: further minutes of annotation that the learning curve of rounds is asked for, above 0.
        expected: a file of `lesslabel expect`, whose cases the page says whether to trust; None for no such section.

    Returns:
        `output`.

    Raises:
        ConfigError: if the minutes are not above 0.
        RunError: if a run is absent, damaged or not tested, or the runs cannot be compared.
        DataError: if a pictured case, a prediction or `expected` is damaged, or the page cannot be written.
    """
    require_minutes(minutes)
    all_runs = read_runs([Path(run) for run in runs])
    methods = group_methods(all_runs)
    store, store_note = _open_store(methods[0].runs[0], stores or {})
    results = tabulate(methods)
    plots = [] if store is None else read_slice_plots(methods, store)
    page = load_template("runs/report.html").render(
        title=f"Results on {describe(methods[0].runs[0].data.get('source'))}",
        summary=words.summary(methods, results),
        unit=_unit(methods[0].runs[0]),
        labels=[(name, label_style(index)) for index, name in enumerate(methods[0].labels)],
        methods=[(method.name, method_style(index)) for index, method in enumerate(methods)],
        results=results,
        dice_axis_low=charts.dice_axis_low([row.dice.low for row in results.rows]),
        interval=charts.interval,
        words=words,
        strips=strip_panels(methods),
        revisions=tabulate_revisions(methods, results),
        revision_bins=REVISION_BINS,
        budget=draw_budgets(points_of_methods(methods, results, {} if store is None else store.records)),
        trust=None if expected is None else read_trust(expected),
        learning=learning_curves(methods, store, minutes),
        plots=gallery(methods, plots),
        scribbled=any(plot.supervision is not None for plot in plots),
        unseen=not any(plot.uid in (run.data.get("labelled") or {}) for plot in plots for run in all_runs),
        pictured_seeds=[(method.name, describe(method.seeds[0])) for method in methods if len(method.runs) > 1],
        store_note=store_note,
        curves=curve_panels(methods),
        run_facts=run_facts(methods),
        unknown=UNKNOWN,
    )
    write_text(Path(output), page)
    return Path(output)


def _open_store(run: Run, stores: Mapping[str, Path]) -> tuple[Store | None, str]:
    """The run's store and a note for the reader."""
    path = stores.get(str(run.data.get("source")), run.store)
    if path is None:
        return None, "No pictures: the run does not record which store it read."
    if not Path(path).is_dir():
        return None, f"No pictures: the store “{Path(path).name}” is not at hand."
    store = Store(path)
    expected = run.data.get("data_hash")
    if expected is not None and expected != store.data_hash:
        return store, "The store has changed since the test (another data hash): pictures and scores may disagree."
    return store, ""


def _unit(run: Run) -> str:
    return {"voxel": "voxels"}.get(run.unit, run.unit)
