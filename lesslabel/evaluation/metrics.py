"""Overlap and surface metrics of a segmentation, per label."""

import math
from collections.abc import Mapping, Sequence
from typing import Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from lesslabel.errors import ConfigError
from lesslabel.evaluation.label_maps import RegionPair, pair_regions
from lesslabel.kernels.distances import nearest_distances
from lesslabel.kernels.regions import BOTH, PRED, REF, border_voxels, measure_regions

METRICS = ("dice", "jaccard", "hd95", "asd", "assd", "nsd")
HD95Convention = Literal["pooled", "max-of-directed"]
EmptyPolicy = Literal["diagonal", "nan", "inf"]
TOLERANCE_SLACK = 1 + 1e-9  # so that a distance equal to the tolerance counts as within it


def segmentation_metrics(
    pred: ArrayLike,
    ref: ArrayLike,
    *,
    spacing: Sequence[float] | None = None,
    labels: Sequence[int] | Mapping[int, str] | None = None,
    hd95: HD95Convention = "pooled",
    empty: EmptyPolicy = "diagonal",
    nsd_tolerance: float = 1.0,
) -> pd.DataFrame:
    """Score a prediction against a reference, label by label.

    The border of a region is its voxels with a face neighbour outside the region; voxels beyond the grid are outside.
    Every border voxel's distance to the nearest border voxel of the other map is exact. With B and B' the borders of
    the prediction and of the reference, d(b) the distance from a border voxel to the other border:

    * ``dice`` 2|P ∩ R| / (|P| + |R|) and ``jaccard`` |P ∩ R| / |P ∪ R|, in [0, 1].
    * ``hd95`` ``"pooled"``: 95th percentile (linear interpolation) of the distances of B and B' together, as medpy
      does; ``"max-of-directed"``: the larger of the two directed 95th percentiles.
    * ``asd`` mean of d over B: from the prediction to the reference only.
    * ``assd`` mean of d over B and B' together.
    * ``nsd`` normalised surface Dice: the share of the voxels of B and B' with d ≤ `nsd_tolerance`, in [0, 1]. Border
      voxels are counted; they are not weighted by surface area.

    A voxel that is unknown in the reference (`IGNORE`, 255) is ignored in both maps. For a label that is absent from
    both maps every metric is NaN. If exactly one map has the label, the overlaps and ``nsd``
    are 0 and the undefined distances are set by `empty`.

    A 3D map of one slice, whichever axis it is thin along, is scored in 2D: it has no surface beside its outline.

    Args:
        pred: (y, x) or (z, y, x) label map of integers in 0–65535, or a bool mask, which is label 1.
        ref: label map of the same shape; `IGNORE` where the truth is unknown.
        spacing: voxel size in mm in the order of the array's axes; None measures distances in voxels.
        labels: the codes to score, or a mapping from code to name; the column ``label`` then holds the names. Other
            codes count as background. None scores every code except 0 that occurs in either map.
        hd95: definition of the 95 % Hausdorff distance.
        empty: the distances of a label that only one map has: ``"diagonal"`` the diagonal of the whole grid in the
            unit of `spacing`, ``"nan"`` NaN, ``"inf"`` infinity.
        nsd_tolerance: in the unit of `spacing`, at least 0.

    Returns:
        One row per label with the columns ``label, dice, jaccard, hd95, asd, assd, nsd``.

    Raises:
        DataError: if the maps are not integer maps of one 2D or 3D shape, or `pred` holds 255.
        ConfigError: if an option has no such value.
    """
    _require_options(hd95, empty, nsd_tolerance)
    pair = pair_regions(pred, ref, labels)
    spacing_zyx = _spacing_zyx(spacing, pair)
    beyond = {"diagonal": _diagonal(pair, spacing_zyx), "nan": math.nan, "inf": math.inf}[empty]
    sizes, boxes = measure_regions(pair.pred, pair.ref, len(pair.labels))
    rows: list[tuple[int | str | float, ...]] = []
    for region, label in enumerate(pair.labels, start=1):
        in_pred, in_ref, in_both = (int(sizes[which, region]) for which in (PRED, REF, BOTH))
        if in_pred and in_ref:
            overlap = 2 * in_both / (in_pred + in_ref), in_both / (in_pred + in_ref - in_both)
            distances = _border_distances(pair, region, boxes[:, region], spacing_zyx)
            rows.append((label, *overlap, *_surface_metrics(*distances, hd95, nsd_tolerance)))
        elif in_pred or in_ref:
            rows.append((label, 0.0, 0.0, beyond, beyond, beyond, 0.0))
        else:
            rows.append((label, *[math.nan] * len(METRICS)))
    return pd.DataFrame(rows, columns=["label", *METRICS]).astype(dict.fromkeys(METRICS, np.float64))


def _require_options(hd95: str, empty: str, nsd_tolerance: float) -> None:
    for option, value, choices in (("hd95", hd95, get_args(HD95Convention)), ("empty", empty, get_args(EmptyPolicy))):
        if value not in choices:
            raise ConfigError(f"{option}: there is no {value!r}; choose one of {', '.join(choices)}")
    if not (math.isfinite(nsd_tolerance) and nsd_tolerance >= 0):
        raise ConfigError(f"nsd_tolerance: {nsd_tolerance} is no distance; give a number of at least 0")


def _spacing_zyx(spacing: Sequence[float] | None, pair: RegionPair) -> tuple[float, float, float]:
    """Voxel size of the grid of a pair; 1 where a 2D map or a single slice is thin."""
    axes = 2 if pair.planar and pair.thin_axis is None else 3
    sizes = [1.0] * axes if spacing is None else [float(size) for size in spacing]
    if len(sizes) != axes or not all(math.isfinite(size) and size > 0 for size in sizes):
        raise ConfigError(f"spacing: {sizes} does not fit; give {axes} voxel sizes above 0 in the order of the axes")
    if pair.thin_axis is not None:
        del sizes[pair.thin_axis]
    y, x = sizes[-2:]
    return 1.0 if pair.planar else sizes[0], y, x


def _diagonal(pair: RegionPair, spacing_zyx: tuple[float, float, float]) -> float:
    extent = [voxels * size for voxels, size in zip(pair.ref.shape, spacing_zyx, strict=True)]
    return math.hypot(*extent[1 if pair.planar else 0 :])


def _border_distances(
    pair: RegionPair, region: int, boxes: NDArray[np.int64], spacing_zyx: tuple[float, float, float]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the distances from the prediction's border to the reference's, and the reverse."""
    pred_border = border_voxels(pair.pred, region, boxes[PRED], pair.planar)
    ref_border = border_voxels(pair.ref, region, boxes[REF], pair.planar)
    return (
        nearest_distances(pred_border, ref_border, spacing_zyx),
        nearest_distances(ref_border, pred_border, spacing_zyx),
    )


def _surface_metrics(
    from_pred: NDArray[np.float64], from_ref: NDArray[np.float64], hd95: HD95Convention, nsd_tolerance: float
) -> tuple[float, float, float, float]:
    """Return hd95, asd, assd and nsd of the two directed sets of distances."""
    pooled = np.concatenate([from_pred, from_ref])
    if hd95 == "pooled":
        hausdorff = float(np.percentile(pooled, 95))
    else:
        hausdorff = max(float(np.percentile(from_pred, 95)), float(np.percentile(from_ref, 95)))
    within = np.count_nonzero(pooled <= nsd_tolerance * TOLERANCE_SLACK) / pooled.size
    return hausdorff, float(from_pred.mean()), float(pooled.mean()), within
