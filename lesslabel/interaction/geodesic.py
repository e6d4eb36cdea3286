"""Exact geodesic distance of every voxel to its nearest seed: the shortest path over the intensities of an image.

The graph is that of Toivanen ("New geodesic distance transforms for gray-scale images", Pattern Recognition Letters,
1996) and of FastGeodis (Asad et al., JOSS 2022), which stop after a few sweeps. Here the sweeps continue until
nothing changes, with the result of Dijkstra's algorithm; `lesslabel.kernels.shortest_paths` makes that fast.
"""

import math
from functools import lru_cache
from itertools import product
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from lesslabel.errors import ConfigError, DataError
from lesslabel.kernels.shortest_paths import lower_to_shortest_paths

Scale = Literal["minmax", "zscore"]


def geodesic_distance(
    image: NDArray[Any],
    seeds: NDArray[np.bool_],
    spacing: tuple[float, ...],
    *,
    intensity_weight: float = 1.0,
    spatial_weight: float = 0.0,
    scale: Scale | None = "minmax",
    bound: float | None = None,
) -> NDArray[np.float32]:
    """Compute the length of the shortest path from every voxel to its nearest seed.

    Paths step to any of the 8 neighbours (2D) or 26 (3D). A step costs `intensity_weight`·Σ|Δintensity|, summed over
    channels, plus `spatial_weight`·its length in mm: the mixture of FastGeodis, whose λ and 1 − λ are the weights. With
    the defaults it is D_geo of "MIDeepSeg" (Luo et al., Medical Image Analysis, 2021), and the spacing is not used.
    Paths are summed in double precision.

    Args:
        image: ([D,] H, W), or (C, [D,] H, W): it has one axis more than the seeds.
        seeds: ([D,] H, W) bool.
        spacing: voxel size in mm, in the order of the axes of the seeds.
        intensity_weight: at least 0.
        spatial_weight: per mm, at least 0.
        scale: each channel is first divided by its range (``minmax``), its standard deviation (``zscore``), or nothing
            (None). A constant channel costs nothing.
        bound: distance at which the search stops; farther voxels are infinitely far.

    Returns:
        ([D,] H, W) float32, at least 0; 0 at seeds, infinite beyond the bound, and everywhere if there is no seed.

    Raises:
        ConfigError: if shapes, spacing, weights, scale or bound are invalid.
        DataError: if an intensity is NaN or infinite.
    """
    check_seeds(image, seeds, spacing)
    for name, weight in (("intensity_weight", intensity_weight), ("spatial_weight", spatial_weight)):
        if not 0 <= weight < math.inf:
            raise ConfigError(f"{name} {weight}: give a finite number, at least 0")
    if bound is not None and not bound >= 0:
        raise ConfigError(f"bound {bound}: give a number of at least 0, or None for no bound")
    channels = image if image.ndim > seeds.ndim else image[None]
    # The longest axis of a volume comes first, so that three slices across it fit into the processor's cache.
    longest = seeds.shape.index(max(seeds.shape)) if seeds.ndim == 3 else 0
    axes = (longest, *(axis for axis in range(seeds.ndim) if axis != longest))
    shape = tuple(seeds.shape[axis] + 2 for axis in axes)
    inside = (slice(1, -1),) * seeds.ndim
    intensity = np.zeros((len(channels), *shape))
    for padded, channel in zip(intensity, channels, strict=True):
        factor = intensity_weight * _scale_factor(channel, scale)
        np.multiply(channel.transpose(axes), factor, out=padded[inside], dtype=np.float64)
    # unreached voxels are just beyond the bound: a path over one of them is never an improvement
    distance = np.full(shape, math.inf if bound is None else math.nextafter(bound, math.inf))
    np.copyto(distance[inside], 0, where=seeds.transpose(axes))
    lower_to_shortest_paths(
        distance.reshape(-1),
        intensity.reshape(len(channels), -1),
        shape[-1],
        _visits(shape),
        *_neighbouring_rows(shape, tuple(spacing[axis] for axis in axes), spatial_weight),
        spatial_weight * spacing[axes[-1]],
    )
    if bound is not None:
        distance[distance > bound] = math.inf
    result = np.empty(seeds.shape, np.float32)
    np.copyto(result.transpose(axes), distance[inside], casting="same_kind")
    return result


def check_seeds(image: NDArray[Any], seeds: NDArray[np.bool_], spacing: tuple[float, ...]) -> None:
    """Check that seeds lie on the grid of an image.

    Args:
        image: ([C,] [D,] H, W).
        seeds: ([D,] H, W) bool.
        spacing: voxel size, one number per axis of the seeds.

    Raises:
        ConfigError: if they do not fit.
    """
    if seeds.dtype != np.bool_:
        raise ConfigError(f"seeds of type {seeds.dtype}: give bool")
    if seeds.ndim not in (2, 3) or seeds.shape != image.shape[-seeds.ndim :] or image.ndim > seeds.ndim + 1:
        raise ConfigError(
            f"seeds {seeds.shape} do not fit image {image.shape}; expected ([D,] H, W) and ([C,] [D,] H, W)"
        )
    if not seeds.size or not image.size:
        raise ConfigError(f"image {image.shape} has no voxels")
    if len(spacing) != seeds.ndim or not all(0 < size < math.inf for size in spacing):
        raise ConfigError(f"spacing {spacing}: give {seeds.ndim} positive numbers, in the order of the axes")


def _scale_factor(channel: NDArray[Any], scale: Scale | None) -> float:
    if scale is not None and scale not in get_args(Scale):
        raise ConfigError(f"scale: {scale!r} is not one of {', '.join(map(repr, get_args(Scale)))}, None")
    extent = float(channel.max()) - float(channel.min())
    if not math.isfinite(extent):
        raise DataError("the image has intensities that are NaN or infinite; replace them before taking distances")
    if extent == 0 or scale is None:
        return 1.0
    return 1 / (extent if scale == "minmax" else float(channel.std(dtype=np.float64)))


@lru_cache(maxsize=64)
def _visits(shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Order of the rows without padding: slice by slice, each forward and backward while it is in the cache."""
    rows = np.arange(math.prod(shape[:-1])).reshape(shape[:-1])[(slice(1, -1),) * (len(shape) - 1)]
    return np.concatenate([rows, rows[:, ::-1]], axis=1).ravel() if rows.ndim == 2 else rows


@lru_cache(maxsize=64)
def _neighbouring_rows(
    shape: tuple[int, ...], spacing: tuple[float, ...], spatial_weight: float
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """List the rows around a row: offset in rows, cost of a straight and of a diagonal step."""
    moves = [move for move in product((-1, 0, 1), repeat=len(shape) - 1) if any(move)]
    rows_per_step = (shape[1], 1) if len(shape) == 3 else (1,)
    offsets = [sum(step * rows for step, rows in zip(move, rows_per_step, strict=True)) for move in moves]
    lengths = [math.hypot(*(step * size for step, size in zip(move, spacing[:-1], strict=True))) for move in moves]
    straight = spatial_weight * np.array(lengths)
    return np.array(offsets), straight, np.hypot(straight, spatial_weight * spacing[-1])
