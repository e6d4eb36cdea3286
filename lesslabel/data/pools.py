"""What batches draw from: the slices or volumes that show an annotation, and those that do not."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from lesslabel.data.case import IGNORE
from lesslabel.data.case_file import read_covered_slices
from lesslabel.data.datasets import Grid
from lesslabel.data.resize import resize_labels
from lesslabel.data.sampling import Unit
from lesslabel.data.store import CaseRecord, Store


def divide_units(
    store: Store, records: Sequence[CaseRecord], supervision: Mapping[str, str], grid: Grid, dimensions: int
) -> tuple[list[Unit], list[Unit]]:
    """Divide training cases into labelled and unlabelled units.

    Args:
        store: where the cases lie; no voxel is read.
        records: the training cases.
        supervision: annotation by uid, for the cases that show one.
        grid: the network's grid, on which slices are counted.
        dimensions: 2 makes every slice a unit, 3 every case. A slice is labelled if its annotation speaks of it, a
            case if its annotation speaks of any slice.

    Returns:
        Labelled and unlabelled units, in the order of the records.

    Raises:
        DataError: if a case file cannot be read.
    """
    labelled: list[Unit] = []
    unlabelled: list[Unit] = []
    for record in records:
        known = _known_slices(store, record, supervision.get(record.uid), grid)
        if dimensions == 3:
            (labelled if known.any() else unlabelled).append(Unit(record.uid, None))
            continue
        for index, is_known in enumerate(known):
            (labelled if is_known else unlabelled).append(Unit(record.uid, index))
    return labelled, unlabelled


def _known_slices(store: Store, record: CaseRecord, annotation: str | None, grid: Grid) -> NDArray[np.bool_]:
    """Whether an annotation speaks of each slice on the network's grid."""
    depth = grid.shape_of(record)[0]
    if annotation is None:
        return np.zeros(depth, dtype=np.bool_)
    covered = read_covered_slices(store.case_path(record.uid), annotation)
    if covered is None:
        return np.ones(depth, dtype=np.bool_)
    # resampled as the labels are, so that a slice is known exactly where its target is
    column = np.where(np.isin(np.arange(record.depth), covered), 0, IGNORE).astype(np.uint8)
    known: NDArray[np.bool_] = resize_labels(column[:, None, None], (depth, 1, 1))[:, 0, 0] != IGNORE
    return known
