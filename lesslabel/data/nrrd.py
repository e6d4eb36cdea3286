"""NRRD files in, with axes turned to (z, y, x) and geometry kept."""

from pathlib import Path

import numpy as np

from lesslabel.data.nifti import NiftiVolume
from lesslabel.errors import DataError

_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
"""ITK's axes point to the left, back and head of the patient; an affine's to the right, front and head."""


def read_nrrd(path: Path) -> NiftiVolume:
    """Read a volume of 3 dimensions and one channel.

    Returns:
        ``array`` is (z, y, x) in the file's number type; spacing and affine are those of `lesslabel.data.nifti`.

    Raises:
        DataError: if the file is absent, damaged, or of another shape.
    """
    import SimpleITK  # only these files pay for its import

    reader = SimpleITK.ImageFileReader()
    reader.SetFileName(str(path))
    reader.SetImageIO("NrrdImageIO")
    try:
        image = reader.Execute()
    except RuntimeError as error:
        reason = " ".join(str(error).split())[-200:]
        raise DataError(f"{path}: not a readable NRRD file ({reason}); copy it again") from error
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
