"""The input of an interactive network for one object: the crop around it, and cues from its prompts."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lesslabel.data.case import IGNORE
from lesslabel.errors import ConfigError
from lesslabel.interaction.crop import Crop
from lesslabel.interaction.cues import CUES, check_positive
from lesslabel.interaction.geodesic import geodesic_distance
from lesslabel.interaction.guidance import Guidance
from lesslabel.interaction.placed import Marks, PlacedPrompts
from lesslabel.interaction.prompts import KINDS, Box, Prompt, Side
from lesslabel.interaction.prompts.seeds import Mask, Shape
from lesslabel.interaction.stable_region import region_map

_InSpace = Literal["euclidean", "linear", "gaussian", "local_gaussian", "disk"]
_Falling = Literal[_InSpace, "geodesic", "exponential_geodesic", "gaussian_geodesic"]
CueName = Literal["none", _Falling]
Form = Literal[_Falling, "mask", "signed"]
Enclosure = Literal["box", "polygon", "enclosing-scribble"]
_Marked = Literal["foreground", "background", "boundary", "first_click", "line", "marked", "region", Enclosure]
Role = Literal[_Marked, "stable_region", "previous"]
Field = Literal["object", "image"]

_SCALES = {
    "euclidean": "truncation",
    "linear": "reach_voxel",
    "gaussian": "sigma_voxel",
    "local_gaussian": "radius_voxel",
    "disk": "radius_voxel",
    "geodesic": "truncation",
    "exponential_geodesic": "intensity_weight",
}
"""Name of the argument of each cue that its scale sets."""
_ENCLOSURES: tuple[str, ...] = get_args(Enclosure)
_SIGNS = np.array([0, 1, -1], np.float32)


@dataclass(frozen=True)
class CueMap:
    """One input map in addition to the image: what it marks, and its form.

    Attributes:
        role: what it marks: the voxels of a side, the ``first_click`` in the object only, the ``line`` of cut lines,
            all that is ``marked`` by any prompt or cut line, the ``region`` inside all enclosures, the last enclosure
            if it is a ``box``, ``polygon`` or ``enclosing-scribble``, the ``stable_region`` that the training-free
            model finds from the seeds, or the ``previous`` answer (0 without one; before the first answer the start
            mask, if any).
        form: one of `CUES`, ``mask`` for the marked voxels, or ``signed`` for 1 inside, −1 outside and 0 without the
            enclosure, which all three of its roles have; for ``previous`` and ``stable_region`` always the
            probability.
        scale: radius, reach, sigma, truncation or intensity weight of the cue; None is the published value.

    Raises:
        ConfigError: if a value is not allowed.
    """

    role: Role
    form: Form = "disk"
    scale: float | None = None

    def __post_init__(self) -> None:
        for name, value, choices in (("role", self.role, get_args(Role)), ("cue", self.form, get_args(Form))):
            if value not in choices:
                raise ConfigError(f"{name}: {value!r} is not one of {', '.join(choices)}")
        if (self.form == "signed") != (self.role in _ENCLOSURES):
            raise ConfigError(f"cue: {self.form} of {self.role}; signed goes with {', '.join(_ENCLOSURES)} alone")
        if self.scale is not None:
            if self.form not in _SCALES or self.role in ("previous", "stable_region"):
                raise ConfigError(f"scale: {self.scale}, but {self.form} of {self.role} has none; leave it out")
            check_positive(f"cue {self.role}: scale", self.scale)

    def draw(self, image: NDArray[np.float32], marked: Marks, spacing_mm: tuple[float, ...]) -> NDArray[np.float32]:
        """Compute the map from marked voxels.

        Args:
            image: (C, *size).
            marked: (*size) bool; of an enclosure uint8, see `Guidance.enclosure`.
            spacing_mm: voxel size of the grid.

        Returns:
            (*size) float32 in [0, 1], for ``signed`` in [−1, 1]; for ``gaussian_geodesic`` the distances, since its
            width is learned.
        """
        if self.form == "signed":
            return _SIGNS[marked]
        marked = marked.astype(np.bool_, copy=False)
        if self.form == "mask":
            return marked.astype(np.float32)
        if self.form == "gaussian_geodesic":
            return geodesic_distance(image, marked, spacing_mm)
        scale = {} if self.scale is None else {_SCALES[self.form]: self.scale}
        return CUES[self.form](image, marked, spacing_mm, **scale)


def cues_of_sides(cue: CueName, sides: Sequence[Side], scale: float | None = None) -> tuple[CueMap, ...]:
    """One map for each side with the same cue; for ``none`` no map.

    Raises:
        ConfigError: if there is no such cue.
    """
    if cue == "none":
        return ()
    return tuple(CueMap(side.value, cue, scale) for side in sides)


@dataclass(frozen=True)
class Encoding:
    """Settings of the network input: how an image and the prompts of one object become crop and cues.

    Attributes:
        size_voxel: of the grid, (h, w) or (d, h, w); None keeps the voxels of the image.
        cues: the maps, in the order of the network's channels.
        margin_voxel: margin of the crop around the prompts, see `Crop.around`.
        field: field of view: the ``object``, cropped around its prompts, or the whole ``image``.
        most_seeds: largest number of seeds of one side on the grid; more seeds of strokes, boxes and polygons are
            thinned, see `thinned`. All points are kept. None for no limit.
        enclosures_as_seeds: whether everything outside boxes, polygons and lines around the object is background; False
            for a method that gives them maps of their own.

    Raises:
        ConfigError: if a value is out of its range.
    """

    size_voxel: Shape | None
    cues: tuple[CueMap, ...] = ()
    margin_voxel: float = 5.0
    field: Field = "object"
    most_seeds: int | None = None
    enclosures_as_seeds: bool = True

    def __post_init__(self) -> None:
        if self.size_voxel is not None and (len(self.size_voxel) not in (2, 3) or min(self.size_voxel) < 1):
            raise ConfigError(f"size_voxel: {self.size_voxel}; give (h, w) or (d, h, w), each at least 1")
        if not 0 <= self.margin_voxel < float("inf"):
            raise ConfigError(f"margin_voxel: {self.margin_voxel}; give 0 or more")
        if self.field not in get_args(Field):
            raise ConfigError(f"field: {self.field!r} is not one of {', '.join(get_args(Field))}")
        if self.most_seeds is not None and self.most_seeds < 1:
            raise ConfigError(f"most_seeds: {self.most_seeds}; give at least 1, or null for no limit")

    @property
    def channels(self) -> int:
        """Number of maps."""
        return len(self.cues)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of prompts (`Prompt.kind`) that it does not ignore.

        Prompts that mark object or background are used. Cut lines and clicks and strokes on the edge need a map of
        their role; extreme points need one too, or a crop around them, and enclosures one that tells sides.
        """
        unused = set() if {"line", "marked"} & self._roles() else {"cut-line"}
        if "boundary" not in self._roles():
            unused |= {"boundary-click", "boundary-scribble", *(["extreme-points"] if self.field == "image" else [])}
        if self.field == "image" and {"marked"} <= self._roles() <= {"marked", "previous"}:
            unused |= set(_ENCLOSURES)
        return tuple(kind for kind in KINDS if kind not in unused)

    def channel(self, role: Role) -> int:
        """The index of the first map of a role, for a module that uses only that map.

        Raises:
            ConfigError: if there is none.
        """
        for index, cue in enumerate(self.cues):
            if cue.role == role:
                return index
        raise ConfigError(f"cues: none of role {role}; there are {', '.join(cue.role for cue in self.cues) or 'none'}")

    def crop(
        self, prompts: Sequence[Prompt], shape: Shape, spacing_mm: Sequence[float], extra_margin_voxel: float = 0.0
    ) -> Crop:
        """The crop around the prompts of an object; see `Crop.around`."""
        if self.field == "image":
            return Crop.whole(shape, self.size_voxel)
        margin = self.margin_voxel + extra_margin_voxel
        return Crop.around(prompts, shape, self.size_voxel, spacing_mm, margin)

    def encode(
        self,
        image: Tensor,
        spacing_mm: Sequence[float],
        guidance: Guidance,
        crop: Crop,
        previous: NDArray[np.float32] | None = None,
        grid: Tensor | None = None,
    ) -> "EncodedObject":
        """Compute the network input of an object.

        Args:
            image: (C, [z,] y, x) float32.
            spacing_mm: voxel size of the image.
            guidance: the prompts of the object, on the image.
            crop: the crop around it.
            previous: ([z,] y, x) probability of the last answer, or the start mask; None without either.
            grid: the image on the crop, if it was computed before.
        """
        grid = unit_range(crop.image_to_grid(image)) if grid is None else grid
        spacing = crop.spacing_of_grid(spacing_mm)
        placed = PlacedPrompts.of(guidance, crop, self._roles(), self.most_seeds, self.enclosures_as_seeds)
        before = None
        if previous is not None and "previous" in self._roles():
            before = crop.image_to_grid(torch.from_numpy(previous)[None])
        return EncodedObject(grid, placed, crop, spacing, self, before)

    def draw(
        self, image: Tensor, placed: PlacedPrompts, spacing_mm: tuple[float, ...], previous: Tensor | None = None
    ) -> Tensor:
        """Compute the maps on the grid.

        Args:
            image: (C, *size) float32 in [0, 1].
            placed: the prompts on the grid.
            spacing_mm: voxel size of the grid.
            previous: (1, *size) probability of the last answer; None without one.

        Returns:
            (K, *size) float32.
        """
        size = image.shape[1:]
        maps = [self._map(cue, image, placed, spacing_mm, previous) for cue in self.cues]
        return torch.stack(maps) if maps else torch.empty(0, *size)

    def _map(
        self,
        cue: CueMap,
        image: Tensor,
        placed: PlacedPrompts,
        spacing_mm: tuple[float, ...],
        previous: Tensor | None,
    ) -> Tensor:
        if cue.role == "previous":
            return torch.zeros(image.shape[1:]) if previous is None else previous[0].float()
        if cue.role == "stable_region":
            region = placed.marked("region").astype(np.bool_) if "region" in self._roles() else None
            return torch.from_numpy(region_map(image.numpy(), placed.seeds, region))
        return torch.from_numpy(cue.draw(image.numpy(), placed.marked(cue.role), spacing_mm))

    def _roles(self) -> frozenset[str]:
        return frozenset(cue.role for cue in self.cues)


