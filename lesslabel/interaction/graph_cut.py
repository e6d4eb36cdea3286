"""Graph cut: the exact optimal mask for a probability map, the edges of an image and clicks.

The energy is the conditional random field of "MIDeepSeg" (Luo et al., Medical Image Analysis, 2021; eq. 3-8 to 3-10 of
its author's thesis), after Boykov and Jolly (ICCV 2001). `lesslabel.kernels.max_flow` minimises it.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lesslabel.errors import ConfigError, DataError
from lesslabel.interaction.cues import check_positive
from lesslabel.interaction.geodesic import check_seeds
from lesslabel.kernels.max_flow import reachable_from_source

CERTAINTY = 1e-6
"""Probabilities are clipped to this distance from 0 and 1: a wrong label of a certain voxel costs −log of it."""


def graph_cut(
    probability: NDArray[Any],
    image: NDArray[Any],
    *,
    foreground_seeds: NDArray[np.bool_] | None = None,
    background_seeds: NDArray[np.bool_] | None = None,
    weight: float = 5.0,
    sigma: float = 0.1,
    spacing: tuple[float, ...] | None = None,
) -> NDArray[np.bool_]:
    """Refine the output of any network, without training, to the mask of lowest energy that agrees with the clicks.

    The energy is that of `cut_energy`. The minimum is exact up to the rounding of double precision; of several masks
    with the same energy it is the one with the smallest foreground.

    Args:
        probability: ([D,] H, W) of the foreground, in [0, 1].
        image: ([D,] H, W) or (C, [D,] H, W), in [0, 1].
        foreground_seeds: ([D,] H, W) bool, hard foreground voxels; None for none.
        background_seeds: ([D,] H, W) bool, hard background voxels.
        weight: λ, at least 0.
        sigma: σ, in the unit of the intensities.
        spacing: voxel size in mm, in the order of the axes; None for 1.

    Returns:
        ([D,] H, W) bool, True in the foreground.

    Raises:
        ConfigError: if shapes, ranges, weight, sigma or spacing are invalid, or a voxel is a seed of both sides.
        DataError: if a probability or an intensity is NaN or infinite.
    """
    spacing = (1.0,) * probability.ndim if spacing is None else spacing
    nothing = np.zeros(probability.shape, np.bool_)
    foreground = nothing if foreground_seeds is None else foreground_seeds
    background = nothing if background_seeds is None else background_seeds
    _check_fields(probability, image, weight, sigma)
    check_sides(image, foreground, background, spacing)
    as_background, as_foreground = _label_costs(probability)
    excess = as_background - as_foreground
    beyond_all_edges = 1 + 2 * weight * sum(1 / size for size in spacing)
    excess[foreground] = beyond_all_edges
    excess[background] = -beyond_all_edges
    return _minimum_cut(excess, _edge_costs(image, probability.ndim, weight, sigma, spacing))


def cut_energy(
    mask: NDArray[np.bool_],
    probability: NDArray[Any],
    image: NDArray[Any],
    *,
    weight: float = 5.0,
    sigma: float = 0.1,
    spacing: tuple[float, ...] | None = None,
) -> float:
    """Compute the energy of a mask, which `graph_cut` minimises.

    Σ_i −(y_i log r_i + (1 − y_i) log(1 − r_i)) + λ Σ_ij exp(−|I_i − I_j|² / 2σ²) / dist_ij, where r is the probability,
    the second sum is over the pairs of face neighbours (4 in 2D, 6 in 3D) that differ in their label y, each pair once,
    and |I_i − I_j| is Euclidean over channels. Probabilities are kept `CERTAINTY` away from 0 and 1.

    Args:
        mask: ([D,] H, W) bool.
        probability: see `graph_cut`, also for the others.
        image: ([C,] [D,] H, W).
        weight: λ.
        sigma: σ.
        spacing: in mm.

    Returns:
        The energy, at least 0.

    Raises:
        ConfigError: as `graph_cut`, or if the mask does not fit the image.
        DataError: as `graph_cut`.
    """
    spacing = (1.0,) * probability.ndim if spacing is None else spacing
    _check_fields(probability, image, weight, sigma)
    check_seeds(image, mask, spacing)
    as_background, as_foreground = _label_costs(probability)
    energy = float(np.where(mask, as_foreground, as_background).sum())
    for axis, costs in enumerate(_edge_costs(image, mask.ndim, weight, sigma, spacing)):
        energy += float(costs[np.diff(mask, axis=axis)].sum())
    return energy


def check_sides(
    image: NDArray[Any],
    foreground_seeds: NDArray[np.bool_],
    background_seeds: NDArray[np.bool_],
    spacing: tuple[float, ...],
) -> None:
    """Raise ConfigError unless the seeds of both sides lie on the grid of an image and do not overlap."""
    check_seeds(image, foreground_seeds, spacing)
    check_seeds(image, background_seeds, spacing)
    both = np.argwhere(foreground_seeds & background_seeds)
    if len(both):
        place = tuple(both[0].tolist())
        raise ConfigError(f"{len(both)} voxels are seeds of foreground and background, as {place}; take them from one")


def check_unit_range(name: str, values: NDArray[Any]) -> None:
    """Raise DataError if a value is NaN or infinite, ConfigError if one is outside [0, 1]."""
    lowest, highest = float(values.min()), float(values.max())
    if not math.isfinite(highest - lowest):
        raise DataError(f"the {name} has values that are NaN or infinite; replace them first")
    if lowest < 0 or highest > 1:
        raise ConfigError(f"the {name} has values from {lowest:g} to {highest:g}; scale it to [0, 1]")


def _check_fields(probability: NDArray[Any], image: NDArray[Any], weight: float, sigma: float) -> None:
    dimensions = probability.ndim
    fits = probability.shape == image.shape[-dimensions:] and image.ndim <= dimensions + 1
    if dimensions not in (2, 3) or not fits:
        raise ConfigError(
            f"probability {probability.shape} does not fit image {image.shape}; "
            "expected ([D,] H, W) and ([C,] [D,] H, W)"
        )
    if not image.size:
        raise ConfigError(f"image {image.shape} has no voxels")
    check_unit_range("probability", probability)
    check_unit_range("image", image)
    check_positive("sigma", sigma)
    if not 0 <= weight < math.inf:
        raise ConfigError(f"weight {weight}: give a finite number, at least 0")


def _label_costs(probability: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Compute the cost of each voxel as background and as foreground (eq. 3-9)."""
    clipped = np.clip(probability.astype(np.float64), CERTAINTY, 1 - CERTAINTY)
    return -np.log1p(-clipped), -np.log(clipped)


