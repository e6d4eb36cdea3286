"""Losses around clicks, against values by hand and a loop over voxels."""

import math

import pytest
import torch

from lesslabel.data.case import IGNORE
from lesslabel.errors import ConfigError
from lesslabel.losses import click_influence, click_weighted_cross_entropy, normalised_focal_loss


def test_influence_is_one_at_a_click_and_ends_at_the_reach() -> None:
    clicked = torch.zeros(2, 1, 200, dtype=torch.bool)
    clicked[0, 0, [10, 150]] = True
    influence = click_influence(clicked, 100.0)
    assert influence[0, 0, 10] == influence[0, 0, 150] == 1
    assert influence[0, 0, 60] == pytest.approx(0.5)
    assert influence[0, 0, 80] == pytest.approx(0.3)  # the nearer of two clicks counts
    assert influence[1].max() == 0
    with pytest.raises(ConfigError, match="reach_voxel"):
        click_influence(clicked, 0.0)


def test_influence_in_3d_is_by_the_euclidean_distance() -> None:
    clicked = torch.zeros(1, 5, 5, 5, dtype=torch.bool)
    clicked[0, 1, 1, 1] = True
    assert click_influence(clicked, 10.0)[0, 3, 3, 2] == pytest.approx(1 - 0.3)


def by_hand(logits, target, near_object, near_background, lowest=0.8, highest=2.0) -> float:
    total, known = 0.0, 0
    for sample in range(len(target)):
        for place in torch.cartesian_prod(*(torch.arange(n) for n in target.shape[1:])).tolist():
            voxel = (sample, *place)
            if target[voxel] == IGNORE:
                continue
            near = near_object[voxel] if target[voxel] == 1 else near_background[voxel]
            scores = [float(logits[(sample, label, *place)]) for label in (0, 1)]
            loss = math.log(sum(map(math.exp, scores))) - scores[int(target[voxel])]
            total += (lowest + float(near) * (highest - lowest)) * loss
            known += 1
    return total / max(known, 1)


@pytest.mark.parametrize("grid", [(4, 5), (2, 3, 4)])
def test_the_click_loss_is_the_weighted_mean_over_known_voxels(grid: tuple[int, ...]) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 2, *grid, generator=generator)
    target = torch.randint(0, 2, (2, *grid), generator=generator)
    target[torch.rand(target.shape, generator=generator) < 0.3] = IGNORE
    near = torch.rand(2, *target.shape, generator=generator)
    expected = by_hand(logits, target, near[0], near[1])
    assert float(click_weighted_cross_entropy(logits, target, near[0], near[1])) == pytest.approx(expected, rel=1e-5)
    first = by_hand(logits, target, near[0], torch.zeros_like(near[0]))
    assert float(click_weighted_cross_entropy(logits, target, near[0])) == pytest.approx(first, rel=1e-5)


def test_weights_lie_between_the_lowest_and_the_highest() -> None:
    logits = torch.zeros(1, 2, 1, 2)
    target = torch.tensor([[[1, 0]]])
    near = torch.ones(1, 1, 2)
    assert float(click_weighted_cross_entropy(logits, target, near)) == pytest.approx(math.log(2) * (2.0 + 0.8) / 2)


@pytest.mark.parametrize("focus", [0.0, 2.0])
def test_the_normalised_focal_loss_is_a_weighted_mean_of_each_sample(focus: float) -> None:
    logits = torch.tensor([[[[2.0, -1.0, 0.5]], [[0.0, 1.0, 0.0]]], [[[0.0, 0.0, 0.0]], [[0.0, 0.0, 0.0]]]])
    target = torch.tensor([[[0, 0, 1]], [[IGNORE, IGNORE, IGNORE]]])
    p = [1 / (1 + math.exp(-margin)) for margin in (2.0, -2.0, -0.5)]
    weights = [(1 - each) ** focus for each in p]
    expected = sum(-w * math.log(each) for w, each in zip(weights, p, strict=True)) / sum(weights)
    assert float(normalised_focal_loss(logits, target, focus=focus)) == pytest.approx(expected, rel=1e-6)


def test_what_is_surely_right_gives_no_nan() -> None:
    logits = torch.tensor([[[[90.0]], [[-90.0]]]], requires_grad=True)
    loss = normalised_focal_loss(logits, torch.zeros(1, 1, 1, dtype=torch.long))
    loss.backward()
    assert float(loss) == 0
    assert torch.isfinite(logits.grad).all()


@pytest.mark.parametrize("loss", [normalised_focal_loss, lambda a, b: click_weighted_cross_entropy(a, b, b * 0.0)])
def test_nothing_known_gives_zero_and_no_gradient(loss) -> None:
    logits = torch.randn(2, 2, 3, 3, requires_grad=True)
    value = loss(logits, torch.full((2, 3, 3), IGNORE))
    value.backward()
    assert float(value) == 0
    assert float(logits.grad.abs().max()) == 0
