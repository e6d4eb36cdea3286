"""The image of a session, as input of the model."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from lesslabel.errors import DataError
from lesslabel.interaction.prompts.positions import checked_spacing
from lesslabel.interaction.prompts.seeds import Shape

MOST_CHANNELS = 8
"""Of models that take any number; more is a volume that was given to a model of slices."""
_AXES = {2: "y, x", 3: "z, y, x"}


@dataclass(frozen=True, eq=False)
class SessionImage:
    """A checked copy of an image.

    Attributes:
        intensities: (C, [z,] y, x) float32, finite; not to be changed.
        spacing_mm: voxel size ([z,] y, x).
    """

    intensities: NDArray[np.float32]
    spacing_mm: tuple[float, ...]

    @classmethod
    def of(
        cls, image: NDArray[Any], spacing_mm: Sequence[float] | None, *, dimensions: int, in_channels: int | None
    ) -> Self:
        """Check an image and convert it to the input of models.

        Args:
            image: ([z,] y, x) or (C, [z,] y, x), integers or floats.
            spacing_mm: voxel size ([z,] y, x); None is 1 mm along every axis.
            dimensions: of the model, 2 or 3.
            in_channels: of the model; None for a model that takes one to `MOST_CHANNELS`.

        Raises:
            DataError: if it has no voxels, other axes or channels than the model takes, or a value that is not
                finite in float32, or the spacing does not fit it.
        """
        given = np.asarray(image)
        channels = given[None] if given.ndim == dimensions else given
        fits = channels.ndim == dimensions + 1 and (
            len(channels) <= MOST_CHANNELS if in_channels is None else len(channels) == in_channels
        )
        if given.size == 0 or not fits:
            axes = _AXES[dimensions]
            wanted = f"({axes}) or (1, {axes})" if in_channels == 1 else f"({in_channels}, {axes})"
            if in_channels is None:
                wanted = f"({axes}) or (C, {axes}) with C up to {MOST_CHANNELS}"
            raise DataError(f"image: shape {given.shape}; this model takes {wanted}, with at least one voxel")
        if given.dtype.kind not in "fiu":
            raise DataError(f"image: type {given.dtype}; pass intensities as whole or real numbers")
        spacing = np.ones(dimensions) if spacing_mm is None else checked_spacing(spacing_mm, dimensions)
        with np.errstate(over="ignore"):
            intensities = np.array(channels, dtype=np.float32, order="C")
        faults = intensities.size - np.count_nonzero(np.isfinite(intensities))
        if faults:
            raise DataError(f"image: {faults} values are NaN, infinite or beyond float32; replace them first")
        return cls(intensities, tuple(spacing.tolist()))

    @property
    def shape(self) -> Shape:
        """([z,] y, x) in voxels."""
        return self.intensities.shape[1:]

    @cached_property
    def sha256(self) -> str:
        """Hash of intensities, shape and voxel size; independent of the number type of the image."""
        digest = hashlib.sha256(f"{self.intensities.shape} {self.spacing_mm}".encode())
        digest.update(self.intensities.astype("<f4", copy=False).data)
        return digest.hexdigest()
