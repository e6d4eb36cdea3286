"""Units, affines and scaling of a NIfTI header."""

import math
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from lesslabel.data.case import NO_PLACE, Qform
from lesslabel.data.formats.tolerance import TOLERANCE_VOXEL, displacement_voxel
from lesslabel.errors import DataError

Spacing = tuple[float, float, float]

_QUATERNION = ("quatern_b", "quatern_c", "quatern_d")
_UNIT_BITS = 0x07
_UNITS_MM = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}
"""Not stated, metres, millimetres, micrometres."""
_LARGEST_ROUNDING = 0.05
"""More than this beside a whole number is no rounding: an interpolated label map has values in between."""
FLOAT_ROUNDING = 1e-4
"""What numbers stored as floats cannot hold: programs compute label maps in single precision."""


def unit_of(path: Path, header: Any) -> float:
    """The unit of length in mm; without a unit in the header it is mm.

    Raises:
        DataError: if its code is not that of a unit of length.
    """
    code = int(header["xyzt_units"]) & _UNIT_BITS
    if code not in _UNITS_MM:
        raise DataError(f"{path}: unit of length {code} in xyzt_units is not known; correct it to 2, millimetres")
    return _UNITS_MM[code]


def affine_of(path: Path, header: Any, unit_mm: float) -> NDArray[np.float64]:
    """The affine in mm, by the sform, the qform or the voxel size; completes the header in memory.

    Raises:
        DataError: if qform_code is above 0 and the qform is no rotation, beside an sform too.
    """
    if not header["pixdim"][0]:
        header["pixdim"][0] = 1.0  # as the standard has it
    if int(header["qform_code"]) > 0:
        _require_rotation(path, header)
    return _to_mm(header.get_best_affine(), unit_mm)


def second_place(header: Any, affine: NDArray[np.float64], unit_mm: float, shape: tuple[int, ...]) -> Qform | None:
    """Where ITK programs may see the image: by the qform beside an sform, or by its voxel size alone.

    Returns:
        None if it is the same place, to `TOLERANCE_VOXEL` of every corner.
    """
    codes = int(header["sform_code"]), int(header["qform_code"])
    if max(codes) <= 0:
        second = _to_mm(np.diag([-1.0, -1.0, 1.0, 1.0]) @ np.diag([*header["pixdim"][1:4], 1.0]), unit_mm)
        codes = NO_PLACE
    elif min(codes) > 0:
        second = _to_mm(header.get_qform(), unit_mm)
    else:
        return None
    if not np.isfinite(second).all() or np.linalg.det(affine) == 0.0 or np.linalg.det(second) == 0.0:
        return None
    return Qform(second, codes) if displacement_voxel(affine, second, shape) > TOLERANCE_VOXEL else None


def make_image(
    values: NDArray[Any], spacing_mm: Spacing, affine: NDArray[np.float64], qform: Qform | None
) -> nib.Nifti1Image:
    """A NIfTI-1 image (x, y, z, …), with the same two places as the original, or without one as the original."""
    image = nib.Nifti1Image(values, affine)
    image.header.set_zooms((*reversed(spacing_mm), *[1.0] * (values.ndim - 3)))
    if qform is not None and qform.codes == NO_PLACE:
        if np.allclose(affine, image.header.get_base_affine()):
            image.header["sform_code"], image.header["qform_code"] = NO_PLACE
            return nib.Nifti1Image(values, None, image.header)
        qform = None  # a part of the original, whose place is no longer that of a header without one
    sform_code, qform_code = ("scanner", "scanner") if qform is None else qform.codes
    image.set_qform(affine if qform is None else qform.affine, code=qform_code)
    image.set_sform(affine, code=sform_code)
    image.header.set_zooms((*reversed(spacing_mm), *[1.0] * (values.ndim - 3)))
    return image


def _to_mm(affine: NDArray[Any], unit_mm: float) -> NDArray[np.float64]:
    """An affine in the header's unit of length as one in mm."""
    placed = np.array(affine, dtype=np.float64)
    placed[:3] *= unit_mm
    return placed


def _require_rotation(path: Path, header: Any) -> None:
    """Refuse a quaternion longer than 1, which programs make different rotations of; a rounded one is shortened."""
    parts = [float(header[name]) for name in _QUATERNION]
    length = math.hypot(*parts)
    if length**2 > 1.0 + FLOAT_ROUNDING:
        shown = ", ".join(f"{part:.4g}" for part in parts)
        raise DataError(f"{path}: quatern_b, c, d ({shown}) are no rotation; set qform_code to 0 or correct them")
    if length > 1.0:
        for name, part in zip(_QUATERNION, parts, strict=True):
            header[name] = part / length


def rounding_of(header: Any) -> float:
    """Half a step of the scaling, at most `_LARGEST_ROUNDING`; of floats, their rounding error."""
    slope, _ = header.get_slope_inter()
    if slope is None or slope == 1.0:
        return 0.0
    step = abs(float(slope)) / 2 + FLOAT_ROUNDING if header.get_data_dtype().kind in "iu" else FLOAT_ROUNDING
    return min(step, _LARGEST_ROUNDING)


def spacing_of(path: Path, header: Any, depth: int, unit_mm: float) -> Spacing:
    """The voxel size (z, y, x) in mm.

    Raises:
        DataError: if a side is not positive.
    """
    stored = [float(side) for side in header["pixdim"][1:4]]
    if depth == 1 and stored[2] == 0.0:
        stored[2] = 1.0  # a 2D image needs no thickness
    if not all(math.isfinite(side) and side > 0.0 for side in stored):
        raise DataError(f"{path}: voxel size (x, y, z) {stored} mm must be positive; correct pixdim in the header")
    return stored[2] * unit_mm, stored[1] * unit_mm, stored[0] * unit_mm
