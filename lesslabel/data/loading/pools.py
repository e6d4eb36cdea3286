"""The pools that batches sample from: labelled and unlabelled slices or volumes."""

from collections.abc import Mapping, Sequence

import numpy as np

from lesslabel.data.loading.case_loader import Grid
from lesslabel.data.loading.merge import slices_on_grid
from lesslabel.data.loading.sampling import SampleSource
from lesslabel.data.store import CaseRecord
from lesslabel.data.view import VisibleAnnotation


def divide_labelled(
    records: Sequence[CaseRecord], shown: Mapping[str, Sequence[VisibleAnnotation]], grid: Grid, dimensions: int
) -> tuple[list[SampleSource], list[SampleSource]]:
    """Divide training cases into labelled and unlabelled sample sources.

    Args:
        records: the training cases.
        shown: supervising annotations by uid, for the labelled cases.
        grid: the network's grid, on which slices are counted.
        dimensions: 2 makes every slice a sample source, 3 every case. A slice is labelled if an annotation supervises
            it, a case if any of its slices is.

    Returns:
        Labelled and unlabelled sample sources, in the order of the records.
    """
    labelled: list[SampleSource] = []
    unlabelled: list[SampleSource] = []
    for record in records:
        depth = grid.shape_of(record)[0]
        known = np.zeros(depth, dtype=np.bool_)
        for entry in shown.get(record.uid, ()):
            known |= slices_on_grid(entry.slices, record.depth, depth)
        if dimensions == 3:
            (labelled if known.any() else unlabelled).append(SampleSource(record.uid, None))
            continue
        for index, is_known in enumerate(known):
            (labelled if is_known else unlabelled).append(SampleSource(record.uid, index))
    return labelled, unlabelled
