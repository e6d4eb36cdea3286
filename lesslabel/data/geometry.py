"""How the voxels of a case lie in the patient: which way the axes run, in letters and in words."""

from collections import Counter
from collections.abc import Sequence
from itertools import permutations

import numpy as np
from nibabel.orientations import aff2axcodes
from numpy.typing import NDArray

_PLANES = {"L": "sagittal", "R": "sagittal", "P": "coronal", "A": "coronal", "I": "axial", "S": "axial"}

_DIRECTIONS = ("LR", "PA", "IS")
_LEAST_COSINE = 0.57
"""Of the angle between an axis and the direction it is named by: 55°, so that slices tilted by 35° to 55° have two
names, and two cases on both sides of 45° have one in common."""


def axis_codes(affine: NDArray[np.float64] | None) -> str:
    """Where the axes z, y, x of an image run to, a letter each: ``"SAR"`` is axial with x to the right of the patient.

    Args:
        affine: 4×4, from the voxel (x, y, z, 1) to RAS+ mm; None if nobody knows.

    Returns:
        Three of the letters L R P A I S, each scanner axis once; empty without a usable affine.
    """
    if affine is None or affine.shape != (4, 4) or not np.isfinite(affine[:3, :3]).all():
        return ""
    codes = aff2axcodes(affine)
    return "" if None in codes else "".join(reversed(codes))


def possible_axis_codes(affine: NDArray[np.float64] | None) -> tuple[str, ...]:
    """Every name of the axes z, y, x that fits, the nearest first: `axis_codes`, and another where they are oblique.

    Args:
        affine: as in `axis_codes`.

    Returns:
        Each as in `axis_codes`; empty without a usable affine.
    """
    if affine is None or not (nearest := axis_codes(affine)):
        return ()
    cosines = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    fitting = {nearest: np.inf}
    for directions in permutations(range(3)):
        along = [float(cosines[direction, axis]) for axis, direction in enumerate(directions)]
        if min(map(abs, along)) >= _LEAST_COSINE:
            letters = [_DIRECTIONS[direction][cosine > 0] for direction, cosine in zip(directions, along, strict=True)]
            fitting.setdefault("".join(reversed(letters)), sum(map(abs, along)))
    return tuple(sorted(fitting, key=lambda codes: -fitting[codes]))


def usual_axis_codes(cases: Sequence[tuple[str, ...]]) -> str:
    """The name of axes that fits most of some cases, each given by `possible_axis_codes`; at least one is not empty."""
    fitting = Counter(codes for possible in cases for codes in possible)
    nearest = Counter(possible[0] for possible in cases if possible)
    return max(fitting, key=lambda codes: (fitting[codes], nearest[codes]))


def plane_of(codes: str) -> str:
    """The plane of the slices of an image with such axes: ``"axial"``, ``"coronal"`` or ``"sagittal"``."""
    return _PLANES[codes[0]] if codes else "unknown"


def scanner_axes(codes: str) -> str:
    """The same without the direction: ``"SAR"`` for both ``"SAR"`` and ``"IPL"``."""
    return "".join({"L": "R", "P": "A", "I": "S"}.get(letter, letter) for letter in codes)
