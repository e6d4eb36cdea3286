"""NRRD files in, with axes turned to (z, y, x) and geometry kept."""

import re
from pathlib import Path
from typing import Any

import numpy as np

from lesslabel.data.nifti import NiftiVolume
from lesslabel.errors import DataError

_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
"""ITK's axes point to the left, back and head of the patient; an affine's to the right, front and head."""
_SEGMENT_NAME = re.compile(r"Segment(\d+)_Name")


def read_nrrd(path: Path) -> NiftiVolume:
    """Read a volume of 3 dimensions and one channel.

    Returns:
        ``array`` is (z, y, x) in the file's number type; spacing and affine are those of `lesslabel.data.nifti`.

    Raises:
        DataError: if the file is absent, damaged, or of another shape.
    """
    import SimpleITK  # only these files pay for its import

    image = _read(path)
    if image.GetDimension() != 3 or image.GetNumberOfComponentsPerPixel() != 1:
        raise DataError(
            f"{path}: {image.GetDimension()} dimensions and {image.GetNumberOfComponentsPerPixel()} channels; "
            "expected 3 dimensions and one channel"
        )
    spacing_x_mm, spacing_y_mm, spacing_z_mm = image.GetSpacing()
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    return NiftiVolume(
        SimpleITK.GetArrayFromImage(image), (spacing_z_mm, spacing_y_mm, spacing_x_mm), _TO_RAS @ affine, Path(path)
    )


def read_segments(path: Path) -> dict[str, int]:
    """Read the names that a segmentation of 3D Slicer (``.seg.nrrd``) gives to its label values; empty if it has none.

    Raises:
        DataError: if the file is absent or damaged, or two segments share a name.
    """
    image = _read(path)
    segments: dict[str, int] = {}
    for key in image.GetMetaDataKeys():
        if not (match := _SEGMENT_NAME.fullmatch(key)):
            continue
        name, value = image.GetMetaData(key), f"Segment{match[1]}_LabelValue"
        if name in segments:
            raise DataError(f"{path}: two segments are named '{name}'; rename one")
        segments[name] = int(image.GetMetaData(value)) if image.HasMetaDataKey(value) else int(match[1]) + 1
    return segments


def _read(path: Path) -> Any:
    import SimpleITK

    reader = SimpleITK.ImageFileReader()
    reader.SetFileName(str(path))
    reader.SetImageIO("NrrdImageIO")
    try:
        return reader.Execute()
    except RuntimeError as error:
        reason = " ".join(str(error).split())[-200:]
        raise DataError(f"{path}: not a readable NRRD file ({reason}); copy it again") from error
