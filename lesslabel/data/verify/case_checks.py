"""Checks of one prepared case: one function for each, and one that runs all."""

import hashlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lesslabel.data.case import NO_PLACE, Case
from lesslabel.data.findings import PREPARE_AGAIN, Finding
from lesslabel.data.formats.tolerance import displacement_voxel
from lesslabel.data.store import CaseRecord
from lesslabel.data.store.annotation_checks import check_annotation, check_scribbles
from lesslabel.data.store.case_file import content_hash, read_case
from lesslabel.data.store.finite import count_not_finite, is_within_float32
from lesslabel.data.verify.cohort import CaseMeasures, measure_case
from lesslabel.data.verify.number_types import find_wrong_types
from lesslabel.errors import DataError

LARGEST_SPACING_MM = 50.0
SMALLEST_SPACING_MM = 0.01
LARGEST_IN_PLANE_RATIO = 2.0
"""Scanners give nearly square pixels; a larger ratio usually means that the axes are not in the order (z, y, x)."""
LARGEST_SLANT = 0.01
"""Largest cosine between two axes of an affine."""
AFFINE_TOLERANCE = 0.01
"""Accepted relative difference between spacing and affine."""

_SHAPE = ("channels", "depth", "height", "width")
_SPACING = ("spacing_z_mm", "spacing_y_mm", "spacing_x_mm")
_NAMES = ("patient", "centre", "group", "modality", "annotations")
_RESTORE = "run `lesslabel verify --fix`, which takes the values of the file: its hash shows that it is unchanged"


@dataclass(frozen=True)
class CaseReport:
    """The result of the checks of one case.

    Attributes:
        uid: the case.
        findings: empty if the case is sound.
        image_digest: hash of shape and voxels of the image, empty if it cannot be read.
        measures: the values to compare with other cases; None if the case cannot be read.
    """

    uid: str
    findings: tuple[Finding, ...]
    image_digest: str = ""
    measures: CaseMeasures | None = None


def check_case(path: Path, record: CaseRecord, codes: Collection[int], channels: Sequence[str]) -> CaseReport:
    """Run every check of a single case.

    Args:
        path: the case file.
        record: the row of the table of cases.
        codes: the store's label codes, background apart.
        channels: the store's channel names.
    """
    uid = record.uid
    if not path.is_file():
        fix = f"copy it back, or {PREPARE_AGAIN}"
        return CaseReport(uid, (Finding.error(uid, f"{path.name} is missing", "it was moved or removed", fix),))
    try:
        case = read_case(path)
    except DataError as error:
        if wrong := find_wrong_types(path):
            return CaseReport(uid, tuple(_retyped(uid, path.name, *array) for array in wrong))
        cause = f"cut short or damaged on disk ({error.__cause__ or error})"
        finding = Finding.error(uid, f"{path.name} cannot be read", " ".join(cause.split()), PREPARE_AGAIN)
        return CaseReport(uid, (finding,))
    findings = [
        *check_record(case, record),
        *check_spacing(case),
        *check_affine(case),
        *check_qform(case),
        *check_image(case, channels),
        *(finding for name in case.annotations for finding in check_annotation(case, name, codes)),
        *check_scribbles(case),
    ]
    return CaseReport(uid, tuple(findings), _digest_image(case), measure_case(case))


def check_record(case: Case, record: CaseRecord) -> Iterator[Finding]:
    """Does the file agree with the table?"""
    found, expected = asdict(CaseRecord.of(case, content_hash(case))), asdict(record)
    # compared as text, so that NaN equals NaN
    differing = {key for key in found if str(found[key]) != str(expected[key])}
    fix = PREPARE_AGAIN if "sha256" in differing else _RESTORE
    if "uid" in differing:
        problem = f"the file holds case '{case.uid}'"
        yield Finding.error(record.uid, problem, "a file was renamed or copied over", PREPARE_AGAIN)
    for what, keys in (("shape (channel, z, y, x)", _SHAPE), ("spacing in mm (z, y, x)", _SPACING)):
        if not differing.isdisjoint(keys):
            values = [", ".join(str(row[key]) for key in keys) for row in (found, expected)]
            problem = f"{what} is ({values[0]}) in the file, ({values[1]}) in the table"
            yield Finding.error(record.uid, problem, "the file or the table was edited or replaced", fix)
    for key in _NAMES:
        if key in differing:
            problem = f"{key} is '{found[key]}' in the file, '{expected[key]}' in the table"
            advice = fix if key == "annotations" else PREPARE_AGAIN
            yield Finding.error(record.uid, problem, "the file or the table was edited or replaced", advice)
    if "sha256" in differing and differing.isdisjoint((*_SHAPE, *_SPACING, "annotations")):
        problem = "voxels, labels or geometry are not those of the table"
        cause = "the file was changed after preparation, or damaged on disk"
        yield Finding.error(record.uid, problem, cause, PREPARE_AGAIN)


def check_spacing(case: Case) -> Iterator[Finding]:
    """Is the voxel size positive and plausible?"""
    shown = _show(case.spacing_mm)
    fix = f"correct the spacing in the raw data, order (z, y, x) in mm, and {PREPARE_AGAIN}"
    if not all(np.isfinite(side) and side > 0.0 for side in case.spacing_mm):
        yield Finding.error(case.uid, f"spacing is {shown} mm", "the raw file has no valid spacing", fix)
        return
    if not all(SMALLEST_SPACING_MM <= side <= LARGEST_SPACING_MM for side in case.spacing_mm):
        yield Finding.warning(case.uid, f"spacing is {shown} mm", "the unit may not be mm", fix)
    in_plane = case.spacing_mm[1:]
    if max(in_plane) > LARGEST_IN_PLANE_RATIO * min(in_plane):
        problem = f"pixels are {_show(in_plane)} mm in the plane, far from square"
        yield Finding.warning(case.uid, problem, "the axes may not be in the order (z, y, x)", fix)


