"""Export to 3D Slicer: images as NIfTI, segmentations as ``.seg.nrrd`` with names and colours."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from lesslabel.data.case import IGNORE
from lesslabel.data.exchange.base import (
    UNKNOWN,
    ExportedCase,
    Names,
    colour_of,
    image_names,
    shown_affine_of,
    write_channels,
)
from lesslabel.data.formats.seg_nrrd import Segment, SegNrrd, write_segmentation
from lesslabel.errors import DataError


def write_slicer(folder: Path, cases: Iterator[ExportedCase], names: Names) -> None:
    """Write ``images/`` and ``segmentations/``.

    Every case gets a segmentation, empty without an annotation, so that people use the right names. It has
    a segment for every label that the annotation covers, and one named ``unknown`` if there are unknown voxels.

    Raises:
        DataError: if a label of the store is named ``unknown``.
    """
    if UNKNOWN in names.labels.values():
        raise DataError(f"a label of the store is named '{UNKNOWN}', as unknown voxels are; name it otherwise")
    for case in cases:
        write_channels(folder / "images", case.case, image_names(case))
        path = folder / "segmentations" / f"{case.stem}.seg.nrrd"
        write_segmentation(path, _segmentation(path, case, names))


def _segmentation(path: Path, case: ExportedCase, names: Names) -> SegNrrd:
    covered = None
    labels = np.zeros(case.case.shape, dtype=np.uint8)
    if case.annotation is not None:
        labels, covered = case.annotation.labels, case.annotation.covered_labels
    shown = {code: name for code, name in names.labels.items() if covered is None or code in covered}
    if (labels == IGNORE).any():
        shown[IGNORE] = UNKNOWN
    segments = []
    for code, name in shown.items():
        red, green, blue = colour_of(code)
        segments.append(Segment(name, code, colour=(red / 255, green / 255, blue / 255)))
    return SegNrrd(labels[None], tuple(segments), case.case.spacing_mm, shown_affine_of(case.case), path)
