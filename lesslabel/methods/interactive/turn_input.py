"""The input of an interactive method at a turn."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from lesslabel.interaction.crop import Crop
from lesslabel.interaction.encoding import EncodedObject, Encoding
from lesslabel.interaction.guidance import Guidance
from lesslabel.interaction.model import History


@dataclass(frozen=True, eq=False)
class TurnInput:
    """An object after a turn: its image, its history, and both on a crop.

    Attributes:
        image: (C, [z,] y, x) float32, on the CPU, in its own intensities.
        spacing_mm: voxel size of the image.
        image_features: the result of `InteractiveMethod.image_features`.
        history: the turns in order, the start, and the previous answer of the method.
        guidance: all prompts so far, rasterised on the image.
        crop: window around the object, and the grid of the network.
        grid: the image on that crop, (C, *size), each channel's range brought to [0, 1].
        encoding: computes the cues from crop and prompts.
        previous: ([z,] y, x), the map of the previous answer or of the start mask; None without either.
    """

    image: Tensor
    spacing_mm: tuple[float, ...]
    image_features: Any
    history: History
    guidance: Guidance
    crop: Crop
    grid: Tensor
    encoding: Encoding
    previous: NDArray[np.float32] | None

    @cached_property
    def now(self) -> EncodedObject:
        """The object on its crop with all prompts."""
        return self.on(self.crop)

    @cached_property
    def first(self) -> EncodedObject:
        """The object on its crop with the first turn alone; the same until the crop changes."""
        guidance = Guidance(self.guidance.shape, self.history.turns[0])
        return self.encoding.encode(self.image, self.spacing_mm, guidance, self.crop, self._start, self.grid)

    @cached_property
    def latest(self) -> EncodedObject:
        """The object on its crop with the prompts of the last turn alone, and the previous map."""
        guidance = Guidance(self.guidance.shape, self.history.turns[-1])
        return self.encoding.encode(self.image, self.spacing_mm, guidance, self.crop, self.previous, self.grid)

    def on(self, crop: Crop) -> EncodedObject:
        """The object with all prompts on another crop, such as one around the last click."""
        grid = self.grid if crop == self.crop else None
        return self.encoding.encode(self.image, self.spacing_mm, self.guidance, crop, self.previous, grid)

    @property
    def _start(self) -> NDArray[np.float32] | None:
        start = self.history.start
        return None if start is None else start.astype(np.float32)
