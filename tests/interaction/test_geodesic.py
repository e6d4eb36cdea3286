"""Geodesic distances against two other algorithms, by hand, and unmoved by what must not matter."""

import heapq
import math
from itertools import permutations, product
from operator import add, sub

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from lesslabel.errors import ConfigError, DataError
from lesslabel.interaction import geodesic_distance

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

every_grid = pytest.mark.parametrize("grid", [(13, 17), (5, 8, 9)], ids=["2d", "3d"])


def by_heap(channels: Array, seeds: Mask, spacing: tuple[float, ...], spatial_weight: float = 0.0) -> Array:
    """Dijkstra's algorithm as in the textbook."""
    intensity = {place: channels[(slice(None), *place)].tolist() for place in np.ndindex(seeds.shape)}
    moves = {
        move: spatial_weight * math.hypot(*np.multiply(move, spacing))
        for move in product((-1, 0, 1), repeat=seeds.ndim)
        if any(move)
    }
    shortest = dict.fromkeys(intensity, math.inf) | {tuple(place): 0.0 for place in np.argwhere(seeds).tolist()}
    queue = [(length, place) for place, length in shortest.items() if length == 0]
    while queue:
        length, here = heapq.heappop(queue)
        for move, spatial in moves.items() if length == shortest[here] else ():
            there = tuple(map(add, here, move))
            if there in intensity:
                differences = map(sub, intensity[here], intensity[there])
                longer = length + sum(map(abs, differences)) + spatial
                if longer < shortest[there]:
                    shortest[there] = longer
                    heapq.heappush(queue, (longer, there))
    return np.reshape([shortest[place] for place in np.ndindex(seeds.shape)], seeds.shape)


def by_scipy(image: Array, seeds: Mask) -> Array:
    """The intensity differences as the edges of a sparse graph; explicit zeros are edges that cost nothing."""
    numbers = np.arange(image.size).reshape(image.shape)
    begins, ends, costs = [], [], []
    for move in product((-1, 0, 1), repeat=image.ndim):
        here = tuple(slice(max(-step, 0), size - max(step, 0)) for step, size in zip(move, image.shape, strict=True))
        there = tuple(slice(max(step, 0), size - max(-step, 0)) for step, size in zip(move, image.shape, strict=True))
        begins.append(numbers[here].ravel())
        ends.append(numbers[there].ravel())
        costs.append(np.abs(image[here] - image[there]).ravel())
    edges = np.concatenate(costs), (np.concatenate(begins), np.concatenate(ends))
    graph = csr_array(edges, shape=(image.size, image.size))
    return dijkstra(graph, indices=np.flatnonzero(seeds), min_only=True).reshape(image.shape)


def random_case(grid: tuple[int, ...], seed: int = 0) -> tuple[Array, Mask]:
    rng = np.random.default_rng(seed)
    return rng.random(grid), rng.random(grid) < 3 / math.prod(grid)


@st.composite
def cases(draw: st.DrawFn) -> tuple[Array, Mask, tuple[float, ...], float]:
    """Channels, seeds, spacing and a spatial weight; intensities with ties and without."""
    grid = draw(hnp.array_shapes(min_dims=2, max_dims=3, min_side=1, max_side=5))
    levels = st.one_of(st.integers(0, 3).map(float), st.floats(-100, 100, width=32))
    channels = draw(hnp.arrays(np.float64, (draw(st.integers(1, 3)), *grid), elements=levels))
    seeds = draw(hnp.arrays(np.bool_, grid, elements=st.sampled_from([False, False, False, False, True])))
    spacing = tuple(draw(st.lists(st.sampled_from([0.5, 1.0, 3.0]), min_size=len(grid), max_size=len(grid))))
    return channels, seeds, spacing, draw(st.sampled_from([0.0, 0.0, 0.7]))


@settings(max_examples=70)
@given(case=cases())
def test_it_is_what_dijkstra_finds(case: tuple[Array, Mask, tuple[float, ...], float]) -> None:
    channels, seeds, spacing, spatial_weight = case
    distance = geodesic_distance(channels, seeds, spacing, spatial_weight=spatial_weight, scale=None)
    expected = by_heap(channels, seeds, spacing, spatial_weight)
    np.testing.assert_allclose(distance, expected, rtol=1e-6, atol=0)


@settings(max_examples=35)
@given(case=cases(), bound=st.floats(0, 20))
def test_a_bound_changes_nothing_within_it_and_leaves_nothing_beyond(
    case: tuple[Array, Mask, tuple[float, ...], float], bound: float
) -> None:
    channels, seeds, spacing, spatial_weight = case
    bounded = geodesic_distance(channels, seeds, spacing, spatial_weight=spatial_weight, scale=None, bound=bound)
    exact = by_heap(channels, seeds, spacing, spatial_weight)
    certain = np.abs(exact - bound) > 1e-9  # sums of another order may fall on the other side
    np.testing.assert_allclose(bounded[certain], np.where(exact <= bound, exact, np.inf)[certain], rtol=1e-6, atol=0)


