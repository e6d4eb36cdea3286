"""Add annotations to cases of a store: to all of them or to none."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace as changed
from pathlib import Path

from lesslabel.data.case import Annotation, Case
from lesslabel.data.store.annotation_checks import check_annotation
from lesslabel.data.store.case_file import content_hash, read_case, write_case
from lesslabel.data.store.fingerprint import hash_records, retotal_annotations
from lesslabel.data.store.records import (
    FINGERPRINT,
    TABLE,
    CaseRecord,
    case_path,
    read_fingerprint,
    read_table,
    write_fingerprint,
    write_table,
)
from lesslabel.data.store.update import update
from lesslabel.errors import DataError


def add_annotations(path: Path, name: str, annotations: Iterable[tuple[str, Annotation]], *, replace: bool) -> None:
    """Add annotations; see `Store.add_annotations`."""
    with update(path) as aside:
        fingerprint = read_fingerprint(path / FINGERPRINT)
        before_update = {record.uid: record for record in read_table(path / TABLE)}
        records, totals = dict(before_update), fingerprint["annotations"]
        done: set[str] = set()
        for uid, annotation in annotations:
            if uid in done:
                raise DataError(f"{path}: two annotations '{name}' for case '{uid}'; give one")
            done.add(uid)
            before = _read_sound(path, before_update, uid)
            after = _with_annotation(before, name, annotation, replace)
            records[uid] = CaseRecord.of(after, write_case(case_path(aside, uid), after))
            _require_fit(after, name, [int(code) for code in fingerprint["labels"]])
            totals = retotal_annotations(totals, before, after)
        write_table(aside / TABLE, list(records.values()))
        data_hash = hash_records(list(records.values()))
        write_fingerprint(aside / FINGERPRINT, {**fingerprint, "annotations": totals, "data_hash": data_hash})


def _read_sound(store: Path, records: Mapping[str, CaseRecord], uid: str) -> Case:
    """Read a case and check its hash against the table; a new hash would hide a damaged case."""
    if uid not in records:
        raise DataError(f"{store / TABLE}: no case '{uid}'")
    case = read_case(case_path(store, uid))
    if CaseRecord.of(case, content_hash(case)) != records[uid]:
        raise DataError(f"{case_path(store, uid)}: differs from the table of cases; run `lesslabel verify {store}`")
    return case


def _with_annotation(case: Case, name: str, annotation: Annotation, replace: bool) -> Case:
    annotations = dict(case.annotations)
    if name in annotations:
        number = next(number for number in range(1, len(annotations) + 1) if f"{name}@{number}" not in annotations)
        if not replace:
            raise DataError(
                f"case {case.uid}: has an annotation '{name}' already; choose another name, or replace it, which keeps "
                f"the old one as '{name}@{number}'"
            )
        annotations[f"{name}@{number}"] = annotations[name]
    return changed(case, annotations={**annotations, name: annotation})


def _require_fit(case: Case, name: str, codes: Collection[int]) -> None:
    for finding in check_annotation(case, name, codes):
        if finding.severity == "error":
            raise DataError(f"case {case.uid}: {finding.problem}; correct the annotation")
