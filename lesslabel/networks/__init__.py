"""Networks: U-shaped architectures and the wrappers that extend any of them."""

from lesslabel.networks.dual_decoder import DualDecoder
from lesslabel.networks.shape import NetworkShape, build_network
from lesslabel.networks.u_shaped import UShaped
from lesslabel.networks.unet import UNet

__all__ = ["DualDecoder", "NetworkShape", "UNet", "UShaped", "build_network"]
