"""Choose from the two ends of a list of distances in turn, and spread the choice inside each end."""

import math
from collections.abc import Iterator, Sequence
from itertools import cycle, islice
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lesslabel.selection.farthest_first import farthest_first
from lesslabel.selection.ranking import ordinal

End = Literal["invariant", "specific"]
END_NAMES: tuple[End, ...] = ("invariant", "specific")
"""The end near the source, where its knowledge holds, and the far end, where it may not hold."""


class Pick(NamedTuple):
    """A unit taken from an end.

    Attributes:
        unit: its index.
        end: the end that it was taken from.
        place: its position from that end, from 1.
        gap: squared distance to the nearest earlier pick at this end, if the choice was spread.
    """

    unit: int
    end: End
    place: int
    gap: float | None = None

    def reason(self, what: str, distance: float, total: int) -> str:
        """The reason, in one line.

        Args:
            what: name of the distance.
            distance: of the unit; NaN if it has no feature.
            total: number of ranked units.
        """
        if math.isnan(distance):
            return "no predicted foreground: counted as farthest from the source"
        where, extreme = ("near", "smallest") if self.end == "invariant" else ("far from", "largest")
        line = f"{where} the source: {what} {distance:.3g}, {ordinal(self.place)} {extreme} of {total}"
        return line if self.gap is None else f"{line}; {self.gap:.3g} from the nearest chosen before it at this end"


def take_from_ends(distance: NDArray[np.float64], ends: Sequence[End], count: int) -> list[Pick]:
    """Take the smallest, the largest, the second smallest and so on; ties by order, none twice.

    Args:
        distance: (units,); NaN is never taken, infinity is the largest.
        ends: the ends to take from, in turn.
        count: number of units, at most the number that are not NaN.
    """
    known = np.flatnonzero(~np.isnan(distance))
    walks = {
        "invariant": enumerate(known[np.argsort(distance[known], kind="stable")].tolist(), start=1),
        "specific": enumerate(known[np.argsort(-distance[known], kind="stable")].tolist(), start=1),
    }
    picks: list[Pick] = []
    taken: set[int] = set()
    for end in islice(cycle(ends), count):
        place, unit = next((place, unit) for place, unit in walks[end] if unit not in taken)
        taken.add(unit)
        picks.append(Pick(unit, end, place))
    return picks


def spread_inside_ends(
    candidates: Sequence[Pick], ends: Sequence[End], features: NDArray[np.float32], count: int
) -> list[Pick]:
    """Choose among the candidates of each end by farthest-first, starting with the most extreme.

    Args:
        candidates: units taken from the ends in turn, at least `count`.
        ends: the ends to take from, in turn.
        features: (units, D); a candidate whose row is NaN keeps its position.
        count: number of units to choose, in turn.
    """
    chosen: dict[End, Iterator[Pick]] = {}
    for end in ends:
        at_end = [pick for pick in candidates if pick.end == end]
        share = at_end[: math.ceil(count / len(ends))]
        with_feature = [pick for pick in at_end if _has_feature(pick, features)]
        spread = _spread(with_feature, features, sum(_has_feature(pick, features) for pick in share))
        chosen[end] = iter([next(spread) if _has_feature(pick, features) else pick for pick in share])
    return [next(chosen[end]) for end in islice(cycle(ends), count)]


def _has_feature(pick: Pick, features: NDArray[np.float32]) -> bool:
    return not math.isnan(features[pick.unit, 0])


def _spread(picks: Sequence[Pick], features: NDArray[np.float32], count: int) -> Iterator[Pick]:
    if count:
        order, gaps = farthest_first(features[[pick.unit for pick in picks]], 0, count)
        for row, gap in zip(order, gaps, strict=True):
            yield picks[row]._replace(gap=float(gap) if math.isfinite(gap) else None)
