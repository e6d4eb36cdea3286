"""From a source's raw files to a store."""

from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from lesslabel.data.case_file import write_case
from lesslabel.data.fingerprint import CaseNumbers, measure_case, summarise_store
from lesslabel.data.sources.base import RawCase, Source
from lesslabel.data.store import FINGERPRINT, TABLE, CaseRecord, Store, case_path, write_fingerprint, write_table
from lesslabel.errors import DataError
from lesslabel.files import written_aside


@dataclass(frozen=True)
class Skipped:
    """A case that could not be prepared, and why."""

    uid: str
    reason: str


@dataclass(frozen=True)
class _Prepared:
    record: CaseRecord
    numbers: CaseNumbers


def prepare(
    source: Source,
    store: Path,
    *,
    workers: int = 0,
    skip_damaged: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Store, list[Skipped]]:
    """Read every case of a source and write a store.

    Args:
        source: where the cases come from.
        store: folder to make; it must not exist. It appears when everything is written, not before.
        workers: processes that read; 0 reads in this one.
        skip_damaged: leave damaged cases out and return why, instead of stopping at the first.
        progress: called with (cases done, cases in all).

    Raises:
        DataError: if the folder exists, a case is damaged, or two cases share a uid.
    """
    if store.exists():
        raise DataError(f"{store}: exists already; choose another folder or remove it first")
    raw_cases = source.list_cases()
    _require_unique(raw_cases)
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
            if progress is not None:
                progress(done, len(raw_cases))
        if not prepared:
            raise DataError(f"{source.raw}: no case could be prepared; first reason: {skipped[0].reason}")
        records = [entry.record for entry in prepared]
        write_table(aside / TABLE, records)
        write_fingerprint(aside / FINGERPRINT, summarise_store(source, records, [entry.numbers for entry in prepared]))
    return Store(store), skipped


def _require_unique(raw_cases: Sequence[RawCase]) -> None:
    if not raw_cases:
        raise DataError("the source lists no case; correct RAW")
    seen: set[str] = set()
    for raw in raw_cases:
        if raw.uid in seen:
            raise DataError(f"case '{raw.uid}' is listed twice; every case needs its own name")
        seen.add(raw.uid)


def _run(
    source: Source, raw_cases: Sequence[RawCase], store: Path, workers: int
) -> Generator[_Prepared | Skipped, None, None]:
    if workers == 0:
        for raw in raw_cases:
            yield _prepare_case(source, raw, store)
        return
    # spawn: forking a process that may hold OpenMP threads can hang
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        futures = [pool.submit(_prepare_case, source, raw, store) for raw in raw_cases]
        try:
            for future in futures:
                yield future.result()
        except BrokenProcessPool as error:
            raise DataError(f"{store}: a process that prepared cases was killed; use fewer workers") from error
        finally:
            pool.shutdown(cancel_futures=True)


def _prepare_case(source: Source, raw: RawCase, store: Path) -> _Prepared | Skipped:
    try:
        case = source.read(raw)
    except (DataError, OSError) as error:
        return Skipped(raw.uid, f"case '{raw.uid}': {error}" if isinstance(error, OSError) else str(error))
    if case.uid != raw.uid:
        raise DataError(f"source '{source.name}' lists case '{raw.uid}' and reads it as '{case.uid}'; names must agree")
    sha256 = write_case(case_path(store, case.uid), case)
    return _Prepared(CaseRecord.of(case, sha256), measure_case(case))
