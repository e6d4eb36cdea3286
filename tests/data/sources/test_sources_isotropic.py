"""Points 1 mm apart, and the crop around an organ."""

import numpy as np
import pytest
import SimpleITK
from hypothesis import given
from hypothesis import strategies as st

from lesslabel.data.sources.isotropic import IsotropicGrid, crop_around

SHAPE, SPACING_MM = (24, 30, 36), (2.0, 0.65, 0.7)


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)


@pytest.mark.parametrize(
    ("shape", "spacing_mm", "expected"),
    [
        ((6, 64, 56), (2.0, 0.65, 0.6), (11, 41, 34)),  # ⌊5 · 2⌋ + 1, ⌊63 · 0.65 = 40.95⌋ + 1, ⌊55 · 0.6⌋ + 1
        ((3, 4, 5), (1.0, 1.0, 1.0), (3, 4, 5)),
        ((11, 31, 2), (0.1, 0.1, 0.9), (2, 4, 1)),  # 30 · 0.1 is less than 3 in floating point
    ],
)
def test_the_points_reach_from_the_first_voxel_to_the_last(
    shape: tuple[int, ...], spacing_mm: tuple[float, float, float], expected: tuple[int, ...]
) -> None:
    assert IsotropicGrid(shape, spacing_mm).shape == expected


def test_labels_take_the_nearest_voxel() -> None:
    labels = np.array([0, 1, 2], np.uint8)[:, None, None]
    # voxels at 0, 2 and 4 mm: the points at 1 and 3 mm lie between two and take the first
    for spacing_mm in (2.0, 2.0 - 1e-12, 2.0 + 1e-12):
        assert IsotropicGrid((3, 1, 1), (spacing_mm, 1.0, 1.0)).nearest(labels).ravel().tolist() == [0, 0, 1, 1, 2]
    finer = np.arange(6, dtype=np.uint8)[:, None, None]
    # voxels at 0, 0.7 … 3.5 mm
    assert IsotropicGrid((6, 1, 1), (0.7, 1.0, 1.0)).nearest(finer).ravel().tolist() == [0, 1, 3, 4]


def test_at_1_mm_nothing_changes(image: np.ndarray) -> None:
    grid = IsotropicGrid(SHAPE, (1.0, 1.0, 1.0))
    np.testing.assert_allclose(grid.cubic(image, grid.whole), image, atol=1e-5)
    labels = (image > 0).astype(np.uint8)
    np.testing.assert_array_equal(grid.nearest(labels), labels)


def test_images_follow_simpleitk(image: np.ndarray) -> None:
    """The published preprocessing is its B-spline; the two differ in what they assume beyond the border."""
    grid = IsotropicGrid(SHAPE, SPACING_MM)
    moving = SimpleITK.GetImageFromArray(image)
    moving.SetSpacing(SPACING_MM[::-1])
    fixed = SimpleITK.Image(*grid.shape[::-1], SimpleITK.sitkFloat32)  # of 1 mm, at the same origin
    expected = SimpleITK.Resample(moving, fixed, SimpleITK.Transform(), SimpleITK.sitkBSpline)
    inside = (slice(8, -8), slice(5, -5), slice(6, -6))
    found = grid.cubic(image, grid.whole)
    np.testing.assert_allclose(found[inside], SimpleITK.GetArrayFromImage(expected)[inside], atol=2e-3)


def test_a_box_is_a_part_of_the_whole() -> None:
    image = np.random.default_rng(1).normal(size=(4, 5, 80)).astype(np.float32)
    grid = IsotropicGrid(image.shape, (1.0, 1.5, 0.8))
    box = (slice(1, 3), slice(0, 6), slice(25, 40))
    np.testing.assert_allclose(grid.cubic(image, box), grid.cubic(image, grid.whole)[box], atol=1e-6)


def test_the_affine_places_a_point_where_the_image_has_it() -> None:
    native = np.array([[-0.7, 0.1, 0.0, 80.0], [0.1, -0.65, 0.2, 95.5], [0.0, 0.1, 2.0, -40.0], [0.0, 0.0, 0.0, 1.0]])
    placed = IsotropicGrid(SHAPE, SPACING_MM).affine(native, (slice(4, 9), slice(5, 9), slice(6, 9)))
    # the point (x, y, z) = (1, 2, 3) of the box is at (7, 7, 7) mm, that is at voxel (7/0.7, 7/0.65, 7/2)
    np.testing.assert_allclose(placed @ [1, 2, 3, 1], native @ [7 / 0.7, 7 / 0.65, 7 / 2.0, 1])


@pytest.mark.parametrize(
    ("first", "last", "size", "expected"),
    [
        (100, 199, 400, (75, 225)),  # 25 on each side of 100 voxels
        (10, 199, 400, (0, 225)),  # the image begins
        (100, 199, 210, (75, 210)),  # the image ends
        (100, 109, 400, (57, 153)),  # 60 voxels: 18 more on each side
        (0, 9, 400, (0, 96)),  # 35 voxels: all the others on one side
        (395, 399, 400, (304, 400)),
        (20, 29, 80, (0, 80)),  # the image has no 96
    ],
)
def test_the_crop_by_hand(first: int, last: int, size: int, expected: tuple[int, int]) -> None:
    mask = np.zeros((size, 1, 2), np.bool_)
    mask[[first, last], 0, 1] = True
    z, y, x = crop_around(mask, 25, 96)
    assert (z.start, z.stop) == expected
    assert (y, x) == (slice(0, 1), slice(0, 2))


@given(data=st.data())
def test_the_crop_holds_the_organ_its_margin_and_a_patch(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 60))
    inside = data.draw(st.sets(st.integers(0, size - 1), min_size=1, max_size=4))
    margin, least = data.draw(st.integers(0, 12)), data.draw(st.integers(1, 40))
    mask = np.zeros((1, size, 1), np.bool_)
    mask[0, sorted(inside)] = True
    _, part, _ = crop_around(mask, margin, least)
    assert 0 <= part.start <= max(min(inside) - margin, 0)
    assert min(max(inside) + 1 + margin, size) <= part.stop <= size
    assert part.stop - part.start >= min(least, size)
    # and no more than was asked for
    assert part.stop - part.start <= max(max(inside) - min(inside) + 1 + 2 * margin, least)
