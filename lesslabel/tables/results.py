"""The folder of one table: ``protocol.yaml``, ``published.csv``, ``results.csv``, ``cases.csv``, ``table.md``.

``results.csv`` holds one value per row (method, case, label, fold, seed, metric, value, commit), ``cases.csv`` lists
the patient of each case. Both are plain text for people and for version control.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from lesslabel.csv_table import read_csv
from lesslabel.errors import DataError, RunError
from lesslabel.evaluation.metrics import METRICS
from lesslabel.files import read_json, write_json, write_text
from lesslabel.runs.reading import RunFiles

_PLACE = ["method", "fold", "seed"]
RESULT_COLUMNS = ("method", "case", "label", "fold", "seed", "metric", "value", "commit")
SCORING_KEYS = ("part", "unit", "hd95", "empty", "nsd_tolerance")
FIGURE = "dice.svg"


@dataclass(frozen=True)
class ScoredRun:
    """A tested run folder and its place in a table.

    Attributes:
        path: the folder.
        fold: name of the fold; None takes the one in ``data.json``.
        method: name of the method in the table; None takes the one in ``test/summary.json``.
        seed: in the table; None takes the one in ``test/summary.json``.
    """

    path: Path
    fold: str | None = None
    method: str | None = None
    seed: int | None = None


def add_run(
    folder: Path, run: Path, *, fold: str | None = None, method: str | None = None, seed: int | None = None
) -> None:
    """Add the test metrics of one run folder to an experiment; see `ScoredRun` and `add_runs`."""
    add_runs(folder, [ScoredRun(run, fold, method, seed)])


def add_runs(folder: Path, runs: Iterable[ScoredRun]) -> None:
    """Add the test metrics of run folders to an experiment, all of them or none.

    Args:
        folder: the experiment folder; made if absent.
        runs: tested run folders; of two with one method, fold and seed the later is taken.

    Raises:
        RunError: if a run is not tested on its test part, was scored by other conventions than the experiment's other
            runs, does not record its method, seed and commit, or has a damaged description.
        DataError: if its scores or a file of the experiment are damaged, and as `add_results`.
    """
    _put(folder, [_read_run(folder, run) for run in runs])


def _read_run(folder: Path, run: ScoredRun) -> "_Results":
    files = RunFiles(run.path)
    if not files.is_tested:
        raise RunError(f"{run.path}: not tested, test/metrics.csv is missing; run the test first")
    summary = files.summary
    metrics = read_csv(files.metrics_file, numbers=METRICS)
    try:
        name = str(run.method or summary["method"])
        seed = int(summary["seed"] if run.seed is None else run.seed)
        commit = files.commit
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise RunError(
            f"{run.path}: summary.json lacks method or seed, or environment.json commit; test again"
        ) from error
    fold = run.fold
    if fold is None:
        fold = "" if files.fold is None else str(files.fold)
    _require_same_scoring(folder, run.path, summary)
    return _arrange(metrics, method=name, fold=fold, seed=seed, commit=commit)


def list_commits(results: pd.DataFrame) -> str:
    """One line with the commits of the rows of each method.

    Args:
        results: rows with ``method`` and ``commit``.
    """
    methods = {str(commit): sorted(set(rows["method"])) for commit, rows in results.groupby("commit", sort=True)}
    if len(methods) == 1:
        return f"All rows are of commit {next(iter(methods)) or 'unknown'}."
    each = "; ".join(f"{commit or 'unknown'}: {', '.join(names)}" for commit, names in methods.items())
    return f"The rows are of several commits; a method that did not run again has those of a former one. {each}."


def _require_same_scoring(folder: Path, run: Path, summary: Mapping[str, Any]) -> None:
    """Write the conventions of the first run into ``scoring.json``, and refuse a run with others."""
    scoring = {key: summary.get(key) for key in SCORING_KEYS}
    noted = folder / "scoring.json"
    if not noted.is_file():
        write_json(noted, scoring)
    elif (first := read_json(noted, "how an experiment is scored")) != scoring:
        differing = "; ".join(
            f"{key} {scoring[key]}, not {first.get(key)}" for key in scoring if scoring[key] != first.get(key)
        )
        raise RunError(f"{run}: scored differently from the other runs of {folder} ({differing}); test it like them")


def add_results(folder: Path, metrics: pd.DataFrame, *, method: str, fold: str, seed: int, commit: str) -> None:
    """Add the rows of one tested run to ``results.csv``; they replace those of the same method, fold and seed.

    Values are rounded to six significant digits, so that the file is readable and small.

    Args:
        folder: the experiment folder; made if absent.
        metrics: one row per case and label with ``uid, patient, label`` and any of `METRICS`.
        method: name of the method in the table.
        fold: name of the fold, empty for a single split.
        seed: the run's seed.
        commit: the code's commit.

    Raises:
        DataError: if a column is missing, a row is there twice, or a case changed its patient.
    """
    _put(folder, [_arrange(metrics, method=method, fold=fold, seed=seed, commit=commit)])


@dataclass(frozen=True, eq=False)
class _Results:
    """Rows of one run, its place in the table, and the patients of its cases."""

    place: tuple[str, str, int]
    rows: pd.DataFrame
    cases: pd.DataFrame


def _arrange(metrics: pd.DataFrame, *, method: str, fold: str, seed: int, commit: str) -> _Results:
    found = [metric for metric in METRICS if metric in metrics.columns]
    missing = [column for column in ("uid", "patient", "label") if column not in metrics.columns]
    if missing or not found:
        raise DataError(f"{method}: column {', '.join(missing) or 'of a metric'} is missing in the test metrics")
    if metrics.duplicated(["uid", "label"]).any():
        twice = metrics.loc[metrics.duplicated(["uid", "label"]), "uid"].iloc[0]
        raise DataError(f"{method}: case {twice} has the same label twice in the test metrics; test the run again")
    rows = metrics.rename(columns={"uid": "case"}).melt(["case", "label"], found, "metric", "value")
    rows = rows.assign(method=method, fold=fold, seed=seed, commit=commit)[list(RESULT_COLUMNS)]
    cases = metrics[["uid", "patient"]].astype(str).rename(columns={"uid": "case"})
    return _Results((method, fold, seed), rows.astype({"case": str, "label": str}), cases)


def _put(folder: Path, results: Sequence[_Results]) -> None:
    """Add runs to the files, which are read and written once for all of them."""
    new = {each.place: each.rows for each in results}
    if not new:
        return
    cases = _cases_with(folder, [each.cases for each in results])
    tables = list(new.values())
    if (folder / "results.csv").is_file():
        old = read_results(folder)
        places = pd.MultiIndex.from_frame(old[_PLACE])
        kept = old[~places.isin(list(new))]
        tables = [kept, *tables] if len(kept) else tables
    rows = pd.concat(tables).sort_values(_PLACE, kind="stable")
    write_text(folder / "cases.csv", cases.sort_values("case").to_csv(index=False))
    write_text(folder / "results.csv", rows.to_csv(index=False, float_format="%.6g"))


def read_results(folder: Path) -> pd.DataFrame:
    """Read ``results.csv``; everything but seed and value is text.

    Raises:
        DataError: if it is missing or damaged.
    """
    results = read_csv(folder / "results.csv", RESULT_COLUMNS, numbers=("value",))
    try:
        return results.astype({"seed": int})
    except ValueError as error:
        raise DataError(f"{folder / 'results.csv'}: a seed is no integer; correct it") from error


def read_cases(folder: Path) -> pd.DataFrame:
    """Read ``cases.csv``: the patient of every case.

    Raises:
        DataError: if it is missing or damaged.
    """
    return read_csv(folder / "cases.csv", ("case", "patient"))


def _cases_with(folder: Path, new: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return the folder's cases and patients together with new ones."""
    path = folder / "cases.csv"
    cases = pd.concat([read_cases(folder), *new] if path.is_file() else new).drop_duplicates()
    if cases["case"].duplicated().any():
        case = cases.loc[cases["case"].duplicated(), "case"].iloc[0]
        raise DataError(f"{path}: case {case} has another patient in the new results; correct one of them")
    return cases
