"""Decoupled inference: a network predicts the posterior at the clicks, and functions are sampled from it.

After GPCIS (Zhou et al., "Interactive segmentation as Gaussian process classification", CVPR 2023): the posterior at
the clicks is amortised, that is, predicted and not solved for, and a function of the posterior is one of the prior,
sampled in weight space, plus an update in function space towards the clicks (eq. 11 there; Wilson et al.,
"Efficiently sampling functions from Gaussian process posteriors", ICML 2020).
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lesslabel.errors import ConfigError
from lesslabel.networks.gaussian_process.kernel import HybridKernel, Pixels
from lesslabel.networks.gaussian_process.prior_function import PriorFunction, sample_prior_function


@dataclass(frozen=True)
class DecoupledPosterior:
    """q(u) = N(m, S) of the noisy values u = f + ε of a function f at c clicks; prior N(0, K) of f, ε of N(0, jitter).

    Attributes:
        labels: c, 1 for foreground and 0 for background.
        mean: c, m.
        root: c×c, lower triangular, root·rootᵀ = S.
        jitter: variance of ε.
        inverse_factor: c×c, L⁻¹ with LLᵀ = K + jitter·1.
        score: c, (K + jitter·1)⁻¹m.
        divergence: scalar, KL(N(m, S) ‖ N(0, K + jitter·1)) in nats.
    """

    labels: Tensor
    mean: Tensor
    root: Tensor
    jitter: float
    inverse_factor: Tensor
    score: Tensor
    divergence: Tensor

    @property
    def variance(self) -> Tensor:
        """Compute the c diagonal elements of S."""
        return self.root.square().sum(dim=1)

    def explained(self, covariance: Tensor) -> Tensor:
        """Compute the reduction of the variance of n pixels by the clicks: the diagonal of k(A − ASA)kᵀ, A = (K + …)⁻¹.

        Args:
            covariance: c×n, of clicks and pixels.

        Returns:
            n values; negative if q is less certain than the prior.
        """
        whitened = self.inverse_factor.to(covariance.dtype) @ covariance
        spread = (self.inverse_factor @ self.root).T.to(covariance.dtype) @ whitened
        return whitened.square().sum(dim=0) - spread.square().sum(dim=0)


def decoupled_posterior(
    covariance: Tensor, labels: Tensor, mean: Tensor, root: Tensor, jitter: float
) -> DecoupledPosterior:
    """Compute from N(m, S) what predictions need.

    Args:
        covariance: c×c, K, positive semidefinite; float64, as c is small.
        labels: c, 1 or 0.
        mean: c, m.
        root: c×c, lower triangular with a positive diagonal, the root of S.
        jitter: variance of the noise of the values at the clicks; positive if clicks may coincide.

    Returns:
        The posterior; NaN if the covariance is NaN.
    """
    identity = torch.eye(len(mean), dtype=covariance.dtype, device=covariance.device)
    # cholesky_ex returns NaN where cholesky raises, so that the check of the loss in training can name the cases.
    factor = torch.linalg.cholesky_ex(covariance + jitter * identity).L
    inverse_factor = torch.linalg.solve_triangular(factor, identity, upper=False)
    whitened = inverse_factor @ mean
    distance = (inverse_factor @ root).square().sum() + whitened.square().sum() - len(mean)
    divergence = 0.5 * distance + factor.diagonal().log().sum() - root.diagonal().log().sum()
    return DecoupledPosterior(labels, mean, root, jitter, inverse_factor, inverse_factor.T @ whitened, divergence)


@dataclass(frozen=True)
class PosteriorFunction:
    """A function sampled from the posterior.

    Attributes:
        prior: the sampled function of the prior.
        clicked: the c clicked pixels.
        weights: c, of the kernel around each of them.
    """

    prior: PriorFunction
    clicked: Pixels
    weights: Tensor

    def __call__(self, kernel: HybridKernel, pixels: Pixels) -> Tensor:
        """Evaluate the function at n pixels, in their precision, with the kernel that it was sampled with."""
        covariance = kernel(Pixels(*(values.to(pixels.features.dtype) for values in self.clicked)), pixels)
        value: Tensor = self.prior(pixels) + self.weights.to(covariance.dtype) @ covariance
        return value


class DecoupledEngine(nn.Module):
    """Predicts the posterior at the clicks from their features, and samples functions from it.

    The mean at a click is ``±softplus(·)``, with the sign of its label, and its standard deviation a share of the
    prior's, ``sigmoid(·)``, both from a network of one hidden layer on the click's features and intensities. In q the
    clicks are independent, as in GPCIS. Three things differ from its published code. There the standard deviation is
    0.01 and not predicted. There the waves of the prior and the mean of their weights are learned, so they are not a
    sample of the kernel; here they are, and the update conditions exactly. There the jitter is 0.01 in training and
    1e-7 afterwards; here it is always the same.

    Args:
        channels: features and intensities of a pixel together.
        hidden: width of the hidden layer.
        waves: number of waves of a function of the prior, for each part of the kernel; sets the cost per pixel.
        jitter: variance of the noise between function and click: small enough that a click holds at its pixel, large
            enough for clicks with similar features.

    Raises:
        ConfigError: if a number is not positive.
    """

    def __init__(self, channels: int, hidden: int = 96, waves: int = 256, jitter: float = 0.01) -> None:
        super().__init__()
        for name, value in (("channels", channels), ("hidden", hidden), ("waves", waves), ("jitter", jitter)):
            if not value > 0:
                raise ConfigError(f"{name}: {value} must be positive")
        self.network = nn.Sequential(nn.Linear(channels, hidden), nn.ReLU(), nn.Linear(hidden, 2))
        self.waves = waves
        self.jitter = jitter

    def forward(self, covariance: Tensor, labels: Tensor, clicked: Pixels) -> DecoupledPosterior:
        """Predict the posterior.

        Args:
            covariance: c×c, K, in float64.
            labels: c, 1 or 0, of the same type.
            clicked: the c pixels.
        """
        inputs = torch.cat([clicked.features, clicked.intensities]).T.to(next(self.network.parameters()).dtype)
        size, share = self.network(inputs).to(covariance.dtype).unbind(dim=1)
        deviation = (covariance.diagonal() + self.jitter).sqrt() * torch.sigmoid(share)
        mean = (2 * labels - 1) * F.softplus(size)
        return decoupled_posterior(covariance, labels, mean, torch.diag(deviation), self.jitter)

    def draw(
        self, kernel: HybridKernel, posterior: DecoupledPosterior, clicked: Pixels, generator: torch.Generator | None
    ) -> PosteriorFunction:
        """Sample a function: all randomness is here; after that its values are fixed everywhere.

        f = g + k·(K + jitter·1)⁻¹(u − g(clicks) − ε) with g of the prior and u of q (Matheron's rule).

        Args:
            kernel: of the prior.
            posterior: of the clicks.
            clicked: the c pixels, in float64.
            generator: random number generator on the CPU; None for PyTorch's.
        """
        prior = sample_prior_function(kernel, clicked, self.waves, generator)
        noise = torch.randn(2, len(posterior.mean), generator=generator, dtype=torch.float64).to(posterior.mean)
        values = posterior.mean + posterior.root @ noise[0]
        missing = values - prior(clicked) - posterior.jitter**0.5 * noise[1]
        weights = posterior.inverse_factor.T @ (posterior.inverse_factor @ missing)
        return PosteriorFunction(prior, clicked, weights)
