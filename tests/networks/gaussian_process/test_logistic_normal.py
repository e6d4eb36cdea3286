"""The expected sigmoid beside dense numerical integration."""

import math

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.special import expit
from scipy.stats import norm

from lesslabel.networks.gaussian_process import expected_sigmoid

MEANS = (-30.0, -6.0, -1.3, 0.0, 0.4, 2.5, 9.0)
VARIANCES = (1e-4, 0.05, 0.7, 4.0, 50.0, 1000.0)


def integrated(mean: float, variance: float) -> float:
    deviation = math.sqrt(variance)
    breaks = [-8 * deviation, -deviation, 0, deviation, 8 * deviation]
    result, _ = quad(
        lambda shift: expit(mean + shift) * norm.pdf(shift, scale=deviation),
        -12 * deviation,
        12 * deviation,
        points=sorted([*breaks, *([-mean] if abs(mean) < 12 * deviation else [])]),
        epsabs=1e-12,
        epsrel=1e-12,
        limit=400,
    )
    return result


@pytest.mark.parametrize("variance", VARIANCES)
@pytest.mark.parametrize("mean", MEANS)
def test_it_equals_dense_integration(mean: float, variance: float) -> None:
    result = expected_sigmoid(torch.tensor(mean, dtype=torch.float64), torch.tensor(variance, dtype=torch.float64))
    assert result.item() == pytest.approx(integrated(mean, variance), abs=1e-8)


def test_the_mixture_is_a_sigmoid_everywhere_which_bounds_the_error_for_every_distribution() -> None:
    latent = torch.linspace(-60, 60, 240001, dtype=torch.float64)
    error = expected_sigmoid(latent, torch.zeros_like(latent)) - torch.sigmoid(latent)
    assert error.abs().max() < 3e-9


def test_gradients_are_exact_also_without_variance() -> None:
    mean = torch.tensor([-3.0, 0.0, 1.0, 2.0], dtype=torch.float64, requires_grad=True)
    variance = torch.tensor([0.5, 2.0, 0.01, 9.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(expected_sigmoid, (mean, variance))
    none = torch.zeros(4, dtype=torch.float64, requires_grad=True)
    slope, curvature = torch.autograd.grad(expected_sigmoid(mean, none).sum(), (mean, none))
    sigmoid = torch.sigmoid(mean.detach())
    torch.testing.assert_close(slope, sigmoid * (1 - sigmoid), atol=1e-7, rtol=0)
    # The heat equation: ∂p/∂variance = ½ ∂²p/∂mean².
    torch.testing.assert_close(curvature, 0.5 * sigmoid * (1 - sigmoid) * (1 - 2 * sigmoid), atol=1e-6, rtol=0)


def test_opposite_labels_share_a_probability_of_one() -> None:
    mean = torch.linspace(-9, 9, 50, dtype=torch.float64)
    both = expected_sigmoid(mean, mean.square()) + expected_sigmoid(-mean, mean.square())
    torch.testing.assert_close(both, torch.ones_like(both), atol=1e-10, rtol=0)


def test_float32_agrees_and_stays_positive() -> None:
    mean = torch.linspace(-30, 30, 101, dtype=torch.float64)
    variance = torch.linspace(0, 3, 101, dtype=torch.float64)
    single = expected_sigmoid(mean.float(), variance.float())
    assert single.min() > 0
    np.testing.assert_allclose(single, expected_sigmoid(mean, variance), atol=3e-7)
