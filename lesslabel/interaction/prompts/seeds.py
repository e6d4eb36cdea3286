"""Seed masks: the voxels of which a prompt says what they are."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from lesslabel.errors import DataError

Mask = NDArray[np.bool_]
Shape = tuple[int, ...]


class Side(StrEnum):
    """What a voxel is said to be: in the object, outside it, or on its edge."""

    FOREGROUND = "foreground"
    BACKGROUND = "background"
    BOUNDARY = "boundary"


@dataclass(frozen=True, eq=False)
class Seeds:
    """What is known of an image from prompts; no voxel is in two of the masks.

    Attributes:
        foreground: ([z,] y, x) bool, said to be in the object.
        background: the same shape, said to be outside it.
        boundary: the same shape, said to be on its edge, on either side.
    """

    foreground: Mask
    background: Mask
    boundary: Mask

    @classmethod
    def empty(cls, shape: Shape) -> Self:
        """Seeds of which nothing is known yet.

        Args:
            shape: of the image, ([z,] y, x) in voxels.

        Raises:
            DataError: if it is no shape of an image.
        """
        check_shape(shape)
        return cls(np.zeros(shape, np.bool_), np.zeros(shape, np.bool_), np.zeros(shape, np.bool_))

    def copy(self) -> Self:
        """The same seeds in masks of their own."""
        return type(self)(self.foreground.copy(), self.background.copy(), self.boundary.copy())

    def mark(self, side: Side, voxels: Any) -> None:
        """Say what voxels are; what was said of them before is forgotten.

        Args:
            side: what they are.
            voxels: what indexes the masks: a bool mask, or one int array for each axis.
        """
        for each in Side:
            getattr(self, each)[voxels] = each is side


def check_shape(shape: Shape) -> None:
    """Refuse what is no shape of an image.

    Raises:
        DataError: if it has not two or three axes of at least one voxel.
    """
    if len(shape) not in (2, 3) or any(size < 1 for size in shape):
        raise DataError(f"shape {shape}: no image; pass (y, x) or (z, y, x) in voxels, without channels")
