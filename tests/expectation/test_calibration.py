"""A calibration is a few numbers over many patients, and what it expects is what they say."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats

from lesslabel.errors import ConfigError
from lesslabel.expectation.calibration import Calibration, ClassCalibration, expected_dice, fit_calibration
from lesslabel.expectation.confidence import count_confidence
from lesslabel.expectation.measuring import Evidence
from lesslabel.expectation.trust import expect_case, half_width, least_usual

NAMES = ("disc",)


def case_of(dice: float, agreement: float | None, *, patient: str = "p", predicted: bool = True) -> Evidence:
    """A case of two classes with certain probabilities, so that confidence says that all is right."""
    foreground = torch.full((1, 2, 2), 0.999 if predicted else 1e-9)
    probabilities = torch.stack([1.0 - foreground, foreground])
    return Evidence(
        uid=f"case of {patient}",
        patient=patient,
        counts=count_confidence(probabilities, probabilities.argmax(dim=0)),
        agreement=None if agreement is None else np.array([1.0, agreement]),
        dice=np.array([0.99, dice]),
    )


def source(*, patients: int = 6, agreement: bool = True) -> list[Evidence]:
    """Dice 0.8, 0.82 … with an error ten times as large as the disagreement."""
    dice = [0.8 + 0.02 * index for index in range(patients)]
    return [
        case_of(each, 1.0 - (1.0 - each) / 10 if agreement else None, patient=f"p{index}")
        for index, each in enumerate(dice)
    ]


def test_the_error_is_proportional_to_the_disagreement() -> None:
    found = fit_calibration(source())
    assert found is not None
    (disc,) = found.classes
    assert (found.patients, found.cases, found.passes) == (6, 6, 5)
    assert disc.error_factor == pytest.approx(10.0)
    assert disc.dice == found.dice == pytest.approx(0.85)
    assert found.deviation == pytest.approx(np.std([0.8, 0.82, 0.84, 0.86, 0.88, 0.9], ddof=1), abs=1e-4)
    # confidence is the same in all cases, on average right: it is the lower one in the better half
    assert expected_dice(case_of(0.0, 0.97), found.classes)[0] == pytest.approx(0.7, abs=0.01)
    assert expected_dice(case_of(0.0, 0.8), found.classes)[0] == 0.0


def test_without_dropout_confidence_alone_speaks() -> None:
    found = fit_calibration(source(agreement=False))
    assert found is not None
    assert found.passes == 0
    assert found.classes[0].error_factor is None
    one = expect_case(case_of(0.0, None), found, NAMES)
    assert one.dice == one.by_confidence
    assert math.isnan(one.by_agreement)


def test_too_few_patients_give_none() -> None:
    assert fit_calibration(source(patients=4)) is None
    assert fit_calibration([replace(case, patient="p0") for case in source()]) is None
    assert fit_calibration([replace(case, dice=None) for case in source()]) is None
    assert fit_calibration([]) is None


def test_a_class_that_is_in_one_map_alone_does_not_calibrate_it() -> None:
    odd = [case_of(0.0, 0.0, patient="p7", predicted=False), case_of(math.nan, 0.5, patient="p8")]
    assert fit_calibration([*source(), *odd]).classes == fit_calibration(source()).classes  # type: ignore[union-attr]


CALIBRATION = Calibration(6, 6, 5, (ClassCalibration(-15.0, 10.0, 0.85),), 0.85, 0.04, 0.03)


def test_the_interval_is_that_of_a_new_case() -> None:
    half = stats.t.ppf(0.95, 5) * 0.03 * math.sqrt(1 + 1 / 6)
    assert half_width(CALIBRATION) == pytest.approx(half)
    one = expect_case(case_of(0.0, 0.98), CALIBRATION, NAMES)
    assert (one.dice, one.low, one.high) == pytest.approx((0.8, 0.8 - half, 0.8 + half))
    assert expect_case(case_of(0.0, 0.999), CALIBRATION, NAMES).high == 1.0


def test_doubts_name_their_reason() -> None:
    assert least_usual(CALIBRATION) == pytest.approx(0.85 - 1.6449 * 0.04, abs=1e-5)
    assert expect_case(case_of(0.0, 0.98), CALIBRATION, NAMES).doubts == ()
    assert expect_case(case_of(0.0, 0.97), CALIBRATION, NAMES).doubts == ("worse than the source's cases",)
    nothing = expect_case(case_of(0.0, math.nan, predicted=False), CALIBRATION, NAMES)
    assert math.isnan(nothing.dice)
    assert math.isnan(nothing.low)
    assert nothing.doubts == ("no disc predicted",)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"patients": 4}, "5 patients at least"),
        ({"cases": 5}, "5 patients at least"),
        ({"passes": 3}, "neither 0 nor 5"),
        ({"passes": 0}, "error_factor"),
        ({"classes": (ClassCalibration(0.0, -1.0, 0.5),)}, "error_factor"),
        ({"classes": (ClassCalibration(16.0, 1.0, 0.5),)}, "beyond"),
        ({"classes": (ClassCalibration(0.0, 1.0, 1.5),)}, "from 0 to 1"),
        ({"error": -0.1}, "from 0 to 1"),
    ],
)
def test_other_numbers_are_refused(change: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        replace(CALIBRATION, **change)  # type: ignore[arg-type]
