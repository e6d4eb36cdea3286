"""The learning curve: parameters by another optimiser, intervals, and the check by the last round."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import curve_fit

from lesslabel.errors import DataError
from lesslabel.evaluation.learning_curve import check_last_round, fit_learning_curve

AMOUNTS = [10.0, 20.0, 40.0, 80.0, 160.0]


def power_law(x: np.ndarray, a: float, b: float, c: float) -> np.ndarray:
    return a - b * x**-c


def scores(a: float = 0.9, b: float = 2.0, c: float = 0.8, noise: float = 0.0, patients: int = 30) -> np.ndarray:
    rng = np.random.default_rng(0)
    level = rng.normal(0.0, noise, (patients, 1))
    return power_law(np.array(AMOUNTS), a, b, c) + level - level.mean()


def test_it_finds_the_law_behind_exact_scores() -> None:
    curve = fit_learning_curve(AMOUNTS, scores())
    assert curve.parameters[0] == pytest.approx([0.9, 2.0, 0.8], rel=1e-3)
    assert curve.at(320.0).dice == pytest.approx(0.9 - 2.0 * 320**-0.8, abs=1e-6)
    assert curve.limit.dice == pytest.approx(0.9, abs=1e-3)
    assert curve.amount_for(0.8) == pytest.approx((2.0 / 0.1) ** (1 / 0.8), rel=1e-3)
    assert curve.amount_for(0.95) == float("inf")


@settings(max_examples=20)
@given(a=st.floats(0.5, 0.95), b=st.floats(0.2, 1.0), c=st.floats(0.3, 1.5), seed=st.integers(0, 50))
def test_it_is_as_good_as_a_general_optimiser(a: float, b: float, c: float, seed: int) -> None:
    x = np.array(AMOUNTS)
    mean = power_law(x, a, b, c) + np.random.default_rng(seed).normal(0, 0.002, len(x))
    fitted = fit_learning_curve(AMOUNTS, mean[None], resamples=2).parameters[0]
    bounds = ([0, 0, 0.05], [1, np.inf, 2.0])
    theirs, _ = curve_fit(power_law, x, mean, p0=[a, b, c], bounds=bounds, maxfev=20_000)
    ours = np.square(power_law(x, *fitted) - mean).sum()
    assert ours <= np.square(power_law(x, *theirs) - mean).sum() * 1.1 + 1e-6


def test_the_interval_is_that_of_the_patients() -> None:
    narrow, wide = (fit_learning_curve(AMOUNTS, scores(noise=noise)).at(300.0) for noise in (0.02, 0.1))
    assert narrow.low <= narrow.dice <= narrow.high
    assert wide.high - wide.low > 3 * (narrow.high - narrow.low)
    spread = 0.02 / np.sqrt(30)
    assert narrow.high - narrow.low == pytest.approx(2 * 1.96 * spread, rel=0.4)


def test_dice_never_exceeds_one_and_never_falls() -> None:
    rising = fit_learning_curve([1, 2, 4], np.array([[0.5, 0.8, 0.99]]))
    assert rising.at(1e9).dice <= 1.0
    falling = fit_learning_curve([1, 2, 4], np.array([[0.8, 0.7, 0.6]]))
    assert falling.at(100.0).dice == pytest.approx(0.7)
    assert falling.amount_for(0.5) == 0.0


def test_the_last_round_is_predicted_from_the_others() -> None:
    held = check_last_round(AMOUNTS, scores())
    assert held is not None
    assert held.dice == pytest.approx(0.9 - 2.0 * 160**-0.8, abs=1e-4)
    shuffled = check_last_round(AMOUNTS[::-1], scores()[:, ::-1])
    assert shuffled is not None
    assert shuffled.dice == pytest.approx(held.dice)
    assert check_last_round(AMOUNTS[:3], scores()[:, :3]) is None


@pytest.mark.parametrize(
    ("amounts", "table"),
    [
        ([1, 2], np.ones((2, 2))),
        ([1, 2, 2], np.ones((2, 3))),
        ([0, 1, 2], np.ones((2, 3))),
        ([1, 2, 3], np.ones((2, 4))),
        ([1, 2, 3], np.full((2, 3), np.nan)),
    ],
)
def test_what_makes_no_curve(amounts: list[float], table: np.ndarray) -> None:
    with pytest.raises(DataError, match="learning curve"):
        fit_learning_curve(amounts, table)
