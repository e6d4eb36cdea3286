"""Prompts that enclose the object; everything outside them is background."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lesslabel.errors import DataError
from lesslabel.interaction.prompts.base import Prompt, set_checked
from lesslabel.interaction.prompts.positions import (
    Position,
    checked_positions,
    first_crossing,
    line_voxels,
    nearest_voxels,
)
from lesslabel.interaction.prompts.seeds import Mask, Seeds, Shape, Side, check_shape


@dataclass(frozen=True)
class Box(Prompt):
    """A box along the axes that holds the object.

    Attributes:
        low: its corner nearest to the first voxel.
        high: the opposite corner; its voxel belongs to the box.
    """

    name: ClassVar[str] = "box"
    locates: ClassVar[bool] = True
    drawn: ClassVar[bool] = True
    encloses: ClassVar[bool] = True
    low: Position
    high: Position

    def __post_init__(self) -> None:
        low, high = checked_positions([self.low, self.high], self.name)
        if any(first > last for first, last in zip(low, high, strict=True)):
            raise DataError(f"{self.name}: from {low} to {high} is turned round; give the smaller coordinates as low")
        set_checked(self, "low", low)
        set_checked(self, "high", high)

    @classmethod
    def around(cls, prompt: Prompt) -> Self:
        """The smallest box that holds all positions of a prompt."""
        points = prompt.points
        return cls(tuple(points.min(axis=0).tolist()), tuple(points.max(axis=0).tolist()))

    @property
    def points(self) -> NDArray[np.float64]:
        """Both corners: (2, axes)."""
        return np.array([self.low, self.high])

    def grown(self, margin_voxel: float, shape: Shape) -> Self:
        """Move every side outward, clipped to the image.

        Args:
            margin_voxel: the distance, 0 or more.
            shape: of the image, ([z,] y, x) in voxels.

        Raises:
            DataError: if the margin is negative or the box does not fit the image.
        """
        self.validate(shape)
        if not margin_voxel >= 0:
            raise DataError(f"margin_voxel: {margin_voxel}; pass 0 or more")
        low, high = self.points
        return type(self)(
            tuple(np.maximum(low - margin_voxel, np.minimum(low, 0.0)).tolist()),
            tuple(np.minimum(high + margin_voxel, np.maximum(high, np.asarray(shape) - 1.0)).tolist()),
        )

    def window(self, shape: Shape) -> tuple[slice, ...]:
        """Slices that index the box in an array.

        Args:
            shape: of the image, ([z,] y, x) in voxels.

        Raises:
            DataError: if the box does not fit the image.
        """
        self.validate(shape)
        low, high = nearest_voxels(self.points, shape).tolist()
        return tuple(slice(first, last + 1) for first, last in zip(low, high, strict=True))

    def inside(self, shape: Shape) -> Mask:
        """Voxels of the box: bool of that shape.

        Args:
            shape: of the image, ([z,] y, x) in voxels.

        Raises:
            DataError: if the box does not fit the image.
        """
        check_shape(shape)
        mask = np.zeros(shape, np.bool_)
        mask[self.window(shape)] = True
        return mask

    def mark(self, seeds: Seeds) -> None:
        """Mark everything outside the box as background."""
        seeds.mark(Side.BACKGROUND, ~self.inside(seeds.foreground.shape))


@dataclass(frozen=True)
class Outline(Prompt):
    """A closed line around the object; in 3D it lies on one slice along any axis and marks only that slice.

    Attributes:
        vertices: three or more, in order; the last connects to the first. In 3D their voxels share one index.
    """

    locates: ClassVar[bool] = True
    drawn: ClassVar[bool] = True
    encloses: ClassVar[bool] = True
    vertices: tuple[Position, ...]

    def __post_init__(self) -> None:
        set_checked(self, "vertices", checked_positions(self.vertices, self.name))
        if len(self.vertices) < 3:
            raise DataError(f"{self.name}: {len(self.vertices)} vertices; give three or more")
        if self.points.shape[1] == 3 and self.normal is None:
            raise DataError(f"{self.name}: its vertices lie in no common slice; draw it on one slice")

    @property
    def points(self) -> NDArray[np.float64]:
        """The vertices: (N, axes)."""
        return np.array(self.vertices)

    @property
    def normal(self) -> int | None:
        """The axis along which all vertices lie in one slice, the first if there are several; None in 2D."""
        if self.points.shape[1] == 2:
            return None
        rounded = np.floor(self.points + 0.5)
        flat_axes = np.flatnonzero((rounded == rounded[0]).all(axis=0))
        return int(flat_axes[0]) if len(flat_axes) else None

    def inside(self, shape: Shape) -> Mask:
        """Enclosed voxels, and those under the line: bool of that shape.

        Args:
            shape: of the image, ([z,] y, x) in voxels.

        Raises:
            DataError: if the line does not fit the image.
        """
        self.validate(shape)
        mask = np.zeros(shape, np.bool_)
        mask[tuple(line_voxels(np.concatenate([self.points, self.points[:1]]), shape).T)] = True
        flat, drawn = mask, self.points
        if self.normal is not None:
            flat, drawn = mask[self._slice(shape)], np.delete(drawn, self.normal, axis=1)
        self._fill(flat, drawn)
        return mask

    def mark(self, seeds: Seeds) -> None:
        """Mark everything outside the line as background, in 3D on its slice."""
        shape = seeds.foreground.shape
        in_slice = np.zeros(shape, np.bool_)
        in_slice[self._slice(shape)] = True
        seeds.mark(Side.BACKGROUND, in_slice & ~self.inside(shape))

    @abstractmethod
    def _fill(self, line: Mask, vertices: NDArray[np.float64]) -> None:
        """Fill the inside of the drawn line (y, x), in place."""

    def _slice(self, shape: Shape) -> tuple[slice | int, ...]:
        """Slices that index the slice of the line in an array."""
        voxel = nearest_voxels(self.points[:1], shape)[0].tolist()
        return tuple(voxel[axis] if axis == self.normal else slice(None) for axis in range(len(shape)))


@dataclass(frozen=True)
class Polygon(Outline):
    """A polygon around the object, click by click: the enclosing polygon; see `Outline` for 3D.

    Attributes:
        vertices: see `Outline`; its sides do not cross.
    """

    name: ClassVar[str] = "polygon"

    def __post_init__(self) -> None:
        super().__post_init__()
        flat = self.points if self.normal is None else np.delete(self.points, self.normal, axis=1)
        crossing = first_crossing(flat)
        if crossing is not None:
            one, other = crossing
            raise DataError(f"{self.name}: crosses itself, side {one} and side {other}; draw it around the object once")

    def _fill(self, line: Mask, vertices: NDArray[np.float64]) -> None:
        from skimage.draw import polygon  # slow to import

        line[polygon(vertices[:, 0], vertices[:, 1], line.shape)] = True


@dataclass(frozen=True)
class EnclosingScribble(Outline):
    """A line drawn by hand around the object, in one stroke; see `Outline` for 3D.

    Both ends are connected, and everything that the line encloses is inside, so a hand may draw more than once round.
    Lin et al., "Multi-Mode Interactive Image Segmentation", ACM Multimedia 2022.
    """

    name: ClassVar[str] = "enclosing-scribble"

    @property
    def clicks(self) -> int:
        """One, whatever its length."""
        return 1

    def _fill(self, line: Mask, vertices: NDArray[np.float64]) -> None:  # noqa: ARG002  a polygon needs them
        ndimage.binary_fill_holes(line, output=line)
