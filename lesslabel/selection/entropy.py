"""Entropy: largest uncertainty over all classes."""

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from lesslabel.selection.pool import Pool
from lesslabel.selection.uncertainty import UncertaintyStrategy


class Entropy(UncertaintyStrategy):
    """Ranks by the mean entropy per pixel, −Σ p·ln p, largest first.

    After Shannon's measure as surveyed in "Active learning literature survey" (Settles, 2009).

    Args:
        seed: ignored.
    """

    name: ClassVar[str] = "entropy"
    quantity: ClassVar[str] = "entropy per pixel"

    def values(self, pool: Pool) -> NDArray[np.floating[Any]] | None:
        """Return the entropy; see `UncertaintyStrategy.values`."""
        return pool.entropy
