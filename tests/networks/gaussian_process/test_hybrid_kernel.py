"""The hybrid kernel beside scikit-learn's, its derivative where pixels coincide, and its digits."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from lesslabel.errors import ConfigError
from lesslabel.networks.gaussian_process import HybridKernel, Pixels
from lesslabel.networks.gaussian_process.kernel import squared_distances


def draw(count: int, features: int = 5, channels: int = 2, seed: int = 0) -> Pixels:
    generator = torch.Generator().manual_seed(seed)
    return Pixels(
        torch.randn(features, count, generator=generator, dtype=torch.float64),
        torch.rand(channels, count, generator=generator, dtype=torch.float64),
    )


def test_a_pair_by_hand() -> None:
    first = Pixels(torch.tensor([[0.0], [0.0]]), torch.tensor([[0.25]]))
    second = Pixels(torch.tensor([[3.0, 0.0], [4.0, 0.0]]), torch.tensor([[0.75, 0.25]]))
    scaled = math.sqrt(5) * 5 / 2
    far = 0.5 * math.exp(-(0.5**2) / 2) + 0.2 * (1 + scaled + scaled**2 / 3) * math.exp(-scaled)
    assert HybridKernel()(first, second)[0].tolist() == pytest.approx([far, 0.5 + 0.2], rel=1e-6)


def test_it_is_the_sum_of_two_known_kernels() -> None:
    kernels = pytest.importorskip("sklearn.gaussian_process.kernels")
    first, second = draw(7), draw(9, seed=1)
    kernel = HybridKernel(0.6, 0.4, 0.8, 1.8).double()
    rbf = kernels.RBF(0.8)(first.intensities.T.numpy(), second.intensities.T.numpy())
    matern = kernels.Matern(1.8, nu=2.5)(first.features.T.numpy(), second.features.T.numpy())
    np.testing.assert_allclose(kernel(first, second).detach(), 0.6 * rbf + 0.4 * matern, atol=1e-7)


@settings(max_examples=30)
@given(seed=st.integers(0, 10**6), scale=st.floats(0.1, 10))
def test_it_is_symmetric_positive_semidefinite_and_at_most_its_variance(seed: int, scale: float) -> None:
    kernel = HybridKernel(feature_scale=scale).double()
    pixels = draw(12, seed=seed)
    covariance = kernel(pixels, pixels).detach()
    torch.testing.assert_close(covariance, covariance.T)
    torch.testing.assert_close(covariance.diagonal(), kernel.variance.expand(12))
    assert covariance.max() <= kernel.variance + 1e-12
    assert torch.linalg.eigvalsh(covariance).min() > -1e-12


def test_gradients_are_exact_also_where_pixels_coincide() -> None:
    kernel = HybridKernel().double()
    features, intensities = draw(4)
    features, intensities = features[:, [0, 1, 2, 2]], intensities[:, [0, 1, 2, 2]]
    other = Pixels(features[:, :3].clone().requires_grad_(), intensities[:, :3].clone().requires_grad_())
    pixels = Pixels(features.requires_grad_(), intensities.requires_grad_())

    def covariance(*values: Tensor) -> Tensor:
        return kernel(Pixels(*values[:2]), Pixels(*values[2:4]))

    assert torch.autograd.gradcheck(covariance, (*pixels, *other, *kernel.parameters()))


def test_a_second_derivative_raises_rather_than_being_wrong() -> None:
    pixels = draw(3)
    pixels.features.requires_grad_()
    (gradient,) = torch.autograd.grad(HybridKernel()(pixels, pixels).sum(), pixels.features, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


def test_float32_keeps_its_digits_far_from_the_origin() -> None:
    first, second = draw(6), draw(8, seed=1)
    near = squared_distances(first.features, second.features)
    far = squared_distances((first.features + 1000).float(), (second.features + 1000).float())
    torch.testing.assert_close(far.double(), near, rtol=0, atol=2e-3)  # 1000 has a rounding of 3e-5 itself


@pytest.mark.parametrize("name", ["intensity_weight", "feature_weight", "intensity_scale", "feature_scale"])
@pytest.mark.parametrize("value", [0.0, -1.0, math.nan])
def test_parameters_must_be_positive(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=name):
        HybridKernel(**{name: value})