def _edge_costs(
    image: NDArray[Any], dimensions: int, weight: float, sigma: float, spacing: tuple[float, ...]
) -> list[NDArray[np.float64]]:
    """Compute, for each axis, the cost of different labels for a voxel and the next along the axis (eq. 3-10)."""
    channels = (image if image.ndim > dimensions else image[None]).astype(np.float64)
    costs = []
    for axis, size in enumerate(spacing):
        squared = np.square(np.diff(channels, axis=axis + 1)).sum(axis=0)
        costs.append(weight / size * np.exp(squared / (-2 * sigma**2)))
    return costs


def _minimum_cut(excess: NDArray[np.float64], edge_costs: list[NDArray[np.float64]]) -> NDArray[np.bool_]:
    """Return the foreground of the minimum cut; excess is positive for voxels that prefer the foreground."""
    shape = excess.shape
    steps = [math.prod(shape[axis + 1 :]) for axis in range(excess.ndim)]
    margin = steps[0]  # so that no neighbour is beyond the ends of the array
    inside = slice(margin, margin + excess.size)
    padded = np.pad(excess.ravel(), margin)
    capacity = np.zeros((len(padded), 2 * excess.ndim))
    grid = capacity[inside].reshape(*shape, -1)
    for axis, costs in enumerate(edge_costs):
        grid[..., 2 * axis].swapaxes(0, axis)[:-1] = costs.swapaxes(0, axis)
        grid[..., 2 * axis + 1].swapaxes(0, axis)[1:] = costs.swapaxes(0, axis)
    offsets = np.array([offset for step in steps for offset in (step, -step)], np.int64)
    return reachable_from_source(padded, capacity, offsets)[inside].reshape(shape)
