"""Classification of pixels by a Gaussian process whose training set is the clicks on that very image."""

from lesslabel.networks.gaussian_process.head import GaussianProcessHead, GaussianProcessPrediction
from lesslabel.networks.gaussian_process.kernel import HybridKernel, Pixels
from lesslabel.networks.gaussian_process.laplace import LaplacePosterior, laplace_posterior
from lesslabel.networks.gaussian_process.logistic_normal import expected_sigmoid
from lesslabel.networks.gaussian_process.loss import gaussian_process_loss

__all__ = [
    "GaussianProcessHead",
    "GaussianProcessPrediction",
    "HybridKernel",
    "LaplacePosterior",
    "Pixels",
    "expected_sigmoid",
    "gaussian_process_loss",
    "laplace_posterior",
]
