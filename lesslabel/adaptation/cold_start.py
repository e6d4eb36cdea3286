"""Features of images without any model, for the choice of the very first annotations."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lesslabel.data.case import Case
from lesslabel.data.store import Store
from lesslabel.data.store.finite import require_finite
from lesslabel.features import ImageFeatures
from lesslabel.selection.image_description import (
    BLOCKS,
    describe_slice,
    generic_foreground,
    join_descriptions,
    to_unit_range,
)


def describe_images(store: Store, uids: Sequence[str]) -> ImageFeatures:
    """Describe every slice of cases by intensity, texture and layout; no label and no model is used.

    Each channel is mapped to [0, 1] by its percentiles and described in its generic foreground (`generic_foreground`);
    numbers are standardised over all slices, so that the features of a slice depend on the others.

    Args:
        store: the store.
        uids: the cases.

    Returns:
        A row for each slice, sorted; `foreground_voxel` counts the generic foreground of the first channel, and a slice
        without it has no feature. There is no uncertainty.

    Raises:
        DataError: if a case is absent or damaged.
    """
    names: list[str] = []
    indices: list[int] = []
    positions: list[float] = []
    counts, rows = [], []
    for uid in sorted(set(uids)):
        case = store.read(uid)
        require_finite(case.image, f"{store.case_path(uid)}: image", store.path)
        described, foreground_voxel = _describe_case(case)
        depth = len(described)
        names += [uid] * depth
        indices += range(depth)
        positions += [(index + 0.5) / depth for index in range(depth)]
        counts.append(foreground_voxel)
        rows.append(described)
    if not names:
        return ImageFeatures.join([])
    table = np.concatenate(rows)
    return ImageFeatures(
        uid=np.array(names),
        slice=np.array(indices, np.int64),
        features=join_descriptions(table, np.array(positions, np.float32)),
        foreground_voxel=np.concatenate(counts),
    )


def _describe_case(case: Case) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """The descriptions of a case's slices, channels side by side, and the foreground of each."""
    volumes = [to_unit_range(channel) for channel in case.image]
    foreground = generic_foreground(volumes[0])
    described = np.full((len(foreground), len(volumes) * sum(BLOCKS)), np.nan, np.float32)
    for index, mask in enumerate(foreground):
        if mask.any():
            described[index] = np.concatenate([describe_slice(volume[index], mask) for volume in volumes])
    return described, foreground.sum(axis=(1, 2)).astype(np.int64)
