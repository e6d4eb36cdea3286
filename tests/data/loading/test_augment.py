import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage
from torch import Tensor

from lesslabel.data.case import IGNORE
from lesslabel.data.loading.augment import (
    Augmentation,
    AugmentationParameters,
    apply_to_image,
    apply_to_labels,
    apply_to_weight,
    sample_augmentation,
)
from lesslabel.errors import ConfigError

SHAPES = [(24, 24), (20, 33), (31, 18)]
ANGLES = [-20.0, -7.3, 3.1, 19.9, 75.0]
PARAMETERS = st.builds(
    AugmentationParameters,
    quarter_rotations=st.integers(0, 3),
    flip_axis=st.sampled_from([None, -1, -2]),
    rotation_degrees=st.floats(-45.0, 45.0, width=32),
)


def label_map(*shape: int, seed: int = 0) -> Tensor:
    """Blobs of labels 0 to 3 and of unknown."""
    smooth = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), 2.0)
    bounds = np.quantile(smooth, [0.3, 0.5, 0.65, 0.8])
    return torch.from_numpy(np.array([0, 1, 2, 3, IGNORE], np.uint8)[np.digitize(smooth, bounds)])


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("degrees", ANGLES)
def test_rotation_equals_scipy(shape: tuple[int, int], degrees: float) -> None:
    image = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    turned = apply_to_image(torch.from_numpy(image)[None], AugmentationParameters(rotation_degrees=degrees))[0]
    expected = ndimage.rotate(image.astype(np.float64), degrees, reshape=False, order=1, mode="grid-constant", cval=0.0)
    np.testing.assert_allclose(turned.numpy(), expected, atol=1e-4)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("degrees", ANGLES)
def test_rotation_of_labels_equals_scipy(shape: tuple[int, int], degrees: float) -> None:
    labels = label_map(*shape)
    expected = ndimage.rotate(labels.numpy(), degrees, reshape=False, order=0, mode="grid-constant", cval=IGNORE)
    np.testing.assert_array_equal(
        apply_to_labels(labels, AugmentationParameters(rotation_degrees=degrees)).numpy(), expected
    )


def test_small_rotations_and_quarter_rotations_go_the_same_way() -> None:
    labels = label_map(20, 20)
    by_angle = apply_to_labels(labels, AugmentationParameters(rotation_degrees=90.0))
    torch.testing.assert_close(by_angle, apply_to_labels(labels, AugmentationParameters(quarter_rotations=1)))
    torch.testing.assert_close(by_angle, torch.from_numpy(np.rot90(labels.numpy()).copy()))


def test_quarter_turn_then_flip_by_hand() -> None:
    labels = torch.tensor([[1, 2, 3], [4, 5, 6]], dtype=torch.uint8)
    assert apply_to_labels(labels, AugmentationParameters(quarter_rotations=1)).tolist() == [[3, 6], [2, 5], [1, 4]]
    assert apply_to_labels(labels, AugmentationParameters(flip_axis=-1)).tolist() == [[3, 2, 1], [6, 5, 4]]
    assert apply_to_labels(labels, AugmentationParameters(flip_axis=-2)).tolist() == [[4, 5, 6], [1, 2, 3]]
    assert apply_to_labels(labels, AugmentationParameters(quarter_rotations=1, flip_axis=-1)).tolist() == [
        [6, 3],
        [5, 2],
        [4, 1],
    ]
    assert apply_to_image(labels[None].float(), AugmentationParameters(2, -1)).tolist() == [
        [[4.0, 5.0, 6.0], [1.0, 2.0, 3.0]]
    ]


@given(parameters=PARAMETERS, shape=st.sampled_from([(9, 9), (8, 13), (3, 12, 7)]), seed=st.integers(0, 9))
def test_labels_are_never_interpolated(parameters: AugmentationParameters, shape: tuple[int, ...], seed: int) -> None:
    labels = label_map(*shape, seed=seed)
    varied = apply_to_labels(labels, parameters)
    assert varied.dtype == torch.uint8
    assert set(varied.unique().tolist()) <= {*labels.unique().tolist(), IGNORE}


@given(parameters=PARAMETERS, shape=st.sampled_from([(16, 16), (12, 25)]))
def test_image_and_labels_move_together(parameters: AugmentationParameters, shape: tuple[int, int]) -> None:
    """Coordinates as image and as labels: the nearest voxel is off by half a voxel along each source axis at most."""
    for axis, size in enumerate(shape):
        ramp = torch.arange(size, dtype=torch.uint8).view(-1, 1) if axis == 0 else torch.arange(size, dtype=torch.uint8)
        labels = ramp.expand(shape).contiguous()
        inside = apply_to_image(torch.ones(1, *shape), parameters)[0] > 1.0 - 1e-5
        image, moved = apply_to_image(labels[None].float(), parameters)[0], apply_to_labels(labels, parameters)
        assert (moved[inside] != IGNORE).all()
        assert ((image - moved)[inside].abs() <= 0.5 + 1e-3).all()


