"""Functions of the prior: over many of them the kernel, whatever the number of waves."""

import pytest
import torch
from scipy.stats import kstest
from torch import Tensor

from lesslabel.networks.gaussian_process import HybridKernel, Pixels, PriorFunction, sample_prior_function


def draw(count: int = 6) -> Pixels:
    generator = torch.Generator().manual_seed(0)
    return Pixels(
        torch.randn(3, count, generator=generator, dtype=torch.float64),
        torch.rand(2, count, generator=generator, dtype=torch.float64),
    )


def values(kernel: HybridKernel, pixels: Pixels, waves: int, functions: int) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        return torch.stack([sample_prior_function(kernel, pixels, waves, generator)(pixels) for _ in range(functions)])


@pytest.mark.parametrize("waves", [1, 64])
def test_mean_and_covariance_are_those_of_the_kernel(waves: int) -> None:
    kernel = HybridKernel(0.5, 0.4, intensity_scale=0.3, feature_scale=1.5).double()
    pixels = draw()
    drawn = values(kernel, pixels, waves, functions=1500)
    # Standard errors with 1500 functions of variance 0.9: mean 0.025, products of two values 0.9 · √(2 / 1500) = 0.033.
    assert drawn.mean(dim=0).abs().max() < 0.08
    torch.testing.assert_close(drawn.T @ drawn / len(drawn), kernel(pixels, pixels).detach(), atol=0.12, rtol=0)


def test_many_waves_of_one_function_have_the_covariance_of_the_kernel() -> None:
    """What waves on their own say of the kernel, without the amplitudes: the mean of cos(ω(x − x'))."""
    kernel = HybridKernel(0.6, 0.4, 0.3, 1.5).double()
    pixels = draw(8)
    with torch.no_grad():
        drawn = sample_prior_function(kernel, pixels, 200_000, torch.Generator().manual_seed(2))
        covariance = torch.zeros(8, 8, dtype=torch.float64)
        for frequencies, looks, weight in (
            (drawn.intensity_frequencies, pixels.intensities, 0.6),
            (drawn.feature_frequencies, pixels.features, 0.4),
        ):
            angles = frequencies @ looks
            covariance += weight * (angles.cos().T @ angles.cos() + angles.sin().T @ angles.sin()) / len(frequencies)
    # Standard error of a mean of cosines: 1 / √(2 · 200 000) = 0.0016.
    torch.testing.assert_close(covariance, kernel(pixels, pixels).detach(), atol=0.008, rtol=0)


def test_one_value_is_normal_with_a_single_wave() -> None:
    kernel = HybridKernel(0.5, 0.2).double()
    drawn = values(kernel, draw(1), waves=1, functions=1000)[:, 0]
    assert kstest(drawn / 0.7**0.5, "norm").pvalue > 0.01


def test_a_function_by_hand() -> None:
    function = PriorFunction(
        intensity_frequencies=torch.tensor([[2.0]]),
        feature_frequencies=torch.tensor([[1.0, -1.0]]),
        phases=torch.tensor([[0.5], [0.25]]),
        amplitudes=torch.tensor([[3.0], [0.5]]),
    )
    pixels = Pixels(torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([[0.25, 0.5]]))
    angles = torch.tensor([[1.0, 1.5], [1.25, -0.75]])
    torch.testing.assert_close(function(pixels), 3 * angles[0].cos() + 0.5 * angles[1].cos())


def test_a_seed_gives_one_function_and_gradients_reach_pixels_and_kernel() -> None:
    pixels = draw(3)
    kernel = HybridKernel().double()

    def function(features: Tensor, intensities: Tensor, *_: Tensor) -> Tensor:
        at = Pixels(features, intensities)
        return sample_prior_function(kernel, at, 4, torch.Generator().manual_seed(3))(at)

    torch.testing.assert_close(function(*pixels), function(*pixels), rtol=0, atol=0)
    assert not torch.equal(values(kernel, pixels, 4, 1)[0], function(*pixels))
    inputs = tuple(values.clone().requires_grad_() for values in pixels)
    assert torch.autograd.gradcheck(function, (*inputs, *kernel.parameters()))
