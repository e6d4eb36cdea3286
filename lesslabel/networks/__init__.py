"""Networks: architectures named by class path, and wrappers and heads that extend any of them."""

from lesslabel.networks.deeplab import DeepLab
from lesslabel.networks.description import Network
from lesslabel.networks.dual_decoder import DualDecoder
from lesslabel.networks.gaussian_process import GaussianProcessHead, gaussian_process_loss
from lesslabel.networks.hrnet import HRNet
from lesslabel.networks.penultimate import penultimate_maps
from lesslabel.networks.residual_unet import ResidualUNet
from lesslabel.networks.resnet_unet import ResNetUNet
from lesslabel.networks.shape import NetworkShape, build_network
from lesslabel.networks.two_heads import TwoHeads
from lesslabel.networks.u_shaped import Decoder, Encoder, UShaped
from lesslabel.networks.unet import UNet
from lesslabel.networks.vgg import VGG16
from lesslabel.networks.vnet import VNet

__all__ = [
    "VGG16",
    "Decoder",
    "DeepLab",
    "DualDecoder",
    "Encoder",
    "GaussianProcessHead",
    "HRNet",
    "Network",
    "NetworkShape",
    "ResNetUNet",
    "ResidualUNet",
    "TwoHeads",
    "UNet",
    "UShaped",
    "VNet",
    "build_network",
    "gaussian_process_loss",
    "penultimate_maps",
]
