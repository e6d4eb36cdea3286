"""Describe images without any model: intensity, texture, layout, and a generic foreground.

What this room calls an image is a slice (y, x) with intensities in [0, 1], see `to_unit_range`.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

_BINS = 16
_ORIENTATIONS = 8
_CELLS = 8
_PATTERNS = 10
_LEAST_SHARE = 0.001
"""A smaller foreground, as a share of the slice, is none."""

BLOCKS = (_BINS + 2, 2 * (_ORIENTATIONS + 1), _PATTERNS, _CELLS * _CELLS, 5)
"""Length of each block of a description: intensity, edges, patterns, thumbnail, layout of the foreground."""


def to_unit_range(volume: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """Map the intensities of a volume to [0, 1]: its 0.5th percentile to 0, its 99.5th to 1, clipped beyond.

    Args:
        volume: any shape, finite.

    Returns:
        float32 of the same shape; 0 everywhere if the two percentiles are equal.
    """
    low, high = np.percentile(volume, (0.5, 99.5))
    if not high > low:
        return np.zeros(volume.shape, np.float32)
    scaled: NDArray[np.float32] = np.clip((volume - low) / (high - low), 0.0, 1.0).astype(np.float32)
    return scaled


def otsu_threshold(values: NDArray[np.floating[Any]]) -> float:
    """The threshold that separates values in [0, 1] into two groups with the largest variance between them.

    Otsu, "A threshold selection method from gray-level histograms", IEEE TSMC 1979, on 256 bins.

    Args:
        values: any shape.

    Returns:
        The threshold, the middle of several equally good ones; a value above it is foreground.
    """
    counts, edges = np.histogram(values, bins=256, range=(0.0, 1.0))
    centres = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)
    above = below[-1] - below
    sums = np.cumsum(counts * centres)
    with np.errstate(divide="ignore", invalid="ignore"):
        difference = sums / below - (sums[-1] - sums) / above
    between = np.where((below > 0) & (above > 0), below * above * np.square(difference), 0.0)
    best = np.flatnonzero(between >= between.max() * (1.0 - 1e-9))  # several, if no value lies between the groups
    return float(centres[best].mean())


def generic_foreground(volume: NDArray[np.float32]) -> NDArray[np.bool_]:
    """The largest bright region of each slice: voxels above the volume's threshold of Otsu that touch by a face.

    It separates the body from the air, or bright tissue from dark in an image that was cropped; it knows nothing of the
    target of the segmentation.

    Args:
        volume: (z, y, x) in [0, 1].

    Returns:
        (z, y, x) bool; a slice whose region is below a thousandth of it has none.
    """
    bright = volume > otsu_threshold(volume)
    result = np.zeros(volume.shape, np.bool_)
    for index, plane in enumerate(bright):
        components, count = ndimage.label(plane)
        if count:
            sizes = np.bincount(components.ravel())
            sizes[0] = 0
            if sizes.max() >= _LEAST_SHARE * plane.size:
                result[index] = components == int(sizes.argmax())
    return result


def describe_slice(image: NDArray[np.float32], foreground: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Describe a slice by numbers that need no training.

    Args:
        image: (y, x) in [0, 1].
        foreground: (y, x) bool, not empty.

    Returns:
        The concatenation of `BLOCKS`: shares of 16 intensities in the foreground with their mean and standard
        deviation; shares of 8 edge directions, weighted by the gradient, and its mean, at full and at half resolution;
        shares of the 10 rotation-invariant uniform local binary patterns (Ojala et al., IEEE TPAMI 2002) of eight
        neighbours; means of 8×8 cells; area, centre and height and width of the foreground as shares of the slice.
    """
    inside = image[foreground]
    counts = np.histogram(inside, bins=_BINS, range=(0.0, 1.0))[0] / len(inside)
    intensity = np.concatenate([counts, [inside.mean(), inside.std()]])
    edges = np.concatenate([_edge_directions(image), _edge_directions(_halved(image))])
    patterns = np.bincount(_uniform_patterns(image).ravel(), minlength=_PATTERNS) / max(1, image.size)
    layout = _layout(foreground)
    parts = [intensity, edges, patterns, _cell_means(image).ravel(), layout]
    return np.concatenate(parts).astype(np.float32)


