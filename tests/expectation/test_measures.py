"""Thresholded confidence and agreement: values by hand, and by the published rule on labels."""

import math

import numpy as np
import pytest
import torch

from lesslabel.expectation.agreement import pairwise_dice
from lesslabel.expectation.confidence import BINS, count_confidence, fit_threshold, thresholded_dice


def logit(probability: float) -> float:
    return math.log(probability / (1.0 - probability))


def four_voxels() -> tuple[torch.Tensor, torch.Tensor]:
    """Two classes; the foreground has the probabilities 0.99, 0.7, 0.4 and 0.01."""
    foreground = torch.tensor([0.99, 0.7, 0.4, 0.01]).reshape(1, 1, 4)
    probabilities = torch.stack([1.0 - foreground, foreground])
    return probabilities, probabilities.argmax(dim=0)


@pytest.mark.parametrize(
    ("threshold", "dice"),
    [
        (0.55, 1.0),  # all four decisions are right
        (0.65, 2 * 2 / (2 * 2 + 0 + 1)),  # "0.4 is background" is wrong: a false negative
        (0.9, 2 * 1 / (2 * 1 + 1 + 1)),  # 0.7 is a false positive too
        (0.999, 0.0),  # nothing is right: no true positive, and the last voxel is a false negative
    ],
)
def test_decisions_below_the_threshold_are_the_errors(threshold: float, dice: float) -> None:
    counts = count_confidence(*four_voxels())
    assert counts.inside.shape == (2, BINS)
    assert thresholded_dice(counts, [0.0, logit(threshold)])[1] == pytest.approx(dice)


def test_the_estimate_is_the_dice_with_those_decisions_turned_round() -> None:
    torch.manual_seed(0)
    probabilities = torch.randn(3, 5, 6, 7).mul(2.0).softmax(dim=0)
    labels = probabilities.argmax(dim=0)
    found = thresholded_dice(count_confidence(probabilities, labels), [0.5, 0.5, 0.5])
    for index in range(3):
        mine = labels == index
        confidence = torch.where(mine, probabilities[index], 1.0 - probabilities[index])
        truth = mine ^ (confidence.logit() < 0.5)
        expected = 2 * (mine & truth).sum() / (mine.sum() + truth.sum())
        assert found[index] == pytest.approx(float(expected), abs=0.02)  # bins are a hundredth wide


def test_a_class_nobody_speaks_of_is_nan_and_one_that_is_doubted_is_zero() -> None:
    probabilities = torch.tensor([0.9, 0.1, 1e-9]).reshape(3, 1, 1, 1).expand(3, 1, 2, 2)
    counts = count_confidence(probabilities, probabilities.argmax(dim=0))
    background, doubted, absent = thresholded_dice(counts, [0.0, logit(0.95), logit(0.95)])
    assert background == 1.0
    assert doubted == 0.0
    assert math.isnan(absent)


def test_the_threshold_gives_the_mean_dice_of_the_source() -> None:
    torch.manual_seed(1)
    cases = []
    for _ in range(6):
        probabilities = torch.randn(2, 4, 12, 12).mul(2.0).softmax(dim=0)
        cases.append(count_confidence(probabilities, probabilities.argmax(dim=0)))
    threshold = fit_threshold(cases, np.full(6, 0.8), 1)
    assert np.mean([thresholded_dice(case, [0.0, threshold])[1] for case in cases]) == pytest.approx(0.8, abs=0.01)
    assert fit_threshold(cases, np.ones(6), 1) < logit(0.51)
    assert fit_threshold(cases, np.zeros(6), 1) > logit(0.9)


def test_agreement_is_the_mean_dice_of_all_pairs() -> None:
    first, second, third = (np.array(row, np.uint8) for row in ([1, 1, 0, 0], [1, 0, 0, 0], [1, 1, 1, 0]))
    # 2·1/(2+1), 2·2/(2+3), 2·1/(1+3)
    assert pairwise_dice([first, second, third], 3)[1] == pytest.approx((2 / 3 + 4 / 5 + 1 / 2) / 3)
    assert math.isnan(pairwise_dice([first, second, third], 3)[2])
    alone = np.array([2, 0, 0, 0], np.uint8)
    assert pairwise_dice([first, alone], 3)[2] == 0.0
