"""Classification of the pixels of an image by a Gaussian process trained on the clicks on that image."""

from lesslabel.networks.gaussian_process.decoupled import DecoupledEngine, DecoupledPosterior, decoupled_posterior
from lesslabel.networks.gaussian_process.head import GaussianProcessHead, GaussianProcessPrediction
from lesslabel.networks.gaussian_process.kernel import HybridKernel, Pixels
from lesslabel.networks.gaussian_process.laplace import LaplaceEngine, LaplacePosterior, laplace_posterior
from lesslabel.networks.gaussian_process.logistic_normal import expected_sigmoid
from lesslabel.networks.gaussian_process.loss import gaussian_process_loss
from lesslabel.networks.gaussian_process.prior_function import PriorFunction, sample_prior_function

__all__ = [
    "DecoupledEngine",
    "DecoupledPosterior",
    "GaussianProcessHead",
    "GaussianProcessPrediction",
    "HybridKernel",
    "LaplaceEngine",
    "LaplacePosterior",
    "Pixels",
    "PriorFunction",
    "decoupled_posterior",
    "expected_sigmoid",
    "gaussian_process_loss",
    "laplace_posterior",
    "sample_prior_function",
]
