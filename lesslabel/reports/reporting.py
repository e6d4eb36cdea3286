"""One page for runs, an adaptation, click protocols, or the annotations of a store."""

from collections.abc import Sequence
from pathlib import Path

from lesslabel.bundle import load_bundle
from lesslabel.errors import ConfigError
from lesslabel.reports.adaptation.embedding import Projection
from lesslabel.reports.adaptation.page import write_adaptation_report
from lesslabel.reports.annotations.page import write_annotations_report
from lesslabel.reports.clicks.page import write_clicks_report
from lesslabel.reports.runs.page import write_report


def report(
    folders: str | Path | Sequence[str | Path],
    out: str | Path | None = None,
    *,
    bundle: str | Path | None = None,
    store: str | Path | None = None,
    experiment: str | Path | None = None,
    projection: Projection = "pca",
    annotations: Sequence[str] = (),
    reference: str = "dense",
    minutes: float = 60.0,
    expected: str | Path | None = None,
) -> Path:
    """Write one HTML page about tested runs, an adaptation, click protocols, or annotations and what they cost.

    Args:
        folders: run folders with the same test cases, one adaptation, folders of click protocols, or a store.
        out: the page; None writes ``report.html`` into the first folder, but not into a store.
        bundle: the bundle of an adaptation; with it the page shows the chosen units.
        store: of an adaptation: the present path of its store, if it moved.
        experiment: of an adaptation: experiment folder to read the Dice over the budget from.
        projection: of an adaptation: the projection of features to a map, ``pca`` or ``tsne``.
        annotations: of a store: names of the annotations to report on; see `write_annotations_report`.
        reference: of a store: annotation to compare with.
        minutes: of runs that are rounds of one growing annotation: further minutes that the page says the worth of.
        expected: of runs: a file of `lesslabel expect`; the page says which of its cases not to trust.

    Returns:
        The page.

    Raises:
        ConfigError: if a bundle or annotations are given with more than one folder, a store without a page, or the
            minutes are not above 0.
        RunError: if a folder is absent, damaged or not tested, or they cannot be compared.
        DataError: if a file is absent or damaged, or the page cannot be written.
    """
    given = [Path(folder) for folder in ([folders] if isinstance(folders, str | Path) else folders)]
    page = given[0] / "report.html" if out is None else Path(out)
    if annotations:
        return _of_store(given, annotations, None if out is None else page, reference)
    if (given[0] / "clicks.csv").is_file():
        return write_clicks_report(given, page)
    if bundle is None:
        return write_report(given, page, minutes=minutes, expected=None if expected is None else Path(expected))
    if len(given) != 1:
        raise ConfigError("--bundle: goes with one adaptation; report runs without it")
    return write_adaptation_report(
        given[0],
        load_bundle(bundle),
        page,
        store=None if store is None else Path(store),
        experiment=None if experiment is None else Path(experiment),
        projection=projection,
    )


def _of_store(given: Sequence[Path], annotations: Sequence[str], page: Path | None, reference: str) -> Path:
    if len(given) != 1:
        raise ConfigError("--annotation: goes with one store; report runs without it")
    if page is None:
        raise ConfigError("--output: name the page; a store keeps nothing but data")
    return write_annotations_report(given[0], annotations, page, reference=reference)
