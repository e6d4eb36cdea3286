"""Margin: smallest difference between the two most probable classes."""

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from lesslabel.selection.pool import Pool
from lesslabel.selection.uncertainty import UncertaintyStrategy


class Margin(UncertaintyStrategy):
    """Ranks by the mean difference of the two largest probabilities per pixel, smallest first.

    Best versus second best (BvSB), from "Multi-class active learning for image classification" (Joshi et al., CVPR
    2009).

    Args:
        seed: ignored.
    """

    name: ClassVar[str] = "margin"
    quantity: ClassVar[str] = "margin between the two likeliest classes"
    largest_first: ClassVar[bool] = False

    def values(self, pool: Pool) -> NDArray[np.floating[Any]] | None:
        """Return the margin; see `UncertaintyStrategy.values`."""
        return pool.margin
