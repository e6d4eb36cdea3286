"""Checks of the annotations of one prepared case."""

from collections.abc import Collection, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from lesslabel.data.case import IGNORE, Annotation, Box, Case, Kind
from lesslabel.data.findings import PREPARE_AGAIN, Finding
from lesslabel.data.mask_values import is_mask

SCRIBBLE_TOLERANCE = 0.01
"""Allowed share of known voxels of a scribble that differ from the dense label, since people draw over edges."""

_STROKES = (Kind.SCRIBBLE, Kind.POINTS)


def check_annotation(case: Case, name: str, codes: Collection[int]) -> Iterator[Finding]:
    """Check labels, coverage and confidence of an annotation, and that it is not empty."""
    annotation = case.annotations[name]
    yield from _check_labels(case.uid, name, annotation, codes)
    yield from _check_coverage(case.uid, name, annotation, codes)
    confidence = annotation.confidence
    # `not (a <= x <= b)` is also true for NaN
    if confidence is not None and not ((confidence >= 0.0) & (confidence <= 1.0)).all():
        problem = f"confidence of '{name}' is not within [0, 1]"
        fix = f"store probabilities and {PREPARE_AGAIN}"
        yield Finding.error(case.uid, problem, "logits or percent were stored", fix)


def check_scribbles(case: Case) -> Iterator[Finding]:
    """Check that strokes and points agree with the dense labels of the same case."""
    for stroke_name, stroke in case.annotations.items():
        if stroke.kind not in _STROKES:
            continue
        for dense_name, dense in case.annotations.items():
            share = measure_disagreement(stroke, dense) if dense.kind is Kind.DENSE else 0.0
            if share > SCRIBBLE_TOLERANCE:
                problem = f"'{stroke_name}' disagrees with '{dense_name}' on {share:.1%} of its known voxels"
                cause = "another frame or grid, a shifted or flipped axis, or a careless stroke"
                fix = "look at the two together; correct the one that is wrong, or accept it as noise"
                yield Finding.warning(case.uid, problem, cause, fix)


def measure_disagreement(stroke: Annotation, dense: Annotation) -> float:
    """Share of the voxels known and covered in both annotations whose labels differ; 0 if there are none."""
    known = _known(stroke) & _known(dense)
    first, second = stroke.labels[known], dense.labels[known]
    for covered in (stroke.covered_labels, dense.covered_labels):
        if covered is not None:
            first, second = (np.where(np.isin(labels, covered), labels, 0) for labels in (first, second))
    return float(np.mean(first != second)) if first.size else 0.0


def unlabelled_slices(labels: NDArray[np.uint8], asked: Sequence[int] | None) -> list[int]:
    """The queued slices without a label; all slices if the whole case was queued and has no label.

    Args:
        labels: (z, y, x).
        asked: the queued slices; None for the whole case.
    """
    labelled = ((labels != 0) & (labels != IGNORE)).any(axis=(1, 2))
    if asked is None:
        return [] if labelled.any() else list(range(len(labels)))
    return [index for index in asked if not labelled[index]]


def unlabelled_boxes(labels: NDArray[np.uint8], asked: Sequence[Box]) -> list[Box]:
    """The queued parts of a case without a label.

    Args:
        labels: (z, y, x).
        asked: the queued parts.
    """
    labelled = (labels != 0) & (labels != IGNORE)
    return [box for box in asked if not labelled[box.subvolume].any()]


def _may_be_patches(annotation: Annotation) -> bool:
    """Whether patches of stated slices may have been asked for, with nothing to mark inside.

    What is unknown around patches reaches the edges of its slice; an object in a mask of 0 and 255 seldom does.
    """
    if annotation.covered_slices is None:
        return False
    unknown = annotation.labels == IGNORE
    at_edges = unknown[:, [0, -1]].any(axis=(1, 2)) | unknown[:, :, [0, -1]].any(axis=(1, 2))
    return bool((at_edges | ~unknown.any(axis=(1, 2))).all())


def _check_labels(uid: str, name: str, annotation: Annotation, codes: Collection[int]) -> Iterator[Finding]:
    found = set(np.flatnonzero(np.bincount(annotation.labels.reshape(-1), minlength=IGNORE + 1)).tolist())
    unknown = sorted(found - {0, IGNORE, *codes})
    if unknown:
        problem = f"'{name}' has label {', '.join(map(str, unknown))}, the store knows {_codes(codes)}"
        fix = f"correct the label, or name it in the source, and {PREPARE_AGAIN}"
        yield Finding.error(uid, problem, "another coding of the labels, or an interpolated label map", fix)
    known = annotation.labels[_known(annotation)]
    if not known.size:
        fix = f"annotate it, or leave the annotation out, and {PREPARE_AGAIN}"
        yield Finding.error(uid, f"every voxel of '{name}' is unknown", "an empty file was exported", fix)
    elif annotation.kind is Kind.DENSE and is_mask(annotation.labels) and not _may_be_patches(annotation):
        problem = f"'{name}' holds nothing but 0 and {IGNORE}, which is background and unknown"
        fix = f"save the mask as 0 and 1, or leave the annotation out, and {PREPARE_AGAIN}"
        yield Finding.error(uid, problem, f"a mask of 0 and {IGNORE} was taken for a label map", fix)
    elif annotation.kind is Kind.DENSE and not known.any():
        cause = "an empty label map was exported, or the organ is outside the image"
        fix = "look at the image: nothing to do if no organ is visible, otherwise export the label again"
        yield Finding.warning(uid, f"'{name}' is background everywhere", cause, fix)


def _check_coverage(uid: str, name: str, annotation: Annotation, codes: Collection[int]) -> Iterator[Finding]:
    depth = len(annotation.labels)
    outside = [index for index in annotation.covered_slices or () if not 0 <= index < depth]
    if outside:
        problem = f"'{name}' covers slices {_codes(outside)}, the image has 0 to {depth - 1}"
        fix = f"count slices from 0 and {PREPARE_AGAIN}"
        yield Finding.error(uid, problem, "slices were counted from 1, or belong to another image", fix)
    covered = annotation.covered_labels
    if covered is None:
        return
    unknown = set(covered) - set(codes)
    if unknown:
        problem = f"'{name}' covers label {_codes(unknown)}, the store knows {_codes(codes)}"
        yield Finding.error(uid, problem, "another coding of the labels", f"correct covered_labels and {PREPARE_AGAIN}")
    uncovered = {code for code in codes if code not in covered and (annotation.labels == code).any()}
    if uncovered:
        problem = f"'{name}' holds label {_codes(uncovered)}, which is not in its covered labels"
        cause = "the list of annotated labels is incomplete"
        yield Finding.error(uid, problem, cause, f"correct covered_labels and {PREPARE_AGAIN}")


def _known(annotation: Annotation) -> NDArray[np.bool_]:
    known: NDArray[np.bool_] = annotation.labels != IGNORE
    if annotation.covered_slices is not None:
        known[np.setdiff1d(np.arange(len(known)), annotation.covered_slices)] = False
    return known


def _codes(codes: Collection[int]) -> str:
    return ", ".join(str(code) for code in sorted(codes)) or "none"
