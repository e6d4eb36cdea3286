"""Networks: architectures found by class path, and the wrappers and heads that extend any of them."""

from lesslabel.networks.description import Network
from lesslabel.networks.dual_decoder import DualDecoder
from lesslabel.networks.gaussian_process import GaussianProcessHead, gaussian_process_loss
from lesslabel.networks.penultimate import penultimate_maps
from lesslabel.networks.shape import NetworkShape, build_network
from lesslabel.networks.two_heads import TwoHeads
from lesslabel.networks.u_shaped import Decoder, Encoder, UShaped
from lesslabel.networks.unet import UNet
from lesslabel.networks.vnet import VNet

__all__ = [
    "Decoder",
    "DualDecoder",
    "Encoder",
    "GaussianProcessHead",
    "Network",
    "NetworkShape",
    "TwoHeads",
    "UNet",
    "UShaped",
    "VNet",
    "build_network",
    "gaussian_process_loss",
    "penultimate_maps",
]