@pytest.mark.parametrize("grid", [(90, 70), (9, 40, 33), (33, 9, 20)])
@pytest.mark.parametrize("levels", [6, 10**9], ids=["plateaus", "noise"])
def test_larger_images(grid: tuple[int, ...], levels: int) -> None:
    image, seeds = random_case(grid)
    image = np.floor(levels * image) / levels
    distance = geodesic_distance(image, seeds, (1.0,) * image.ndim, scale=None)
    np.testing.assert_allclose(distance, by_scipy(image, seeds), rtol=1e-6, atol=0)


def test_a_path_that_turns_back_again_and_again() -> None:
    """Every second row is a wall, open at alternating ends: each turn needs another sweep."""
    image = np.zeros((41, 15))
    image[1::2] = 1
    image[1::4, -1] = image[3::4, 0] = 0.01
    seeds = np.zeros(image.shape, np.bool_)
    seeds[0, 0] = True
    distance = geodesic_distance(image, seeds, (1.0, 1.0))
    np.testing.assert_allclose(distance[-1], 20 * 0.02, rtol=1e-6)
    np.testing.assert_allclose(distance, by_scipy(image, seeds), rtol=1e-6)


def test_by_hand() -> None:
    image = np.array([[0.0, 9.0, 0.0], [0.0, 9.0, 1.0], [0.0, 2.0, 1.0]])
    seeds = np.zeros(image.shape, np.bool_)
    seeds[0, 0] = True
    distance = geodesic_distance(image, seeds, (1.0, 1.0), scale=None)
    assert distance.dtype == np.float32
    # to the upper right: down to 2, at the bottom, then 1 and 0
    assert distance.tolist() == [[0, 9, 4], [0, 9, 3], [0, 2, 3]]
    assert geodesic_distance(image, seeds, (1.0, 1.0)) == pytest.approx(distance / 9)


def test_the_nearest_seed_counts() -> None:
    image, seeds = random_case((20, 20), seed=1)
    assert seeds.sum() >= 2
    each = []
    for place in np.argwhere(seeds):
        one = np.zeros(seeds.shape, np.bool_)
        one[tuple(place)] = True
        each.append(geodesic_distance(image, one, (1.0, 1.0)))
    np.testing.assert_array_equal(geodesic_distance(image, seeds, (1.0, 1.0)), np.min(each, axis=0))


def test_a_uniform_image_with_a_spatial_weight_is_measured_in_mm() -> None:
    seeds = np.zeros((4, 5, 6), np.bool_)
    seeds[0, 0, 0] = True
    distance = geodesic_distance(np.ones(seeds.shape), seeds, (2.5, 0.5, 0.8), spatial_weight=2.0)
    assert distance[3, 0, 0] == pytest.approx(2 * 3 * 2.5)
    assert distance[0, 4, 0] == pytest.approx(2 * 4 * 0.5)
    assert distance[0, 0, 5] == pytest.approx(2 * 5 * 0.8)
    assert distance[2, 2, 2] == pytest.approx(2 * 2 * math.hypot(2.5, 0.5, 0.8))


@every_grid
def test_spacing_does_not_enter_without_a_spatial_weight(grid: tuple[int, ...]) -> None:
    image, seeds = random_case(grid)
    distance = geodesic_distance(image, seeds, (1.0,) * len(grid))
    np.testing.assert_array_equal(geodesic_distance(image, seeds, (3.0, 0.7, 2.0)[: len(grid)]), distance)


@every_grid
def test_a_volume_of_one_slice_equals_the_slice(grid: tuple[int, ...]) -> None:
    image, seeds = random_case(grid[-2:], seed=3)
    distance = geodesic_distance(image, seeds, (1.0, 2.0), spatial_weight=0.1)
    as_volume = geodesic_distance(image[None], seeds[None], (7.0, 1.0, 2.0), spatial_weight=0.1)
    np.testing.assert_array_equal(as_volume[0], distance)


@every_grid
@pytest.mark.parametrize("scale", ["minmax", "zscore"])
def test_scales_take_away_brightness_and_contrast(grid: tuple[int, ...], scale: str) -> None:
    image, seeds = random_case(grid)
    divisor = np.ptp(image) if scale == "minmax" else image.std()
    distance = geodesic_distance(image, seeds, (1.0,) * len(grid), scale=scale)
    expected = geodesic_distance(image / divisor, seeds, (1.0,) * len(grid), scale=None)
    np.testing.assert_allclose(distance, expected, rtol=1e-6)
    brighter = geodesic_distance(5 * image - 300, seeds, (1.0,) * len(grid), scale=scale)
    np.testing.assert_allclose(brighter, distance, rtol=1e-6)


@every_grid
def test_channels_are_scaled_one_by_one_and_their_costs_added(grid: tuple[int, ...]) -> None:
    image, seeds = random_case(grid)
    spacing = (1.0,) * len(grid)
    single = geodesic_distance(image, seeds, spacing)
    np.testing.assert_array_equal(geodesic_distance(image[None], seeds, spacing), single)
    three = np.stack([image, np.full(grid, 7.0), 100 - 40 * image])
    np.testing.assert_allclose(geodesic_distance(three, seeds, spacing), 2 * single, rtol=1e-6)


