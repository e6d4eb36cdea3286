import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from lesslabel.data.case import IGNORE
from lesslabel.losses import partial_cross_entropy


def brute_force(
    logits: np.ndarray, target: np.ndarray, annotated: np.ndarray | None, weight: np.ndarray | None = None
) -> float:
    """One voxel at a time: softmax, merge, minus log."""
    total, mass = 0.0, 0.0
    for index in np.ndindex(target.shape):
        label = target[index]
        if label == IGNORE:
            continue
        sample, voxel = index[0], index[1:]
        exponential = np.exp(logits[(sample, slice(None), *voxel)])
        probability = exponential / exponential.sum()
        if label == 0 and annotated is not None:
            chosen = probability[0] + sum(
                probability[c] for c in range(1, len(probability)) if not annotated[sample, c]
            )
        else:
            chosen = probability[label]
        share = 1.0 if weight is None else weight[index]
        total -= share * math.log(chosen)
        mass += share
    return total / max(mass, 1.0)


def test_slices_that_speak_of_different_classes_by_hand() -> None:
    """A background voxel in each of two slices, p = (1/2, 1/4, 1/4); the first slice does not speak of class 2."""
    logits = torch.tensor([2.0, 1.0, 1.0]).log().view(1, 3, 1, 1, 1).repeat(1, 1, 2, 1, 1)
    annotated = torch.tensor([[[True, True], [True, True], [False, True]]])
    loss = partial_cross_entropy(logits, torch.zeros(1, 2, 1, 1, dtype=torch.int64), annotated_labels=annotated)
    assert loss.item() == pytest.approx(-(math.log(0.75) + math.log(0.5)) / 2)


def test_by_hand() -> None:
    """Two known voxels with probabilities 3/4 and 1/2 of their class; the third is unknown."""
    logits = torch.tensor([[[[math.log(3.0), 0.0, 50.0]], [[0.0, 0.0, -50.0]]]])
    target = torch.tensor([[[0, 1, IGNORE]]])
    expected = -(math.log(0.75) + math.log(0.5)) / 2
    assert partial_cross_entropy(logits, target).item() == pytest.approx(expected, rel=1e-6)


def test_merged_by_hand() -> None:
    """Probabilities 1/2, 1/3, 1/6; the last class is not annotated, so background has 2/3."""
    logits = torch.tensor([3.0, 2.0, 1.0]).log().reshape(1, 3, 1, 1).expand(1, 3, 1, 2)
    annotated = torch.tensor([[True, True, False]])
    target = torch.tensor([[[0, 1]]])
    expected = -(math.log(2 / 3) + math.log(1 / 3)) / 2
    assert partial_cross_entropy(logits, target, annotated_labels=annotated).item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("grid", [(7, 5), (3, 4, 5)])
def test_equals_torch_where_everything_or_a_part_is_known(grid: tuple[int, ...]) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 4, *grid, generator=generator)
    target = torch.randint(0, 4, (2, *grid), generator=generator)
    torch.testing.assert_close(partial_cross_entropy(logits, target), F.cross_entropy(logits, target))
    target[0] = IGNORE
    expected = F.cross_entropy(logits, target, ignore_index=IGNORE)
    torch.testing.assert_close(partial_cross_entropy(logits, target), expected)


@settings(max_examples=30)
@given(seed=st.integers(0, 10_000), merge=st.booleans(), weighted=st.booleans())
def test_equals_a_loop_over_voxels(seed: int, merge: bool, weighted: bool) -> None:
    random = np.random.default_rng(seed)
    logits = random.normal(scale=3, size=(2, 4, 3, 4))
    target = random.choice([0, 1, 2, 3, IGNORE], size=(2, 3, 4))
    annotated = random.random((2, 4)) < 0.6
    annotated[:, 0] = True
    if merge:
        for sample in range(2):
            target[sample][np.isin(target[sample], np.flatnonzero(~annotated[sample]))] = 0
    weight = random.random((2, 3, 4)) * 3
    result = partial_cross_entropy(
        torch.from_numpy(logits),
        torch.from_numpy(target),
        annotated_labels=torch.from_numpy(annotated) if merge else None,
        weight=torch.from_numpy(weight) if weighted else None,
    )
    expected = brute_force(logits, target, annotated if merge else None, weight if weighted else None)
    assert result.item() == pytest.approx(expected, rel=1e-10)


def random_batch() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    logits = torch.randn(3, 3, 4, 4, generator=generator, dtype=torch.float64)
    target = torch.randint(0, 3, (3, 4, 4), generator=generator)
    target[:, 1] = IGNORE
    return logits, target


def test_a_weight_of_one_is_no_weight_and_of_zero_is_unknown() -> None:
    logits, target = random_batch()
    plain = partial_cross_entropy(logits, target)
    torch.testing.assert_close(partial_cross_entropy(logits, target, weight=torch.ones(3)), plain)
    torch.testing.assert_close(partial_cross_entropy(logits, target, weight=torch.full((3, 4, 4), 2.0)), plain)
    without_first = target.clone()
    without_first[0] = IGNORE
    zeroed = partial_cross_entropy(logits, target, weight=torch.tensor([0.0, 1.0, 1.0]))
    torch.testing.assert_close(zeroed, partial_cross_entropy(logits, without_first))


def test_a_sample_of_weight_two_counts_twice() -> None:
    logits, target = random_batch()
    doubled = partial_cross_entropy(torch.cat([logits, logits[:1]]), torch.cat([target, target[:1]]))
    weighted = partial_cross_entropy(logits, target, weight=torch.tensor([2.0, 1.0, 1.0]))
    torch.testing.assert_close(weighted, doubled)


def test_weighted_gradient_is_the_derivative() -> None:
    logits, target = random_batch()
    weight = torch.linspace(0.1, 2.0, target.numel(), dtype=torch.float64).view_as(target)
    annotated = torch.tensor([[True, True, False], [True, True, True], [True, False, False]])

    def loss(leaf: torch.Tensor) -> torch.Tensor:
        return partial_cross_entropy(leaf, target, weight=weight, annotated_labels=annotated)

    assert torch.autograd.gradcheck(loss, logits.requires_grad_())
