"""A network described by values that a YAML file can hold, and the function that builds it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from lesslabel.errors import ConfigError
from lesslabel.networks.layers import Normalisation
from lesslabel.networks.u_shaped import UShaped
from lesslabel.networks.unet import UNet, Upsampling
from lesslabel.networks.vnet import VNet

NetworkName = Literal["unet", "vnet"]
Dimensions = Literal[2, 3]


@dataclass(frozen=True)
class NetworkShape:
    """Which network, and how wide and deep. The defaults are the U-Net published with DMPLS, without encoder dropout.

    Attributes:
        name: the architecture.
        dimensions: 2 for slices, 3 for volumes.
        channels: width of each level, finest first; at least two levels.
        encoder_dropout: dropout probability in each level of the encoder, in [0, 1); as many as ``channels``. The
            published code of DMPLS uses (0.05, 0.1, 0.2, 0.3, 0.5), the V-Net of DTC (0, 0, 0, 0, 0.5). A U-Net drops
            single elements inside the level, a V-Net whole channels after it.
        upsampling: transposed convolution, or (U-Net alone) convolution of size 1 and linear interpolation.
        normalisation: batch, instance (for batches of one) or group normalisation.
        decoder_dropout: of a V-Net, probability that a channel is dropped before the head; the V-Net of DTC uses 0.5.

    Raises:
        ConfigError: if a value is out of its range or the lengths disagree.
    """

    name: NetworkName = "unet"
    dimensions: Dimensions = 2
    channels: tuple[int, ...] = (16, 32, 64, 128, 256)
    encoder_dropout: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0, 0.0)
    upsampling: Upsampling = "transposed"
    normalisation: Normalisation = "batch"
    decoder_dropout: float = 0.0

    def __post_init__(self) -> None:
        _check_choice("name", self.name, get_args(NetworkName))
        _check_choice("dimensions", self.dimensions, get_args(Dimensions))
        _check_choice("upsampling", self.upsampling, get_args(Upsampling))
        _check_choice("normalisation", self.normalisation, get_args(Normalisation))
        if len(self.channels) < 2 or min(self.channels) < 1:
            raise ConfigError(f"network.channels: {self.channels} must be two or more positive widths, finest first")
        if len(self.encoder_dropout) != len(self.channels):
            raise ConfigError(
                f"network.encoder_dropout: {len(self.encoder_dropout)} values for {len(self.channels)} levels in "
                "network.channels; give one per level"
            )
        for name, probabilities in (
            ("encoder_dropout", self.encoder_dropout),
            ("decoder_dropout", (self.decoder_dropout,)),
        ):
            if not all(0 <= probability < 1 for probability in probabilities):
                raise ConfigError(f"network.{name}: {getattr(self, name)} must lie in [0, 1)")
        if self.name == "unet" and self.decoder_dropout:
            raise ConfigError("network.decoder_dropout: a U-Net has none; set it to 0 or network.name to vnet")
        if self.name == "vnet" and self.upsampling != "transposed":
            raise ConfigError("network.upsampling: a V-Net has transposed convolutions only; set it to transposed")


def build_network(shape: NetworkShape, in_channels: int, out_channels: int) -> UShaped:
    """Build a network with freshly drawn weights (torch's global generator).

    Args:
        shape: the network's description.
        in_channels: channels of the image.
        out_channels: classes, background included.

    Returns:
        A network from images B×in_channels×[D×]H×W to logits B×out_channels×[D×]H×W.

    Raises:
        ConfigError: if a channel count is not positive.
    """
    if in_channels < 1 or out_channels < 1:
        raise ConfigError(f"network: {in_channels} image channels and {out_channels} classes; both must be at least 1")
    return _BUILDERS[shape.name](shape, in_channels, out_channels)


def _build_unet(shape: NetworkShape, in_channels: int, out_channels: int) -> UShaped:
    return UNet(
        dimensions=shape.dimensions,
        in_channels=in_channels,
        out_channels=out_channels,
        channels=shape.channels,
        encoder_dropout=shape.encoder_dropout,
        upsampling=shape.upsampling,
        normalisation=shape.normalisation,
    )


def _build_vnet(shape: NetworkShape, in_channels: int, out_channels: int) -> UShaped:
    return VNet(
        dimensions=shape.dimensions,
        in_channels=in_channels,
        out_channels=out_channels,
        channels=shape.channels,
        encoder_dropout=shape.encoder_dropout,
        decoder_dropout=shape.decoder_dropout,
        normalisation=shape.normalisation,
    )


def _check_choice(field: str, value: object, choices: tuple[object, ...]) -> None:
    if value not in choices:
        raise ConfigError(f"network.{field}: {value!r} is not one of {', '.join(map(repr, choices))}")


_BUILDERS: Mapping[NetworkName, Callable[[NetworkShape, int, int], UShaped]] = {
    "unet": _build_unet,
    "vnet": _build_vnet,
}