def test_weights_multiply_costs() -> None:
    image, seeds = random_case((13, 17))
    distance = geodesic_distance(image, seeds, (1.0, 1.0))
    np.testing.assert_allclose(
        geodesic_distance(image, seeds, (1.0, 1.0), intensity_weight=0.25), distance / 4, rtol=1e-6
    )
    assert not geodesic_distance(image, seeds, (1.0, 1.0), intensity_weight=0).any()


def test_integers_do_not_wrap_and_memory_order_does_not_matter() -> None:
    image, seeds = random_case((13, 17))
    small = np.round(255 * image).astype(np.uint8)
    distance = geodesic_distance(small, seeds, (1.0, 1.0))
    np.testing.assert_array_equal(distance, geodesic_distance(small.astype(np.float64), seeds, (1.0, 1.0)))
    np.testing.assert_array_equal(geodesic_distance(np.asfortranarray(small), seeds, (1.0, 1.0)), distance)
    np.testing.assert_array_equal(geodesic_distance(small.T, seeds.T, (1.0, 1.0)), distance.T)


@pytest.mark.parametrize("axes", list(permutations(range(3))))
def test_the_order_of_the_axes_does_not_matter(axes: tuple[int, ...]) -> None:
    image, seeds = random_case((5, 8, 9))
    distance = geodesic_distance(image, seeds, (1.0, 1.0, 1.0))
    turned = geodesic_distance(image.transpose(axes), seeds.transpose(axes), (1.0, 1.0, 1.0))
    np.testing.assert_array_equal(turned, distance.transpose(axes))
    spacing = (0.5, 3.0, 2.0)
    in_mm = geodesic_distance(image, seeds, spacing, spatial_weight=0.3)
    turned_spacing = tuple(spacing[axis] for axis in axes)
    turned = geodesic_distance(image.transpose(axes), seeds.transpose(axes), turned_spacing, spatial_weight=0.3)
    np.testing.assert_allclose(turned, in_mm.transpose(axes), rtol=1e-6)


@every_grid
def test_no_seed_and_only_seeds(grid: tuple[int, ...]) -> None:
    image, _ = random_case(grid)
    assert np.isposinf(geodesic_distance(image, np.zeros(grid, np.bool_), (1.0,) * len(grid))).all()
    assert not geodesic_distance(image, np.ones(grid, np.bool_), (1.0,) * len(grid)).any()


@pytest.mark.parametrize("shape", [(1, 1), (1, 6), (6, 1), (1, 1, 5), (2, 1, 1)])
def test_images_of_one_row_or_column(shape: tuple[int, ...]) -> None:
    image, _ = random_case(shape)
    seeds = np.zeros(shape, np.bool_)
    seeds.flat[0] = True
    expected = np.concatenate([[0], np.cumsum(np.abs(np.diff(image.ravel())))])
    np.testing.assert_allclose(geodesic_distance(image, seeds, (1.0,) * len(shape), scale=None).ravel(), expected)


def test_arguments_are_left_as_they_were() -> None:
    image, seeds = random_case((13, 17))
    copies = image.copy(), seeds.copy()
    geodesic_distance(image, seeds, (1.0, 1.0), bound=0.1)
    np.testing.assert_array_equal(image, copies[0])
    np.testing.assert_array_equal(seeds, copies[1])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("scale", ["minmax", "zscore", None])
def test_an_intensity_that_is_no_number_is_refused(bad: float, scale: str | None) -> None:
    image, seeds = random_case((13, 17))
    image[3, 4] = bad
    with pytest.raises(DataError, match="NaN or infinite"):
        geodesic_distance(image, seeds, (1.0, 1.0), scale=scale)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seeds": np.zeros((13, 16), np.bool_)}, "do not fit image"),
        ({"seeds": np.zeros((17,), np.bool_)}, "do not fit image"),
        ({"seeds": np.zeros((13, 17))}, "seeds of type float64"),
        ({"image": np.zeros((2, 2, 13, 17))}, "do not fit image"),
        ({"image": np.zeros((0, 13, 17))}, "no voxels"),
        ({"image": np.zeros((0, 17)), "seeds": np.zeros((0, 17), np.bool_)}, "no voxels"),
        ({"spacing": (1.0, 1.0, 1.0)}, "give 2 positive numbers"),
        ({"spacing": (1.0, 0.0)}, "give 2 positive numbers"),
        ({"spacing": (1.0, math.nan)}, "give 2 positive numbers"),
        ({"intensity_weight": -1.0}, "intensity_weight -1.0"),
        ({"spatial_weight": math.inf}, "spatial_weight inf"),
        ({"bound": -0.1}, "bound -0.1"),
        ({"bound": math.nan}, "bound nan"),
        ({"scale": "max"}, "scale: 'max'"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(changes: dict[str, object], message: str) -> None:
    image, seeds = random_case((13, 17))
    with pytest.raises(ConfigError, match=message):
        geodesic_distance(**({"image": image, "seeds": seeds, "spacing": (1.0, 1.0)} | changes))
