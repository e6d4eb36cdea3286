"""Entropy and certainty against NumPy and SciPy."""

import math

import numpy as np
import pytest
import scipy.stats
import torch

from lesslabel.losses import (
    certain_consistency_loss,
    certain_voxels,
    certainty_threshold,
    consistency_loss,
    entropy_loss,
    voxel_entropy,
)

every_grid = pytest.mark.parametrize("grid", [(6, 5), (3, 4, 5)])


def maps(grid: tuple[int, ...]) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    first, second = (3 * torch.randn(2, 2, 4, *grid, generator=generator, dtype=torch.float64)).softmax(2)
    return first, second


@every_grid
def test_entropy_against_scipy(grid: tuple[int, ...]) -> None:
    probabilities, _ = maps(grid)
    expected = scipy.stats.entropy(probabilities.numpy(), axis=1)
    np.testing.assert_allclose(voxel_entropy(probabilities).numpy(), expected, rtol=1e-9)
    assert entropy_loss(probabilities).item() == pytest.approx(expected.mean() / math.log(4), rel=1e-9)


def test_entropy_by_hand() -> None:
    probabilities = torch.tensor([[1.0, 0.5, 0.25], [0.0, 0.5, 0.75]])[None, :, None]
    expected = [0.0, math.log(2), 0.25 * math.log(4) + 0.75 * math.log(4 / 3)]
    assert voxel_entropy(probabilities).flatten().tolist() == pytest.approx(expected, abs=1e-7)
    assert entropy_loss(torch.full((1, 3, 2, 2), 1 / 3)).item() == pytest.approx(1.0)


def test_a_sure_prediction_has_a_finite_gradient() -> None:
    logits = torch.tensor([[200.0, -200.0, 0.0]]).reshape(1, 3, 1, 1).requires_grad_()
    loss = entropy_loss(logits.softmax(1))
    loss.backward()
    assert loss.item() == 0.0
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


def test_the_entropy_of_a_logit_map_has_the_right_derivative() -> None:
    logits = torch.randn(2, 3, 2, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: entropy_loss(x.softmax(1)), logits.requires_grad_())


def test_half_precision_is_summed_in_float32() -> None:
    probabilities = maps((6, 5))[0].bfloat16()
    assert entropy_loss(probabilities).dtype == torch.float32
    certain = torch.ones(2, 6, 5, dtype=torch.bool)
    assert certain_consistency_loss(probabilities, probabilities, certain).dtype == torch.float32


def test_the_threshold_rises_from_three_quarters() -> None:
    assert certainty_threshold(0.0) == pytest.approx((0.75 + 0.25 * math.exp(-5)) * math.log(2))
    assert certainty_threshold(0.5, 2.0) == pytest.approx(2 * (0.75 + 0.25 * math.exp(-1.25)))
    assert certainty_threshold(1.0, 2.0) == 2.0


@every_grid
def test_the_mask_and_its_loss_against_numpy(grid: tuple[int, ...]) -> None:
    student, teacher = maps(grid)
    p, q = student.numpy(), teacher.numpy()
    entropies = -(q * np.log(q)).sum(1)
    threshold = float(np.median(entropies))
    certain = certain_voxels(teacher, threshold)
    np.testing.assert_array_equal(certain.numpy(), entropies < threshold)
    assert 0 < certain.sum() < certain.numel()
    expected = np.mean([((p - q)[b, :, *place] ** 2).mean() for b, *place in np.argwhere(entropies < threshold)])
    assert certain_consistency_loss(student, teacher, certain).item() == pytest.approx(expected, rel=1e-9)


def test_all_certain_is_plain_consistency_and_none_is_zero() -> None:
    student, teacher = maps((6, 5))
    everywhere = torch.ones(2, 6, 5, dtype=torch.bool)
    plain = consistency_loss(student, teacher)
    torch.testing.assert_close(certain_consistency_loss(student, teacher, everywhere), plain)
    student.requires_grad_()
    nowhere = certain_consistency_loss(student, teacher, ~everywhere)
    nowhere.backward()
    assert nowhere.item() == 0.0
    assert student.grad is not None
    assert not student.grad.any()
