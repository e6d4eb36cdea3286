"""Descriptions of images without a model, against scikit-image and by hand."""

import numpy as np
import pytest
from skimage.feature import local_binary_pattern
from skimage.filters import threshold_otsu
from skimage.measure import label

from lesslabel.errors import ConfigError
from lesslabel.selection.cost import AnnotationCost, Work, parse_minutes
from lesslabel.selection.image_description import (
    BLOCKS,
    _cell_means,
    _uniform_patterns,
    describe_slice,
    generic_foreground,
    join_descriptions,
    otsu_threshold,
    to_unit_range,
)

EDGES = np.cumsum([0, *BLOCKS])


def volume(seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    image = rng.uniform(0.0, 0.2, (4, 40, 36)).astype(np.float32)
    image[:3, 10:30, 8:26] += 0.6
    image[1, 1:4, 1:4] += 0.6  # bright, but not the largest
    return image


def test_the_threshold_is_that_of_scikit_image() -> None:
    for seed in range(5):
        values = np.clip(np.random.default_rng(seed).normal([0.3, 0.7], [0.1, 0.05], (500, 2)), 0, 1)
        values[0] = 0.0, 1.0  # scikit-image bins between the extremes
        assert otsu_threshold(values) == pytest.approx(threshold_otsu(values, nbins=256), abs=2 / 256)


def test_the_foreground_is_the_largest_bright_region_of_each_slice() -> None:
    image = volume()
    found = generic_foreground(image)
    bright = image > 0.5
    for index in range(3):
        regions = label(bright[index], connectivity=1)
        sizes = np.bincount(regions.ravel())[1:]
        np.testing.assert_array_equal(found[index], regions == 1 + int(np.argmax(sizes)))
    assert found[0].sum() == 20 * 18
    assert not found[3].any()
    assert not generic_foreground(np.zeros((2, 8, 8), np.float32)).any()


def test_intensities_do_not_depend_on_the_scanner_scale() -> None:
    image = volume()
    np.testing.assert_allclose(to_unit_range(image * 900 - 50), to_unit_range(image), atol=1e-5)
    assert not to_unit_range(np.full((2, 3, 3), 7.0)).any()
    assert to_unit_range(image).min() == 0.0
    assert to_unit_range(image).max() == 1.0


def test_local_patterns_by_hand_and_against_scikit_image() -> None:
    assert (_uniform_patterns(np.full((6, 5), 3.0, np.float32)) == 8).all()
    ramp = np.tile(np.arange(20, dtype=np.float32), (24, 1))
    assert (_uniform_patterns(ramp)[1:-1, 1:-1] == 5).all()  # above, below, and three to the right
    edge = np.kron([[0, 1]], np.ones((12, 6), int)).astype(np.uint8)  # interpolation changes nothing across it
    ours, theirs = _uniform_patterns(edge.astype(np.float32)), local_binary_pattern(edge, 8, 1, method="uniform")
    np.testing.assert_array_equal(ours[2:-2, 2:-2], theirs[2:-2, 2:-2])


def test_cells_are_means() -> None:
    image = np.random.default_rng(0).random((40, 24)).astype(np.float32)
    np.testing.assert_allclose(_cell_means(image), image.reshape(8, 5, 8, 3).mean(axis=(1, 3)), rtol=1e-5)
    assert _cell_means(np.ones((3, 50), np.float32)).shape == (8, 8)


def test_a_description_by_hand() -> None:
    image = np.zeros((32, 64), np.float32)
    image[8:16, 16:48] = 0.5
    mask = image > 0
    blocks = np.split(describe_slice(image, mask), EDGES[1:-1])
    assert [len(block) for block in blocks] == list(BLOCKS)
    assert blocks[0][8] == 1.0  # all intensities inside are 0.5
    np.testing.assert_allclose(blocks[0][-2:], [0.5, 0.0])
    assert blocks[1][0] > 0.0  # edges along both axes
    assert blocks[1][4] > blocks[1][0]  # the longer side lies across
    assert blocks[2].sum() == pytest.approx(1.0)
    np.testing.assert_allclose(blocks[4], [256 / 2048, 12 / 32, 32 / 64, 8 / 32, 32 / 64])


def test_all_blocks_weigh_the_same() -> None:
    rng = np.random.default_rng(0)
    table = rng.normal(3, 5, (50, 2 * sum(BLOCKS))).astype(np.float32)
    table[4] = np.nan
    joined = join_descriptions(table, np.linspace(0, 1, 50, dtype=np.float32))
    assert np.isnan(joined[4]).all()
    rest = np.delete(joined, 4, axis=0).astype(np.float64)
    lengths = [*BLOCKS, *BLOCKS, 1]
    for block in np.split(rest, np.cumsum(lengths)[:-1], axis=1):
        assert np.square(block).sum(axis=1).mean() == pytest.approx(1.0, rel=1e-4)


@pytest.mark.parametrize("shape", [(1, 1), (2, 9), (5, 3)])
def test_small_and_constant_images_are_described(shape: tuple[int, int]) -> None:
    assert np.isfinite(describe_slice(np.ones(shape, np.float32), np.ones(shape, bool))).all()


def test_a_second_unit_of_a_patient_is_cheaper() -> None:
    cost = AnnotationCost(first_minutes=5.0, further_minutes=2.0)
    assert cost.minutes(["a", "b", "a", "c"], before=["c"]) == [5, 5, 2, 2]
    assert cost.afford(["a", "b", "a", "c"], 9.0) == [0, 2]  # b is too dear after a, its second slice is not
    assert cost.afford(["a", "b", "a", "c"], 12.0) == [0, 1, 2]
    assert (cost.usual_price([Work(), Work(), Work(9)], first=True), cost.price(Work(9), first=False)) == (5.0, 18.0)
    with pytest.raises(ConfigError, match="first_minutes: 0"):
        AnnotationCost(first_minutes=0)


@pytest.mark.parametrize(
    ("text", "minutes"), [("45 min", 45.0), ("1.5 h", 90.0), ("10minutes", 10.0), ("12", None), ("20%", None)]
)
def test_a_budget_in_minutes_as_typed(text: str, minutes: float | None) -> None:
    assert parse_minutes(text) == minutes
