"""The minutes that annotation takes: a patient's second unit is cheaper than the first."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lesslabel.errors import ConfigError

_MINUTES = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+) ?(min|minutes|h|hours)")


@dataclass(frozen=True)
class Work:
    """How much of a unit's price annotating it takes: the slices of a patch, and their share of whole slices.

    Attributes:
        slices: slices that are touched, 1 or more: 1 for a slice, all of them for a case.
        share: of the area of these slices, in (0, 1].
    """

    slices: int = 1
    share: float = 1.0


ONE_UNIT = Work()


@dataclass(frozen=True)
class AnnotationCost:
    """Minutes of an annotator.

    A patch takes the prices of the slices that it touches times its share of their area. That is an assumption: nobody
    timed patches, and outlining a part of an object is seldom faster in proportion.

    Attributes:
        first_minutes: of the first slice of a patient, with opening the case and finding one's way; above 0.
        further_minutes: of every further slice of the same patient; above 0.

    Raises:
        ConfigError: if one is not above 0.
    """

    first_minutes: float = 4.0
    further_minutes: float = 4.0

    def __post_init__(self) -> None:
        for name in ("first_minutes", "further_minutes"):
            if not 0.0 < getattr(self, name) < float("inf"):
                raise ConfigError(f"{name}: {getattr(self, name)}; pass minutes above 0")

    def minutes(
        self, patients: Sequence[str], before: Sequence[str] = (), works: Sequence[Work] | None = None
    ) -> list[float]:
        """The minutes of units in order.

        Args:
            patients: the patient of each unit.
            before: patients whose cases were open before.
            works: what each unit takes; None for slices.
        """
        known = set(before)
        costs = []
        for patient, work in zip(patients, works or [ONE_UNIT] * len(patients), strict=True):
            costs.append(self.price(work, first=patient not in known))
            known.add(patient)
        return costs

    def price(self, work: Work, *, first: bool) -> float:
        """The minutes of one unit, the first of its patient or a further one."""
        return work.share * ((work.slices - first) * self.further_minutes + first * self.first_minutes)

    def usual_price(self, works: Sequence[Work], *, first: bool) -> float:
        """The price in the middle of those of these units, if all are the first of their patient, or none.

        Args:
            works: what each unit takes, at least one.
            first: whether they are the first.
        """
        prices = sorted(self.price(work, first=first) for work in works)
        return prices[len(prices) // 2]

    def afford(
        self,
        patients: Sequence[str],
        minutes: float,
        before: Sequence[str] = (),
        works: Sequence[Work] | None = None,
    ) -> list[int]:
        """Take units in order as long as the minutes last; one that is too dear is left out, a cheaper one may follow.

        Args:
            patients: the patient of each unit, best first.
            minutes: the budget, 0 or more.
            before: patients whose cases were open before.
            works: what each unit takes; None for slices.

        Returns:
            Places of the taken units, in order.
        """
        known, left, taken = set(before), minutes + 1e-9, []
        for place, (patient, work) in enumerate(zip(patients, works or [ONE_UNIT] * len(patients), strict=True)):
            price = self.price(work, first=patient not in known)
            if price <= left:
                left -= price
                known.add(patient)
                taken.append(place)
        return taken

    def describe(self) -> Mapping[str, float]:
        """The two prices by name."""
        return {"first_minutes": self.first_minutes, "further_minutes": self.further_minutes}


def parse_minutes(text: str) -> float | None:
    """Parse a budget in minutes or hours.

    Args:
        text: ``"45 min"``, ``"1.5 h"``.

    Returns:
        Minutes; None if the text is of another form.
    """
    match = _MINUTES.fullmatch(text.strip())
    if match is None:
        return None
    return float(match[1]) * (60.0 if match[2].startswith("h") else 1.0)
