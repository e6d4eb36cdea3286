"""BALD: where several predictions of a model disagree, although each is sure."""

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from lesslabel.selection.base import Need
from lesslabel.selection.pool import Pool
from lesslabel.selection.uncertainty import UncertaintyStrategy


class BALD(UncertaintyStrategy):
    """Ranks by the mutual information of prediction and weights per pixel, largest first.

    ``H(mean over t of p_t) − mean over t of H(p_t)``, from "Bayesian active learning for classification and preference
    learning" (Houlsby et al., arXiv:1112.5745, eq. 2), with dropout as the sample of weights as in "Deep Bayesian
    active learning with image data" (Gal et al., ICML 2017). A pixel that every prediction finds ambiguous counts
    nothing, unlike with `Entropy`.

    Args:
        seed: ignored.
    """

    name: ClassVar[str] = "bald"
    needs: ClassVar[frozenset[Need]] = frozenset({"model", "several predictions"})
    quantity: ClassVar[str] = "mutual information of several predictions"

    def values(self, pool: Pool) -> NDArray[np.floating[Any]] | None:
        """Return the mutual information; see `UncertaintyStrategy.values`."""
        return pool.mutual_information
