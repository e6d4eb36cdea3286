"""Prompts drawn as lines."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from lesslabel.errors import DataError
from lesslabel.interaction.prompts.base import Prompt, set_checked
from lesslabel.interaction.prompts.positions import (
    Position,
    checked_positions,
    checked_side,
    line_voxels,
    require_one_dimension,
)
from lesslabel.interaction.prompts.seeds import Mask, Seeds, Shape, Side


@dataclass(frozen=True)
class Scribble(Prompt):
    """Strokes one voxel wide; a thick brush becomes many of them, see `from_mask`.

    Attributes:
        strokes: at least one; each a line through its positions, or a dot if it has only one.
        side: the mark of their voxels.
    """

    name: ClassVar[str] = "scribble"
    drawn: ClassVar[bool] = True
    strokes: tuple[tuple[Position, ...], ...]
    side: Side = Side.FOREGROUND

    def __post_init__(self) -> None:
        if not isinstance(self.strokes, Sequence) or not self.strokes:
            raise DataError(f"{self.name}: empty; draw at least one stroke")
        strokes = tuple(checked_positions(stroke, f"{self.name}: a stroke") for stroke in self.strokes)
        require_one_dimension(self.name, *strokes)
        set_checked(self, "strokes", strokes)
        set_checked(self, "side", checked_side(self.side, self.name))

    @classmethod
    def from_mask(cls, mask: Mask, side: Side = Side.FOREGROUND) -> Self:
        """Convert painted voxels exactly: each run of them along the last axis becomes a stroke.

        Args:
            mask: ([z,] y, x) bool, the painted voxels.
            side: the mark of these voxels.

        Raises:
            DataError: if nothing is painted.
        """
        before = np.zeros((*mask.shape[:-1], 1), np.int8)
        steps = np.diff(mask.astype(np.int8), axis=-1, prepend=before, append=before)
        firsts, ends = np.argwhere(steps == 1), np.argwhere(steps == -1)
        lasts = ends - np.eye(mask.ndim, dtype=np.int64)[-1]
        runs = zip(firsts.tolist(), lasts.tolist(), strict=True)
        return cls(
            tuple((tuple(first),) if first == last else (tuple(first), tuple(last)) for first, last in runs), side
        )

    @property
    def kind(self) -> str:
        """The name; on the edge with ``boundary-`` before it."""
        return f"boundary-{self.name}" if self.side is Side.BOUNDARY else self.name

    @property
    def points(self) -> NDArray[np.float64]:
        """The positions of all strokes, one after the other: (N, axes)."""
        return np.array([position for stroke in self.strokes for position in stroke])

    @property
    def clicks(self) -> int:
        """One, whatever its length and its number of strokes."""
        return 1

    def mark(self, seeds: Seeds) -> None:
        """Mark the voxels under the strokes."""
        shape = seeds.foreground.shape
        voxels = np.concatenate([line_voxels(np.array(stroke), shape) for stroke in self.strokes])
        seeds.mark(self.side, tuple(voxels.T))


@dataclass(frozen=True)
class CutLine(Prompt):
    """A straight line across a thin part that is wrongly segmented, from outside it to outside it.

    It crosses object and background, so it marks no voxels; networks use its `line`. Lin et al.,
    "KnifeCut: Refining thin part segmentation with cutting lines", ACM Multimedia 2022.

    Attributes:
        start: one end.
        end: the other.
    """

    name: ClassVar[str] = "cut-line"
    start: Position
    end: Position

    def __post_init__(self) -> None:
        start, end = checked_positions([self.start, self.end], self.name)
        if start == end:
            raise DataError(f"{self.name}: both ends at {start}; draw from one side of the thin part to the other")
        set_checked(self, "start", start)
        set_checked(self, "end", end)

    @property
    def points(self) -> NDArray[np.float64]:
        """Both ends: (2, axes)."""
        return np.array([self.start, self.end])

    @property
    def clicks(self) -> int:
        """Two, its ends, as in the tables of KnifeCut."""
        return 2

    def mark(self, seeds: Seeds) -> None:
        """Mark nothing."""

    def line(self, shape: Shape) -> Mask:
        """Draw the line, one voxel wide.

        Args:
            shape: of the image, ([z,] y, x) in voxels.

        Returns:
            bool of that shape.

        Raises:
            DataError: if the line does not fit the image.
        """
        self.validate(shape)
        mask = np.zeros(shape, np.bool_)
        mask[tuple(line_voxels(self.points, shape).T)] = True
        return mask
