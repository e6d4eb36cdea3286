"""The prompts of an object on the grid of a network."""

from collections.abc import Collection, Mapping, Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray

from lesslabel.interaction.crop import Crop
from lesslabel.interaction.guidance import Guidance
from lesslabel.interaction.prompts import Prompt, Seeds, Side
from lesslabel.interaction.prompts.seeds import Mask
from lesslabel.interaction.thinning import thinned

Marks = Mask | NDArray[np.uint8]

_OTHERS = ("first_click", "line", "marked", "region")
_ENCLOSURES = ("box", "polygon", "enclosing-scribble")


class PlacedPrompts:
    """Masks of the marked voxels, by role; loader processes can pass it on.

    Attributes:
        seeds: (*size) bool for each side.

    Args:
        seeds: the seeds of the sides.
        others: (*size) bool by role: first click, lines, all marks and regions, as required; uint8 for the roles of
            enclosures, see `Guidance.enclosure`.
        enclosures_as_seeds: whether enclosures mark their outside as background.
    """

    def __init__(self, seeds: Seeds, others: Mapping[str, Marks], enclosures_as_seeds: bool = True) -> None:
        self.seeds = seeds
        self._others = dict(others)
        self._enclosures_as_seeds = enclosures_as_seeds

    @classmethod
    def of(
        cls,
        guidance: Guidance,
        crop: Crop,
        roles: Collection[str],
        most_seeds: int | None = None,
        enclosures_as_seeds: bool = True,
    ) -> Self:
        """Transfer prompts to a grid; a grid voxel marked by both sides is foreground.

        Args:
            guidance: the prompts on the image.
            crop: the window in the image, and its grid.
            roles: the required roles in addition to the sides.
            most_seeds: largest number for each side, see `thinned`; None keeps all.
            enclosures_as_seeds: whether the outside of boxes, polygons and lines around the object is background.
        """
        seeds = _placed(guidance.seeds if enclosures_as_seeds else guidance.unenclosed, crop)
        if most_seeds is not None:
            points = _placed(guidance.points, crop)
            kept = {side: getattr(seeds, side) & getattr(points, side) for side in Side}
            seeds = Seeds(**{side: thinned(getattr(seeds, side), kept[side], most_seeds) for side in Side})
        others: dict[str, Marks] = {}
        for role in _OTHERS:
            if role in roles:
                mask: Mask = getattr(guidance, role)
                others[role] = crop.mask_to_grid(mask) if role == "region" else crop.seeds_to_grid(mask)
        others |= {role: crop.labels_to_grid(guidance.enclosure(role)) for role in _ENCLOSURES if role in roles}
        return cls(seeds, others, enclosures_as_seeds)

    def marked(self, role: str) -> Marks:
        """The voxels of a role, bool; of an enclosure uint8, see `Guidance.enclosure`."""
        return self._others[role] if role in self._others else getattr(self.seeds, role)

    def extended(self, prompts: Sequence[Prompt]) -> Self:
        """Add prompts in voxels of the grid, such as those of a robot in training."""
        more = Guidance(self.seeds.foreground.shape, prompts)
        longer = type(self)(self.seeds.copy(), self._others, self._enclosures_as_seeds)
        for prompt in prompts:
            if self._enclosures_as_seeds or not prompt.encloses:
                prompt.mark(longer.seeds)
        enclosed = any(prompt.encloses for prompt in prompts)
        for role in self._others:
            if role in _ENCLOSURES:
                longer._others[role] = more.enclosure(role) if enclosed else self._others[role]
            elif role != "first_click" or not self._others[role].any():
                longer._others[role] = self._others[role] | getattr(more, role)
        return longer


def _placed(seeds: Seeds, crop: Crop) -> Seeds:
    placed = Seeds.empty(crop.size)
    for side in (Side.BOUNDARY, Side.BACKGROUND, Side.FOREGROUND):
        placed.mark(side, crop.seeds_to_grid(getattr(seeds, side)))
    return placed
