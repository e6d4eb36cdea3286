"""HC18: the fetal head in 1334 ultrasound images, to measure its circumference.

Van den Heuvel et al., "Automated measurement of fetal head circumference using 2D ultrasound images", PLOS ONE 2018;
data: doi 10.5281/zenodo.1322001.
"""

import math
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from lesslabel.csv_table import read_rows
from lesslabel.data.case import Annotation, Case, Kind
from lesslabel.data.sources.base import RawCase, Source
from lesslabel.data.sources.checks import sorted_unique
from lesslabel.data.sources.grey_picture import read_grey
from lesslabel.errors import DataError

_TABLES = {"training": "training_set_pixel_size_and_HC.csv", "test": "test_set_pixel_size.csv"}
_NAME, _SIZE = "filename", "pixel size(mm)"
_IMAGE = re.compile(r"((\d+)_\d*HC)\.png")


class HC18(Source):
    """The archive as published: ``training_set/000_HC.png``, ``000_HC_Annotation.png`` and a table of pixel sizes.

    An annotation is the outline of an ellipse; the label is its interior within the image. Images of one number,
    ``010_HC`` and ``010_2HC``, are of one examination: they have one patient. ``test_set`` has no published
    annotations, its cases are unlabelled; its numbers are of other patients, so every name begins with its part.

    Args:
        raw: folder of ``training_set`` and ``training_set_pixel_size_and_HC.csv``, of ``test_set`` too or not.
    """

    name = "hc18"
    labels: Mapping[int, str] = MappingProxyType({1: "head"})

    def list_cases(self) -> list[RawCase]:
        """List the images by part and number; see `Source.list_cases`."""
        cases = []
        for part, table in _TABLES.items():
            for image in (self.raw / f"{part}_set").glob("*.png"):
                if match := _IMAGE.fullmatch(image.name):
                    files = {"image": image, "dense": image.with_name(f"{match[1]}_Annotation.png")}
                    files = {role: path for role, path in files.items() if role == "image" or path.exists()}
                    files["pixel size"] = self.raw / table
                    cases.append(RawCase(uid=f"{part}_{match[1]}", patient=f"{part}_{match[2]}", files=files))
        if not cases:
            raise DataError(f"{self.raw}: no HC18 data; expected training_set/000_HC.png and {_TABLES['training']}")
        return sorted_unique(cases)

    def read(self, raw: RawCase) -> Case:
        """Read one image; see `Source.read`."""
        path = raw.files["image"]
        image = read_grey(path)
        side_mm = _read_pixel_sizes(raw.files["pixel size"]).get(path.name, math.nan)
        if not 0.0 < side_mm < math.inf:
            raise DataError(f"{raw.files['pixel size']}: no pixel size of {path.name}; copy it again")
        annotations = {}
        if "dense" in raw.files:
            annotations["dense"] = Annotation(_enclosed(raw.files["dense"], image.shape)[None], Kind.DENSE)
        return Case(
            uid=raw.uid,
            patient=raw.patient,
            image=image[None, None].astype(np.float32),
            spacing_mm=(1.0, side_mm, side_mm),
            modality="US",
            annotations=annotations,
        )


def _read_pixel_sizes(table: Path) -> dict[str, float]:
    """Side of a pixel in mm by file name."""
    try:
        return {row.cells[_NAME]: float(row.cells[_SIZE]) for row in read_rows(table, fix="copy it again").rows}
    except (KeyError, ValueError) as error:
        raise DataError(f"{table}: not a table with '{_NAME}' and '{_SIZE}' ({error}); copy it again") from error


def _enclosed(path: Path, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """The interior of an outline, outline included; the border of the image closes an open one."""
    from skimage.morphology import convex_hull_image  # slow to import, needed for these files only

    outline = read_grey(path) > 0
    if outline.shape != shape:
        raise DataError(f"{path}: shape {outline.shape}, its image has {shape}; copy it again")
    if not outline.any():
        raise DataError(f"{path}: no outline in it; copy it again")
    # an ellipse is convex, and so is its part inside the image
    enclosed: NDArray[np.uint8] = convex_hull_image(outline).astype(np.uint8)
    return enclosed
