"""A grid that is coarser than an image by whole factors, for solvers whose time grows with the number of voxels."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from lesslabel.interaction.prompts.seeds import Mask, Shape

MOST_VOXELS = {2: 160 * 160, 3: 200_000}
"""Voxels of the grid that solvers work on, by the number of dimensions."""


@dataclass(frozen=True)
class CoarseGrid:
    """A grid of blocks of an image.

    Attributes:
        shape: of the image, ([z,] y, x).
        factors: voxels of a block along each axis; a last block may reach beyond the image.
    """

    shape: Shape
    factors: Shape

    @classmethod
    def of(cls, shape: Shape, spacing_mm: Sequence[float], most_voxels: int) -> Self:
        """Choose factors: the finest axis becomes coarser first, until few enough voxels are left."""
        factors = np.ones(len(shape), np.int64)
        while np.prod(-(-np.array(shape) // factors)) > most_voxels:
            lengths = np.where(factors < np.array(shape), np.array(spacing_mm) * factors, np.inf)
            factors[lengths <= lengths.min() * 1.01] += 1
        return cls(shape, tuple(factors.tolist()))

    @property
    def is_image(self) -> bool:
        """Whether it is the grid of the image."""
        return max(self.factors) == 1

    def means(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """The mean of each block (C, [z,] y, x); a block that reaches beyond the image repeats its edge."""
        for axis, factor in enumerate(self.factors, start=1):
            if factor > 1:
                width = [(0, -image.shape[axis] % factor if each == axis else 0) for each in range(image.ndim)]
                padded = np.pad(image, width, mode="edge")
                blocks = (*padded.shape[:axis], -1, factor, *padded.shape[axis + 1 :])
                image = padded.reshape(blocks).mean(axis=axis + 1, dtype=np.float32)
        return image

    def any(self, marks: Mask) -> Mask:
        """Whether each block has a mark ([z,] y, x)."""
        size = [-(-side // factor) for side, factor in zip(marks.shape, self.factors, strict=True)]
        coarse = np.zeros(size, np.bool_)
        places = zip(np.nonzero(marks), self.factors, strict=True)
        coarse[tuple(index // factor for index, factor in places)] = True
        return coarse

    def repeated(self, values: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The value of its block for every voxel of the image."""
        for axis, factor in enumerate(self.factors):
            values = values.repeat(factor, axis)
        return values[tuple(slice(0, side) for side in self.shape)]

    def enlarged(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Interpolate linearly between the centres of blocks, for every voxel of the image."""
        for axis, (factor, side) in enumerate(zip(self.factors, self.shape, strict=True)):
            if factor > 1:
                place = np.clip((np.arange(side) + 0.5) / factor - 0.5, 0, values.shape[axis] - 1)
                low = np.minimum(place.astype(np.int64), max(values.shape[axis] - 2, 0))
                share = (place - low).astype(np.float32).reshape((-1,) + (1,) * (values.ndim - 1 - axis))
                high = np.minimum(low + 1, values.shape[axis] - 1)
                values = values.take(low, axis) * (1 - share) + values.take(high, axis) * share
        return values
