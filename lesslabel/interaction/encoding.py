"""What an interactive network sees of an object: the crop around it, and its prompts as cues on that crop."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lesslabel.data.case import IGNORE
from lesslabel.errors import ConfigError
from lesslabel.interaction.crop import Crop
from lesslabel.interaction.cues import CUES, check_positive, exponential_geodesic_cue
from lesslabel.interaction.geodesic import geodesic_distance
from lesslabel.interaction.prompts import Box, Polygon, Prompt, Scribble, Side, rasterise
from lesslabel.interaction.prompts.seeds import Mask, Seeds, Shape
from lesslabel.interaction.thinning import thinned

_DRAWN = (Scribble, Box, Polygon)
"""Prompts that speak of many voxels at once."""

CueName = Literal["none", "euclidean", "gaussian", "disk", "geodesic", "exponential_geodesic", "gaussian_geodesic"]


@dataclass(frozen=True, eq=False)
class EncodedObject:
    """One object of one image, on the grid of a network.

    Attributes:
        image: (C, *size) float32, each channel's range in the crop brought to [0, 1].
        cues: (K, *size) float32: cues in [0, 1]; of ``gaussian_geodesic`` the distances, since its width is learned.
        seeds: (*size) bool masks of what was said.
        crop: where it lies.
        spacing_mm: voxel size of the grid.
    """

    image: Tensor
    cues: Tensor
    seeds: Seeds
    crop: Crop
    spacing_mm: tuple[float, ...]


@dataclass(frozen=True)
class Encoding:
    """How the image around an object and what was said of it become what a network sees.

    Attributes:
        size_voxel: of the grid, (h, w) or (d, h, w).
        cue: one of `CUES`, or ``none``: the box is then all that the network knows.
        sides: the sides of which each gets a cue of its own.
        margin_voxel: how far the crop reaches beyond the prompts, see `Crop.around`.
        cue_weight: of the distances of ``exponential_geodesic``, see `exponential_geodesic_cue`.
        most_seeds: of one side on the grid, where drawn ones (strokes, all that lies outside a box or a polygon) are
            more than that; see `thinned`. Points all stay. None for no limit.

    Raises:
        ConfigError: if a value is out of its range.
    """

    size_voxel: Shape
    cue: CueName
    sides: tuple[Side, ...]
    margin_voxel: float
    cue_weight: float = 1.0
    most_seeds: int | None = None

    def __post_init__(self) -> None:
        if len(self.size_voxel) not in (2, 3) or min(self.size_voxel) < 1:
            raise ConfigError(f"size_voxel: {self.size_voxel}; give (h, w) or (d, h, w), each at least 1")
        if self.cue not in get_args(CueName):
            raise ConfigError(f"cue: {self.cue!r} is not one of {', '.join(get_args(CueName))}")
        if not 0 <= self.margin_voxel < float("inf"):
            raise ConfigError(f"margin_voxel: {self.margin_voxel}; give 0 or more")
        check_positive("cue_weight", self.cue_weight)
        if self.most_seeds is not None and self.most_seeds < 1:
            raise ConfigError(f"most_seeds: {self.most_seeds}; give at least 1, or null for no limit")

    @property
    def cues(self) -> int:
        """How many cue maps there are."""
        return 0 if self.cue == "none" else len(self.sides)

    def crop(
        self, prompts: Sequence[Prompt], shape: Shape, spacing_mm: Sequence[float], extra_margin_voxel: float = 0.0
    ) -> Crop:
        """Where an object lies that was pointed at; see `Crop.around`."""
        return Crop.around(prompts, shape, self.size_voxel, spacing_mm, self.margin_voxel + extra_margin_voxel)

    def encode(
        self, image: Tensor, spacing_mm: Sequence[float], prompts: Sequence[Prompt], crop: Crop
    ) -> EncodedObject:
        """Bring an object to the grid.

        Args:
            image: (C, [z,] y, x) float32.
            spacing_mm: voxel size of the image.
            prompts: all that was said of the object so far.
            crop: where it lies.

        Raises:
            DataError: if a prompt does not fit the image.
        """
        grid = unit_range(crop.cut(image))
        spacing = crop.spacing_of_grid(spacing_mm)
        seeds = self.place(prompts, crop)
        maps = [self._map(grid.numpy(), getattr(seeds, side), spacing) for side in self.sides if self.cues]
        cues = torch.from_numpy(np.stack(maps)) if maps else torch.empty(0, *self.size_voxel)
        return EncodedObject(grid, cues, seeds, crop, spacing)

    def place(self, prompts: Sequence[Prompt], crop: Crop) -> Seeds:
        """Bring what prompts say to the grid; where both sides fall into one voxel it is foreground.

        Raises:
            DataError: if a prompt does not fit the image.
        """
        placed = self._placed(rasterise(prompts, crop.shape), crop)
        if self.most_seeds is None:
            return placed
        points = self._placed(rasterise([one for one in prompts if not isinstance(one, _DRAWN)], crop.shape), crop)
        sides = {side: getattr(placed, side) for side in Side}
        kept = {side: mask & getattr(points, side) for side, mask in sides.items()}
        return Seeds(**{side: thinned(mask, kept[side], self.most_seeds) for side, mask in sides.items()})

    def _placed(self, seeds: Seeds, crop: Crop) -> Seeds:
        placed = Seeds.empty(self.size_voxel)
        for side in (Side.BOUNDARY, Side.BACKGROUND, Side.FOREGROUND):
            placed.mark(side, crop.cut_seeds(getattr(seeds, side)))
        return placed

    def _map(self, image: NDArray[np.float32], seeds: Mask, spacing_mm: tuple[float, ...]) -> NDArray[np.float32]:
        if self.cue == "exponential_geodesic":
            return exponential_geodesic_cue(image, seeds, spacing_mm, intensity_weight=self.cue_weight)
        if self.cue == "gaussian_geodesic":
            return geodesic_distance(image, seeds, spacing_mm)
        return CUES[self.cue](image, seeds, spacing_mm)


def unit_range(image: Tensor) -> Tensor:
    """Bring the range of each channel (C, …) to [0, 1]; a channel of one value becomes 0."""
    flat = image.flatten(1)
    low, high = flat.amin(dim=1), flat.amax(dim=1)
    extent = torch.where(high > low, high - low, 1.0)
    shape = (-1,) + (1,) * (image.ndim - 1)
    return (image - low.view(shape)) / extent.view(shape)


def clicks_of(seeds: Seeds) -> Tensor:
    """Seeds as classes: uint8, 1 in the foreground, 0 in the background, `IGNORE` elsewhere."""
    clicks = np.full(seeds.foreground.shape, IGNORE, np.uint8)
    clicks[seeds.background] = 0
    clicks[seeds.foreground] = 1
    return torch.from_numpy(clicks)
