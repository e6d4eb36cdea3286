"""Random over patients: every patient has its turn before one has its second."""

from typing import ClassVar

import numpy as np

from lesslabel.selection.base import Strategy
from lesslabel.selection.pool import Pool
from lesslabel.selection.ranking import Ranking, ordinal, turn_of_each


class PatientRandom(Strategy):
    """Samples one unit of every patient, then a second one, and so on, with predicted foreground first.

    Slices of one patient resemble each other, so a sample of slices over many patients tells more than the same number
    of a few. This is a baseline like `ForegroundAwareRandom`, stratified by patient; units that earlier rounds
    annotated count as turns. A larger budget contains the smaller.

    Args:
        seed: random seed.
    """

    name: ClassVar[str] = "patient-random"

    def choose(self, pool: Pool, count: int) -> Ranking:
        """Sample units, patient by patient; see `Strategy.choose`."""
        drawn = self.generator(pool).permutation(pool.unit_count)
        shows = pool.any_in_unit(pool.has_foreground)
        turn = np.empty(pool.unit_count, np.int64)
        in_order = drawn[np.argsort(~shows[drawn], kind="stable")]
        turn[in_order] = turn_of_each(pool.unit_patients[in_order])
        turn += pool.turns_of_patients()
        order = in_order[np.lexsort((turn[in_order], ~shows[in_order]))][:count]
        reasons = tuple(
            f"drawn by chance, {ordinal(turn[unit] + 1)} of its patient"
            + ("" if shows[unit] else "; no predicted foreground: after all that have some")
            + f" (seed {self.seed})"
            for unit in order
        )
        return Ranking(order, np.full(count, np.nan), reasons)
