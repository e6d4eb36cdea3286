import pytest
import torch
from monai.losses import DiceLoss
from torch import Tensor

from lesslabel.data.case import IGNORE
from lesslabel.errors import ConfigError
from lesslabel.losses import dice_loss

SMALL = 1e-12


def two_class(foreground: list[float]) -> Tensor:
    """Probabilities 1×2×1×W from those of the foreground."""
    values = torch.tensor(foreground, dtype=torch.float64)
    return torch.stack([1 - values, values])[None, :, None]


def random_batch(grid: tuple[int, ...], seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    probabilities = torch.randn(3, 4, *grid, generator=generator, dtype=torch.float64).softmax(1)
    return probabilities, torch.randint(0, 4, (3, *grid), generator=generator)


def test_by_hand() -> None:
    """Foreground p = (1/2, 1, 0), t = (1, 1, 0); background p = (1/2, 0, 1), t = (0, 0, 1)."""
    probabilities, target = two_class([0.5, 1.0, 0.0]), torch.tensor([[[1, 1, 0]]])
    squared = 1 - (2 * 1.5 / (1.25 + 2) + 2 * 1 / (1.25 + 1)) / 2
    plain = 1 - (2 * 1.5 / (1.5 + 2) + 2 * 1 / (1.5 + 1)) / 2
    foreground = 1 - 2 * 1.5 / (1.25 + 2)
    assert dice_loss(probabilities, target, smooth=SMALL).item() == pytest.approx(squared)
    assert dice_loss(probabilities, target, squared=False, smooth=SMALL).item() == pytest.approx(plain)
    assert dice_loss(probabilities, target, include_background=False, smooth=SMALL).item() == pytest.approx(foreground)


def test_slices_that_speak_of_different_classes_by_hand() -> None:
    """One voxel a slice. The first does not speak of class 2: (0.2, 0.3, 0.5) is (0.7, 0.3, 0), and t = 0 there."""
    probabilities = torch.tensor([[0.2, 0.3, 0.5], [0.1, 0.2, 0.7]], dtype=torch.float64).T[None, :, :, None, None]
    target = torch.tensor([0, 2])[None, :, None, None]
    annotated = torch.tensor([[[True, True], [True, True], [False, True]]])
    expected = 1 - (2 * 0.7 / (0.7 + 0.1 + 1) + 0 + 2 * 0.7 / (0.7 + 1)) / 3
    loss = dice_loss(probabilities, target, squared=False, annotated_labels=annotated, smooth=SMALL)
    assert loss.item() == pytest.approx(expected)
    # no slice that knows anything speaks of class 2: it takes no part in the mean
    target[0, 1] = IGNORE
    expected = 1 - (2 * 0.7 / (0.7 + 1) + 0) / 2
    loss = dice_loss(probabilities, target, squared=False, annotated_labels=annotated, smooth=SMALL)
    assert loss.item() == pytest.approx(expected)


def test_unknown_voxels_are_left_out_of_all_three_sums() -> None:
    known = dice_loss(two_class([0.5, 1.0, 0.0]), torch.tensor([[[1, 1, 0]]]))
    target = torch.tensor([[[1, IGNORE, 1, 0, IGNORE]]])
    assert torch.equal(dice_loss(two_class([0.5, 0.9, 1.0, 0.0, 0.3]), target), known)


@pytest.mark.parametrize("grid", [(6, 5), (3, 4, 5)])
@pytest.mark.parametrize("squared", [True, False])
@pytest.mark.parametrize("per_sample", [True, False])
@pytest.mark.parametrize("include_background", [True, False])
def test_equals_monai_where_everything_is_known(
    grid: tuple[int, ...], squared: bool, per_sample: bool, include_background: bool
) -> None:
    probabilities, target = random_batch(grid)
    reference = DiceLoss(
        include_background=include_background,
        to_onehot_y=True,
        squared_pred=squared,
        batch=not per_sample,
        smooth_nr=1e-3,
        smooth_dr=1e-3,
    )
    result = dice_loss(
        probabilities,
        target,
        squared=squared,
        per_sample=per_sample,
        include_background=include_background,
        smooth=1e-3,
    )
    torch.testing.assert_close(result, reference(probabilities, target[:, None]), rtol=1e-6, atol=0)


def test_a_class_that_is_absent_pulls_its_prediction_to_zero() -> None:
    target = torch.zeros(1, 1, 2, dtype=torch.int64)
    nowhere = dice_loss(two_class([0.0, 0.0]), target, include_background=False)
    somewhere = dice_loss(two_class([0.1, 0.0]), target, include_background=False, smooth=1e-5)
    assert nowhere.item() == 0
    assert somewhere.item() == pytest.approx(1 - 1e-5 / (0.01 + 1e-5))


def test_an_unannotated_class_is_merged_with_the_background_and_not_averaged() -> None:
    """p = (0.2, 0.5, 0.3) and (0.1, 0.6, 0.3); class 2 joins the background: (0.5, 0.5) and (0.4, 0.6)."""
    probabilities = torch.tensor([[0.2, 0.1], [0.5, 0.6], [0.3, 0.3]], dtype=torch.float64)[None, :, None]
    target = torch.tensor([[[0, 1]]])
    annotated = torch.tensor([[True, True, False]])
    background = 2 * 0.5 / (0.5**2 + 0.4**2 + 1)
    foreground = 2 * 0.6 / (0.5**2 + 0.6**2 + 1)
    for per_sample in (True, False):
        result = dice_loss(probabilities, target, annotated_labels=annotated, per_sample=per_sample, smooth=SMALL)
        assert result.item() == pytest.approx(1 - (background + foreground) / 2)


def test_a_class_annotated_in_one_sample_is_averaged_over_the_batch() -> None:
    """In the batch mode the other sample adds neither prediction nor target to that class."""
    probabilities, target = random_batch((6, 5))
    annotated = torch.ones(3, 4, dtype=torch.bool)
    annotated[1, 2] = False
    merged, merged_target = probabilities.clone(), target.clone()
    merged[1, 0] += merged[1, 2]
    merged[1, 2] = 0
    merged_target[1][target[1] == 2] = 0
    result = dice_loss(probabilities, target, annotated_labels=annotated)
    torch.testing.assert_close(result, dice_loss(merged, merged_target))


def test_per_sample_is_the_mean_of_the_samples() -> None:
    probabilities, target = random_batch((6, 5))
    annotated = torch.tensor([[True, True, True, True], [True, True, False, False], [True, False, True, True]])
    alone = [
        dice_loss(probabilities[i : i + 1], target[i : i + 1], annotated_labels=annotated[i : i + 1]) for i in range(3)
    ]
    result = dice_loss(probabilities, target, annotated_labels=annotated, per_sample=True)
    torch.testing.assert_close(result, torch.stack(alone).mean())


def test_a_sample_without_an_annotated_foreground_does_not_count_without_background() -> None:
    probabilities, target = random_batch((6, 5))
    annotated = torch.ones(3, 4, dtype=torch.bool)
    annotated[0, 1:] = False
    result = dice_loss(probabilities, target, annotated_labels=annotated, per_sample=True, include_background=False)
    expected = dice_loss(probabilities[1:], target[1:], per_sample=True, include_background=False)
    torch.testing.assert_close(result, expected)


@pytest.mark.parametrize("smooth", [0.0, -1e-5])
def test_a_smooth_that_allows_zero_by_zero_is_refused(smooth: float) -> None:
    probabilities, target = random_batch((6, 5))
    with pytest.raises(ConfigError, match="must be positive"):
        dice_loss(probabilities, target, smooth=smooth)
