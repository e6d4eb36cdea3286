"""What annotations cost and how good they are, case by case, from their records in a store."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from lesslabel.data.case import IGNORE, Annotation, Case, Kind
from lesslabel.data.store import Store
from lesslabel.errors import DataError
from lesslabel.evaluation.overlap import dice_per_class
from lesslabel.reports.runs.revision import revision_degree


@dataclass(frozen=True)
class AnnotatedCase:
    """One annotation of one case.

    Attributes:
        uid: the case.
        annotation: its name.
        author: who drew it.
        minutes: of work.
        slices: that hold a known voxel.
        clicks: points that were clicked.
        strokes: lines, brush strokes and outlines.
        prompts: how often each kind of prompt and tool was used, by name.
        agreement: share of its known voxels that are as in the reference, in [0, 1]; NaN without a reference.
        dice: with the reference, mean over labels, of a dense annotation; else NaN.
        revision: 100·(1 − Dice) between the prelabel and what became of it; NaN without a prelabel.
    """

    uid: str
    annotation: str
    author: str
    minutes: float
    slices: int
    clicks: int
    strokes: int
    prompts: tuple[tuple[str, int], ...]
    agreement: float
    dice: float
    revision: float

    @property
    def dice_per_minute(self) -> float:
        """Dice that a minute of work gave; NaN without a Dice, or without a minute."""
        return self.dice / self.minutes if self.minutes > 0 else math.nan


@dataclass(frozen=True)
class AuthorTotal:
    """All cases of one annotation by one author.

    Attributes:
        annotation: its name.
        author: who drew it.
        cases: how many.
        slices: of all cases.
        minutes: of all cases.
        median_minutes: of a case.
        clicks: of all cases.
        strokes: of all cases.
        agreement: mean over cases, NaN left out.
        dice: likewise.
        dice_per_minute: the mean Dice over the mean minutes of the cases with a Dice; NaN without one.
        revision: mean over cases, in percent, NaN left out.
    """

    annotation: str
    author: str
    cases: int
    slices: int
    minutes: float
    median_minutes: float
    clicks: int
    strokes: int
    agreement: float
    dice: float
    dice_per_minute: float
    revision: float


def annotated_cases(store: Store, annotations: Sequence[str], reference: str) -> list[AnnotatedCase]:
    """Read every case that was annotated while its cost was counted.

    Args:
        store: the store.
        annotations: their names; a name stands for second readings (``NAME/AUTHOR``) too.
        reference: annotation to compare with, where a case has it.

    Returns:
        By annotation, then by case.

    Raises:
        DataError: if no case has such an annotation with a counted cost.
    """
    found = []
    for record in store.list_records():
        names = [name for name in record.annotation_names if _is_meant(name, annotations)]
        if not names:
            continue
        case = store.read(record.uid)
        found += [_annotated(case, name, reference, store) for name in names if case.annotations[name].effort]
    if not found:
        wanted = ", ".join(map(repr, annotations))
        raise DataError(f"{store.path}: no case with an annotation {wanted} whose cost was counted, as `annotate` does")
    return sorted(found, key=lambda each: (each.annotation, each.uid))


def author_totals(cases: Iterable[AnnotatedCase]) -> list[AuthorTotal]:
    """Sum up the cases of each annotation and author, in the order in which they come."""
    groups: dict[tuple[str, str], list[AnnotatedCase]] = {}
    for case in cases:
        groups.setdefault((case.annotation, case.author), []).append(case)
    return [_total(*who, group) for who, group in groups.items()]


def prompt_counts(cases: Iterable[AnnotatedCase]) -> list[tuple[str, int]]:
    """How often each kind of prompt and tool was used in all cases, the most frequent first."""
    counts: Counter[str] = Counter()
    for case in cases:
        counts.update(dict(case.prompts))
    return sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))


def _is_meant(name: str, annotations: Sequence[str]) -> bool:
    return any(name == wanted or name.startswith(f"{wanted}/") for wanted in annotations)


def _annotated(case: Case, name: str, reference: str, store: Store) -> AnnotatedCase:
    annotation = case.annotations[name]
    effort = annotation.effort
    assert effort is not None  # the caller looked
    other = None if reference == name else case.annotations.get(reference)
    agreement, dice = (math.nan, math.nan) if other is None else _compared(annotation, other, tuple(store.labels))
    before = math.nan if effort.prelabel_dice is None else effort.prelabel_dice
    return AnnotatedCase(
        uid=case.uid,
        annotation=name,
        author=annotation.author,
        minutes=effort.active_s / 60,
        slices=int((annotation.labels != IGNORE).any(axis=(1, 2)).sum()),
        clicks=effort.clicks,
        strokes=effort.strokes,
        prompts=effort.prompts,
        agreement=agreement,
        dice=dice,
        revision=float(revision_degree(before)),
    )


def _compared(annotation: Annotation, reference: Annotation, codes: Sequence[int]) -> tuple[float, float]:
    """Agreement and Dice on the voxels that both know."""
    known = (annotation.labels != IGNORE) & (reference.labels != IGNORE)
    if not known.any():
        return math.nan, math.nan
    agreement = float(np.mean(annotation.labels[known] == reference.labels[known]))
    if annotation.kind is not Kind.DENSE:
        return agreement, math.nan
    per_label = dice_per_class(annotation.labels[known], reference.labels[known], IGNORE)[list(codes)]
    return agreement, _mean(per_label.tolist())


def _total(annotation: str, author: str, cases: Sequence[AnnotatedCase]) -> AuthorTotal:
    minutes = [case.minutes for case in cases]
    compared = [case for case in cases if not math.isnan(case.dice)]
    worked = sum(case.minutes for case in compared)
    return AuthorTotal(
        annotation=annotation,
        author=author,
        cases=len(cases),
        slices=sum(case.slices for case in cases),
        minutes=sum(minutes),
        median_minutes=float(np.median(minutes)),
        clicks=sum(case.clicks for case in cases),
        strokes=sum(case.strokes for case in cases),
        agreement=_mean([case.agreement for case in cases]),
        dice=_mean([case.dice for case in cases]),
        dice_per_minute=sum(case.dice for case in compared) / worked if worked > 0 else math.nan,
        revision=_mean([case.revision for case in cases]),
    )


def _mean(values: Sequence[float]) -> float:
    finite = [value for value in values if not math.isnan(value)]
    return sum(finite) / len(finite) if finite else math.nan
