"""Numbers over many cases that a receiver can use in place of the cases."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from lesslabel.data.case import Kind
from lesslabel.data.loading.merge import merge_annotations
from lesslabel.data.loading.module import SegmentationDataModule

QUANTILE_COUNT = 256


def average_quantiles(images: Iterable[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Average the quantile functions of images.

    The mean of quantile functions is the distribution nearest to all of them (the one-dimensional Wasserstein
    barycentre). Its ends are means too, not the darkest and brightest voxel of any image.

    Args:
        images: (C, z, y, x) each, at least one.

    Returns:
        (C, 256): the quantiles 0, 1/255 … 1, each the mean over images.
    """
    levels = np.linspace(0.0, 1.0, QUANTILE_COUNT)
    tables = (np.quantile(image.reshape(len(image), -1), levels, axis=1).T for image in images)
    total, count = next(tables), 1
    for table in tables:
        total, count = total + table, count + 1
    # rounding may swap neighbours that are almost equal
    rising: NDArray[np.float64] = np.maximum.accumulate(total / count, axis=1)
    return rising.astype(np.float32)


def measure_class_shares(data: SegmentationDataModule, least_patients: int) -> tuple[float, ...]:
    """Measure which share of the voxels each class has, on the network's grid.

    Args:
        data: the dense labels in the view of its training part are counted.
        least_patients: the least number of patients with such labels.

    Returns:
        One share for each class, background first, summing to 1; empty if too few patients have dense labels of all
        classes, or a class has no voxel.
    """
    loader, patients = data.loader(data.training_store), set()
    counts = np.zeros(len(loader.mapping.names), dtype=np.int64)
    for uid, shown in sorted(data.shown().items()):
        case = loader.read(uid)
        target = merge_annotations(case, shown, loader.mapping, loader.shape_of(case))
        annotated = (target.kinds == int(Kind.DENSE)) & target.annotated_labels.all(axis=1)
        if annotated.any():
            patients.add(case.patient)
            counts += np.bincount(target.labels[annotated].reshape(-1), minlength=256)[: len(counts)]
    if len(patients) < least_patients or not counts.all():
        return ()
    return tuple((counts / counts.sum()).tolist())
