"""Level sets: by hand, against scipy and scikit-image, and at the edges where the public code breaks."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage, special
from skimage.segmentation import find_boundaries

from lesslabel import losses
from lesslabel.data.case import IGNORE
from lesslabel.data.loading.derived import make_in_runs
from lesslabel.errors import ConfigError
from lesslabel.losses import (
    LevelSetDerivation,
    level_set,
    level_set_loss,
    level_set_targets,
    level_set_to_probability,
    level_sets,
)


def by_scipy(mask: np.ndarray) -> np.ndarray:
    """The published formula, with two transforms; for masks that have both sides."""
    inside, outside = ndimage.distance_transform_edt(mask), ndimage.distance_transform_edt(~mask)
    result = outside / outside.max() - inside / inside.max()
    result[find_boundaries(mask, mode="inner")] = 0
    return result


def ellipsoid(shape: tuple[int, ...], share: float = 0.6) -> np.ndarray:
    grid = np.ogrid[tuple(slice(-1, 1, side * 1j) for side in shape)]
    return sum(axis**2 for axis in grid) < share


def test_a_square_by_hand() -> None:
    mask = np.zeros((7, 7), bool)
    mask[1:6, 1:6] = True
    corner, half, third = np.sqrt(2) / np.sqrt(2), 1 / np.sqrt(2), 1 / 3
    assert level_set(mask) == pytest.approx(
        np.array(
            [
                [corner, half, half, half, half, half, corner],
                [half, 0, 0, 0, 0, 0, half],
                [half, 0, -2 * third, -2 * third, -2 * third, 0, half],
                [half, 0, -2 * third, -1, -2 * third, 0, half],
                [half, 0, -2 * third, -2 * third, -2 * third, 0, half],
                [half, 0, 0, 0, 0, 0, half],
                [corner, half, half, half, half, half, corner],
            ]
        ),
        abs=1e-6,
    )


@pytest.mark.parametrize("shape", [(20, 24), (12, 20, 16), (40, 56, 56)])
def test_it_is_the_published_formula(shape: tuple[int, ...]) -> None:
    rough = np.random.default_rng(0).random(shape) < 0.3
    for mask in (ellipsoid(shape), ~ellipsoid(shape), rough):
        np.testing.assert_allclose(level_set(mask), by_scipy(mask), atol=1e-5)


@settings(max_examples=150)
@given(mask=hnp.arrays(bool, st.one_of(hnp.array_shapes(min_dims=2, max_dims=3, max_side=8))))
def test_any_mask_gives_finite_values_of_the_right_sign(mask: np.ndarray) -> None:
    values = level_set(mask)
    assert values.dtype == np.float32
    assert np.isfinite(values).all()
    assert (np.abs(values) <= 1).all()
    assert (values[~mask] > 0).all()
    assert (values[mask] <= 0).all()
    if not mask.all():
        assert (values[mask & find_boundaries(mask, mode="inner")] == 0).all()


@pytest.mark.parametrize("shape", [(6, 5), (3, 6, 5)])
def test_an_absent_class_is_outside_everywhere_and_a_filling_one_inside(shape: tuple[int, ...]) -> None:
    assert (level_set(np.zeros(shape, bool)) == 1).all()
    assert (level_set(np.ones(shape, bool)) == -1).all()


def test_the_public_code_takes_an_absent_class_for_boundary() -> None:
    nothing = np.zeros((4, 6, 5), bool)
    quirk = level_set(nothing, "zeros")
    assert (quirk == 0).all()
    assert (level_set_to_probability(torch.from_numpy(quirk)) == 0.5).all()
    assert (level_set_to_probability(torch.from_numpy(level_set(nothing))) == 0.0).all()
    np.testing.assert_array_equal(level_set(ellipsoid((9, 9)), "zeros"), level_set(ellipsoid((9, 9))))


@pytest.mark.parametrize("shape", [(10, 12), (6, 12, 12)])
def test_flips_and_quarter_turns_commute(shape: tuple[int, ...]) -> None:
    mask = np.random.default_rng(1).random(shape) < 0.4
    np.testing.assert_array_equal(level_set(mask[..., ::-1]), level_set(mask)[..., ::-1])
    turned = np.rot90(mask, axes=(-2, -1))
    np.testing.assert_array_equal(level_set(turned), np.rot90(level_set(mask), axes=(-2, -1)))


def test_a_batch_of_classes_is_each_mask_alone() -> None:
    labels = torch.randint(0, 3, (2, 4, 7, 6), generator=torch.Generator().manual_seed(0))
    labels[0, 0] = IGNORE
    labels[1][labels[1] == 2] = 0
    targets = level_set_targets(labels, 4)
    assert targets.shape == (2, 3, 4, 7, 6)
    for sample in range(2):
        for index in (1, 2, 3):
            expected = level_set((labels[sample] == index).numpy())
            np.testing.assert_array_equal(targets[sample, index - 1].numpy(), expected)
    assert (targets[1, 1:] == 1).all()


def test_runs_of_dense_slices_are_volumes_of_their_own() -> None:
    labels = torch.randint(0, 3, (2, 6, 7, 6), generator=torch.Generator().manual_seed(0))
    dense = torch.tensor([[1, 1, 0, 1, 0, 0], [0] * 6]).bool()
    targets = level_set_targets(labels, 3, dense=dense)
    for run in (slice(0, 2), slice(3, 4)):
        np.testing.assert_array_equal(targets[0, :, run].numpy(), level_sets(labels[0, run].numpy(), 3))
    assert not targets[0, :, [2, 4, 5]].any()
    assert not targets[1].any()
    everything = torch.ones_like(dense)
    assert torch.equal(level_set_targets(labels, 3, dense=everything), level_set_targets(labels, 3))
    of_slices = level_set_targets(labels[0], 3, dense=dense[0])  # in 2D a sample is one slice
    assert torch.equal(of_slices[3], level_set_targets(labels[0, 3:4], 3)[0])
    assert not of_slices[2].any()


@given(before=st.integers(0, 3), behind=st.integers(0, 3))
def test_slices_beyond_the_dense_ones_change_no_level_set(before: int, behind: int) -> None:
    labels = np.random.default_rng(1).integers(0, 3, (before + 3 + behind, 6, 5))
    dense = np.zeros(len(labels), dtype=np.bool_)
    dense[before : before + 3] = True
    maps = make_in_runs(lambda part: level_sets(part, 3), labels, dense)
    np.testing.assert_array_equal(maps[:, dense], level_sets(labels[dense], 3))
    assert not maps[:, ~dense].any()


def test_slices_of_a_volume_are_taken_one_by_one_in_2d() -> None:
    labels = np.random.default_rng(0).integers(0, 3, (3, 8, 9)).astype(np.uint8)
    per_slice = LevelSetDerivation(whole=True, dimensions=2).make(labels, 3)
    assert per_slice.shape == (2, 3, 8, 9)
    for z in range(3):
        np.testing.assert_array_equal(per_slice[:, z], level_sets(labels[z], 3))
        np.testing.assert_array_equal(per_slice[:, z], LevelSetDerivation(whole=False, dimensions=2).make(labels[z], 3))
    np.testing.assert_array_equal(LevelSetDerivation(whole=True, dimensions=3).make(labels, 3), level_sets(labels, 3))


def test_a_derivation_without_such_an_empty_class_is_refused() -> None:
    with pytest.raises(ConfigError, match="empty: 'nan' is not one of 'outside', 'zeros'"):
        LevelSetDerivation(whole=True, dimensions=3, empty="nan")


def test_the_inverse_is_negative_inside_and_steep() -> None:
    values = torch.tensor([-1.0, -0.01, 0.0, 0.001, 1.0])
    expected = special.expit(-1500 * values.double().numpy())
    np.testing.assert_allclose(level_set_to_probability(values).numpy(), expected, rtol=1e-5)
    assert level_set_to_probability(torch.tensor(0.5), steepness=2.0).item() == pytest.approx(1 / (1 + np.e))


def test_the_inverse_keeps_float32_under_autocast() -> None:
    values = torch.tensor([0.0011, 0.0012])
    with torch.autocast("cpu", torch.bfloat16):
        result = level_set_to_probability(values)
    assert result.dtype == torch.float32
    assert torch.equal(result, level_set_to_probability(values))


def loss_batch() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    prediction = torch.tanh(torch.randn(3, 2, 4, 6, 5, generator=generator))
    target = torch.randint(0, 3, (3, 4, 6, 5), generator=generator)
    target[0, :2] = IGNORE
    target[2] = IGNORE
    return prediction, level_set_targets(target, 3), target


def test_the_loss_is_the_mean_over_known_voxels() -> None:
    prediction, wanted, target = loss_batch()
    squares = (prediction - wanted).square().double()
    half, whole = squares[0, :, 2:], squares[1]
    expected = float((half.sum() + whole.sum()) / (half.numel() + whole.numel()))
    assert level_set_loss(prediction, wanted, target).item() == pytest.approx(expected, rel=1e-6)
    by_sample = float(half.mean() + whole.mean()) / 2
    assert level_set_loss(prediction, wanted, target, per_sample=True).item() == pytest.approx(by_sample, rel=1e-6)


def test_a_volume_is_the_batch_of_its_slices() -> None:
    prediction, wanted, target = loss_batch()
    annotated = torch.rand(3, 3, 4, generator=torch.Generator().manual_seed(1)) < 0.6

    def slices(tensor: torch.Tensor) -> torch.Tensor:
        return tensor.transpose(1, 2).flatten(0, 1)

    expected = level_set_loss(
        slices(prediction), slices(wanted), target.flatten(0, 1), annotated_labels=slices(annotated)
    )
    torch.testing.assert_close(level_set_loss(prediction, wanted, target, annotated_labels=annotated), expected)


@pytest.mark.parametrize("per_sample", [False, True])
def test_one_value_for_a_volume_counts_in_all_its_slices(per_sample: bool) -> None:
    prediction, wanted, target = loss_batch()
    annotated = torch.tensor([[True, True, False], [True, False, True], [True, True, True]])
    by_slice = annotated[:, :, None].repeat(1, 1, 4)
    loss = level_set_loss(prediction, wanted, target, annotated_labels=annotated, per_sample=per_sample)
    assert torch.equal(
        level_set_loss(prediction, wanted, target, annotated_labels=by_slice, per_sample=per_sample), loss
    )


def test_a_class_that_nobody_annotated_takes_no_part() -> None:
    prediction, wanted, target = loss_batch()
    annotated = torch.tensor([[True, True, False]] * 3)
    expected = level_set_loss(prediction[:, :1], wanted[:, :1], target)
    torch.testing.assert_close(level_set_loss(prediction, wanted, target, annotated_labels=annotated), expected)


@pytest.mark.parametrize("per_sample", [False, True])
def test_nothing_known_gives_zero_with_zero_gradient(per_sample: bool) -> None:
    prediction, wanted, target = loss_batch()
    prediction.requires_grad_()
    loss = level_set_loss(prediction, wanted, torch.full_like(target, IGNORE), per_sample=per_sample)
    loss.backward()
    assert loss.item() == 0.0
    assert not prediction.grad.any()


def test_the_old_name_of_the_derivation_works_with_a_warning() -> None:
    with pytest.warns(FutureWarning, match="is now LevelSetDerivation"):
        assert losses.LevelSetRecipe is LevelSetDerivation
