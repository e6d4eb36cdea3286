"""Histogram matching: map the intensities of one hospital to the distribution of another."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lesslabel.errors import ConfigError


def match_histogram(image: NDArray[np.float32], quantiles: NDArray[np.float32]) -> NDArray[np.float32]:
    """Map each channel of a volume to the intensity distribution of a reference.

    A value is mapped to the value with the same share of voxels below it in the reference: the distribution function of
    the channel, then the quantile function of the reference, both piecewise linear (Gonzalez and Woods, Digital Image
    Processing, histogram specification).

    Args:
        image: (C, z, y, x).
        quantiles: (C, Q) rising, the reference's values at the levels 0, 1/(Q − 1), …, 1: the `quantiles.npy` of a
            bundle.

    Returns:
        Of the same shape, within the reference's range; a constant channel becomes the reference's median.
    """
    levels = np.linspace(0.0, 1.0, quantiles.shape[1])
    matched = np.empty_like(image)
    for index, (channel, reference) in enumerate(zip(image, quantiles, strict=True)):
        _, first, counts = np.unique(channel, return_inverse=True, return_counts=True)
        # the middle rank of the voxels with one value, so that lowest and highest are treated alike
        below = (np.cumsum(counts) - 0.5 * counts) / channel.size
        matched[index] = np.interp(below, levels, reference)[first].reshape(channel.shape)
    return matched


def read_quantiles(path: Path, channels: int) -> NDArray[np.float32]:
    """Read the quantiles of a reference.

    Args:
        path: `.npy` file, (channels, Q).
        channels: of the images.

    Raises:
        ConfigError: if the file is absent, damaged, or made for another number of channels.
    """
    try:
        quantiles = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ConfigError(
            f"intensity.match: {path} cannot be read ({error}); name the quantiles of a bundle"
        ) from error
    if quantiles.ndim != 2 or len(quantiles) != channels or quantiles.shape[1] < 2:
        raise ConfigError(
            f"intensity.match: {path} holds {quantiles.shape} values, the images have {channels} channels"
        )
    if not np.isfinite(quantiles).all() or (np.diff(quantiles, axis=1) < 0).any():
        raise ConfigError(f"intensity.match: {path} does not rise from level to level; name the quantiles of a bundle")
    checked: NDArray[np.float32] = quantiles.astype(np.float32)
    return checked
