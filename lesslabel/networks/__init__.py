"""Networks: architectures named by class path, and wrappers and heads that extend any of them."""

from lesslabel.networks.deeplab import DeepLab
from lesslabel.networks.description import Network
from lesslabel.networks.discriminator import Discriminator
from lesslabel.networks.dual_decoder import DualDecoder, drawn_anew
from lesslabel.networks.gaussian_process import GaussianProcessHead, gaussian_process_loss
from lesslabel.networks.hrnet import HRNet
from lesslabel.networks.penultimate import encoder_maps, penultimate_maps
from lesslabel.networks.pyramid_heads import PyramidHeads
from lesslabel.networks.residual_unet import ResidualUNet
from lesslabel.networks.resnet_unet import ResNetUNet
from lesslabel.networks.shape import NetworkShape, build_network
from lesslabel.networks.two_heads import TwoHeads
from lesslabel.networks.u_shaped import Decoder, Encoder, UShaped
from lesslabel.networks.unet import UNet
from lesslabel.networks.varied_decoders import VariedDecoders
from lesslabel.networks.vgg import VGG16
from lesslabel.networks.vnet import VNet

__all__ = [
    "VGG16",
    "Decoder",
    "DeepLab",
    "Discriminator",
    "DualDecoder",
    "Encoder",
    "GaussianProcessHead",
    "HRNet",
    "Network",
    "NetworkShape",
    "PyramidHeads",
    "ResNetUNet",
    "ResidualUNet",
    "TwoHeads",
    "UNet",
    "UShaped",
    "VNet",
    "VariedDecoders",
    "build_network",
    "drawn_anew",
    "encoder_maps",
    "gaussian_process_loss",
    "penultimate_maps",
]
