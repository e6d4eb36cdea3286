"""The Gaussian geodesic cue with a learned width; in a module of its own because it needs PyTorch."""

import math

import torch
from torch import Tensor, nn

from lesslabel.interaction.cues import check_positive


class GaussianGeodesicCue(nn.Module):
    """exp(−D / 2σ²) of geodesic distances D, with σ learned end to end.

    Eq. 1 of the text behind `lesslabel.methods.GPInteractive`, which means the nearest click although the minimum over
    clicks is printed outside the exponential. The distances do not depend on σ: compute them once with
    `geodesic_distance` and keep them; this module passes gradients to σ.

    Args:
        sigma: initial σ. It stays positive, since its logarithm is learned.

    Example:
        >>> cue = GaussianGeodesicCue()
        >>> cue(torch.tensor([0.0, 2.0, torch.inf])).tolist()
        [1.0, 0.3678794503211975, 0.0]
    """

    def __init__(self, sigma: float = 1.0) -> None:
        super().__init__()
        check_positive("sigma", sigma)
        self.log_sigma = nn.Parameter(torch.tensor(math.log(sigma)))

    @property
    def sigma(self) -> Tensor:
        """σ, a scalar."""
        return self.log_sigma.exp()

    def forward(self, distance: Tensor) -> Tensor:
        """Compute cues in [0, 1] from distances of any shape; see `gaussian_geodesic`."""
        return gaussian_geodesic(distance, self.sigma)


def gaussian_geodesic(distance: Tensor, sigma: Tensor) -> Tensor:
    """Compute exp(−D / 2σ²), differentiable in σ and in finite distances.

    Args:
        distance: any shape, at least 0; infinite without a reachable click, which gives 0.
        sigma: positive, a scalar or of a shape that broadcasts.

    Returns:
        In [0, 1], the shape of both.
    """
    unreached = distance.isinf()  # otherwise 0 · ∞ would make every gradient NaN
    return torch.exp(-distance.masked_fill(unreached, 0) / (2 * sigma**2)).masked_fill(unreached, 0)
