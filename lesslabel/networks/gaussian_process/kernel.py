"""The hybrid kernel: similarity of two pixels by intensity and by deep features."""

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from lesslabel.errors import ConfigError


class Pixels(NamedTuple):
    """Pixels of one image without their positions; column n of both tensors is pixel n.

    Attributes:
        features: D×N, from the network.
        intensities: C×N, from the image.
    """

    features: Tensor
    intensities: Tensor


class HybridKernel(nn.Module):
    """A radial basis function of the intensities plus a Matérn 5/2 function of the features, with learned parameters.

    ``k(i, j) = α₁·exp(−‖Iᵢ − Iⱼ‖² / 2τ²) + α₂·(1 + √5 d/ℓ + 5d²/3ℓ²)·exp(−√5 d/ℓ)`` with d = ‖xᵢ − xⱼ‖ the distance of
    the features: eq. 13 of the method that `GaussianProcessHead` cites, with the Matérn function as in Rasmussen and
    Williams, "Gaussian Processes for Machine Learning" (MIT Press 2006, eq. 4.17), since the print has an error. The
    parameters are stored as logarithms, so they stay positive; weight decay would pull them to 1.

    Args:
        intensity_weight: initial α₁; the next three are initial values too.
        feature_weight: α₂.
        intensity_scale: τ, in units of intensity.
        feature_scale: ℓ, in units of the features.

    Raises:
        ConfigError: if a parameter is not positive.
    """

    def __init__(
        self,
        intensity_weight: float = 0.5,
        feature_weight: float = 0.2,
        intensity_scale: float = 1.0,
        feature_scale: float = 2.0,
    ) -> None:
        super().__init__()
        self.log_intensity_weight = _logarithm("intensity_weight", intensity_weight)
        self.log_feature_weight = _logarithm("feature_weight", feature_weight)
        self.log_intensity_scale = _logarithm("intensity_scale", intensity_scale)
        self.log_feature_scale = _logarithm("feature_scale", feature_scale)

    @property
    def variance(self) -> Tensor:
        """Compute the kernel of a pixel with itself, α₁ + α₂; a scalar."""
        return self.log_intensity_weight.exp() + self.log_feature_weight.exp()

    def forward(self, first: Pixels, second: Pixels) -> Tensor:
        """Compute the kernel of every pair.

        The gradient is finite and correct if pixels coincide. It can be computed once; a second derivative raises an
        error.

        Args:
            first: n pixels.
            second: m pixels.

        Returns:
            n×m, in the precision of the pixels.
        """
        dtype = first.features.dtype
        intensity_weight, feature_weight, intensity_scale, feature_scale = (
            logarithm.to(dtype).exp()
            for logarithm in (
                self.log_intensity_weight,
                self.log_feature_weight,
                self.log_intensity_scale,
                self.log_feature_scale,
            )
        )
        intensity = squared_distances(first.intensities, second.intensities) * (-0.5 / intensity_scale.square())
        feature = squared_distances(first.features, second.features) * (5 / feature_scale.square())
        matern: Tensor = _Matern.apply(feature)  # type: ignore[no-untyped-call]
        return intensity_weight * intensity.exp() + feature_weight * matern


def squared_distances(first: Tensor, second: Tensor) -> Tensor:
    """Compute ‖aᵢ − bⱼ‖² of every pair of columns.

    Args:
        first: D×n.
        second: D×m.

    Returns:
        n×m, not negative.
    """
    # ‖a‖² + ‖b‖² − 2ab is imprecise with an offset that all columns share; distances do not depend on it.
    centre = first.detach().sum(dim=1, keepdim=True) / max(first.shape[1], 1)
    first, second = first - centre, second - centre
    squares = first.square().sum(dim=0)[:, None] + second.square().sum(dim=0)
    return torch.addmm(squares, first.T, second, alpha=-2).clamp_min(0)


class _Matern(torch.autograd.Function):
    """(1 + s + s²/3)·exp(−s) as a function of s², whose derivative −(1 + s)·exp(−s) / 6 has no pole at 0, as √ has."""

    @staticmethod
    def forward(ctx: Any, squared: Tensor) -> Tensor:
        ctx.save_for_backward(squared)
        root = squared.sqrt()
        return (1 + root + squared / 3) * torch.exp(-root)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (squared,) = ctx.saved_tensors
        root = squared.sqrt()
        result: Tensor = gradient * (1 + root) * torch.exp(-root) / -6
        return result


def _logarithm(name: str, value: float) -> nn.Parameter:
    if not value > 0:
        raise ConfigError(f"{name}: {value} must be positive")
    return nn.Parameter(torch.tensor(math.log(value)))
