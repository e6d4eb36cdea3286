"""How the voxels of a case lie in the patient: which way the axes run, in letters and in words."""

import numpy as np
from nibabel.orientations import aff2axcodes
from numpy.typing import NDArray

_PLANES = {"L": "sagittal", "R": "sagittal", "P": "coronal", "A": "coronal", "I": "axial", "S": "axial"}


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


def plane_of(codes: str) -> str:
    """The plane of the slices of an image with such axes: ``"axial"``, ``"coronal"`` or ``"sagittal"``."""
    return _PLANES[codes[0]] if codes else "unknown"


def scanner_axes(codes: str) -> str:
    """The same without the direction: ``"SAR"`` for both ``"SAR"`` and ``"IPL"``."""
    return "".join({"L": "R", "P": "A", "I": "S"}.get(letter, letter) for letter in codes)
