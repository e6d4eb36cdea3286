"""Seed masks: the voxels that prompts mark as foreground, background or boundary."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from lesslabel.errors import DataError

Mask = NDArray[np.bool_]
Shape = tuple[int, ...]


class Side(StrEnum):
    """The mark of a voxel: in the object, outside it, or on its edge."""

    FOREGROUND = "foreground"
    BACKGROUND = "background"
    BOUNDARY = "boundary"


@dataclass(frozen=True, eq=False)
class Seeds:
    """The voxels of an image that prompts mark; no voxel is in two of the masks.

    Attributes:
        foreground: ([z,] y, x) bool, voxels in the object.
        background: the same shape, voxels outside it.
        boundary: the same shape, voxels on its edge, on either side.
    """

    foreground: Mask
    background: Mask
    boundary: Mask

    @classmethod
    def empty(cls, shape: Shape) -> Self:
        """Make seeds without marked voxels.

        Args:
            shape: of the image, ([z,] y, x) in voxels.

        Raises:
            DataError: if it is not the shape of an image.
        """
        check_shape(shape)
        return cls(np.zeros(shape, np.bool_), np.zeros(shape, np.bool_), np.zeros(shape, np.bool_))

    def copy(self) -> Self:
        """Copy the masks."""
        return type(self)(self.foreground.copy(), self.background.copy(), self.boundary.copy())

    def mark(self, side: Side, voxels: Any) -> None:
        """Mark voxels and remove their earlier marks.

        Args:
            side: the mark.
            voxels: index of the masks: a bool mask, or one int array for each axis.
        """
        for each in Side:
            getattr(self, each)[voxels] = each is side


def check_shape(shape: Shape) -> None:
    """Raise an error if a shape is not that of an image.

    Raises:
        DataError: if it has not two or three axes of at least one voxel.
    """
    if len(shape) not in (2, 3) or any(size < 1 for size in shape):
        raise DataError(f"shape {shape}: no image; pass (y, x) or (z, y, x) in voxels, without channels")
