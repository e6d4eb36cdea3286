"""Laplace's approximation beside its definition: matrices inverted, a root found, distributions of torch."""

import numpy as np
import pytest
import torch
from scipy.optimize import brentq
from scipy.special import expit
from torch import Tensor
from torch.distributions import MultivariateNormal, kl_divergence

from lesslabel.networks.gaussian_process import laplace_posterior


def draw(count: int, amplitude: float = 1.0, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    root = torch.randn(count, count + 2, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, 2, (count,), generator=generator).double()
    return amplitude * root @ root.T / count, labels


@pytest.mark.parametrize("amplitude", [1e-3, 1.0, 1e4])
def test_the_mode_solves_its_equation(amplitude: float) -> None:
    covariance, labels = draw(20, amplitude)
    posterior = laplace_posterior(covariance, labels)
    torch.testing.assert_close(posterior.mode, covariance @ (labels - torch.sigmoid(posterior.mode)), atol=1e-9, rtol=0)
    torch.testing.assert_close(posterior.score, torch.linalg.solve(covariance, posterior.mode), atol=1e-8, rtol=1e-6)


def test_one_click_by_a_root() -> None:
    posterior = laplace_posterior(torch.tensor([[0.7]]).double(), torch.tensor([1.0]).double())
    mode = brentq(lambda f: f - 0.7 * expit(-f), 0, 1, xtol=1e-14)
    weight = expit(mode) * expit(-mode)
    assert posterior.mode.item() == pytest.approx(mode, abs=1e-8)
    assert posterior.variance.item() == pytest.approx(1 / (1 / 0.7 + weight), rel=1e-7)


def test_variance_and_divergence_are_those_of_the_two_normal_distributions() -> None:
    covariance, labels = draw(9)
    posterior = laplace_posterior(covariance, labels)
    probability = torch.sigmoid(posterior.mode)
    precision = torch.linalg.inv(covariance) + torch.diag(probability * (1 - probability))
    inverse = torch.linalg.inv(precision)
    torch.testing.assert_close(posterior.variance, inverse.diagonal())
    expected = kl_divergence(
        MultivariateNormal(posterior.mode, precision_matrix=precision),
        MultivariateNormal(torch.zeros_like(posterior.mode), covariance),
    )
    torch.testing.assert_close(posterior.divergence, expected)
    # (K + W⁻¹)⁻¹, what the variance of a pixel is made of
    whole = torch.linalg.inv(covariance + torch.diag(1 / (probability * (1 - probability))))
    torch.testing.assert_close(posterior.whitener.T @ posterior.whitener, whole)


def test_gradients_of_everything_by_implicit_differentiation() -> None:
    _, labels = draw(6)
    root = torch.randn(6, 8, generator=torch.Generator().manual_seed(3), dtype=torch.float64, requires_grad=True)

    def outputs(root: Tensor) -> tuple[Tensor, ...]:
        posterior = laplace_posterior(root @ root.T / 4, labels)
        return posterior.mode, posterior.score, posterior.variance, posterior.whitener, posterior.divergence

    assert torch.autograd.gradcheck(outputs, root)


def test_the_order_of_clicks_does_not_matter() -> None:
    covariance, labels = draw(15)
    order = torch.randperm(15, generator=torch.Generator().manual_seed(5))
    posterior = laplace_posterior(covariance, labels)
    shuffled = laplace_posterior(covariance[order][:, order], labels[order])
    torch.testing.assert_close(shuffled.mode, posterior.mode[order])
    torch.testing.assert_close(shuffled.variance, posterior.variance[order])
    torch.testing.assert_close(shuffled.divergence, posterior.divergence)


def test_clicks_that_contradict_each_other_on_one_spot_say_nothing() -> None:
    covariance = torch.full((2, 2), 0.7, dtype=torch.float64, requires_grad=True)
    posterior = laplace_posterior(covariance, torch.tensor([1.0, 0.0]).double())
    torch.testing.assert_close(posterior.mode.detach(), torch.zeros(2).double())
    (posterior.divergence + posterior.variance.sum()).backward()
    assert covariance.grad.isfinite().all()


def test_a_click_made_twice_counts_twice_where_the_covariance_is_singular() -> None:
    click = torch.tensor([1.0]).double()
    once = laplace_posterior(torch.tensor([[0.7]]).double(), click)
    twice = laplace_posterior(torch.full((2, 2), 0.7).double(), click.repeat(2))
    assert twice.mode[0] > once.mode[0]
    assert twice.variance[0] < once.variance[0]
    assert twice.divergence > once.divergence


def test_a_prior_without_variance_stays_where_it_is() -> None:
    posterior = laplace_posterior(torch.zeros(3, 3).double(), torch.tensor([1.0, 0.0, 1.0]).double())
    assert posterior.mode.abs().max() == 0
    assert posterior.divergence.item() == pytest.approx(0, abs=1e-15)


def test_no_click_gives_nothing() -> None:
    posterior = laplace_posterior(torch.zeros(0, 0).double(), torch.zeros(0).double())
    assert posterior.mode.shape == posterior.variance.shape == (0,)
    assert posterior.divergence == 0


def test_nan_is_handed_on() -> None:
    covariance, labels = draw(4)
    covariance[1, 2] = covariance[2, 1] = np.nan
    assert laplace_posterior(covariance, labels).mode.isnan().any()
