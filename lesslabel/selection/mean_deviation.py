"""Mean standard deviation: where several predictions of a model scatter."""

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from lesslabel.selection.base import Need
from lesslabel.selection.pool import Pool
from lesslabel.selection.uncertainty import UncertaintyStrategy


class MeanDeviation(UncertaintyStrategy):
    """Ranks by the standard deviation of the class probabilities over several predictions, largest first.

    The mean over pixels and classes of ``sqrt(mean over t of p_t² − (mean over t of p_t)²)``: "mean STD" of "Deep
    Bayesian active learning with image data" (Gal et al., ICML 2017, section 4), after Kampffmeyer et al., CVPR
    workshops 2016.

    Args:
        seed: ignored.
    """

    name: ClassVar[str] = "mean-deviation"
    needs: ClassVar[frozenset[Need]] = frozenset({"model", "several predictions"})
    quantity: ClassVar[str] = "standard deviation of several predictions"

    def values(self, pool: Pool) -> NDArray[np.floating[Any]] | None:
        """Return the standard deviation; see `UncertaintyStrategy.values`."""
        return pool.deviation
