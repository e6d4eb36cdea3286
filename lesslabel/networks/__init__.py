"""Networks: U-shaped architectures and the wrappers that extend any of them."""

from lesslabel.networks.dual_decoder import DualDecoder
from lesslabel.networks.shape import NetworkShape, build_network
from lesslabel.networks.two_heads import TwoHeads
from lesslabel.networks.u_shaped import UShaped
from lesslabel.networks.unet import UNet
from lesslabel.networks.vnet import VNet

__all__ = ["DualDecoder", "NetworkShape", "TwoHeads", "UNet", "UShaped", "VNet", "build_network"]
