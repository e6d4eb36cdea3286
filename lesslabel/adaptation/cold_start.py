"""Features of images without any model, for the choice of the very first annotations."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lesslabel.data.case import Box, Case, tile
from lesslabel.data.queue import PATCH
from lesslabel.data.store import Store
from lesslabel.data.store.case_file import read_case
from lesslabel.data.store.finite import require_finite
from lesslabel.image_features import ImageFeatures
from lesslabel.processes import share_out
from lesslabel.selection.image_description import (
    BLOCKS,
    describe_slice,
    generic_foreground,
    join_descriptions,
    to_unit_range,
)


def describe_images(
    store: Store,
    uids: Sequence[str],
    patch_voxel: tuple[int, int, int] | None = None,
    *,
    workers: int | None = None,
) -> ImageFeatures:
    """Describe every slice or patch of cases by intensity, texture and layout; no label and no model is used.

    Each channel is mapped to [0, 1] by its percentiles and described in its generic foreground (`generic_foreground`);
    numbers are standardised over all images, so that the features of an image depend on the others.

    Args:
        store: the store.
        uids: the cases.
        patch_voxel: describes patches of this size (z, y, x) instead of slices, as `lesslabel.data.case.tile` makes
            them: the mean over the parts of slices with foreground.
        workers: processes that read and describe; None takes the available cores where that is worth it.

    Returns:
        A row for each slice or patch, sorted; `foreground_voxel` counts the generic foreground of the first channel,
        and an image without it has no feature. There is no uncertainty.

    Raises:
        DataError: if a case is absent or damaged.
    """
    names: list[str] = []
    boxes: list[Box] = []
    positions: list[float] = []
    counts: list[int] = []
    rows: list[NDArray[np.float32]] = []
    in_order = sorted(set(uids))
    describe = partial(_describe_case, store.path, patch_voxel)
    cases = share_out(describe, map(store.case_path, in_order), workers, store.path)
    for uid, (depth, parts, described) in zip(in_order, cases, strict=True):
        rows += [row for row, _ in described]
        counts += [foreground_voxel for _, foreground_voxel in described]
        names += [uid] * len(parts)
        boxes += parts
        positions += [(box.corner[0] + box.size[0] / 2) / depth for box in parts]
    if not names:
        return ImageFeatures.join([])
    return ImageFeatures(
        uid=np.array(names),
        slice=np.array([box.corner[0] if patch_voxel is None else PATCH for box in boxes], np.int64),
        features=join_descriptions(np.stack(rows), np.array(positions, np.float32)),
        foreground_voxel=np.array(counts, np.int64),
        patch=None if patch_voxel is None else np.array([[*box.corner, *box.size] for box in boxes], np.int64),
    )


def _describe_case(
    store: Path, patch_voxel: tuple[int, int, int] | None, path: Path
) -> tuple[int, list[Box], list[tuple[NDArray[np.float32], int]]]:
    """The depth of a case, its parts, and the description of each; a path, since processes are sent no whole store."""
    case = read_case(path)
    require_finite(case.image, f"{path}: image", store)
    depth, height, width = case.shape
    parts = list(tile(case.shape, patch_voxel or (1, height, width)))
    return depth, parts, _describe_parts(case, parts)


def _describe_parts(case: Case, boxes: Sequence[Box]) -> list[tuple[NDArray[np.float32], int]]:
    """The description of each part of a case, channels side by side, and its foreground."""
    volumes = [to_unit_range(channel) for channel in case.image]
    foreground = generic_foreground(volumes[0])
    return [
        (_describe_part([volume[box.subvolume] for volume in volumes], mask), int(mask.sum()))
        for box in boxes
        for mask in [foreground[box.subvolume]]
    ]


def _describe_part(volumes: Sequence[NDArray[np.float32]], foreground: NDArray[np.bool_]) -> NDArray[np.float32]:
    """The mean over the slices with foreground of a part (z, y, x); NaN if there is none."""
    described = [
        np.concatenate([describe_slice(volume[index], mask) for volume in volumes])
        for index, mask in enumerate(foreground)
        if mask.any()
    ]
    if not described:
        return np.full(len(volumes) * sum(BLOCKS), np.nan, np.float32)
    mean: NDArray[np.float32] = np.stack(described).mean(axis=0, dtype=np.float64).astype(np.float32)
    return mean
