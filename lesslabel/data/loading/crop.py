"""Patches: sample their position and crop them."""

import numpy as np
import torch
from torch import Tensor

Window = tuple[tuple[int, int], ...]
"""(start, length) along each axis; the start may be negative."""


def sample_window(shape: tuple[int, ...], patch: tuple[int, ...], generator: np.random.Generator) -> Window:
    """Sample where a patch lies: (start, length) per axis.

    Along an axis where the patch is larger than the image, the image is centred and the start negative.
    """
    starts = (
        int(generator.integers(size - side + 1)) if size >= side else (size - side) // 2
        for size, side in zip(shape, patch, strict=True)
    )
    return tuple(zip(starts, patch, strict=True))


def crop(array: Tensor, window: Window, fill: int | None) -> Tensor:
    """Crop a window from the last axes; what lies outside the array is filled, or repeats the border for None."""
    lead = array.ndim - len(window)
    sizes = array.shape[lead:]
    spans = [(start, start + side, size) for (start, side), size in zip(window, sizes, strict=True)]
    inside = tuple(slice(max(start, 0), min(stop, size)) for start, stop, size in spans)
    cropped = array[(slice(None),) * lead + inside]
    padding = [amount for start, stop, size in reversed(spans) for amount in (max(-start, 0), max(stop - size, 0))]
    if not any(padding):
        return cropped
    if fill is None:
        return torch.nn.functional.pad(cropped, padding, mode="replicate")
    return torch.nn.functional.pad(cropped, padding, value=fill)
