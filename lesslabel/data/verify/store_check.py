"""Check a prepared store: every case, then the whole store; each finding has a cause and a fix."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

from rich.table import Table
from rich.text import Text

from lesslabel.data.findings import Finding
from lesslabel.data.splits import divide_patients
from lesslabel.data.store import CaseRecord, Store
from lesslabel.data.store.records import UPDATE
from lesslabel.data.verify.cohort import CaseMeasures, check_cohort
from lesslabel.data.verify.leakage import check_leakage
from lesslabel.data.verify.soundness import check_cases, check_data_hash
from lesslabel.terminal import add_row, cell, make_table

__all__ = ["Finding", "findings_to_json", "render_findings", "verify_store"]

_SHOWN = 5
_OF_PLACE = ("spacing", "affine", "axes")
"""How findings begin that say already that a case lies otherwise than it should; it is not compared with others."""
_OF_PIXELS = "pixels"
"""And of those after which its voxel size is not compared, for its header may be right and its axes run otherwise."""
_STYLES = {"error": "red", "warning": "yellow"}


def verify_store(
    path: str | Path,
    *,
    split: str | None = None,
    fold: int = 0,
    workers: int | None = 0,
    progress: Callable[[int, int], None] | None = None,
) -> list[Finding]:
    """Check a store; each worker has one case in memory at a time.

    Args:
        path: the store.
        split: also check this split against the store; see `lesslabel.data.splits.partition`.
        fold: the fold of the split.
        workers: processes that read; see `lesslabel.data.store.prepare.prepare`.
        progress: called with (cases done, cases in all).

    Returns:
        Findings of the cases in the order of the table, then those of the store as a whole; empty if it is sound.

    Raises:
        DataError: if there is no store, its table or fingerprint is damaged, or there is no such split or fold.
    """
    store = Store(path)
    records = list(store.records.values())
    parts = {} if split is None else divide_patients(records, split, fold)
    findings: list[Finding] = []
    digests: dict[str, str] = {}
    cases: list[CaseMeasures] = []
    said: set[str] = set()
    with closing(check_cases(store, list(store.records), workers)) as reports:
        for done, report in enumerate(reports, start=1):
            findings.extend(report.findings)
            digests[report.uid] = report.image_digest
            if report.measures is not None and not any(
                found.problem.startswith(_OF_PLACE) for found in report.findings
            ):
                cases.append(report.measures)
            if any(found.problem.startswith(_OF_PIXELS) for found in report.findings):
                said.add(report.uid)
            if progress is not None:
                progress(done, len(records))
    findings.extend(check_cohort(cases, store.channels, said))
    findings.extend(check_unnamed_files(store))
    findings.extend(check_data_hash(store))
    findings.extend(check_leakage(store, digests, parts, "" if split is None else split))
    if split is not None:
        findings.extend(check_split(records, parts, split))
    return findings


def check_unnamed_files(store: Store) -> Iterator[Finding]:
    """Is there a file without a row in the table?"""
    expected = {store.case_path(uid).name for uid in store.records}
    folder = store.path / "cases"
    found = sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []
    for name in found:
        if name not in expected:
            cause = "it was copied here, or a write was killed midway"
            yield Finding.warning(f"cases/{name}", "no row of the table names it", cause, "remove it")
    undecided = f".{UPDATE}.part"
    if (store.path / undecided).exists():
        cause = "a process that was adding was killed, or is at it now"
        fix = "remove it if no process is adding, then add them again: nothing of it is in the store"
        yield Finding.warning(undecided, "annotations that were never added", cause, fix)


def check_split(records: Sequence[CaseRecord], parts: Mapping[str, Sequence[str]], split: str) -> Iterator[Finding]:
    """Do a split and the store name the same patients?

    Args:
        records: rows of the table of cases.
        parts: patients by part.
        split: its name, for messages.
    """
    present = {record.patient for record in records}
    named = {patient for members in parts.values() for patient in members}
    if present.isdisjoint(parts["train"]):
        cause = "the split names the patients otherwise, or is one for other data"
        yield Finding.error(split, "no case of the store is in its training part", cause, "choose another split")
    if named - present:
        problem = f"{len(named - present)} of its patients are not in the store ({_shorten(named - present)})"
        fix = "prepare them, or set data.allow_missing to true and say so in your table"
        yield Finding.warning(split, problem, "the raw data are incomplete, or named otherwise", fix)
    if present - named:
        problem = f"{len(present - named)} patients of the store are in none of its parts ({_shorten(present - named)})"
        cause = "the split is for a subset, or names them otherwise"
        yield Finding.warning(split, problem, cause, "nothing if meant: they are not used; otherwise add them")


def render_findings(findings: Sequence[Finding]) -> Table:
    """Make a table of findings for the terminal: case, problem, cause, fix; the problem begins with its severity."""
    table = make_table("case", "problem", "cause", "fix", lines=True)
    for finding in findings:
        problem = Text.assemble(cell(finding.severity, _STYLES[finding.severity]), cell(f": {finding.problem}"))
        add_row(table, finding.case, problem, finding.cause, finding.fix)
    return table


def findings_to_json(findings: Sequence[Finding]) -> list[dict[str, str]]:
    """Convert findings to JSON objects with case, problem, severity, cause and fix."""
    return [asdict(finding) for finding in findings]


def _shorten(patients: set[str]) -> str:
    return ", ".join(sorted(patients)[:_SHOWN]) + (" …" if len(patients) > _SHOWN else "")
