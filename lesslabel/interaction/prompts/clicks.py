"""Prompts made of single points."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from lesslabel.errors import DataError
from lesslabel.interaction.prompts.base import Prompt, set_checked
from lesslabel.interaction.prompts.positions import (
    Position,
    checked_positions,
    checked_side,
    nearest_voxels,
    require_one_dimension,
)
from lesslabel.interaction.prompts.seeds import Seeds, Side


@dataclass(frozen=True)
class Click(Prompt):
    """One click: in the object (positive), outside it (negative), or on its edge.

    Attributes:
        position: the position.
        side: the side of the voxel.
    """

    name: ClassVar[str] = "click"
    position: Position
    side: Side = Side.FOREGROUND

    def __post_init__(self) -> None:
        set_checked(self, "position", checked_positions([self.position], self.name)[0])
        set_checked(self, "side", checked_side(self.side, self.name))

    @property
    def kind(self) -> str:
        """The name; on the edge with ``boundary-`` before it."""
        return f"boundary-{self.name}" if self.side is Side.BOUNDARY else self.name

    @property
    def points(self) -> NDArray[np.float64]:
        """The position: (1, axes)."""
        return np.array([self.position])

    @property
    def clicked(self) -> tuple[Position, ...]:
        """The position, if it is in the object."""
        return (self.position,) if self.side is Side.FOREGROUND else ()

    def mark(self, seeds: Seeds) -> None:
        """Mark its voxel."""
        _mark_points(seeds, self.side, (self.position,))


@dataclass(frozen=True)
class InteriorMarginPoints(Prompt):
    """A few points in the object close to its edge, whose box nearly covers it.

    Luo et al., "MIDeepSeg: Minimally interactive segmentation of unseen objects from medical images using deep
    learning", Medical Image Analysis 2021.

    Attributes:
        positions: of the points, in no particular order.
    """

    name: ClassVar[str] = "interior-margin-points"
    locates: ClassVar[bool] = True
    positions: tuple[Position, ...]

    def __post_init__(self) -> None:
        set_checked(self, "positions", checked_positions(self.positions, self.name))

    @property
    def points(self) -> NDArray[np.float64]:
        """The positions: (N, axes)."""
        return np.array(self.positions)

    @property
    def clicked(self) -> tuple[Position, ...]:
        """The positions."""
        return self.positions

    def mark(self, seeds: Seeds) -> None:
        """Mark them as foreground."""
        _mark_points(seeds, Side.FOREGROUND, self.positions)


@dataclass(frozen=True)
class CentreEdgePoints(Prompt):
    """Points near the object's centre, and points just outside its edge whose box covers it.

    Attributes:
        centre: at least one position in the object.
        edge: positions outside it; empty only if the object leaves no room.
    """

    name: ClassVar[str] = "centre-edge-points"
    locates: ClassVar[bool] = True
    centre: tuple[Position, ...]
    edge: tuple[Position, ...]

    def __post_init__(self) -> None:
        set_checked(self, "centre", checked_positions(self.centre, f"{self.name}: centre"))
        none_given = isinstance(self.edge, tuple | list) and not self.edge
        set_checked(self, "edge", () if none_given else checked_positions(self.edge, f"{self.name}: edge"))
        require_one_dimension(self.name, self.centre, self.edge)

    @property
    def points(self) -> NDArray[np.float64]:
        """All positions, those of the centre first: (N, axes)."""
        return np.array(self.centre + self.edge)

    @property
    def clicked(self) -> tuple[Position, ...]:
        """Those of the centre."""
        return self.centre

    def mark(self, seeds: Seeds) -> None:
        """Mark the edge as background, then the centre as foreground, which wins in a shared voxel."""
        _mark_points(seeds, Side.BACKGROUND, self.edge)
        _mark_points(seeds, Side.FOREGROUND, self.centre)


@dataclass(frozen=True)
class ExtremePoints(Prompt):
    """The outermost points of the object, two for each axis: on its edge, on either side.

    Maninis et al., "Deep Extreme Cut: From extreme points to object segmentation", CVPR 2018.

    Attributes:
        positions: four in 2D, six in 3D, in any order.
    """

    name: ClassVar[str] = "extreme-points"
    locates: ClassVar[bool] = True
    positions: tuple[Position, ...]

    def __post_init__(self) -> None:
        set_checked(self, "positions", checked_positions(self.positions, self.name))
        wanted = 2 * len(self.positions[0])
        if len(self.positions) != wanted:
            raise DataError(f"{self.name}: {len(self.positions)} positions; give two for each axis, {wanted}")

    @property
    def points(self) -> NDArray[np.float64]:
        """The positions: (N, axes)."""
        return np.array(self.positions)

    def mark(self, seeds: Seeds) -> None:
        """Mark them as boundary."""
        _mark_points(seeds, Side.BOUNDARY, self.positions)


def _mark_points(seeds: Seeds, side: Side, positions: tuple[Position, ...]) -> None:
    if positions:
        seeds.mark(side, tuple(nearest_voxels(np.array(positions), seeds.foreground.shape).T))
