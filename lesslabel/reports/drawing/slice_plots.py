"""One slice of one case, as the pictures show it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LabelMap = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class SlicePlot:
    """One slice of one case, ready to draw.

    Attributes:
        uid: the case.
        why: ``"best"``, ``"median"``, ``"worst"`` …
        slice_index: z of the slice, from 0.
        slices: number of slices of the case.
        image: (y, x) first channel, intensities of the source.
        spacing_mm: pixel size (y, x).
        truth: (y, x) reference labels.
        supervision: name and (y, x) labels of a weak annotation of this case, unknown = `IGNORE`; None if it has none.
        predictions: (y, x) labels, one per method; None if no prediction was stored.
    """

    uid: str
    why: str
    slice_index: int
    slices: int
    image: NDArray[np.float32]
    spacing_mm: tuple[float, float]
    truth: LabelMap
    supervision: tuple[str, LabelMap] | None
    predictions: tuple[LabelMap | None, ...]