def check_affine(case: Case) -> Iterator[Finding]:
    """Is the affine invertible, and does it agree with the spacing?"""
    if case.affine is None:
        return
    fix = f"correct the header of the raw file and {PREPARE_AGAIN}"
    if case.affine.shape != (4, 4) or not np.isfinite(case.affine).all():
        cause = "the raw header is damaged"
        yield Finding.error(case.uid, f"affine of shape {case.affine.shape} is not 4×4 and finite", cause, fix)
        return
    axes = case.affine[:3, :3]
    sides_mm = np.linalg.norm(axes, axis=0)
    if abs(np.linalg.det(axes)) <= 1e-6 * np.prod(sides_mm):
        yield Finding.error(case.uid, "affine is singular", "two axes of the raw header point the same way", fix)
    elif not np.allclose(sides_mm[::-1], case.spacing_mm, rtol=AFFINE_TOLERANCE, atol=0.0):
        problem = f"affine has voxels of {_show(sides_mm[::-1])} mm, spacing is {_show(case.spacing_mm)} mm"
        cause = "the raw header contradicts itself, or only one of the two was edited"
        yield Finding.error(case.uid, problem, cause, fix)
    elif (slant := np.abs(np.triu((axes / sides_mm).T @ (axes / sides_mm), k=1)).max()) > LARGEST_SLANT:
        problem = f"axes are {np.degrees(np.arcsin(min(slant, 1.0))):.1f} degrees off a right angle"
        cause = "the gantry was tilted, or a registration sheared the header; distances are measured as if upright"
        fix = f"resample the raw image and its labels to an upright grid and {PREPARE_AGAIN}"
        yield Finding.warning(case.uid, problem, cause, fix)


def check_qform(case: Case) -> Iterator[Finding]:
    """Do sform and qform of the header agree?"""
    if case.qform is None or case.affine is None:
        return
    if case.qform.codes == NO_PLACE:
        problem = "the header states no place (sform_code and qform_code are 0)"
        cause = "a conversion left it out; nibabel and ITK programs make up different ones"
        fix = f"nothing if voxels alone matter; otherwise convert the image anew and {PREPARE_AGAIN}"
        yield Finding.warning(case.uid, problem, cause, fix)
        return
    away_voxel = displacement_voxel(case.affine, case.qform.affine, case.shape)
    sform_code, qform_code = case.qform.codes
    problem = f"sform (code {sform_code}) and qform (code {qform_code}) disagree by {away_voxel:.3g} voxels"
    cause = "a registration wrote its result into the sform; this library goes by the sform, ITK programs may not"
    fix = f"set the code of the form that does not hold to 0 in the raw header and {PREPARE_AGAIN}"
    yield Finding.warning(case.uid, problem, cause, fix)


def check_image(case: Case, channels: Sequence[str]) -> Iterator[Finding]:
    """Are all channels present, finite and not constant?"""
    if len(case.image) != len(channels):
        problem = f"{len(case.image)} image channels, the store has {len(channels)} ({', '.join(channels)})"
        fix = f"give every case the same channels and {PREPARE_AGAIN}"
        yield Finding.error(case.uid, problem, "a channel is missing from the raw data of this case", fix)
    for index, channel in enumerate(case.image):
        name = f"'{channels[index]}'" if index < len(channels) else str(index)
        if strange := count_not_finite(channel):
            problem = f"channel {name} has {strange} voxels that are NaN or infinite"
            fix = f"replace them in the raw data (0 is usual) and {PREPARE_AGAIN}"
            yield Finding.error(case.uid, problem, "a division by zero or a failed resampling made the raw data", fix)
        elif not is_within_float32(channel):
            problem = (
                f"channel {name} reaches from {channel.min():g} to {channel.max():g}, too far for single precision"
            )
            fix = f"correct the values in the raw data and {PREPARE_AGAIN}"
            yield Finding.error(case.uid, problem, "the raw data mark voxels by the largest number there is", fix)
        elif channel.min() == channel.max():
            problem = f"channel {name} is {channel.min():g} everywhere"
            fix = f"nothing if the channel may be empty; otherwise export the image again and {PREPARE_AGAIN}"
            yield Finding.warning(case.uid, problem, "the export wrote an empty image", fix)


def _retyped(uid: str, file: str, array: str, found: str, expected: str) -> Finding:
    fix = f"run `lesslabel verify --fix`, which restores it if no value changes; otherwise {PREPARE_AGAIN}"
    return Finding.error(uid, f"{file} keeps '{array}' as {found}, not {expected}", "another program rewrote it", fix)


def _digest_image(case: Case) -> str:
    digest = hashlib.sha256(str(case.image.shape).encode())
    digest.update(np.ascontiguousarray(case.image).data)
    return digest.hexdigest()


def _show(sides_mm: Sequence[float] | NDArray[np.float64]) -> str:
    return "(" + ", ".join(f"{side:.4g}" for side in sides_mm) + ")"
