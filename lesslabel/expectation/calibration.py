"""Fit the expected Dice to cases whose real Dice is known; what is kept are a few numbers over many patients."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lesslabel.errors import ConfigError
from lesslabel.expectation.confidence import LARGEST_LOGIT, fit_threshold, thresholded_dice
from lesslabel.expectation.measuring import PASSES, Evidence

LEAST_PATIENTS = 5
"""Least number of patients behind a calibration, so that no number is that of a single patient."""


@dataclass(frozen=True)
class ClassCalibration:
    """The calibration of one class.

    Attributes:
        threshold: logit of the confidence above which a decision counts as right, −15 to 15.
        error_factor: how many times larger the real error (1 − Dice) is than the disagreement of predictions with
            dropout (1 − their Dice), on average; None without dropout.
        dice: mean real Dice of the class.
    """

    threshold: float
    error_factor: float | None
    dice: float


@dataclass(frozen=True)
class Calibration:
    """Numbers over the validation cases of a source; each is a mean over all of them.

    Attributes:
        patients: patients behind the numbers.
        cases: cases behind them.
        passes: predictions with dropout of each case; 0 without dropout.
        classes: of the classes, background left out.
        dice: mean over cases of the real Dice, averaged over classes.
        deviation: standard deviation over cases of that.
        error: root mean square difference between it and the expected Dice.
    """

    patients: int
    cases: int
    passes: int
    classes: tuple[ClassCalibration, ...]
    dice: float
    deviation: float
    error: float

    def __post_init__(self) -> None:
        if not LEAST_PATIENTS <= self.patients <= self.cases:
            raise ConfigError(
                f"expectation: {self.patients} patients of {self.cases} cases; {LEAST_PATIENTS} patients at least"
            )
        if self.passes not in (0, PASSES):
            raise ConfigError(f"expectation.passes: {self.passes} is neither 0 nor {PASSES}")
        factors = [one.error_factor for one in self.classes]
        if any((factor is None) != (self.passes == 0) or (factor or 0.0) < 0.0 for factor in factors):
            raise ConfigError("expectation.classes: an error_factor of 0 or more for each class if there is dropout")
        if any(abs(one.threshold) > LARGEST_LOGIT for one in self.classes):
            raise ConfigError(f"expectation.classes: a threshold is beyond ±{LARGEST_LOGIT:g}")
        if not all(0.0 <= share <= 1.0 for share in (self.dice, self.deviation, self.error, *self._dice_of_classes())):
            raise ConfigError("expectation: Dice, deviation and error are from 0 to 1")

    def _dice_of_classes(self) -> tuple[float, ...]:
        return tuple(one.dice for one in self.classes)


def fit_calibration(cases: Sequence[Evidence]) -> Calibration | None:
    """Fit thresholds and factors to cases with a real Dice.

    Args:
        cases: of the validation part of a source; those without a reference are left out, as are, for a class, those
            where it is in the prediction or the reference alone.

    Returns:
        The calibration; None if for some class fewer than five patients are left.
    """
    scored = [case for case in cases if case.dice is not None]
    if not scored:
        return None
    dice = np.stack([case.dice for case in scored if case.dice is not None])
    usable = ~np.isnan(dice) & np.stack([case.predicted for case in scored])
    patients = np.array([case.patient for case in scored])
    if any(len(set(patients[kept].tolist())) < LEAST_PATIENTS for kept in usable.T[1:]):
        return None
    classes = []
    for index in range(1, dice.shape[1]):
        rows = np.flatnonzero(usable[:, index])
        chosen = [scored[row] for row in rows.tolist()]
        classes.append(_fit_class(chosen, dice[rows, index], index))
    expected = np.array([average(expected_dice(case, classes)) for case in scored])
    real = np.array([average(row[1:]) for row in dice])
    both = ~np.isnan(expected) & ~np.isnan(real)
    return Calibration(
        patients=len(set(patients[both].tolist())),
        cases=int(both.sum()),
        passes=0 if classes[0].error_factor is None else PASSES,
        classes=tuple(classes),
        dice=_rounded(real[both].mean()),
        deviation=_rounded(real[both].std(ddof=1)),
        error=_rounded(np.sqrt(np.square(expected - real)[both].mean())),
    )


def expected_dice(case: Evidence, classes: Sequence[ClassCalibration]) -> NDArray[np.float64]:
    """The expected Dice of each class, background left out: the lower of what confidence and agreement say.

    Where images change, the model becomes less sure in one way or the other; both are too high more often than too low.

    Returns:
        (C − 1,) in [0, 1]; NaN for a class that is not predicted and nowhere doubted.
    """
    by_confidence, by_agreement = both_measures(case, classes)
    return by_confidence if by_agreement is None else np.fmin(by_confidence, by_agreement)


def both_measures(
    case: Evidence, classes: Sequence[ClassCalibration]
) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    """The Dice by thresholded confidence and the Dice by agreement, (C − 1,) each; None without dropout.

    The second is 1 − factor·(1 − agreement), not below 0: predictions that agree wholly are expected to be right.
    """
    by_confidence = thresholded_dice(case.counts, [0.0, *(one.threshold for one in classes)])[1:]
    if case.agreement is None or classes[0].error_factor is None:
        return by_confidence, None
    factors = np.array([one.error_factor for one in classes], np.float64)
    return by_confidence, np.clip(1.0 - factors * (1.0 - case.agreement[1:]), 0.0, 1.0)


def average(values: NDArray[np.float64]) -> float:
    """The mean without NaN; NaN if nothing is left."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def _fit_class(cases: Sequence[Evidence], dice: NDArray[np.float64], index: int) -> ClassCalibration:
    threshold = fit_threshold([case.counts for case in cases], dice, index)
    agreements = [case.agreement[index] for case in cases if case.agreement is not None]
    factor = None if len(agreements) < len(cases) else _rounded(_error_factor(dice, np.array(agreements)))
    return ClassCalibration(round(threshold, 2), factor, _rounded(dice.mean()))


def _error_factor(dice: NDArray[np.float64], agreement: NDArray[np.float64]) -> float:
    """The mean error over the mean disagreement; predictions that never disagree say nothing of the error."""
    disagreement = float((1.0 - agreement).mean())
    return float((1.0 - dice).mean()) / disagreement if disagreement else 0.0


def _rounded(value: Any) -> float:
    """Four digits, which are more than the cases support."""
    return round(float(value), 4)
