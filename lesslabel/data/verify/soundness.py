"""Refuse damaged cases: every command that reads a store runs the checks of `lesslabel verify` first."""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from lesslabel.data.findings import PREPARE_AGAIN, Finding
from lesslabel.data.store import CaseRecord, Store
from lesslabel.data.store.fingerprint import hash_records
from lesslabel.data.store.records import FINGERPRINT
from lesslabel.data.verify.case_checks import CaseReport, check_case
from lesslabel.errors import DataError
from lesslabel.processes import share_out

_OR_SKIP = ", --skip-damaged leaves them out"


@dataclass(frozen=True)
class LeftOut:
    """A case that is skipped, and the reason."""

    uid: str
    reason: str


def check_cases(store: Store, uids: Sequence[str], workers: int | None = 0) -> Generator[CaseReport, None, None]:
    """Check cases one by one, in the given order.

    Args:
        store: the store of the cases.
        uids: which.
        workers: processes that read; see `lesslabel.data.store.prepare.prepare`.
    """
    check = partial(_check_case, frozenset(store.labels), store.channels)
    cases = [(store.case_path(uid), store.records[uid]) for uid in uids]
    with closing(share_out(check, cases, workers, store.path)) as reports:
        yield from reports


def check_data_hash(store: Store) -> Iterator[Finding]:
    """Does the table fit the fingerprint?"""
    if hash_records(list(store.records.values())) != store.data_hash:
        problem = "data_hash is not that of the table of cases"
        cause = "rows were removed, added or edited after preparation"
        yield Finding.error(FINGERPRINT, problem, cause, PREPARE_AGAIN)


def require_sound(
    store: Store,
    uids: Sequence[str],
    *,
    skip_damaged: bool = False,
    advice: str = "",
    workers: int = 0,
    digests: dict[str, str] | None = None,
) -> tuple[tuple[str, ...], tuple[LeftOut, ...]]:
    """Refuse a store or cases in which `lesslabel verify` finds an error, before they are used.

    Args:
        store: where the cases lie.
        uids: the cases that are about to be used.
        skip_damaged: leave such cases out instead.
        advice: what else a user may do about a case, such as an option to pass; ends the message.
        workers: processes that read.
        digests: receives the hash of each image by uid.

    Returns:
        The sound cases, in order, and the skipped ones.

    Raises:
        DataError: names the file, its error and the fix; or states that no case is left.
    """
    for finding in check_data_hash(store):
        raise DataError(f"{store.path / FINGERPRINT}: {finding.problem}; {finding.fix}")
    sound: list[str] = []
    left_out: list[LeftOut] = []
    for report in check_cases(store, uids, workers):
        if digests is not None:
            digests[report.uid] = report.image_digest
        errors = [finding for finding in report.findings if finding.severity == "error"]
        reason = _say(errors[-1]) if errors else ""  # the first is the least specific
        if not reason:
            sound.append(report.uid)
        elif skip_damaged:
            left_out.append(LeftOut(report.uid, reason))
        else:
            raise DataError(
                f"{store.case_path(report.uid)}: {reason}; `lesslabel verify {store.path}` lists all such cases{advice}"
            )
    if left_out and not sound:
        raise DataError(f"{store.path}: no sound case is left; first reason: {left_out[0].uid}: {left_out[0].reason}")
    return tuple(sound), tuple(left_out)


def keep_sound(
    store: Store, uids: Sequence[str], *, skip_damaged: bool, tell: Callable[[str], None]
) -> tuple[tuple[str, ...], tuple[LeftOut, ...]]:
    """`require_sound` for a command with the option ``--skip-damaged``: it prints every skipped case.

    Args:
        store: the store of the cases.
        uids: the cases to be used.
        skip_damaged: skip cases with errors.
        tell: called with a line for each skipped case.

    Raises:
        DataError: as `require_sound`.
    """
    sound, left_out = require_sound(store, uids, skip_damaged=skip_damaged, advice=_OR_SKIP)
    for case in left_out:
        tell(f"left out {case.uid}: {case.reason}")
    return sound, left_out


def _say(finding: Finding) -> str:
    return f"{finding.problem}; {finding.fix}"


def _check_case(codes: frozenset[int], channels: Sequence[str], case: tuple[Path, CaseRecord]) -> CaseReport:
    return check_case(*case, codes, channels)
