"""Merge the supervising annotations of a case to one target on the network's grid, slice by slice."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from lesslabel.data.case import IGNORE, Case, Kind
from lesslabel.data.loading.resize import VolumeShape, resize_image, resize_labels, to_tensor
from lesslabel.data.store.finite import count_not_finite
from lesslabel.data.view import LabelMapping, VisibleAnnotation, make_target
from lesslabel.errors import DataError


@dataclass(frozen=True, eq=False)
class GridTarget:
    """The supervising label map of a case on the network's grid.

    Attributes:
        labels: (z, y, x) uint8 class indices, `IGNORE` where unknown.
        kinds: (z,) int64, the `Kind` of each slice, `Kind.NONE` where no annotation covers it.
        annotated_labels: (z, C) bool, the classes that the annotation of each slice covers; all where there is none.
        weight: (z, y, x) float32 confidence, 1 for annotations without one; None if no annotation has one.
    """

    labels: NDArray[np.uint8]
    kinds: NDArray[np.int64]
    annotated_labels: NDArray[np.bool_]
    weight: NDArray[np.float32] | None = None


def merge_annotations(
    case: Case, shown: Sequence[VisibleAnnotation], mapping: LabelMapping, shape: VolumeShape
) -> GridTarget:
    """Resample the supervising annotations of a case to the network's grid; each slice uses the first that covers it.

    Args:
        case: the case.
        shown: its supervising annotations, best first; without any, everything is unknown.
        mapping: from label codes to classes.
        shape: (z, y, x) of the grid.

    Raises:
        DataError: if a confidence is not finite.
    """
    labels = np.full(shape, IGNORE, dtype=np.uint8)
    kinds = np.full(shape[0], int(Kind.NONE), dtype=np.int64)
    annotated = np.ones((shape[0], len(mapping.names)), dtype=np.bool_)
    weight = None
    for entry in shown:
        target = make_target(case.annotations[entry.annotation], mapping, entry.slices, entry.boxes)
        fresh = slices_on_grid(target.slices, len(target.labels), shape[0]) & (kinds == int(Kind.NONE))
        labels[fresh] = resize_labels(target.labels, shape)[fresh]
        kinds[fresh] = int(target.kind)
        annotated[fresh] = target.annotated_labels
        if target.confidence is not None:
            if strange := count_not_finite(target.confidence):
                raise DataError(
                    f"case {case.uid}: the confidence of annotation '{entry.annotation}' has {strange} voxels that are "
                    "NaN or infinite; write it again, in [0, 1]"
                )
            weight = np.ones(shape, dtype=np.float32) if weight is None else weight
            weight[fresh] = resize_image(to_tensor(target.confidence)[None], shape)[0].numpy()[fresh]
    return GridTarget(labels, kinds, annotated, weight)


def slices_on_grid(slices: Sequence[int] | None, depth: int, grid_depth: int) -> NDArray[np.bool_]:
    """Which slices of the grid overlap some slices of the image.

    Args:
        slices: z indices in the image; None means all.
        depth: slices of the image.
        grid_depth: slices of the grid.
    """
    if slices is None:
        return np.ones(grid_depth, dtype=np.bool_)
    # resampled like labels, so that a slice is known exactly if its target is
    column = np.where(np.isin(np.arange(depth), slices), 0, IGNORE).astype(np.uint8)
    known: NDArray[np.bool_] = resize_labels(column[:, None, None], (grid_depth, 1, 1))[:, 0, 0] != IGNORE
    return known


def labels_of_objects(labels: torch.Tensor, kinds: torch.Tensor, annotated_labels: torch.Tensor) -> torch.Tensor:
    """Keep the labels that contain whole objects: those of dense slices.

    A class that only some dense slices of a volume cover becomes background, since its objects may be labelled as
    background elsewhere; it is correct as background of the other classes.

    Args:
        labels: ([z,] y, x) class indices.
        kinds: (z,) or, of one slice, () kind.
        annotated_labels: (C, [z]) bool.

    Returns:
        Labels of the same shape, `IGNORE` in slices that are not dense.
    """
    dense = kinds == int(Kind.DENSE)
    annotated = annotated_labels[..., dense]  # C × the number of dense slices
    merged = annotated.any(dim=1) & ~annotated.all(dim=1)
    if merged.any():
        classes = torch.arange(IGNORE + 1, dtype=labels.dtype)
        classes[: len(merged)][merged] = 0
        labels = classes[labels.long()]
    return torch.where(dense[..., None, None], labels, IGNORE)