@pytest.mark.parametrize("shape", [(16, 16), (12, 25)])
def test_what_comes_from_outside(shape: tuple[int, int]) -> None:
    parameters = AugmentationParameters(rotation_degrees=20.0)
    corner = (0, 0)
    assert apply_to_image(torch.full((2, *shape), 7.0), parameters)[(..., *corner)].tolist() == [0.0, 0.0]
    assert apply_to_labels(torch.zeros(shape, dtype=torch.uint8), parameters)[corner] == IGNORE
    assert apply_to_weight(torch.ones(shape), parameters)[corner] == 0.0
    outside = apply_to_weight(torch.ones(shape), parameters) == 0.0
    assert torch.equal(apply_to_labels(torch.zeros(shape, dtype=torch.uint8), parameters) == IGNORE, outside)


@given(parameters=PARAMETERS)
def test_volumes_turn_slice_by_slice(parameters: AugmentationParameters) -> None:
    labels = label_map(5, 14, 14)
    image = torch.from_numpy(np.random.default_rng(0).normal(size=(2, 5, 14, 14)).astype(np.float32))
    stacked = torch.stack([apply_to_labels(plane, parameters) for plane in labels])
    torch.testing.assert_close(apply_to_labels(labels, parameters), stacked)
    planes = torch.stack([apply_to_image(image[:, z], parameters) for z in range(5)], dim=1)
    torch.testing.assert_close(apply_to_image(image, parameters), planes)


@given(parameters=PARAMETERS, noise_seed=st.integers(0, 2**31 - 1))
def test_a_draw_can_be_replayed(parameters: AugmentationParameters, noise_seed: int) -> None:
    noisy = AugmentationParameters(
        parameters.quarter_rotations,
        parameters.flip_axis,
        parameters.rotation_degrees,
        noise=0.1,
        noise_seed=noise_seed,
    )
    image = torch.ones(1, 8, 8)
    assert torch.equal(apply_to_image(image, noisy), apply_to_image(image, noisy))
    assert torch.equal(image, torch.ones(1, 8, 8))


def test_noise_has_the_stated_deviation_and_leaves_labels_alone() -> None:
    parameters = AugmentationParameters(noise=0.2, noise_seed=3)
    noise = apply_to_image(torch.zeros(1, 200, 200), parameters)
    assert abs(float(noise.std()) - 0.2) < 0.002
    assert not torch.equal(
        noise, apply_to_image(torch.zeros(1, 200, 200), AugmentationParameters(noise=0.2, noise_seed=4))
    )
    labels = label_map(8, 8)
    assert torch.equal(apply_to_labels(labels, parameters), labels)


def sampled(augmentation: Augmentation, count: int, *, square: bool) -> list[AugmentationParameters]:
    return [
        sample_augmentation(augmentation, np.random.default_rng([0, index]), square=square) for index in range(count)
    ]


def test_draws_are_a_function_of_the_generator() -> None:
    assert sampled(Augmentation(), 50, square=True) == sampled(Augmentation(), 50, square=True)
    assert len(set(sampled(Augmentation(), 50, square=True))) == 50


def test_oblong_slices_take_half_turns_only() -> None:
    always = Augmentation(turn_flip_probability=1.0)
    assert {parameters.quarter_rotations for parameters in sampled(always, 100, square=False)} == {0, 2}
    assert {parameters.quarter_rotations for parameters in sampled(always, 100, square=True)} == {0, 1, 2, 3}
    assert {parameters.flip_axis for parameters in sampled(always, 100, square=True)} == {-1, -2}
    image = torch.zeros(1, 6, 9)
    assert {apply_to_image(image, parameters).shape for parameters in sampled(always, 20, square=False)} == {
        image.shape
    }


def test_chances_are_those_stated() -> None:
    parameters = sampled(Augmentation(0.5, 0.5, rotation_degrees=20.0), 4000, square=True)
    turned = [one for one in parameters if one.flip_axis is not None]
    rotated = [one for one in parameters if one.rotation_degrees]
    assert not any(one.rotation_degrees for one in turned)
    assert abs(len(turned) / 4000 - 0.5) < 0.03  # nearly four standard errors
    assert abs(len(rotated) / 4000 - 0.25) < 0.03
    angles = np.array([one.rotation_degrees for one in rotated])
    assert np.abs(angles).max() <= 20.0
    assert abs(angles.std() - 40.0 / np.sqrt(12.0)) < 0.7


def test_no_augmentation() -> None:
    for parameters in sampled(Augmentation(0.0, 0.0), 20, square=True):
        image, labels = torch.rand(1, 5, 6), label_map(5, 6)
        assert torch.equal(apply_to_image(image, parameters), image)
        assert torch.equal(apply_to_labels(labels, parameters), labels)


@pytest.mark.parametrize("name", ["turn_flip_probability", "rotation_probability", "rotation_degrees", "noise"])
@pytest.mark.parametrize("value", [-0.1, float("nan"), float("inf")])
def test_bad_settings_are_refused(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=f"augmentation: {name} must"):
        Augmentation(**{name: value})
