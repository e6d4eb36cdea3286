"""BADGE: images whose gradients are large and point in different directions."""

from typing import ClassVar

import numpy as np

from lesslabel.errors import ConfigError
from lesslabel.selection.base import Need, Strategy
from lesslabel.selection.kernels import lower_to_nearest
from lesslabel.selection.pool import Pool
from lesslabel.selection.ranking import Ranking, ordinal

_TAKEN = -1.0


class BADGE(Strategy):
    """Draws units by k-means++ on the gradients that the model's own prediction would cause in the last layer.

    After "Deep batch active learning by diverse, uncertain gradient lower bounds" (Ash et al., ICLR 2020, algorithm 1):
    the gradient of the cross-entropy with the predicted class, ``(p − e_ŷ) ⊗ h`` with h the input of the last layer, is
    long where the model is unsure; k-means++ draws each next unit with a probability proportional to its squared
    distance to the nearest drawn before. The first one is the longest, as in the public code. In segmentation the
    gradient is the mean over the image's pixels, that of a unit the mean over its images with predicted foreground,
    over all of them if none has foreground. A larger budget contains the smaller. The cost is linear in the number of
    units and in the budget.

    Args:
        seed: random seed.
    """

    name: ClassVar[str] = "badge"
    needs: ClassVar[frozenset[Need]] = frozenset({"model", "gradients"})

    def choose(self, pool: Pool, count: int) -> Ranking:
        """Draw by k-means++; see `Strategy.choose`."""
        if pool.gradients is None:
            raise ConfigError(f"strategy '{self.name}' ranks by the gradients of the model; pass a Pool that has it")
        shows_none = ~pool.any_in_unit(pool.has_foreground)
        shown = pool.has_foreground | shows_none[pool.unit_of_row]
        gradients = pool.average_in_units(np.asarray(pool.gradients, np.float32), shown)
        rng = self.generator(pool)
        length = np.square(gradients.astype(np.float64)).sum(axis=1)
        nearest = np.full(len(gradients), np.inf)
        order, scores = np.empty(count, np.int64), np.empty(count)
        for place in range(count):
            unit = int(np.argmax(length)) if place == 0 else _draw(nearest, rng)
            order[place], scores[place] = unit, length[unit] if place == 0 else nearest[unit]
            nearest[unit] = _TAKEN
            lower_to_nearest(gradients, gradients[unit : unit + 1].astype(np.float64), nearest)
        reasons = tuple(
            f"longest gradient: squared length {score:.3g}, 1st of {pool.unit_count}"
            if place == 1
            else f"large and different gradient: squared distance {score:.3g} to those before, drawn {ordinal(place)}"
            for place, score in enumerate(scores, start=1)
        )
        return Ranking(order, scores, reasons)


def _draw(nearest: np.ndarray, rng: np.random.Generator) -> int:
    """Draw a row that is not taken, in proportion to its value; uniformly if all values are 0."""
    open_rows = np.flatnonzero(nearest > _TAKEN)
    weights = nearest[open_rows]
    total = weights.sum()
    place = rng.random()
    if total <= 0.0:
        return int(open_rows[min(int(place * len(open_rows)), len(open_rows) - 1)])
    chosen = int(np.searchsorted(np.cumsum(weights), place * total, side="right"))
    return int(open_rows[min(chosen, len(open_rows) - 1)])
