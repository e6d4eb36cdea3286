"""The loss terms of a Gaussian process head by hand, and what a sample without clicks adds."""

import pytest
import torch

from lesslabel.networks.gaussian_process import LaplacePosterior, expected_sigmoid, gaussian_process_loss
from lesslabel.networks.gaussian_process import laplace_posterior as posterior_of

EMPTY = posterior_of(torch.zeros(0, 0).double(), torch.zeros(0).double())


def two_clicks() -> LaplacePosterior:
    return posterior_of(torch.tensor([[0.7, 0.2], [0.2, 0.7]]).double(), torch.tensor([1.0, 0.0]).double())


def test_both_terms_by_hand() -> None:
    posterior = two_clicks()
    foreground = expected_sigmoid(posterior.mode, posterior.variance)
    terms = gaussian_process_loss([posterior], weight=0.1, divergence_weight=0.5)
    likelihood = -(foreground[0].log() + (1 - foreground[1]).log()) / 2
    assert terms["clicks"].item() == pytest.approx(0.1 * likelihood.item())
    assert terms["prior"].item() == pytest.approx(0.1 * 0.5 * posterior.divergence.item())


def test_a_sample_without_clicks_changes_nothing() -> None:
    alone, beside = gaussian_process_loss([two_clicks()]), gaussian_process_loss([EMPTY, two_clicks()])
    assert {name: term.item() for name, term in alone.items()} == {name: term.item() for name, term in beside.items()}
    assert alone["clicks"] > 0
    assert {term.item() for term in gaussian_process_loss([EMPTY, EMPTY]).values()} == {0.0}


def test_samples_count_alike_however_many_clicks_they_have() -> None:
    one = posterior_of(torch.tensor([[0.7]]).double(), torch.tensor([1.0]).double())
    both = gaussian_process_loss([one, two_clicks()])
    apart = [gaussian_process_loss([posterior]) for posterior in (one, two_clicks())]
    for name, term in both.items():
        assert term.item() == pytest.approx(sum(terms[name].item() for terms in apart) / 2)
