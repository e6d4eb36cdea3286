"""What can be wrong with one prepared case: one small function for each check, and all of them for one case."""

import hashlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lesslabel.data.case import IGNORE, Annotation, Case, Kind
from lesslabel.data.case_file import content_hash, read_case
from lesslabel.data.number_types import find_wrong_types
from lesslabel.data.store import CaseRecord
from lesslabel.errors import DataError

LARGEST_SPACING_MM = 50.0
SMALLEST_SPACING_MM = 0.01
LARGEST_IN_PLANE_RATIO = 2.0
"""Scanners give nearly square pixels; more usually means that the axes are not in the order (z, y, x)."""
LARGEST_SLANT = 0.01
"""Cosine between two axes of an affine."""
AFFINE_TOLERANCE = 0.01
"""Relative difference between spacing and affine that passes."""
SCRIBBLE_TOLERANCE = 0.01
"""Share of a scribble's known voxels that may disagree with the dense label: people draw over edges."""

_STROKES = (Kind.SCRIBBLE, Kind.POINTS)
_SHAPE = ("channels", "depth", "height", "width")
_SPACING = ("spacing_z_mm", "spacing_y_mm", "spacing_x_mm")
_NAMES = ("patient", "centre", "group", "modality", "annotations")
_PREPARE = "prepare the store again"
_RESTORE = "run `lesslabel verify --fix`, which takes what the file says: its hash shows that it is as prepared"


@dataclass(frozen=True)
class Finding:
    """Something wrong, or suspicious, in a store.

    Attributes:
        case: uid of the case, or the file, patient or split it is about.
        problem: what was found.
        severity: an error makes results wrong or training fail; a warning may be meant.
        cause: how this usually comes about.
        fix: what to do.
    """

    case: str
    problem: str
    severity: Literal["error", "warning"]
    cause: str
    fix: str


@dataclass(frozen=True)
class CaseReport:
    """What the checks of one case return.

    Attributes:
        uid: the case.
        findings: empty if nothing is wrong.
        image_digest: hash of shape and voxels of the image, empty if it cannot be read.
    """

    uid: str
    findings: tuple[Finding, ...]
    image_digest: str = ""


def check_case(path: Path, record: CaseRecord, codes: Collection[int], channels: Sequence[str]) -> CaseReport:
    """Run every check that needs one case alone.

    Args:
        path: the case file.
        record: the row of the table of cases.
        codes: the store's label codes, background apart.
        channels: the store's channel names.
    """
    uid = record.uid
    if not path.is_file():
        fix = f"copy it back, or {_PREPARE}"
        return CaseReport(uid, (Finding(uid, f"{path.name} is missing", "error", "it was moved or removed", fix),))
    try:
        case = read_case(path)
    except DataError as error:
        if wrong := find_wrong_types(path):
            return CaseReport(uid, tuple(_retyped(uid, path.name, *array) for array in wrong))
        cause = f"cut short or damaged on disk ({error.__cause__ or error})"
        finding = Finding(uid, f"{path.name} cannot be read", "error", " ".join(cause.split()), _PREPARE)
        return CaseReport(uid, (finding,))
    findings = [
        *check_record(case, record),
        *check_spacing(case),
        *check_affine(case),
        *check_image(case, channels),
        *(finding for name in case.annotations for finding in check_annotation(case, name, codes)),
        *check_scribbles(case),
    ]
    return CaseReport(uid, tuple(findings), _digest_image(case))


def check_record(case: Case, record: CaseRecord) -> Iterator[Finding]:
    """Does the file hold what the table says?"""
    found, expected = asdict(CaseRecord.of(case, content_hash(case))), asdict(record)
    # compared as text, so that NaN equals NaN
    differing = {key for key in found if str(found[key]) != str(expected[key])}
    fix = _PREPARE if "sha256" in differing else _RESTORE
    if "uid" in differing:
        yield _error(record.uid, f"the file holds case '{case.uid}'", "a file was renamed or copied over", _PREPARE)
    for what, keys in (("shape (channel, z, y, x)", _SHAPE), ("spacing in mm (z, y, x)", _SPACING)):
        if not differing.isdisjoint(keys):
            values = [", ".join(str(row[key]) for key in keys) for row in (found, expected)]
            problem = f"{what} is ({values[0]}) in the file, ({values[1]}) in the table"
            yield _error(record.uid, problem, "the file or the table was edited or replaced", fix)
    for key in _NAMES:
        if key in differing:
            problem = f"{key} is '{found[key]}' in the file, '{expected[key]}' in the table"
            advice = fix if key == "annotations" else _PREPARE
            yield _error(record.uid, problem, "the file or the table was edited or replaced", advice)
    if "sha256" in differing and differing.isdisjoint((*_SHAPE, *_SPACING, "annotations")):
        problem = "voxels, labels or geometry are not those of the table"
        yield _error(record.uid, problem, "the file was changed after preparation, or damaged on disk", _PREPARE)


