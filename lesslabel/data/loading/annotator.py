"""The interface by which an interactive method adds prompts to training samples."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from lesslabel.data.batch import Batch


class Annotator(Protocol):
    """Gives prompts for one object of a sample, in place of a person."""

    def slice_of(self, labels: NDArray[np.uint8], index: int, generator: np.random.Generator) -> int:
        """Choose a slice of a case (z, y, x) that holds an object; the given one if it does."""
        ...

    def make(
        self,
        image: Tensor,
        labels: NDArray[np.uint8],
        uid: str,
        spacing_mm: Sequence[float],
        generator: np.random.Generator,
    ) -> Batch:
        """Make the sample that the method trains on from an augmented one: image (C, [z,] y, x), labels ([z,] y, x)."""
        ...
