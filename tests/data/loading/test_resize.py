import io
import tarfile

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from real_data import REAL_DATA
from skimage.transform import downscale_local_mean

from lesslabel.data.case import IGNORE
from lesslabel.data.loading.resize import resize_image, resize_labels, resize_probabilities, target_shape

SHAPES = st.tuples(st.integers(1, 3), st.integers(1, 6), st.integers(1, 6))
LABEL_MAPS = SHAPES.flatmap(
    lambda shape: arrays(np.uint8, shape, elements=st.sampled_from([0, 1, 2, 3, IGNORE, IGNORE]))
)


def source_indices(old: int, new: int) -> list[list[int]]:
    """Source voxels of every target voxel along one axis, by centres, in integers."""
    if new > old:
        return [[(2 * target + 1) * old // (2 * new)] for target in range(new)]
    return [[source for source in range(old) if (2 * source + 1) * new // (2 * old) == target] for target in range(new)]


def brute_force(labels: NDArray[np.uint8], shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    result = np.full(shape, IGNORE, np.uint8)
    rarity = {int(code): int((labels == code).sum()) for code in np.unique(labels)}
    groups = [source_indices(old, new) for old, new in zip(labels.shape, shape, strict=True)]
    for z, y, x in np.ndindex(shape):
        votes: dict[int, int] = {}
        for code in labels[np.ix_(groups[0][z], groups[1][y], groups[2][x])].ravel():
            if code != IGNORE:
                votes[int(code)] = votes.get(int(code), 0) + 1
        if votes:
            result[z, y, x] = min(votes, key=lambda code: (-votes[code], rarity[code], code))
    return result


@settings(max_examples=300)
@given(labels=LABEL_MAPS, shape=SHAPES)
def test_labels_follow_the_rule_voxel_by_voxel(labels: NDArray[np.uint8], shape: tuple[int, int, int]) -> None:
    np.testing.assert_array_equal(resize_labels(labels, shape), brute_force(labels, shape))


@given(labels=LABEL_MAPS, shape=SHAPES)
def test_known_exactly_where_any_source_voxel_was(labels: NDArray[np.uint8], shape: tuple[int, int, int]) -> None:
    shape = tuple(min(old, new) for old, new in zip(labels.shape, shape, strict=True))
    known = np.zeros(shape, bool)
    for source in np.argwhere(labels != IGNORE):
        known[tuple((2 * source + 1) * shape // (2 * np.array(labels.shape)))] = True
    np.testing.assert_array_equal(resize_labels(labels, shape) != IGNORE, known)


def test_stroke_one_pixel_wide_survives() -> None:
    labels = np.full((1, 256, 256), IGNORE, np.uint8)
    labels[0, 100, 30:200] = 2
    small = resize_labels(labels, (1, 64, 64))
    assert np.argwhere(small == 2).tolist() == [[0, 25, x] for x in range(7, 50)]
    assert set(np.unique(small)) == {2, IGNORE}


def test_majority_then_the_rarer_class() -> None:
    labels = np.array([[[1, 1, 1, 2], [2, 2, 1, IGNORE], [1, 1, 1, 1]]], np.uint8)
    assert resize_labels(labels[:, :2], (1, 1, 2)).tolist() == [[[2, 1]]]  # 2:2, and 2 is rarer with 3 of 7; 2:1
    assert resize_labels(labels, (1, 1, 1)).tolist() == [[[1]]]


def test_rarity_is_that_of_the_source_not_of_the_enlarged_map() -> None:
    # growing to six rows repeats the middle one most often; before, class 1 was the rarer
    labels = np.array([[[1, 2], [1, 2], [2, 2], [1, 1], [1, 2]]], np.uint8)
    assert (labels == 1).sum() == (labels == 2).sum()
    labels[0, 3, 0] = IGNORE
    np.testing.assert_array_equal(resize_labels(labels, (1, 6, 1)), brute_force(labels, (1, 6, 1)))
    assert resize_labels(labels, (1, 6, 1))[0, 0, 0] == 1


@pytest.mark.parametrize(("old", "new"), [(15, 9), (256, 96), (40, 25)])
def test_shrinking_does_not_shift(old: int, new: int) -> None:
    labels = np.random.default_rng(0).integers(0, 3, (1, old, old)).astype(np.uint8)
    mirrored = resize_labels(labels[:, ::-1, ::-1], (1, new, new))
    np.testing.assert_array_equal(mirrored[:, ::-1, ::-1], resize_labels(labels, (1, new, new)))


def centre_of_mass(profile: NDArray[np.floating]) -> float:
    return float(profile @ np.arange(len(profile)) / profile.sum())


@pytest.mark.parametrize(("old", "new"), [(216, 128), (256, 96), (240, 128), (131, 96)])
def test_labels_stay_over_the_image(old: int, new: int) -> None:
    """Over all places of a bar, its centre is where the resized image has it."""
    shifts = []
    for start in range(old // 4, old // 2):
        labels = np.zeros((1, 1, old), np.uint8)
        labels[..., start : start + old // 4] = 1
        image = resize_image(torch.from_numpy(labels[None].astype(np.float32)), (1, 1, new)).numpy()
        shifts.append(centre_of_mass(resize_labels(labels, (1, 1, new))[0, 0]) - centre_of_mass(image[0, 0, 0]))
    assert abs(np.mean(shifts)) < 0.04  # a source centre on a boundary goes right


def test_growing_repeats_the_nearest() -> None:
    labels = np.array([[[0, 1, IGNORE]]], np.uint8)
    assert resize_labels(labels, (1, 1, 6)).tolist() == [[[0, 0, 1, 1, IGNORE, IGNORE]]]
    assert resize_labels(labels, (1, 1, 5)).tolist() == [[[0, 0, 1, IGNORE, IGNORE]]]


@given(labels=LABEL_MAPS, shape=SHAPES)
def test_growing_is_nearest_as_for_images(labels: NDArray[np.uint8], shape: tuple[int, int, int]) -> None:
    shape = tuple(max(old, new) for old, new in zip(labels.shape, shape, strict=True))
    image = resize_image(torch.from_numpy(labels[None].astype(np.float32)), shape, "nearest")
    np.testing.assert_array_equal(resize_labels(labels, shape), image[0].numpy().astype(np.uint8))


def test_equal_grids_are_left_alone() -> None:
    labels = np.zeros((2, 3, 4), np.uint8)
    image = torch.zeros(1, 2, 3, 4)
    assert resize_labels(labels, (2, 3, 4)) is labels
    assert resize_image(image, (2, 3, 4)) is image
    assert resize_image(image, (2, 3, 4), "nearest") is image
    assert resize_probabilities(image, (2, 3, 4)) is image


def test_nearest_image_takes_values_that_were_there() -> None:
    image = torch.tensor([[[[1.0, 5.0, 9.0]]]])
    assert resize_image(image, (1, 1, 6), "nearest").tolist() == [[[[1.0, 1.0, 5.0, 5.0, 9.0, 9.0]]]]
    assert resize_image(image, (1, 1, 1), "nearest").tolist() == [[[[5.0]]]]


def test_linear_image_by_hand() -> None:
    image = torch.tensor([0.0, 4.0]).view(1, 1, 1, 2)
    assert resize_image(image, (1, 1, 4)).flatten().tolist() == [0.0, 1.0, 3.0, 4.0]
    deep = torch.tensor([0.0, 4.0]).view(1, 2, 1, 1)
    assert resize_image(deep, (4, 1, 1)).flatten().tolist() == [0.0, 1.0, 3.0, 4.0]


def test_linear_shrinking_filters_against_aliasing() -> None:
    stripes = torch.arange(64).remainder(2).float().expand(1, 2, 64, 64)
    nearest = resize_image(stripes, (2, 16, 16), "nearest")
    linear = resize_image(stripes, (2, 16, 16))
    assert nearest.std() == 0.0
    assert nearest.mean() in (0.0, 1.0)  # the mean of the image is lost
    torch.testing.assert_close(linear[..., 1:-1], torch.full((1, 2, 16, 14), 0.5))


def test_linear_shrinking_of_a_smooth_image_equals_the_local_mean() -> None:
    ramp = torch.arange(32.0).expand(1, 1, 32, 32)
    mean = downscale_local_mean(ramp[0, 0].numpy(), (4, 4))
    np.testing.assert_allclose(resize_image(ramp, (1, 8, 8))[0, 0, 1:-1, 1:-1], mean[1:-1, 1:-1], rtol=1e-6)


@pytest.mark.parametrize("shape", [(3, 5, 7), (6, 12, 9), (2, 20, 4)])
def test_probabilities_still_sum_to_one(shape: tuple[int, int, int]) -> None:
    logits = torch.from_numpy(np.random.default_rng(0).normal(size=(4, 3, 9, 8)))
    resized = resize_probabilities(logits.softmax(0), shape)
    assert resized.shape == (4, *shape)
    torch.testing.assert_close(resized.sum(0), torch.ones(shape, dtype=torch.float64), rtol=1e-12, atol=0)
    assert resized.min() >= 0


def test_grid_by_size_by_spacing_or_as_it_is() -> None:
    shape, spacing = (10, 256, 216), (10.0, 1.5, 1.25)
    assert target_shape(shape, spacing, (96, 80), None) == (10, 96, 80)
    assert target_shape(shape, spacing, (96, 80), (5.0, 1.0, 1.0)) == (10, 96, 80)
    assert target_shape(shape, spacing, None, (5.0, 2.0, 2.5)) == (20, 192, 108)
    assert target_shape(shape, spacing, None, (500.0, 1.5, 1.25)) == (1, 256, 216)
    assert target_shape(shape, spacing, None, None) == shape


@pytest.fixture(scope="module")
def real_scribbles() -> list[NDArray[np.uint8]]:
    archive = REAL_DATA / "acdc.tar.xz"
    if not archive.exists():
        pytest.skip(f"the real data are not at hand: no {archive}")
    with tarfile.open(archive, "r:xz") as tar:
        volumes = [np.load(io.BytesIO(tar.extractfile(m).read())) for m in tar if m.name.endswith("scribble.npy")]
    return [np.where(volume == 4, IGNORE, volume).astype(np.uint8) for volume in volumes]


def classes_of_slices(volume: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """(slice, class) whether the slice shows the class."""
    return np.stack([(volume == code).any((1, 2)) for code in range(4)], axis=1)


@pytest.mark.real
def test_no_real_scribble_is_lost_at_128(real_scribbles: list[NDArray[np.uint8]]) -> None:
    lost_by_nearest, lost = np.zeros(4, int), np.zeros(4, int)
    for volume in real_scribbles:
        shape = (len(volume), 128, 128)
        before = classes_of_slices(volume)
        image = resize_image(torch.from_numpy(volume[None].astype(np.float32)), shape, "nearest")[0]
        lost_by_nearest += (before & ~classes_of_slices(image.numpy().astype(np.uint8))).sum(0)
        lost += (before & ~classes_of_slices(resize_labels(volume, shape))).sum(0)
    assert lost.tolist() == [0, 0, 0, 0]
    assert lost_by_nearest.tolist() == [0, 9, 1, 13]  # slices, for background, RV, Myo, LV
