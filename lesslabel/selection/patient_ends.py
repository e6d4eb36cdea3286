"""Typical and new units in turn, patient by patient: our own strategy."""

from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from lesslabel.errors import DataError
from lesslabel.selection.base import Strategy
from lesslabel.selection.kernels import lower_to_nearest
from lesslabel.selection.pool import Pool, check_features
from lesslabel.selection.ranking import Ranking
from lesslabel.selection.scaling import to_unit_length


class PatientEnds(Strategy):
    """Takes a typical unit, then one unlike all chosen ones, and so on; every patient has its turn before its second.

    Ours, not published. It joins what weakened other rules in our experiments: features of unit length, so that the
    size of the foreground does not rank; both ends, as `STDR`; diversity, since neighbours at one end resemble each
    other; only units with predicted foreground, and patients in turn, as `PatientRandom`. Typical is the smallest
    distance to the mean of the source (of the pool, if nothing was fitted); new is the largest distance to the nearest
    unit chosen or annotated before. The score is that squared distance. A larger budget contains the smaller, the cost
    is linear in units and budget.

    Args:
        seed: ignored.
    """

    name: ClassVar[str] = "patient-ends"

    def __init__(self, seed: int = 0) -> None:
        super().__init__(seed)
        self._centre: NDArray[np.float64] | None = None

    def fit(self, source: NDArray[np.floating[Any]]) -> Self:
        """Take the mean of the source's unit-length features; see `Strategy.fit`."""
        features, whole = check_features(source, "source features")
        self._centre = to_unit_length(features[whole]).mean(axis=0, dtype=np.float64)[None] if whole.any() else None
        return self

    def choose(self, pool: Pool, count: int) -> Ranking:
        """Rank from both ends, patient by patient; see `Strategy.choose`."""
        units = np.flatnonzero(pool.unit_has_feature)
        wanted = min(count, len(units))
        if not wanted:
            return self.followed_by_featureless(Ranking(units[:0], np.empty(0), ()), pool, count)
        features = to_unit_length(pool.unit_features()[units])
        patients, turns = pool.unit_patients[units], pool.turns_of_patients()[units]
        typical = np.full(len(units), np.inf)
        lower_to_nearest(features, self._centre_of(features), typical)
        nearest = np.full(len(units), np.inf)
        lower_to_nearest(features, to_unit_length(pool.annotated_features()).astype(np.float64), nearest)
        is_open = np.ones(len(units), np.bool_)
        order, scores, reasons = np.empty(wanted, np.int64), np.empty(wanted), []
        for place in range(wanted):
            allowed = is_open & (turns == turns[is_open].min())
            is_new = place % 2 == 1
            values = np.where(allowed, nearest, -np.inf) if is_new else np.where(allowed, -typical, -np.inf)
            row = int(np.argmax(values))
            order[place], scores[place] = row, nearest[row] if is_new else typical[row]
            what = "unlike all chosen before" if is_new else "typical"
            reasons.append(f"{what}: squared distance {scores[place]:.3g}; unit {turns[row] + 1} of its patient")
            is_open[row] = False
            turns[patients == patients[row]] += 1
            lower_to_nearest(features, features[row : row + 1].astype(np.float64), nearest)
        return self.followed_by_featureless(Ranking(units[order], scores, tuple(reasons)), pool, count)

    def _centre_of(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        if self._centre is None:
            mean: NDArray[np.float64] = features.mean(axis=0, dtype=np.float64)[None]
            return mean
        if self._centre.shape[1] != features.shape[1]:
            raise DataError(
                f"features of length {features.shape[1]}, those of the source {self._centre.shape[1]}; extract the "
                "features as the source did"
            )
        return self._centre
