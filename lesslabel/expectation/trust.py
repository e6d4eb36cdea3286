"""The expected Dice of a case with its interval, and whether to trust the prediction."""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from lesslabel.expectation.calibration import Calibration, average, both_measures, expected_dice
from lesslabel.expectation.measuring import Evidence

INTERVAL = 0.9
"""Share of the source's cases that the interval is made for."""

_LOWEST_TAIL = 0.05


@dataclass(frozen=True, eq=False)
class Expectation:
    """What to expect of the prediction of one case.

    Attributes:
        uid: the case.
        dice: mean over classes of the expected Dice, in [0, 1]; NaN if nothing is predicted and nothing doubted.
        low: lower end of the interval, not below 0.
        high: upper end, not above 1.
        by_class: (C − 1,) the expected Dice of each class.
        by_confidence: mean over classes by thresholded confidence alone.
        by_agreement: mean over classes by agreement alone; NaN without dropout.
        doubts: why not to trust it; empty if there is no reason.
    """

    uid: str
    dice: float
    low: float
    high: float
    by_class: NDArray[np.float64]
    by_confidence: float
    by_agreement: float
    doubts: tuple[str, ...]


def expect_case(case: Evidence, calibration: Calibration, names: tuple[str, ...]) -> Expectation:
    """Compute what to expect of a case.

    The interval is that of a prediction by Student's t: the error on the source's validation cases is the spread, so it
    holds at the source and is too narrow where the images are of another kind.

    Args:
        case: the evidence of its prediction.
        calibration: of the source.
        names: of the classes, background left out.
    """
    by_class = expected_dice(case, calibration.classes)
    by_confidence, by_agreement = both_measures(case, calibration.classes)
    dice, half = average(by_class), half_width(calibration)
    return Expectation(
        uid=case.uid,
        dice=dice,
        low=float(np.clip(dice - half, 0.0, 1.0)),
        high=float(np.clip(dice + half, 0.0, 1.0)),
        by_class=by_class,
        by_confidence=average(by_confidence),
        by_agreement=math.nan if by_agreement is None else average(by_agreement),
        doubts=_doubts(case, dice, calibration, names),
    )


def half_width(calibration: Calibration) -> float:
    """Half the width of the interval of a new case."""
    from scipy import stats  # slow to import

    patients = calibration.patients
    factor = float(stats.t.ppf((1.0 + INTERVAL) / 2.0, patients - 1))
    return factor * calibration.error * math.sqrt(1.0 + 1.0 / patients)


def least_usual(calibration: Calibration) -> float:
    """The Dice that 95 % of the source's cases would exceed, if it were normally distributed over them."""
    return calibration.dice + NormalDist().inv_cdf(_LOWEST_TAIL) * calibration.deviation


def _doubts(case: Evidence, dice: float, calibration: Calibration, names: tuple[str, ...]) -> tuple[str, ...]:
    found = [f"no {name} predicted" for name, held in zip(names, case.predicted[1:].tolist(), strict=True) if not held]
    if dice < least_usual(calibration):
        found.append("worse than the source's cases")
    return tuple(found)
