"""The images of a folder, each a case of its own: what there is before anybody drew a label."""

import re
from pathlib import Path

from lesslabel.data.formats.endings import has_ending
from lesslabel.data.formats.reading import DICOM, ENDINGS, SEGMENTATION, without_ending
from lesslabel.data.sources.base import RawCase
from lesslabel.data.sources.table import locate_case
from lesslabel.errors import DataError

_IMAGES = tuple(ending for ending in ENDINGS if ending not in (SEGMENTATION, DICOM))
_LABEL_WORDS = frozenset(
    {"seg", "segmentation", "label", "labels", "mask", "gt", "groundtruth", "annotation", "scribble"}
)

_FIRST, _SECOND = "_0000", "_0001"
"""As nnU-Net numbers the channels of a case."""


def list_images(folder: Path) -> list[RawCase]:
    """List the image files of a folder, and its folders of DICOM slices, by name; each is a patient.

    Args:
        folder: of the images; what lies deeper is not read.

    Raises:
        DataError: if it holds a table, no image, or a file that is named as a label map
            or as a second channel is.
    """
    paths = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    if tables := [path for path in paths if path.suffix.lower() == ".csv"]:
        raise DataError(f"{folder}: holds a table; name {tables[0]}, or move it away to read the images alone")
    if any(has_ending(path, DICOM) for path in paths):
        raise DataError(f"{folder}: one DICOM series; name the folder above, with a folder for every series")
    images = [path for path in paths if _is_image(path)]
    if not images:
        raise DataError(f"{folder}: no images in it; convert them to .nii.gz, or name a table of their paths")
    names = {without_ending(path.name) for path in images}
    for path in images:
        name = without_ending(path.name)
        if has_ending(path, SEGMENTATION) or _LABEL_WORDS & set(re.split(r"[\W_]+", name.lower())):
            raise DataError(f"{path}: named as a label map is; write a table of images and labels (docs/own_data.md)")
        if name.endswith(_SECOND) and name.removesuffix(_SECOND) + _FIRST in names:
            first = name.removesuffix(_SECOND) + _FIRST
            raise DataError(
                f"{path}: by its name a second channel of {first}; write a table with a column for every channel, or "
                "number the images from 1"
            )
    return [locate_case({"image": path.name}, folder, str(path)) for path in images]


def _is_image(path: Path) -> bool:
    if path.is_dir():
        return any(has_ending(inside, DICOM) for inside in path.iterdir())
    return has_ending(path, _IMAGES)
