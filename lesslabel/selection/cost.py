"""The minutes that annotation takes: a patient's second unit is cheaper than the first."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lesslabel.errors import ConfigError

_MINUTES = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+) ?(min|minutes|h|hours)")


@dataclass(frozen=True)
class AnnotationCost:
    """Minutes of an annotator.

    Attributes:
        first_minutes: of the first unit of a patient, with opening the case and finding one's way; above 0.
        further_minutes: of every further one of the same patient; above 0.

    Raises:
        ConfigError: if one is not above 0.
    """

    first_minutes: float = 4.0
    further_minutes: float = 4.0

    def __post_init__(self) -> None:
        for name in ("first_minutes", "further_minutes"):
            if not 0.0 < getattr(self, name) < float("inf"):
                raise ConfigError(f"{name}: {getattr(self, name)}; pass minutes above 0")

    def minutes(self, patients: Sequence[str], before: Sequence[str] = ()) -> list[float]:
        """The minutes of units in order.

        Args:
            patients: the patient of each unit.
            before: patients whose cases were open before.
        """
        known = set(before)
        costs = []
        for patient in patients:
            costs.append(self.further_minutes if patient in known else self.first_minutes)
            known.add(patient)
        return costs

    def most_units(self, minutes: float) -> int:
        """The largest number of units that any choice could have for these minutes."""
        return int(minutes / min(self.first_minutes, self.further_minutes) + 1e-9)

    def afford(self, patients: Sequence[str], minutes: float, before: Sequence[str] = ()) -> list[int]:
        """Take units in order as long as the minutes last; one that is too dear is left out, a cheaper one may follow.

        Args:
            patients: the patient of each unit, best first.
            minutes: the budget, 0 or more.
            before: patients whose cases were open before.

        Returns:
            Places of the taken units, in order.
        """
        known, left, taken = set(before), minutes + 1e-9, []
        for place, patient in enumerate(patients):
            price = self.further_minutes if patient in known else self.first_minutes
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
