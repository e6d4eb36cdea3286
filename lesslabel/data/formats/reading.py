"""Read images and label maps of any format; axes are (z, y, x) and the geometry is kept."""

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lesslabel.data.case import IGNORE
from lesslabel.data.formats import endings, nifti, pictures
from lesslabel.data.formats.endings import has_ending
from lesslabel.data.formats.grid import lay_on
from lesslabel.data.formats.meta_image import read_meta_image
from lesslabel.data.formats.nifti import NiftiVolume, as_image, as_label_map
from lesslabel.data.formats.nrrd import list_segments, read_metadata, read_nrrd_file
from lesslabel.data.formats.pictures import is_mask_picture, read_picture
from lesslabel.data.formats.seg_nrrd import read_segmentation
from lesslabel.data.formats.segments import merge_segments
from lesslabel.errors import DataError

SEGMENTATION = ".seg.nrrd"
DICOM = ".dcm"
ENDINGS = (".nii.gz", ".nii", SEGMENTATION, ".nrrd", ".nhdr", ".mha", ".mhd", *pictures.ENDINGS, DICOM)
"""Endings of all supported files; a folder is read as a DICOM series."""


def without_ending(name: str) -> str:
    """The name of a file without the ending of its format; other names are returned unchanged."""
    return endings.without_ending(name, ENDINGS)


def read_image(path: Path) -> NiftiVolume:
    """Read an image: a file of any of `ENDINGS`, or the folder of a DICOM series.

    Returns:
        ``array`` is (C, z, y, x) float32; a 2D image has z = 1.

    Raises:
        DataError: if it is absent, damaged, of another format, or its geometry is impossible.
    """
    path = Path(path)
    if path.is_dir():
        from lesslabel.data.formats.dicom import read_series

        series = read_series(path)
        return NiftiVolume(series.array[None], series.spacing_mm, series.affine, path)
    if has_ending(path, DICOM):
        raise DataError(f"{path}: one slice of a series, or no image; name the folder of the series")
    return as_image(read_picture(path, colours=True) if has_ending(path, pictures.ENDINGS) else _read(path))


def read_labels(
    path: Path, image: NiftiVolume, names: Mapping[int, str], *, outside: int = 0, same_grid: bool = False
) -> NDArray[Any]:
    """Read a label map that belongs to an image.

    Plain label maps must lie on the image's grid, its axes in any order and direction. Of files whose segments have
    names (``.seg.nrrd``, DICOM-SEG, RTSTRUCT) the segments named as labels are taken, on any part of the grid
    they lie. A picture with the values 0 and 255 only is a mask if 1 is the only label.

    Args:
        path: the file.
        image: the image with the grid.
        names: label codes and names.
        outside: the value of voxels outside all segments, if segments have names.
        same_grid: take the voxels of a plain label map in the image's order and ignore its header.

    Returns:
        Integers (z, y, x), not yet checked against the codes.

    Raises:
        DataError: if the file is damaged, on another grid, or its segments overlap or have none of the names.
    """
    if has_segments(path):
        if same_grid:
            raise DataError(f"{path}: named segments are placed by their header; leave this case out of --same-grid")
        codes = {name: code for code, name in names.items()} | ({"background": 0} if outside else {})
        found = list_names(path)
        if not (wanted := [name for name in found if name in codes]):
            raise DataError(
                f"{path}: no segment is named as a label; its segments are {', '.join(found) or 'none'}, the labels "
                f"{', '.join(codes)}; name them in LABELS"
            )
        return merge_segments(path, _segments(path, image, wanted), codes, image.array.shape[-3:], outside)
    values = lay_on(image, read_label_map(path), same_grid=same_grid).array
    if set(names) == {1} and outside != IGNORE and is_mask_picture(path, values):
        return values // IGNORE
    return values


def read_label_map(path: Path) -> NiftiVolume:
    """Read a plain label map; see `lesslabel.data.formats.nifti.read_label_map`."""
    if has_ending(path, (".jpg", ".jpeg")):
        raise DataError(f"{path}: JPEG changes the values of a label map; save it as PNG")
    return as_label_map(_read(path))


def has_segments(path: Path) -> bool:
    """Whether a label file holds the names of its segments."""
    if has_ending(path, SEGMENTATION):
        return bool(list_segments(path, read_metadata(path)))
    return has_ending(path, DICOM)


def list_names(path: Path) -> list[str]:
    """The names of a file's segments, without reading a voxel.

    Raises:
        DataError: if it is damaged or holds no names.
    """
    if has_ending(path, DICOM):
        from lesslabel.data.formats.dicom_segments import list_dicom_segments

        return list_dicom_segments(path)
    return [segment.name for segment in list_segments(path, read_metadata(path))]


def _read(path: Path) -> NiftiVolume:
    """(C, z, y, x) in the file's number type."""
    if has_ending(path, (".nii", ".nii.gz")):
        return nifti.read_volume(path)
    if has_ending(path, (".nrrd", ".nhdr")):
        return read_nrrd_file(path).volume
    if has_ending(path, (".mha", ".mhd")):
        return read_meta_image(path)
    if has_ending(path, pictures.ENDINGS):
        return read_picture(path)
    raise DataError(f"{path}: not a format that is read; expected {', '.join(ENDINGS)}")


def _segments(path: Path, image: NiftiVolume, wanted: Collection[str]) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Name and voxels (z, y, x) on the image's grid of each segment that is wanted."""
    if has_ending(path, DICOM):
        from lesslabel.data.formats.dicom_segments import read_dicom_segments

        yield from read_dicom_segments(path, image, wanted)
        return
    segmentation = read_segmentation(path).place_on(image)
    segmentation.require_named()
    for segment in segmentation.segments:
        if segment.name in wanted:
            yield segment.name, segmentation.mask(segment)
