"""Cues: maps computed from clicks, additional input channels of a network.

A cue is a function of (image, seeds, spacing) with values in [0, 1]: 1 at the seeds, decreasing with the distance to
the nearest seed, 0 everywhere without seeds. Foreground and background clicks have one map each.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lesslabel.errors import ConfigError
from lesslabel.interaction.geodesic import Scale, check_seeds, geodesic_distance

_FEW_SEEDS = 16
_RADIUS_IN_SIGMA = 3.0

Spacing = tuple[float, ...]
Cue = Callable[[NDArray[Any], NDArray[np.bool_], Spacing], NDArray[np.float32]]
"""(image ([C,] [D,] H, W), seeds ([D,] H, W), spacing in mm) → ([D,] H, W)."""

EGD_BOUND = math.log(256)
"""Geodesic distance at which the exponential cue is 1/256; it is 0 beyond."""


def euclidean_cue(
    image: NDArray[Any], seeds: NDArray[np.bool_], spacing: Spacing, *, truncation: float = 0.6
) -> NDArray[np.float32]:
    """Decrease linearly with the Euclidean distance in mm, one of the baseline encodings of MIDeepSeg.

    Args:
        image: ([C,] [D,] H, W); only its grid matters.
        seeds: ([D,] H, W) bool.
        spacing: voxel size in mm.
        truncation: share of the largest distance in the image at which the cue reaches 0; published values are 0.6
            for the placenta and 0.4 for the spleen.

    Returns:
        ([D,] H, W) float32 in [0, 1].
    """
    check_seeds(image, seeds, spacing)
    return _falling(_euclidean_distance(seeds, spacing), truncation)


def linear_cue(
    image: NDArray[Any], seeds: NDArray[np.bool_], spacing: Spacing, *, reach_voxel: float = 100.0
) -> NDArray[np.float32]:
    """Decrease linearly with the Euclidean distance to the nearest seed, from 1 to 0 at a reach that no image changes.

    Args:
        image: ([C,] [D,] H, W); only its grid matters.
        seeds: ([D,] H, W) bool.
        spacing: voxel size in mm.
        reach_voxel: where the cue reaches 0, in voxels of the finest axis.

    Returns:
        ([D,] H, W) float32 in [0, 1].
    """
    check_seeds(image, seeds, spacing)
    check_positive("reach_voxel", reach_voxel)
    distance = _euclidean_distance(seeds, _in_finest_voxels(spacing))
    return np.maximum(1 - distance / reach_voxel, 0).astype(np.float32)


def gaussian_cue(
    image: NDArray[Any], seeds: NDArray[np.bool_], spacing: Spacing, *, sigma_voxel: float = 9.0
) -> NDArray[np.float32]:
    """Decrease with the Euclidean distance d to the nearest seed as exp(−d² / 2σ²).

    Args:
        image: ([C,] [D,] H, W); only its grid matters.
        seeds: ([D,] H, W) bool.
        spacing: voxel size in mm.
        sigma_voxel: σ in voxels of the finest axis.

    Returns:
        ([D,] H, W) float32 in [0, 1].
    """
    check_seeds(image, seeds, spacing)
    check_positive("sigma_voxel", sigma_voxel)
    distance = _euclidean_distance(seeds, _in_finest_voxels(spacing))
    return np.exp(-0.5 * (distance / sigma_voxel) ** 2).astype(np.float32)


def local_gaussian_cue(
    image: NDArray[Any], seeds: NDArray[np.bool_], spacing: Spacing, *, radius_voxel: float = 10.0
) -> NDArray[np.float32]:
    """Decrease as `gaussian_cue` with σ of a third of the radius, and be 0 beyond the radius, where that is < 1/90.

    Args:
        image: ([C,] [D,] H, W); only its grid matters.
        seeds: ([D,] H, W) bool.
        spacing: voxel size in mm.
        radius_voxel: in voxels of the finest axis.

    Returns:
        ([D,] H, W) float32 in [0, 1].
    """
    check_seeds(image, seeds, spacing)
    check_positive("radius_voxel", radius_voxel)
    cue = np.zeros(seeds.shape, np.float32)
    voxels = np.argwhere(seeds)
    if not len(voxels):
        return cue
    sides = np.array(_in_finest_voxels(spacing))
    reach = np.ceil(radius_voxel / sides).astype(np.int64)
    low, high = np.maximum(voxels.min(axis=0) - reach, 0), voxels.max(axis=0) + reach + 1
    window = tuple(slice(*ends) for ends in zip(low.tolist(), high.tolist(), strict=True))
    if len(voxels) > _FEW_SEEDS:
        squared = np.square(_euclidean_distance(seeds[window], tuple(sides.tolist())))
    else:
        squared = _squared_distance(voxels - low, seeds[window].shape, sides)
    inside = np.exp(squared * (-0.5 * (_RADIUS_IN_SIGMA / radius_voxel) ** 2))
    cue[window] = np.where(squared <= radius_voxel**2, inside, 0)
    return cue


def disk_cue(
    image: NDArray[Any], seeds: NDArray[np.bool_], spacing: Spacing, *, radius_voxel: float = 5.0
) -> NDArray[np.float32]:
    """Mark the disks, or balls, around the seeds, as RITM and EdgeFlow encode clicks.

    Args:
        image: ([C,] [D,] H, W); only its grid matters.
        seeds: ([D,] H, W) bool.
        spacing: voxel size in mm.
        radius_voxel: radius in voxels of the finest axis; the rim belongs to the disk.

    Returns:
        ([D,] H, W) float32, 0 or 1.
    """
    check_seeds(image, seeds, spacing)
    check_positive("radius_voxel", radius_voxel)
    return (_euclidean_distance(seeds, _in_finest_voxels(spacing)) <= radius_voxel).astype(np.float32)


def geodesic_cue(
    image: NDArray[Any],
    seeds: NDArray[np.bool_],
    spacing: Spacing,
    *,
    truncation: float = 0.6,
    scale: Scale | None = "minmax",
) -> NDArray[np.float32]:
    """Decrease linearly with the geodesic distance, one of the baseline encodings of MIDeepSeg.

    Args:
        image: ([C,] [D,] H, W).
        seeds: ([D,] H, W) bool.
        spacing: voxel size in mm; not used.
        truncation: share of the largest distance in the image at which the cue reaches 0, see `euclidean_cue`.
        scale: see `geodesic_distance`.

    Returns:
        ([D,] H, W) float32 in [0, 1].
    """
    return _falling(geodesic_distance(image, seeds, spacing, scale=scale), truncation)


def exponential_geodesic_cue(
    image: NDArray[Any],
    seeds: NDArray[np.bool_],
    spacing: Spacing,
    *,
    intensity_weight: float = 1.0,
    scale: Scale | None = "minmax",
    bound: float | None = EGD_BOUND,
) -> NDArray[np.float32]:
    """Decrease with the geodesic distance D as exp(−D): the EGD of MIDeepSeg (eq. 3-1 of its author's thesis).

    D is the distance to the nearest seed; the thesis prints the minimum outside the exponential, which would give the
    farthest seed.

    Args:
        image: ([C,] [D,] H, W), usually the crop around the clicks.
        seeds: ([D,] H, W) bool.
        spacing: voxel size in mm; not used.
        intensity_weight: of distances. The text has none, that is 1; few voxels of a crop are then farther away than
            1, and the cue is nearly constant.
        scale: see `geodesic_distance`.
        bound: distance beyond which the cue is 0; None for no bound.

    Returns:
        ([D,] H, W) float32 in [0, 1].
    """
    cue: NDArray[np.float32] = np.exp(
        -geodesic_distance(image, seeds, spacing, intensity_weight=intensity_weight, scale=scale, bound=bound)
    )
    return cue


def gaussian_geodesic_cue(
    image: NDArray[Any],
    seeds: NDArray[np.bool_],
    spacing: Spacing,
    *,
    sigma: float = 1.0,
    scale: Scale | None = "minmax",
) -> NDArray[np.float32]:
    """Decrease with the geodesic distance D as exp(−D / 2σ²); `learned_cue.GaussianGeodesicCue` learns σ.

    Args:
        image: ([C,] [D,] H, W).
        seeds: ([D,] H, W) bool.
        spacing: voxel size in mm; not used.
        sigma: σ, in the square root of the unit of the scaled intensities.
        scale: see `geodesic_distance`.

    Returns:
        ([D,] H, W) float32 in [0, 1].
    """
    check_positive("sigma", sigma)
    distance = geodesic_distance(image, seeds, spacing, scale=scale)
    cue: NDArray[np.float32] = np.exp(-distance / np.float32(2 * sigma**2))
    return cue


CUES: dict[str, Cue] = {
    "euclidean": euclidean_cue,
    "linear": linear_cue,
    "gaussian": gaussian_cue,
    "local_gaussian": local_gaussian_cue,
    "disk": disk_cue,
    "geodesic": geodesic_cue,
    "exponential_geodesic": exponential_geodesic_cue,
    "gaussian_geodesic": gaussian_geodesic_cue,
}
"""Every cue by name, with its published settings as defaults."""


def _euclidean_distance(seeds: NDArray[np.bool_], spacing: Spacing) -> NDArray[np.float64]:
    """Measure the distance to the nearest seed in the unit of the spacing; infinite if there is none."""
    if not seeds.any():
        return np.full(seeds.shape, np.inf)
    distance: NDArray[np.float64] = ndimage.distance_transform_edt(~seeds, sampling=spacing)
    return distance


def _squared_distance(
    voxels: NDArray[np.int64], shape: tuple[int, ...], sides: NDArray[np.float64]
) -> NDArray[np.float32]:
    """The squared distance to the nearest of a few voxels (N, axes); faster than a transform of the whole grid."""
    nearest = np.full(shape, np.inf, np.float32)
    for voxel in voxels:
        along = [
            np.square((np.arange(length) - at) * side).astype(np.float32)
            for at, length, side in zip(voxel, shape, sides, strict=True)
        ]
        squared = along[0]
        for each in along[1:]:
            squared = squared[..., None] + each
        np.minimum(nearest, squared, out=nearest)
    return nearest


def _in_finest_voxels(spacing: Spacing) -> Spacing:
    return tuple(size / min(spacing) for size in spacing)


def _falling(distance: NDArray[Any], truncation: float) -> NDArray[np.float32]:
    """Decrease linearly from 1 at distance 0 to 0 at a share of the largest distance."""
    if not 0 < truncation <= 1:
        raise ConfigError(f"truncation {truncation}: give a share of the largest distance, in (0, 1]")
    farthest = distance.max()
    if farthest in (0, np.inf):
        return np.full(distance.shape, 1 if farthest == 0 else 0, np.float32)
    cue: NDArray[np.float32] = np.maximum(0, 1 - distance / (farthest * truncation)).astype(np.float32)
    return cue


def check_positive(name: str, value: float) -> None:
    """Raise ConfigError unless the value is a positive number."""
    if not 0 < value < math.inf:
        raise ConfigError(f"{name} {value}: give a positive number")
