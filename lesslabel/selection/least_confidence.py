"""Least confidence: smallest probability of the most probable class."""

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from lesslabel.selection.pool import Pool
from lesslabel.selection.uncertainty import UncertaintyStrategy


class LeastConfidence(UncertaintyStrategy):
    """Ranks by the mean of 1 − the largest probability per pixel, largest first.

    From "A sequential algorithm for training text classifiers" (Lewis and Gale, SIGIR 1994).

    Args:
        seed: ignored.
    """

    name: ClassVar[str] = "least-confidence"
    quantity: ClassVar[str] = "doubt of the likeliest class"

    def values(self, pool: Pool) -> NDArray[np.floating[Any]] | None:
        """Return 1 − the largest probability; see `UncertaintyStrategy.values`."""
        return pool.least_confidence