@dataclass(frozen=True, eq=False)
class EncodedObject:
    """One object of one image, on the grid of a network.

    Attributes:
        image: (C, *size) float32, each channel scaled to [0, 1] in the crop.
        placed: the prompts on the grid.
        crop: the crop.
        spacing_mm: voxel size of the grid.
        encoding: computes the maps.
        previous: (1, *size) probability of the last answer; None without one, or if no map uses it.
    """

    image: Tensor
    placed: PlacedPrompts
    crop: Crop
    spacing_mm: tuple[float, ...]
    encoding: Encoding
    previous: Tensor | None = None

    @cached_property
    def cues(self) -> Tensor:
        """(K, *size) float32: the maps of the encoding, in its order; computed on first use."""
        return self.encoding.draw(self.image, self.placed, self.spacing_mm, self.previous)


def start_box(mask: Mask) -> Box:
    """The box around a start mask, which has at least one voxel."""
    voxels = np.argwhere(mask)
    return Box(tuple(voxels.min(axis=0).tolist()), tuple(voxels.max(axis=0).tolist()))


def unit_range(image: Tensor) -> Tensor:
    """Scale each channel (C, …) to [0, 1]; a constant channel becomes 0."""
    flat = image.flatten(1)
    low, high = flat.amin(dim=1), flat.amax(dim=1)
    extent = torch.where(high > low, high - low, 1.0)
    shape = (-1,) + (1,) * (image.ndim - 1)
    return (image - low.view(shape)) / extent.view(shape)


def clicks_of(placed: PlacedPrompts) -> Tensor:
    """Seeds as classes: uint8, 1 in the foreground, 0 in the background, `IGNORE` elsewhere."""
    seeds = placed.seeds
    clicks = np.full(seeds.foreground.shape, IGNORE, np.uint8)
    clicks[seeds.background] = 0
    clicks[seeds.foreground] = 1
    return torch.from_numpy(clicks)
