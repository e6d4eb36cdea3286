"""Prepare a store from the raw files of a source."""

from collections.abc import Callable, Collection, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Literal

from lesslabel.data.sources.base import RawCase, Source
from lesslabel.data.store.case_file import write_case
from lesslabel.data.store.fingerprint import CaseNumbers, measure_case, summarise_store
from lesslabel.data.store.finite import count_not_finite
from lesslabel.data.store.names import require_names_of_case, require_names_of_store
from lesslabel.data.store.records import FINGERPRINT, TABLE, CaseRecord, case_path, write_fingerprint, write_table
from lesslabel.data.store.store import Store
from lesslabel.errors import DataError
from lesslabel.files import written_aside
from lesslabel.processes import share_out


@dataclass(frozen=True)
class Skipped:
    """A case that could not be prepared, and why."""

    uid: str
    reason: str


@dataclass(frozen=True)
class _Prepared:
    record: CaseRecord
    numbers: CaseNumbers
    not_finite: int


def prepare(
    source: Source,
    store: Path,
    *,
    workers: int | None = 0,
    skip_damaged: bool = False,
    same_grid: Collection[str] | Literal["all"] = (),
    progress: Callable[[int, int], None] | None = None,
    warn: Callable[[str], None] | None = None,
) -> tuple[Store, list[Skipped]]:
    """Read every case of a source and write a store.

    Args:
        source: where the cases come from.
        store: folder to make; it must not exist. It appears when everything is written, not before.
        workers: processes that read, no more than cases; 0 or 1 reads in this one. None takes the cores this process
            may use if there is work for more than a second; scripts then need ``if __name__ == "__main__":``. The store
            is the same whatever their number.
        skip_damaged: leave damaged cases out and return why, instead of stopping at the first.
        same_grid: cases whose label maps are taken in the image's order of voxels without their header, or
            ``"all"``; the shape must be the image's. The fingerprint names them.
        progress: called with (cases done, cases in all).
        warn: called with every line of ``source.warnings``, and with one for every case that is prepared but cannot be
            trained on or predicted as it is: its image has voxels that are NaN or infinite.

    Raises:
        DataError: if the folder exists, a case is damaged, two cases share a uid, a name cannot be used later, or
            one of `same_grid` is not there.
    """
    if store.exists():
        raise DataError(f"{store}: exists already; choose another folder or remove it first")
    raw_cases = source.list_cases()
    _require_unique(raw_cases)
    raw_cases = _mark_same_grid(raw_cases, same_grid)
    require_names_of_store(source.labels, source.channels, source.raw)
    if warn is not None:
        for line in source.warnings:
            warn(f"warning: {line}")
    # closed before the folder is removed: no worker may write into it any more
    with written_aside(store) as aside, closing(_run(source, raw_cases, aside, workers)) as results:
        (aside / "cases").mkdir(parents=True)
        prepared: list[_Prepared] = []
        skipped: list[Skipped] = []
        for done, result in enumerate(results, start=1):
            if isinstance(result, Skipped):
                if not skip_damaged:
                    raise DataError(f"{result.reason} (or pass --skip-damaged to leave such cases out)")
                skipped.append(result)
            else:
                prepared.append(result)
                if result.not_finite and warn is not None:
                    warn(_describe_not_finite(result))
            if progress is not None:
                progress(done, len(raw_cases))
        if not prepared:
            raise DataError(f"{source.raw}: no case could be prepared; first reason: {skipped[0].reason}")
        records = [entry.record for entry in prepared]
        write_table(aside / TABLE, records)
        fingerprint = summarise_store(source, records, [entry.numbers for entry in prepared])
        there = {record.uid for record in records}
        if marked := [raw.uid for raw in raw_cases if raw.same_grid and raw.uid in there]:
            fingerprint["same_grid"] = marked
        write_fingerprint(aside / FINGERPRINT, fingerprint)
    return Store(store), skipped


def _require_unique(raw_cases: Sequence[RawCase]) -> None:
    if not raw_cases:
        raise DataError("the source lists no case; correct RAW")
    seen: set[str] = set()
    for raw in raw_cases:
        if raw.uid in seen:
            raise DataError(f"case '{raw.uid}' is listed twice; every case needs its own name")
        seen.add(raw.uid)


def _mark_same_grid(raw_cases: Sequence[RawCase], same_grid: Collection[str] | Literal["all"]) -> list[RawCase]:
    known = {raw.uid for raw in raw_cases}
    if same_grid != "all" and (strangers := sorted(set(same_grid) - known)):
        raise DataError(f"--same-grid names case '{strangers[0]}', which the source does not list; correct the name")
    return [replace(raw, same_grid=True) if same_grid == "all" or raw.uid in same_grid else raw for raw in raw_cases]


def _run(
    source: Source, raw_cases: Sequence[RawCase], store: Path, workers: int | None
) -> Generator[_Prepared | Skipped, None, None]:
    # cases of one file go to one process, which reads the file only once
    groups = [list(group) for _, group in groupby(raw_cases, lambda raw: raw.files or raw.uid)]
    with closing(share_out(partial(_prepare_cases, source, store), groups, workers, store)) as results:
        for prepared in results:
            yield from prepared


def _prepare_cases(source: Source, store: Path, raw_cases: Sequence[RawCase]) -> list[_Prepared | Skipped]:
    return [_prepare_case(source, raw, store) for raw in raw_cases]


def _prepare_case(source: Source, raw: RawCase, store: Path) -> _Prepared | Skipped:
    try:
        case = source.read(raw)
    except (DataError, OSError) as error:
        return Skipped(raw.uid, f"case '{raw.uid}': {error}" if isinstance(error, OSError) else str(error))
    if case.uid != raw.uid:
        raise DataError(f"source '{source.name}' lists case '{raw.uid}' and reads it as '{case.uid}'; names must agree")
    require_names_of_case(case)
    sha256 = write_case(case_path(store, case.uid), case)
    return _Prepared(CaseRecord.of(case, sha256), measure_case(case), count_not_finite(case.image))


def _describe_not_finite(prepared: _Prepared) -> str:
    return (
        f"warning: case '{prepared.record.uid}': {prepared.not_finite} voxels of the image are NaN or infinite, and no "
        "network takes them; replace them in the raw data (0 is usual) and prepare the store again"
    )
