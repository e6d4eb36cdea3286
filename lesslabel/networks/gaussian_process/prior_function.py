"""Functions sampled from the prior of the hybrid kernel, as sums of random waves."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from lesslabel.networks.gaussian_process.kernel import HybridKernel, Pixels

_MATERN_DEGREES_OF_FREEDOM = 5  # 2ν of the Matérn function


@dataclass(frozen=True)
class PriorFunction:
    """A function of a pixel's intensities and features: L waves for each.

    Attributes:
        intensity_frequencies: L×C, radians per unit of intensity.
        feature_frequencies: L×D, radians per unit of the features.
        phases: 2×L, radians; of the waves over intensities, then over features.
        amplitudes: 2×L, in the same order.
    """

    intensity_frequencies: Tensor
    feature_frequencies: Tensor
    phases: Tensor
    amplitudes: Tensor

    def __call__(self, pixels: Pixels) -> Tensor:
        """Evaluate the function at n pixels; returns n values in their precision."""
        dtype = pixels.features.dtype
        phases, amplitudes = self.phases.to(dtype), self.amplitudes.to(dtype)
        waves = (self.intensity_frequencies, pixels.intensities), (self.feature_frequencies, pixels.features)
        return sum(
            (
                amplitude @ torch.addmm(phase[:, None], frequencies.to(dtype), values).cos()
                for (frequencies, values), phase, amplitude in zip(waves, phases, amplitudes, strict=True)
            ),
            start=torch.zeros((), dtype=dtype, device=phases.device),
        )


def sample_prior_function(
    kernel: HybridKernel, like: Pixels, waves: int, generator: torch.Generator | None
) -> PriorFunction:
    """Sample a function whose covariance is the kernel, from the spectral density of the kernel.

    Random Fourier features (Rahimi and Recht, "Random features for large-scale kernel machines", NIPS 2007) for both
    parts of the kernel. A radial basis function of scale τ has normal frequencies of scale 1/τ; a Matérn 5/2 function
    of scale ℓ has those of a Student distribution with five degrees of freedom and scale 1/ℓ (Rasmussen and Williams,
    "Gaussian Processes for Machine Learning", eq. 4.15). One cosine with a Rayleigh
    amplitude and a uniform phase is equivalent to a cosine and a sine with independent normal weights.

    Over all samples, mean 0 and the covariance are exact for any number of waves, and so is the normal distribution of
    a single value; the joint distribution of several values becomes normal with many waves.

    Args:
        kernel: gradients reach its parameters through the function.
        like: any pixels, for the numbers of features and channels, and for the device.
        waves: L, for each part.
        generator: random number generator on the CPU, so that all devices get the same function; None for PyTorch's.

    Returns:
        The function, in float64.
    """

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    intensity_frequencies = normal(waves, len(like.intensities))
    chi_squared = normal(waves, _MATERN_DEGREES_OF_FREEDOM).square().sum(dim=1, keepdim=True)
    feature_frequencies = normal(waves, len(like.features)) * (_MATERN_DEGREES_OF_FREEDOM / chi_squared).sqrt()
    phases = 2 * math.pi * torch.rand(2, waves, generator=generator, dtype=torch.float64)
    rayleigh = normal(2, 2, waves).square().sum(dim=0).sqrt()

    device = like.features.device
    weights = torch.stack([kernel.log_intensity_weight, kernel.log_feature_weight]).double().exp()
    return PriorFunction(
        intensity_frequencies.to(device) * (-kernel.log_intensity_scale.double()).exp(),
        feature_frequencies.to(device) * (-kernel.log_feature_scale.double()).exp(),
        phases.to(device),
        rayleigh.to(device) * (weights / waves).sqrt()[:, None],
    )
