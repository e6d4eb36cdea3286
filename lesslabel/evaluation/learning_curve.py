"""A learning curve fitted to rounds of annotation: what more labels would buy, with an interval, and a check of it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lesslabel.errors import DataError
from lesslabel.evaluation.statistics import INTERVAL

FEWEST_ROUNDS = 3
_EXPONENTS = np.linspace(0.05, 2.0, 196)
_RESAMPLES = 400


@dataclass(frozen=True)
class Expected:
    """An expected Dice.

    Attributes:
        dice: of the curve fitted to all patients.
        low: lower end of its 95 % interval.
        high: upper end of its 95 % interval.
    """

    dice: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class LearningCurve:
    """Dice over annotation, ``a − b·x^−c``, with 0 ≤ a ≤ 1, b ≥ 0 and 0.05 ≤ c ≤ 2.

    The first row is fitted to the mean over all patients, every further one to a bootstrap sample of them.

    Attributes:
        parameters: (1 + samples, 3), the a, b and c of each.
    """

    parameters: NDArray[np.float64]

    def at(self, amount: float) -> Expected:
        """The Dice expected at an amount of annotation.

        Args:
            amount: above 0, in the unit of the fit.
        """
        a, b, c = self.parameters.T
        values = np.clip(a - b * float(amount) ** -c, 0.0, 1.0)
        low, high = np.quantile(values[1:], INTERVAL)
        return Expected(float(values[0]), float(min(low, values[0])), float(max(high, values[0])))

    @property
    def limit(self) -> Expected:
        """The Dice that the curve approaches without end: a. Seldom known well from few rounds."""
        low, high = np.quantile(self.parameters[1:, 0], INTERVAL)
        return Expected(float(self.parameters[0, 0]), float(low), float(high))

    def amount_for(self, dice: float) -> float:
        """The amount of annotation at which the curve reaches a Dice; infinite if it never does."""
        a, b, c = self.parameters[0]
        if dice >= a:
            return float("inf")
        return float((b / (a - dice)) ** (1.0 / c)) if b > 0.0 else 0.0


def fit_learning_curve(
    amounts: Sequence[float], dice: NDArray[np.float64], *, seed: int = 0, resamples: int = _RESAMPLES
) -> LearningCurve:
    """Fit an inverse power law to rounds of annotation by least squares.

    The form of "How much more data do I need? Estimating requirements for downstream tasks" (Mahmood et al., CVPR 2022)
    and of Hestness et al., arXiv:1712.00409. For each exponent of a grid, a and b are solved exactly; the exponent with
    the smallest squared error is taken. The interval is of the patients, who are resampled together at all rounds; that
    the next training has another seed, or that the form is wrong, is not in it: see `check_last_round`.

    Args:
        amounts: R of them, cases or minutes, above 0, at least three different ones.
        dice: (patients, R), the Dice of each test patient after each round; finite.
        seed: of the bootstrap.
        resamples: bootstrap samples.

    Raises:
        DataError: if there are too few rounds, an amount is not above 0, or the table is not finite or of other shape.
    """
    x = np.asarray(amounts, np.float64)
    if dice.ndim != 2 or dice.shape[1] != len(x) or not dice.size or not np.isfinite(dice).all():
        raise DataError(f"learning curve: scores {dice.shape} for {len(x)} rounds; pass finite ones, patients × rounds")
    if not (x > 0.0).all() or len(np.unique(x)) < FEWEST_ROUNDS:
        raise DataError(f"learning curve: amounts {x.tolist()}; it needs {FEWEST_ROUNDS} different ones above 0")
    rng = np.random.default_rng(seed)
    drawn = rng.integers(len(dice), size=(resamples, len(dice)))
    means = np.concatenate([dice.mean(axis=0)[None], dice[drawn].mean(axis=1)])
    return LearningCurve(_fit(x, means))


def check_last_round(amounts: Sequence[float], dice: NDArray[np.float64], *, seed: int = 0) -> Expected | None:
    """Predict the last round from those before it.

    Args:
        amounts: in the order of the rounds; the largest one is held out.
        dice: (patients, R).
        seed: of the bootstrap.

    Returns:
        The prediction, to be compared with what was measured; None if too few rounds are left.
    """
    x = np.asarray(amounts, np.float64)
    rest = np.arange(len(x)) != int(np.argmax(x))
    if len(np.unique(x[rest])) < FEWEST_ROUNDS:
        return None
    return fit_learning_curve(x[rest].tolist(), dice[:, rest], seed=seed).at(float(x.max()))


def _fit(x: NDArray[np.float64], means: NDArray[np.float64]) -> NDArray[np.float64]:
    """The parameters for each row of means: (rows, 3)."""
    best = np.full(len(means), np.inf)
    parameters = np.zeros((len(means), 3))
    for exponent in _EXPONENTS:
        power = x**-exponent
        centred = power - power.mean()
        b = np.maximum(-(means @ centred) / (centred @ centred), 0.0)
        a = means.mean(axis=1) + b * power.mean()
        over = a > 1.0
        b = np.where(over, np.maximum((1.0 - means) @ power / (power @ power), 0.0), b)
        a = np.where(over, 1.0, a)
        error = np.square(means - (a[:, None] - b[:, None] * power)).sum(axis=1)
        better = error < best - 1e-15
        best[better] = error[better]
        parameters[better] = np.stack([a, b, np.full(len(a), exponent)], axis=1)[better]
    return parameters
