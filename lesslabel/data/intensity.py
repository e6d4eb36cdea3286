"""Intensities as a network sees them."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lesslabel.errors import ConfigError


@dataclass(frozen=True)
class Intensity:
    """How each channel of a volume is normalised, by the volume's own statistics.

    Attributes:
        name: ``percentile`` clips at an upper percentile and scales to [0, 1], as the scribble benchmark does for ACDC;
            ``zscore`` gives zero mean and unit variance; ``window`` clips to `window` and scales to [0, 1]; ``none``
            leaves values alone.
        upper_percentile: for ``percentile``, in (0, 100]. On a volume that was clipped before it changes nothing.
        window: for ``window``, lower and upper value (−150, 250 HU for the abdomen).
    """

    name: Literal["percentile", "zscore", "window", "none"] = "percentile"
    upper_percentile: float = 99.0
    window: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if self.name == "window" and (self.window is None or self.window[0] >= self.window[1]):
            raise ConfigError(f"intensity: 'window' needs window: [lower, upper], got {self.window}")
        if not 0.0 < self.upper_percentile <= 100.0:
            raise ConfigError(f"intensity: upper_percentile must be in (0, 100], got {self.upper_percentile}")


def normalise(image: NDArray[np.float32], intensity: Intensity) -> NDArray[np.float32]:
    """Normalise a (C, z, y, x) volume channel by channel; a constant channel becomes zero."""
    if intensity.name == "none":
        return image
    channels = [_normalise_channel(channel, intensity) for channel in image]
    return np.stack(channels).astype(np.float32, copy=False)


def _normalise_channel(channel: NDArray[np.float32], intensity: Intensity) -> NDArray[np.float32]:
    if intensity.name == "zscore":
        deviation = float(channel.std(dtype=np.float64))
        return (channel - np.float32(channel.mean(dtype=np.float64))) / np.float32(deviation or 1.0)
    if intensity.name == "window" and intensity.window is not None:
        low, high = intensity.window
    else:
        low, high = float(channel.min()), float(np.percentile(channel, intensity.upper_percentile))
    return (np.clip(channel, low, high) - np.float32(low)) / np.float32(high - low or 1.0)