def join_descriptions(descriptions: NDArray[np.float32], depth_position: NDArray[np.float32]) -> NDArray[np.float32]:
    """Standardise descriptions over a pool, such that every block weighs the same.

    Args:
        descriptions: (N, n·sum of `BLOCKS`), the channels of an image side by side; a row of NaN without foreground.
        depth_position: (N,) place of the slice in its volume, 0 to 1; a block of its own.

    Returns:
        (N, n·sum of `BLOCKS` + 1) float32.
    """
    from lesslabel.selection.scaling import standardise

    channels = descriptions.shape[1] // sum(BLOCKS)
    table = np.concatenate([descriptions, depth_position[:, None]], axis=1).astype(np.float32)
    table[np.isnan(descriptions[:, 0])] = np.nan
    lengths = np.array([*BLOCKS * channels, 1])
    weights = np.repeat(1.0 / np.sqrt(lengths), lengths)
    weighted: NDArray[np.float32] = (standardise(table) * weights).astype(np.float32)
    return weighted


def _halved(image: NDArray[np.float32]) -> NDArray[np.float32]:
    height, width = (side - side % 2 for side in image.shape)
    if not height or not width:
        return image
    cells: NDArray[np.float32] = image[:height, :width].reshape(height // 2, 2, width // 2, 2).mean(axis=(1, 3))
    return cells


def _edge_directions(image: NDArray[np.float32]) -> NDArray[np.float64]:
    if min(image.shape) < 2:
        return np.zeros(_ORIENTATIONS + 1)
    dy, dx = np.gradient(image)
    strength = np.hypot(dy, dx)
    bins = np.minimum((np.mod(np.arctan2(dy, dx), np.pi) / np.pi * _ORIENTATIONS).astype(int), _ORIENTATIONS - 1)
    total = strength.sum()
    shares = np.bincount(bins.ravel(), strength.ravel(), _ORIENTATIONS) / (total or 1.0)
    return np.append(shares, strength.mean())


def _uniform_patterns(image: NDArray[np.float32]) -> NDArray[np.int64]:
    """The number of brighter neighbours of a pixel if they lie in one arc (0 to 8), else 9."""
    padded = np.pad(image, 1, mode="edge")
    height, width = image.shape
    around = ((0, 0), (0, 1), (0, 2), (1, 2), (2, 2), (2, 1), (2, 0), (1, 0))
    ring = np.stack([padded[y : y + height, x : x + width] >= image for y, x in around])
    changes = (ring != np.roll(ring, 1, axis=0)).sum(axis=0)
    patterns: NDArray[np.int64] = np.where(changes <= 2, ring.sum(axis=0), _PATTERNS - 1).astype(np.int64)
    return patterns


def _cell_means(image: NDArray[np.float32]) -> NDArray[np.float64]:
    """Means of 8×8 cells, whose sides differ by at most a pixel; a thinner image repeats its pixels."""
    image = np.repeat(image, -(-_CELLS // image.shape[0]), axis=0)
    image = np.repeat(image, -(-_CELLS // image.shape[1]), axis=1)
    rows, columns = (np.linspace(0, side, _CELLS + 1).astype(int) for side in image.shape)
    sums = np.add.reduceat(np.add.reduceat(image.astype(np.float64), rows[:-1], axis=0), columns[:-1], axis=1)
    means: NDArray[np.float64] = sums / np.outer(np.diff(rows), np.diff(columns))
    return means


def _layout(foreground: NDArray[np.bool_]) -> NDArray[np.float64]:
    rows, columns = np.nonzero(foreground)
    height, width = foreground.shape
    return np.array(
        [
            len(rows) / foreground.size,
            (rows.mean() + 0.5) / height,
            (columns.mean() + 0.5) / width,
            (np.ptp(rows) + 1) / height,
            (np.ptp(columns) + 1) / width,
        ]
    )
