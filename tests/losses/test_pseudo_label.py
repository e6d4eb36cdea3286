import pytest
import torch
from monai.losses import DiceLoss

from lesslabel.data.case import IGNORE
from lesslabel.losses import consistency_loss, cross_pseudo_loss, hard_label, mixed_pseudo_label, pseudo_label_loss


def maps(grid: tuple[int, ...] = (6, 5)) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    first, second = torch.randn(2, 3, 4, *grid, generator=generator, dtype=torch.float64).softmax(2)
    return first, second


def test_mixing_by_hand() -> None:
    """First says class 0 with 0.6, second class 1 with 0.9: the mix turns at α = 0.8."""
    first, second = torch.tensor([0.6, 0.4]).reshape(1, 2, 1, 1), torch.tensor([0.1, 0.9]).reshape(1, 2, 1, 1)
    labels = [mixed_pseudo_label(first, second, alpha).item() for alpha in (0.0, 0.79, 0.81, 1.0)]
    assert labels == [1, 1, 0, 0]


@pytest.mark.parametrize("grid", [(6, 5), (3, 4, 5)])
def test_hard_label_is_argmax_also_for_ties(grid: tuple[int, ...]) -> None:
    coarse = torch.randint(0, 3, (2, 4, *grid), generator=torch.Generator().manual_seed(0)).float()
    labels = hard_label(coarse.requires_grad_())
    assert torch.equal(labels, coarse.argmax(1))
    assert labels.dtype == torch.int64
    assert not labels.requires_grad


@pytest.mark.parametrize("grid", [(6, 5), (3, 4, 5)])
def test_the_mix_is_a_label_map_without_gradient(grid: tuple[int, ...]) -> None:
    first, second = (values.requires_grad_() for values in maps(grid))
    labels = mixed_pseudo_label(first, second, torch.tensor(0.3))
    assert labels.dtype == torch.int64
    assert labels.shape == (3, *grid)
    assert not labels.requires_grad
    assert torch.equal(labels, mixed_pseudo_label(first, second, 0.3))
    assert torch.equal(mixed_pseudo_label(first, second, 1.0), first.argmax(1))
    assert torch.equal(mixed_pseudo_label(first, second, 0.0), second.argmax(1))


def test_pseudo_label_loss_is_dice_over_all_classes_with_squared_sums() -> None:
    first, second = maps()
    labels = mixed_pseudo_label(first, second, 0.5)
    reference = DiceLoss(to_onehot_y=True, squared_pred=True, batch=True, smooth_nr=1e-5, smooth_dr=1e-5)
    torch.testing.assert_close(pseudo_label_loss(first, labels), reference(first, labels[:, None]), rtol=1e-6, atol=0)
    assert pseudo_label_loss(first, torch.full_like(labels, IGNORE)).item() == 0


def test_pseudo_labels_keep_the_branches_independent() -> None:
    first, second = (values.requires_grad_() for values in maps())
    pseudo_label_loss(first, mixed_pseudo_label(first, second, 0.5)).backward()
    assert first.grad is not None
    assert second.grad is None


def test_consistency_by_hand() -> None:
    first, second = torch.tensor([[[[0.25]], [[0.75]]]]), torch.tensor([[[[0.5]], [[0.5]]]])
    assert consistency_loss(first, second).item() == 0.0625


def test_consistency_pulls_both_maps_and_is_summed_in_float32() -> None:
    first, second = (values.requires_grad_() for values in maps())
    consistency_loss(first, second).backward()
    torch.testing.assert_close(first.grad, -second.grad)
    assert torch.autograd.gradcheck(consistency_loss, (first, second))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert consistency_loss(first.bfloat16(), second.bfloat16()).dtype == torch.float32


def test_cross_pseudo_loss_by_hand() -> None:
    """One voxel: first (0.6, 0.4), second (0.1, 0.9); each is wrong in the other's eyes."""
    first, second = torch.tensor([[[[0.6]], [[0.4]]]]), torch.tensor([[[[0.1]], [[0.9]]]])
    dice_first = (0.0 + 2 * 0.4 / (0.16 + 1)) / 2
    dice_second = (2 * 0.1 / (0.01 + 1) + 0.0) / 2
    expected = ((1 - dice_first) + (1 - dice_second)) / 2
    assert cross_pseudo_loss(first, second).item() == pytest.approx(expected, abs=2e-5)


def test_cross_pseudo_loss_is_symmetric_and_teaches_each_branch_by_the_other() -> None:
    first, second = (values.requires_grad_() for values in maps())
    torch.testing.assert_close(cross_pseudo_loss(first, second), cross_pseudo_loss(second, first))
    (ours,) = torch.autograd.grad(cross_pseudo_loss(first, second), first)
    (alone,) = torch.autograd.grad(pseudo_label_loss(first, second.argmax(1)) / 2, first)
    torch.testing.assert_close(ours, alone)
