"""Dice and ASSD of one object, for loops that score it after every click."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lesslabel.errors import DataError
from lesslabel.evaluation.label_maps import find_thin_axis
from lesslabel.kernels.distances import nearest_distances
from lesslabel.kernels.regions import BOTH, PRED, REF, border_voxels, measure_regions


def object_scores(
    prediction: NDArray[np.bool_], truth: NDArray[np.bool_], spacing_mm: Sequence[float]
) -> tuple[float, float]:
    """Score a mask as `segmentation_metrics` does, but without building tables.

    Args:
        prediction: ([z,] y, x) bool.
        truth: the same shape, with at least one voxel.
        spacing_mm: voxel size ([z,] y, x) in mm.

    Returns:
        Dice in [0, 1] and the average symmetric surface distance in mm. An empty prediction has Dice 0 and the diagonal
        of the grid.

    Raises:
        DataError: if the masks differ in shape, or there is no object.
    """
    if prediction.shape != truth.shape:
        raise DataError(f"prediction: shape {prediction.shape}, the truth {truth.shape}; pass masks of one grid")
    if (thin := find_thin_axis(truth.shape)) is not None:
        prediction, truth = prediction.squeeze(thin), truth.squeeze(thin)
        spacing_mm = [side for axis, side in enumerate(spacing_mm) if axis != thin]
    planar = truth.ndim == 2
    pred, ref = (np.ascontiguousarray(mask[None] if planar else mask).view(np.uint8) for mask in (prediction, truth))
    sizes, boxes = measure_regions(pred, ref, 1)
    in_pred, in_ref, in_both = (int(sizes[which, 1]) for which in (PRED, REF, BOTH))
    if not in_ref:
        raise DataError("truth: empty; there is no object to score")
    if not in_pred:
        return 0.0, math.hypot(*(size * side for size, side in zip(truth.shape, spacing_mm, strict=True)))
    spacing_zyx = 1.0 if planar else float(spacing_mm[0]), float(spacing_mm[-2]), float(spacing_mm[-1])
    pred_border, ref_border = (
        border_voxels(pred, 1, boxes[PRED, 1], planar),
        border_voxels(ref, 1, boxes[REF, 1], planar),
    )
    there = nearest_distances(pred_border, ref_border, spacing_zyx)
    back = nearest_distances(ref_border, pred_border, spacing_zyx)
    return 2 * in_both / (in_pred + in_ref), float(np.concatenate([there, back]).mean())
