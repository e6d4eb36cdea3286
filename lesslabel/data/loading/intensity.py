"""Normalisation of intensities for the network input."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lesslabel.errors import ConfigError


@dataclass(frozen=True)
class Intensity:
    """Normalisation of each channel of a volume by its own statistics.

    Attributes:
        name: ``percentile`` clips at an upper percentile and scales to [0, 1], as the scribble benchmark does for ACDC;
            ``zscore`` gives zero mean and unit variance; ``window`` clips to `window` and scales to [0, 1]; ``none``
            keeps the values.
        upper_percentile: for ``percentile``, in (0, 100]; the limit is a value of the volume that at least this share
            of its voxels does not exceed. Clipping a second time changes nothing.
        window: for ``window``, lower and upper value (−150, 250 HU for the abdomen).
        match: file of quantiles, such as those of a bundle; each channel is first mapped to their distribution. None
            keeps the intensities of the image.
    """

    name: Literal["percentile", "zscore", "window", "none"] = "percentile"
    upper_percentile: float = 99.0
    window: tuple[float, float] | None = None
    match: str | None = None

    def __post_init__(self) -> None:
        if self.name == "window" and (self.window is None or self.window[0] >= self.window[1]):
            raise ConfigError(f"intensity: 'window' needs window: [lower, upper], got {self.window}")
        if not 0.0 < self.upper_percentile <= 100.0:
            raise ConfigError(f"intensity: upper_percentile must be in (0, 100], got {self.upper_percentile}")


@dataclass(frozen=True)
class Scaling:
    """Normalisation of a channel: clip to `lower` and `upper`, subtract `offset`, divide by `width`."""

    lower: float
    upper: float
    offset: float
    width: float


def normalise(image: NDArray[np.float32], intensity: Intensity) -> NDArray[np.float32]:
    """Normalise a (C, z, y, x) volume channel by channel; a constant channel becomes zero."""
    return apply_scalings(image, measure_scalings(image, intensity))


def measure_scalings(image: NDArray[np.float32], intensity: Intensity) -> list[Scaling] | None:
    """Compute the normalisation of each channel of a whole volume (C, z, y, x); None for no normalisation."""
    if intensity.name == "none":
        return None
    return [_measure(channel, intensity) for channel in image]


def apply_scalings(image: NDArray[np.float32], scalings: Sequence[Scaling] | None) -> NDArray[np.float32]:
    """Normalise a volume (C, z, y, x), or a region of one, with the values of the whole volume."""
    if scalings is None:
        return image
    normalised = np.array(image, dtype=np.float32)
    for channel, scaling in zip(normalised, scalings, strict=True):
        _apply(channel, scaling)
    return normalised


def _measure(channel: NDArray[np.float32], intensity: Intensity) -> Scaling:
    if intensity.name == "zscore":
        mean, deviation = channel.mean(dtype=np.float64), channel.std(dtype=np.float64)
        return Scaling(-np.inf, np.inf, float(mean), float(deviation))
    if intensity.name == "window" and intensity.window is not None:
        low, high = intensity.window
    else:
        # a value of the volume, not one between two, so that clipping a second time finds the same value
        low, high = float(channel.min()), float(np.percentile(channel, intensity.upper_percentile, method="higher"))
        if high == low:
            high = float(channel.max())  # nearly all voxels have one value; the others still count
    return Scaling(low, high, low, high - low)


def _apply(channel: NDArray[np.float32], scaling: Scaling) -> None:
    """Normalise a channel in place."""
    if not np.isinf(scaling.upper):
        np.clip(channel, scaling.lower, scaling.upper, out=channel)
    channel -= np.float32(scaling.offset)
    # a channel whose width is 0 in float32 is constant
    channel /= np.float32(scaling.width) or np.float32(1.0)