def check_spacing(case: Case) -> Iterator[Finding]:
    """Is the voxel size positive and plausible?"""
    shown = _show(case.spacing_mm)
    fix = f"correct the spacing in the raw data, order (z, y, x) in mm, and {_PREPARE}"
    if not all(np.isfinite(side) and side > 0.0 for side in case.spacing_mm):
        yield _error(case.uid, f"spacing is {shown} mm", "the raw file has no valid spacing", fix)
        return
    if not all(SMALLEST_SPACING_MM <= side <= LARGEST_SPACING_MM for side in case.spacing_mm):
        yield _warning(case.uid, f"spacing is {shown} mm", "the unit may not be mm", fix)
    in_plane = case.spacing_mm[1:]
    if max(in_plane) > LARGEST_IN_PLANE_RATIO * min(in_plane):
        problem = f"pixels are {_show(in_plane)} mm in the plane, far from square"
        yield _warning(case.uid, problem, "the axes may not be in the order (z, y, x)", fix)


def check_affine(case: Case) -> Iterator[Finding]:
    """Is the affine invertible, and does it agree with the spacing?"""
    if case.affine is None:
        return
    fix = f"correct the header of the raw file and {_PREPARE}"
    if case.affine.shape != (4, 4) or not np.isfinite(case.affine).all():
        cause = "the raw header is damaged"
        yield _error(case.uid, f"affine of shape {case.affine.shape} is not 4×4 and finite", cause, fix)
        return
    axes = case.affine[:3, :3]
    sides_mm = np.linalg.norm(axes, axis=0)
    if abs(np.linalg.det(axes)) <= 1e-6 * np.prod(sides_mm):
        yield _error(case.uid, "affine is singular", "two axes of the raw header point the same way", fix)
    elif not np.allclose(sides_mm[::-1], case.spacing_mm, rtol=AFFINE_TOLERANCE, atol=0.0):
        problem = f"affine has voxels of {_show(sides_mm[::-1])} mm, spacing says {_show(case.spacing_mm)} mm"
        yield _error(case.uid, problem, "the raw header contradicts itself, or only one of the two was edited", fix)
    elif (slant := np.abs(np.triu((axes / sides_mm).T @ (axes / sides_mm), k=1)).max()) > LARGEST_SLANT:
        problem = f"axes are {np.degrees(np.arcsin(min(slant, 1.0))):.1f} degrees off a right angle"
        cause = "the gantry was tilted, or a registration sheared the header; distances are measured as if upright"
        fix = f"resample the raw image and its labels to an upright grid and {_PREPARE}"
        yield _warning(case.uid, problem, cause, fix)


def check_image(case: Case, channels: Sequence[str]) -> Iterator[Finding]:
    """Are all channels there, finite and not empty?"""
    if len(case.image) != len(channels):
        problem = f"{len(case.image)} image channels, the store has {len(channels)} ({', '.join(channels)})"
        fix = f"give every case the same channels and {_PREPARE}"
        yield _error(case.uid, problem, "a channel is missing from the raw data of this case", fix)
    for index, channel in enumerate(case.image):
        name = f"'{channels[index]}'" if index < len(channels) else str(index)
        strange = channel.size - np.count_nonzero(np.isfinite(channel))
        if strange:
            problem = f"channel {name} has {strange} voxels that are NaN or infinite"
            fix = f"replace them in the raw data (0 is usual) and {_PREPARE}"
            yield _error(case.uid, problem, "a division by zero or a failed resampling made the raw data", fix)
        elif channel.min() == channel.max():
            problem = f"channel {name} is {channel.min():g} everywhere"
            fix = f"export the image again, or leave the case out, and {_PREPARE}"
            yield _error(case.uid, problem, "the export wrote an empty image", fix)


def check_annotation(case: Case, name: str, codes: Collection[int]) -> Iterator[Finding]:
    """Does an annotation keep to the store's labels, to what it covers and to [0, 1], and does it say anything?"""
    annotation = case.annotations[name]
    yield from _check_labels(case.uid, name, annotation, codes)
    yield from _check_coverage(case.uid, name, annotation, codes)
    confidence = annotation.confidence
    # not (a <= x <= b) is also true for NaN
    if confidence is not None and not ((confidence >= 0.0) & (confidence <= 1.0)).all():
        problem = f"confidence of '{name}' is not within [0, 1]"
        yield _error(case.uid, problem, "logits or percent were stored", f"store probabilities and {_PREPARE}")


