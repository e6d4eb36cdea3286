"""A model without training: the intensities under the marks, geodesic distances to them, and a graph cut."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lesslabel.interaction.graph_cut import graph_cut
from lesslabel.interaction.information_fusion import information_fusion
from lesslabel.interaction.model import History, Segmentation
from lesslabel.interaction.prompts import rasterise
from lesslabel.interaction.prompts.seeds import Mask, Seeds
from lesslabel.interaction.robots.shapes import bounding_window
from lesslabel.interaction.structure import clicked_parts

_PERCENTILES = (0.5, 99.5)
_MEDIAN_VOXEL = 3
_LOOK_AROUND_VOXEL = 2
"""How far around a mark its intensities are taken to be the object's."""
_LEAST_DEVIATION = 0.04
_STARTED = 0.85
"""Probability of what stood there before; of what did not, the rest of 1."""


class GeodesicCut:
    """Marks what is connected to the marks on the object and has their intensities, up to the edges of the image.

    The probability is that of the intensities under the marks of both sides, normally distributed; before anything was
    marked as background, all intensities are equally probable there. Near the marks `information_fusion` mixes in which
    side is nearer, `graph_cut` gives the mask of the lowest energy, and of it stays what a mark on the object touches.
    What lies outside of a box or polygon is background. With a mask to start from, its own voxels are more probable.

    Args:
        in_channels: channels of the image.
        intensity_weight: how much a change of intensity counts: the larger, the less far a mark reaches.
        weight: of the edges of the cut, see `graph_cut`.

    Attributes:
        kinds: of prompts that it uses, see `lesslabel.interaction.model.kinds_of`.
    """

    dimensions = 2
    kinds = (
        *("click", "scribble", "box", "polygon", "enclosing-scribble"),
        *("interior-margin-points", "centre-edge-points"),
    )

    def __init__(self, in_channels: int = 1, intensity_weight: float = 30.0, weight: float = 2.0) -> None:
        self.in_channels = in_channels
        self.intensity_weight = intensity_weight
        self.weight = weight

    def prepare_image(self, image: NDArray[np.float32], spacing_mm: Sequence[float]) -> "Slice":
        """Scale the intensities of a slice (C, y, x) to [0, 1], without the most extreme ones, and take medians."""
        low, high = np.percentile(image, _PERCENTILES, axis=(1, 2), keepdims=True)
        scaled = np.clip((image - low) / np.maximum(high - low, np.finfo(np.float32).tiny), 0, 1)
        # the median of neighbours keeps edges
        smooth = [ndimage.median_filter(channel, _MEDIAN_VOXEL) for channel in scaled.astype(np.float32)]
        return Slice(self, np.stack(smooth), tuple(spacing_mm))


class Slice:
    """One slice in the hands of the model.

    Args:
        model: with its weights.
        image: (C, y, x) in [0, 1].
        spacing_mm: (y, x).
    """

    def __init__(self, model: GeodesicCut, image: NDArray[np.float32], spacing_mm: tuple[float, ...]) -> None:
        self._model = model
        self._image = image
        self._spacing = tuple(side / min(spacing_mm) for side in spacing_mm)

    def begin(self) -> "Slice":
        """Begin with an object; nothing is kept of one."""
        return self

    def answer(self, history: History) -> Segmentation:
        """Segment what was marked so far, on the start if there was one."""
        shape = self._image.shape[1:]
        seeds = rasterise(history.prompts, shape)
        area = _area(history, seeds.foreground)
        window = bounding_window(area)
        image = self._image[(slice(None), *window)]
        foreground, background = seeds.foreground[window], seeds.background[window]
        likely = _likelihood(image, _samples(seeds, area)[window], background & area[window])
        if history.start is not None:
            started = np.where(history.start[window], _STARTED, 1 - _STARTED)
            likely = likely * started / (likely * started + (1 - likely) * (1 - started))
        fused = information_fusion(
            likely, image, foreground, background, intensity_weight=self._model.intensity_weight, scale=None
        )
        cut = graph_cut(
            fused,
            image,
            foreground_seeds=foreground,
            background_seeds=background,
            weight=self._model.weight,
            spacing=self._spacing,
        )
        mask, probability = np.zeros(shape, np.bool_), np.zeros(shape, np.float32)
        mask[window], probability[window] = cut, fused
        touched = seeds.foreground if history.start is None else seeds.foreground | history.start
        return Segmentation(clicked_parts(mask, touched), probability, 4 * probability * (1 - probability))


def _area(history: History, foreground: Mask) -> Mask:
    """Where the object can be: within all that encloses it, and where it was marked; else anywhere."""
    area = np.ones_like(foreground)
    for prompt in history.prompts:
        inside = prompt.inside(foreground.shape)
        if inside is not None:
            area &= inside
    area |= foreground
    return area if history.start is None else area | history.start


def _samples(seeds: Seeds, area: Mask) -> Mask:
    """Voxels whose intensities are the object's: around its marks; without any, the middle of where it can be."""
    if seeds.foreground.any():
        around = ndimage.binary_dilation(seeds.foreground, iterations=_LOOK_AROUND_VOXEL)
        return np.asarray(around & area & ~seeds.background)
    depth = ndimage.distance_transform_edt(area)
    return np.asarray(depth >= 0.5 * depth.max())


def _likelihood(image: NDArray[np.float32], foreground: Mask, background: Mask) -> NDArray[np.float32]:
    """Probability of the object from the intensities (C, y, x) of either side alone, (y, x) in [0, 1]."""
    as_object, as_other = _log_density(image, foreground), np.zeros(image.shape[1:])
    if background.any():
        as_other = np.logaddexp(as_other, _log_density(image, background)) - np.log(2)
    return np.asarray(1 / (1 + np.exp(np.clip(as_other - as_object, -30, 30))), np.float32)


def _log_density(image: NDArray[np.float32], samples: Mask) -> NDArray[np.float64]:
    """Log density of a normal distribution fitted to the samples, each channel by itself."""
    total = np.zeros(image.shape[1:])
    for channel in image.astype(np.float64):
        values = channel[samples]
        deviation = max(float(values.std()), _LEAST_DEVIATION)
        total -= 0.5 * ((channel - values.mean()) / deviation) ** 2 + np.log(deviation * np.sqrt(2 * np.pi))
    return total
