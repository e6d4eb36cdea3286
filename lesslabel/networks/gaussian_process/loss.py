"""The additional loss terms of a Gaussian process head."""

from collections.abc import Sequence

import torch
from torch import Tensor

from lesslabel.networks.gaussian_process.head import ClickPosterior
from lesslabel.networks.gaussian_process.logistic_normal import expected_sigmoid


def gaussian_process_loss(
    posteriors: Sequence[ClickPosterior], weight: float = 0.001, divergence_weight: float = 0.01
) -> dict[str, Tensor]:
    """Compute the terms of ``μ·(L_Pred + ω·L_Reg)``, eq. 14 and 16 of the method that `GaussianProcessHead` cites.

    L_Pred is the negative logarithm of the probability that the posterior gives to the label of a click, the mean over
    the clicks of a sample; L_Reg is the posterior's divergence from the prior at the clicks. Both are averaged over the
    samples that have a click; without clicks they are 0 with zero gradient.

    Args:
        posteriors: one per sample, from `GaussianProcessPrediction`.
        weight: μ.
        divergence_weight: ω.

    Returns:
        Two weighted scalars to add to the main loss: ``clicks``, μ·L_Pred, and ``prior``, μ·ω·L_Reg.
    """
    samples = max(sum(len(posterior.labels) > 0 for posterior in posteriors), 1)
    clicks = torch.stack([click_negative_log_likelihood(posterior) for posterior in posteriors]).sum()
    prior = torch.stack([posterior.divergence for posterior in posteriors]).sum()
    return {"clicks": weight / samples * clicks, "prior": weight * divergence_weight / samples * prior}


def click_negative_log_likelihood(posterior: ClickPosterior) -> Tensor:
    """Average −log of the probability of each click's own label; 0 without a click.

    Returns:
        Scalar in nats.
    """
    sign = 2 * posterior.labels - 1
    probability = expected_sigmoid(sign * posterior.mean, posterior.variance)
    return -probability.log().sum() / max(len(sign), 1)
