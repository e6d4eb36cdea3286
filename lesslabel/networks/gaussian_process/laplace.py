"""Laplace's approximation of a binary Gaussian process classifier, differentiable.

After Rasmussen and Williams, "Gaussian Processes for Machine Learning" (MIT Press 2006), algorithms 3.1 and 3.2. The
covariance K of the clicks is singular if two of them have equal features, so it is never inverted and gets no jitter:
all computations use B = I + W^½ K W^½, whose eigenvalues are at least 1.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lesslabel.networks.gaussian_process.kernel import Pixels

_MOST_ITERATIONS = 100
_TOLERANCE = 1e-8


@dataclass(frozen=True)
class LaplacePosterior:
    """N(f̂, H⁻¹), the posterior of the latent values f at c clicks; prior N(0, K), H = K⁻¹ + W.

    Attributes:
        labels: c, 1 for foreground and 0 for background.
        covariance: c×c, K.
        mode: c, f̂.
        score: c, ∇ log p(labels | f̂), which is K⁻¹f̂.
        whitener: c×c, L⁻¹ W^½ with LLᵀ = B, so that whitenerᵀ·whitener = (K + W⁻¹)⁻¹.
        divergence: scalar, KL(N(f̂, H⁻¹) ‖ N(0, K)) in nats.
    """

    labels: Tensor
    covariance: Tensor
    mode: Tensor
    score: Tensor
    whitener: Tensor
    divergence: Tensor

    @property
    def mean(self) -> Tensor:
        """The c means; for a normal distribution they are the mode."""
        return self.mode

    @property
    def variance(self) -> Tensor:
        """Compute the c diagonal elements of H⁻¹."""
        return (self.covariance.diagonal() - self.explained(self.covariance)).clamp_min(0)

    def explained(self, covariance: Tensor) -> Tensor:
        """Compute the reduction of the variance of n pixels by the clicks: the diagonal of k(K + W⁻¹)⁻¹kᵀ.

        Args:
            covariance: c×n, of clicks and pixels.

        Returns:
            n, not negative.
        """
        return (self.whitener.to(covariance.dtype) @ covariance).square().sum(dim=0)


class LaplaceEngine(nn.Module):
    """Solves for the posterior at the clicks; it has no parameters."""

    def forward(self, covariance: Tensor, labels: Tensor, clicked: Pixels) -> LaplacePosterior:  # noqa: ARG002  K holds all of it
        """Approximate the posterior; see `laplace_posterior`."""
        return laplace_posterior(covariance, labels)


def laplace_posterior(covariance: Tensor, labels: Tensor) -> LaplacePosterior:
    """Approximate the posterior of the latent values at the clicks, prior mean 0, logistic likelihood.

    The covariance has first but no second derivatives. Without a click everything is empty and the divergence is 0.

    Args:
        covariance: c×c, K, positive semidefinite; float64, as c is small.
        labels: c, of the same type, 1 or 0.

    Returns:
        The posterior; NaN if the covariance is NaN.
    """
    with torch.no_grad():
        mode = _mode(covariance, labels)
    # The mode solves f = K·∇ log p(labels | f). One more Newton step from there, with only K differentiable, does not
    # change it, and its derivative (I + KW)⁻¹ dK ∇ is that of the implicit function theorem.
    mode = covariance @ _newton_step(covariance, labels, mode)
    root_weight = _root_weight(mode)
    factor = _factor(covariance, root_weight)
    inverse_factor = torch.linalg.solve_triangular(factor, _identity_like(factor), upper=False)
    score = _score(labels, mode)
    # tr(K⁻¹H⁻¹) = tr(B⁻¹) and |K||H| = |B|.
    divergence = 0.5 * (inverse_factor.square().sum() + mode @ score - len(labels)) + factor.diagonal().log().sum()
    return LaplacePosterior(labels, covariance, mode, score, inverse_factor * root_weight, divergence)


def _mode(covariance: Tensor, labels: Tensor) -> Tensor:
    """Maximise log p(labels | f) − ½fᵀK⁻¹f by Newton's method with step halving, in terms of K⁻¹f."""
    dual = torch.zeros_like(labels)
    for _ in range(_MOST_ITERATIONS):
        step = _newton_step(covariance, labels, covariance @ dual) - dual
        while _objective(covariance, labels, dual + step) < _objective(covariance, labels, dual) - _TOLERANCE:
            step = step / 2
        dual = dual + step
        if (covariance @ step).norm() < _TOLERANCE:
            break
    return covariance @ dual


def _newton_step(covariance: Tensor, labels: Tensor, latent: Tensor) -> Tensor:
    """Make one step from latent values; returns K⁻¹ times the new ones (algorithm 3.1, lines 4 to 8)."""
    root_weight = _root_weight(latent)
    target = root_weight.square() * latent + _score(labels, latent)
    factor = _factor(covariance, root_weight)
    right = (root_weight * (covariance @ target))[:, None]
    return target - root_weight * torch.cholesky_solve(right, factor)[:, 0]


def _objective(covariance: Tensor, labels: Tensor, dual: Tensor) -> Tensor:
    latent = covariance @ dual
    return F.logsigmoid((2 * labels - 1) * latent).sum() - 0.5 * dual @ latent


def _score(labels: Tensor, latent: Tensor) -> Tensor:
    sign = 2 * labels - 1
    return sign * torch.sigmoid(-sign * latent)


def _root_weight(latent: Tensor) -> Tensor:
    """W^½, the root of −∇∇ log p = sigmoid(f)·sigmoid(−f), in a form whose gradient is finite for W = 0."""
    return (0.5 * (F.logsigmoid(latent) + F.logsigmoid(-latent))).exp()


def _factor(covariance: Tensor, root_weight: Tensor) -> Tensor:
    scaled = root_weight[:, None] * covariance * root_weight
    # cholesky_ex returns NaN where cholesky raises, so that the check of the loss in training can name the cases.
    factor: Tensor = torch.linalg.cholesky_ex(scaled + _identity_like(scaled)).L
    return factor


def _identity_like(matrix: Tensor) -> Tensor:
    return torch.eye(len(matrix), dtype=matrix.dtype, device=matrix.device)