def check_scribbles(case: Case) -> Iterator[Finding]:
    """Do strokes and points agree with the dense labels of the same case?"""
    for stroke_name, stroke in case.annotations.items():
        if stroke.kind not in _STROKES:
            continue
        for dense_name, dense in case.annotations.items():
            share = measure_disagreement(stroke, dense) if dense.kind is Kind.DENSE else 0.0
            if share > SCRIBBLE_TOLERANCE:
                problem = f"'{stroke_name}' disagrees with '{dense_name}' on {share:.1%} of its known voxels"
                cause = "another frame or grid, a shifted or flipped axis, or a careless stroke"
                fix = "look at the two together; correct the one that is wrong, or accept it as noise"
                yield _warning(case.uid, problem, cause, fix)


def measure_disagreement(stroke: Annotation, dense: Annotation) -> float:
    """Share of the voxels known to both annotations, in what both cover, on which their labels differ; 0 if none."""
    known = _known(stroke) & _known(dense)
    first, second = stroke.labels[known], dense.labels[known]
    for covered in (stroke.covered_labels, dense.covered_labels):
        if covered is not None:
            first, second = (np.where(np.isin(labels, covered), labels, 0) for labels in (first, second))
    return float(np.mean(first != second)) if first.size else 0.0


def _check_labels(uid: str, name: str, annotation: Annotation, codes: Collection[int]) -> Iterator[Finding]:
    found = set(np.flatnonzero(np.bincount(annotation.labels.reshape(-1), minlength=IGNORE + 1)).tolist())
    unknown = sorted(found - {0, IGNORE, *codes})
    if unknown:
        problem = f"'{name}' has label {', '.join(map(str, unknown))}, the store knows {_codes(codes)}"
        fix = f"correct the label, or name it in the source, and {_PREPARE}"
        yield _error(uid, problem, "another coding of the labels, or an interpolated label map", fix)
    known = annotation.labels[_known(annotation)]
    if not known.size:
        fix = f"annotate it, or leave the annotation out, and {_PREPARE}"
        yield _error(uid, f"every voxel of '{name}' is unknown", "an empty file was exported", fix)
    elif annotation.kind is Kind.DENSE and not known.any():
        cause = "an empty label map was exported, or the organ is outside the image"
        fix = "look at the image: nothing to do if no organ is visible, otherwise export the label again"
        yield _warning(uid, f"'{name}' is background everywhere", cause, fix)


def _check_coverage(uid: str, name: str, annotation: Annotation, codes: Collection[int]) -> Iterator[Finding]:
    depth = len(annotation.labels)
    outside = [index for index in annotation.covered_slices or () if not 0 <= index < depth]
    if outside:
        problem = f"'{name}' covers slices {_codes(outside)}, the image has 0 to {depth - 1}"
        fix = f"count slices from 0 and {_PREPARE}"
        yield _error(uid, problem, "slices were counted from 1, or belong to another image", fix)
    covered = annotation.covered_labels
    if covered is None:
        return
    unknown = set(covered) - set(codes)
    if unknown:
        problem = f"'{name}' covers label {_codes(unknown)}, the store knows {_codes(codes)}"
        yield _error(uid, problem, "another coding of the labels", f"correct covered_labels and {_PREPARE}")
    uncovered = {code for code in codes if code not in covered and (annotation.labels == code).any()}
    if uncovered:
        problem = f"'{name}' holds label {_codes(uncovered)}, which it says it does not cover"
        cause = "the list of annotated labels is incomplete"
        yield _error(uid, problem, cause, f"correct covered_labels and {_PREPARE}")


def _known(annotation: Annotation) -> NDArray[np.bool_]:
    known: NDArray[np.bool_] = annotation.labels != IGNORE
    if annotation.covered_slices is not None:
        known[np.setdiff1d(np.arange(len(known)), annotation.covered_slices)] = False
    return known


def _retyped(uid: str, file: str, array: str, found: str, expected: str) -> Finding:
    fix = f"run `lesslabel verify --fix`, which restores it if no value changes; otherwise {_PREPARE}"
    return _error(uid, f"{file} keeps '{array}' as {found}, not {expected}", "another program rewrote it", fix)


def _digest_image(case: Case) -> str:
    digest = hashlib.sha256(str(case.image.shape).encode())
    digest.update(np.ascontiguousarray(case.image).data)
    return digest.hexdigest()


def _codes(codes: Collection[int]) -> str:
    return ", ".join(str(code) for code in sorted(codes)) or "none"


def _show(sides_mm: Sequence[float] | NDArray[np.float64]) -> str:
    return "(" + ", ".join(f"{side:.4g}" for side in sides_mm) + ")"


def _error(case: str, problem: str, cause: str, fix: str) -> Finding:
    return Finding(case, problem, "error", cause, fix)


def _warning(case: str, problem: str, cause: str, fix: str) -> Finding:
    return Finding(case, problem, "warning", cause, fix)
