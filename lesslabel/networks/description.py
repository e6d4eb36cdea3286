"""The description of a network in a configuration: one class for each architecture."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Literal, get_args

from lesslabel.errors import ConfigError
from lesslabel.networks.layers import Normalisation
from lesslabel.networks.u_shaped import UShaped

Dimensions = Literal[2, 3]


class Network(ABC):
    """A network described by values that a YAML file can hold; each architecture is a frozen dataclass.

    A configuration names the class, ``network: {class_path: lesslabel.networks.UNet, init_args: {…}}``; a method builds
    as many networks as it needs from the description.

    Attributes:
        dimensions: 2 for slices, 3 for volumes.
    """

    dimensions: Dimensions

    @property
    @abstractmethod
    def feature_channels(self) -> int:
        """Channels of the penultimate map, the input of the head."""

    def build(self, in_channels: int, out_channels: int) -> UShaped:
        """Build a network with random initial weights (torch's global generator).

        Args:
            in_channels: channels of the image.
            out_channels: classes, background included.

        Returns:
            A network from images B×in_channels×[D×]H×W to logits B×out_channels×[D×]H×W.

        Raises:
            ConfigError: if a channel count is not positive.
        """
        if in_channels < 1 or out_channels < 1:
            raise ConfigError(
                f"network: {in_channels} image channels and {out_channels} classes; both must be at least 1"
            )
        return self._build(in_channels, out_channels)

    @abstractmethod
    def _build(self, in_channels: int, out_channels: int) -> UShaped:
        """Build the network; both counts are positive."""


def check_choices(**choices: tuple[object, tuple[object, ...]]) -> None:
    """Raise an error for settings of a network that are not among their choices.

    Args:
        choices: for each setting its value and the allowed values.

    Raises:
        ConfigError: names the first.
    """
    for setting, (value, allowed) in choices.items():
        if value not in allowed:
            raise ConfigError(f"network.{setting}: {value!r} is not one of {', '.join(map(repr, allowed))}")


def check_common(dimensions: Dimensions, normalisation: Normalisation) -> None:
    """Raise an error for unknown dimensions and normalisations.

    Raises:
        ConfigError: names the setting.
    """
    check_choices(dimensions=(dimensions, get_args(Dimensions)), normalisation=(normalisation, get_args(Normalisation)))


def check_widths(**widths: Sequence[int]) -> None:
    """Raise an error for widths of levels that are not positive, or fewer than two.

    Raises:
        ConfigError: names the setting.
    """
    for setting, values in widths.items():
        if len(values) < 2 or min(values) < 1:
            raise ConfigError(f"network.{setting}: {values} must be two or more positive widths, finest first")


def check_probabilities(**probabilities: float | Sequence[float]) -> None:
    """Raise an error for probabilities outside [0, 1).

    Raises:
        ConfigError: names the setting.
    """
    for setting, given in probabilities.items():
        if not all(0 <= each < 1 for each in (given if isinstance(given, Sequence) else (given,))):
            raise ConfigError(f"network.{setting}: {given} must lie in [0, 1)")


def dropout_of_levels(channels: Sequence[int], encoder_dropout: Sequence[float]) -> tuple[float, ...]:
    """The dropout of every level; an empty setting means no dropout.

    Raises:
        ConfigError: if there is not one value per level.
    """
    if encoder_dropout and len(encoder_dropout) != len(channels):
        raise ConfigError(
            f"network.encoder_dropout: {len(encoder_dropout)} values for {len(channels)} levels in network.channels; "
            "give one per level, or none"
        )
    return tuple(encoder_dropout) or (0.0,) * len(channels)
