"""Information fusion: correct the output of a network with clicks, without further training.

The second stage of "MIDeepSeg: Minimally interactive segmentation of unseen objects from medical images using deep
learning" (Luo et al., Medical Image Analysis, 2021): eq. 3-3 to 3-8 of its author's thesis.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from lesslabel.errors import ConfigError
from lesslabel.interaction.geodesic import Scale, geodesic_distance
from lesslabel.interaction.graph_cut import check_sides, check_unit_range, graph_cut

_OUT_OF_REACH = 20.0
"""Distance at which e^−D is negligible in single precision; the search stops there."""


def information_fusion(
    probability: NDArray[Any],
    image: NDArray[Any],
    foreground_seeds: NDArray[np.bool_],
    background_seeds: NDArray[np.bool_],
    *,
    intensity_weight: float = 1.0,
    scale: Scale | None = "minmax",
) -> NDArray[np.float32]:
    """Mix the output of any network with clicks, weighted by the geodesic distance to the nearest click.

    With the distances Dᶠ and Dᵇ to the clicks of each side, Eᶠ = e^−Dᶠ / (e^−Dᶠ + e^−Dᵇ), α = e^−min(Dᶠ, Dᵇ), and the
    refined probability is Rᶠ = (1 − α) Pᶠ + α Eᶠ; that of the background is 1 − Rᶠ. A side without clicks is infinitely
    far; without any clicks the output does not change.

    Args:
        probability: ([D,] H, W), Pᶠ in [0, 1].
        image: ([C,] [D,] H, W), usually the crop around the object.
        foreground_seeds: ([D,] H, W) bool: clicks on missed foreground, and the first, interior margin points.
        background_seeds: ([D,] H, W) bool: clicks on background that was segmented as foreground.
        intensity_weight: of distances; a larger weight makes a click more local. The text has none, that is 1, with
            which a click acts far: few voxels of a crop are farther away than 1, and if only one side was clicked,
            nearly the whole crop changes to it.
        scale: see `geodesic_distance`.

    Returns:
        ([D,] H, W) float32, Rᶠ in [0, 1].

    Raises:
        ConfigError: if shapes, ranges or scale are invalid, or a voxel is a seed of both sides.
        DataError: if a probability or an intensity is NaN or infinite.
    """
    spacing = (1.0,) * foreground_seeds.ndim  # not used by geodesic distances
    check_sides(image, foreground_seeds, background_seeds, spacing)
    if probability.shape != foreground_seeds.shape:
        raise ConfigError(f"probability {probability.shape} and seeds {foreground_seeds.shape}: give one shape")
    check_unit_range("probability", probability)
    to_foreground, to_background = (
        geodesic_distance(image, seeds, spacing, intensity_weight=intensity_weight, scale=scale, bound=_OUT_OF_REACH)
        for seeds in (foreground_seeds, background_seeds)
    )
    reached = np.isfinite(to_foreground) | np.isfinite(to_background)
    by_clicks = expit(np.subtract(to_background, to_foreground, where=reached, out=np.zeros_like(to_foreground)))  # 3-3
    nearness = np.exp(-np.minimum(to_foreground, to_background).astype(np.float64))  # eq. 3-7
    refined: NDArray[np.float64] = (1 - nearness) * probability + nearness * by_clicks  # eq. 3-5
    return refined.astype(np.float32)


def information_fusion_graph_cut(
    probability: NDArray[Any],
    image: NDArray[Any],
    foreground_seeds: NDArray[np.bool_],
    background_seeds: NDArray[np.bool_],
    *,
    intensity_weight: float = 1.0,
    weight: float = 5.0,
    sigma: float = 0.1,
    spacing: tuple[float, ...] | None = None,
    scale: Scale | None = "minmax",
) -> NDArray[np.bool_]:
    """Cut the refined probability, with the clicks as hard seeds: a round of MIDeepSeg's correction (eq. 3-8).

    Args:
        probability: ([D,] H, W) of the foreground, in [0, 1].
        image: ([C,] [D,] H, W), in [0, 1].
        foreground_seeds: ([D,] H, W) bool, see `information_fusion`.
        background_seeds: ([D,] H, W) bool.
        intensity_weight: see `information_fusion`.
        weight: λ, see `graph_cut`.
        sigma: σ, likewise.
        spacing: voxel size in mm; None for 1.
        scale: see `information_fusion`; with None, distances and cut use the same intensities.

    Returns:
        ([D,] H, W) bool, True in the foreground.

    Raises:
        ConfigError: as `graph_cut` and `information_fusion`.
        DataError: likewise.
    """
    return graph_cut(
        information_fusion(
            probability, image, foreground_seeds, background_seeds, intensity_weight=intensity_weight, scale=scale
        ),
        image,
        foreground_seeds=foreground_seeds,
        background_seeds=background_seeds,
        weight=weight,
        sigma=sigma,
        spacing=spacing,
    )
