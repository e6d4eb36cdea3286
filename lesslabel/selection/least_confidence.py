"""Least confidence: most unsure of the likeliest class."""

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from lesslabel.selection.pool import Pool
from lesslabel.selection.uncertainty import UncertaintyStrategy


class LeastConfidence(UncertaintyStrategy):
    """Ranks by the mean of 1 − the largest probability per pixel, largest first.

    From "A sequential algorithm for training text classifiers" (Lewis and Gale, SIGIR 1994).

    Args:
        seed: ignored, nothing is drawn.
    """

    name: ClassVar[str] = "least-confidence"
    quantity: ClassVar[str] = "doubt of the likeliest class"

    def values(self, pool: Pool) -> NDArray[np.floating[Any]] | None:
        """Return what is missing to certainty; see `UncertaintyStrategy.values`."""
        return pool.least_confidence
