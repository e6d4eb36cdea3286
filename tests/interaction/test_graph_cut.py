"""Graph cuts against all masks there are, against PyMaxflow, by hand, and where they must not change."""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from scipy import ndimage

from lesslabel.errors import ConfigError, DataError
from lesslabel.interaction.graph_cut import cut_energy, graph_cut

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Case = tuple[Array, Array, Mask, Mask]
"""Probability, image, foreground and background seeds."""

every_grid = pytest.mark.parametrize("grid", [(14, 11), (5, 7, 6)], ids=["2d", "3d"])


def pair_costs(image: Array, dimensions: int, weight: float, sigma: float, spacing: tuple[float, ...]) -> list[Array]:
    """What each neighbouring pair costs, for each axis on the grid of the image; 0 behind the last voxel."""
    channels = image if image.ndim > dimensions else image[None]
    grid = channels.shape[1:]
    costs = [np.zeros(grid) for _ in grid]
    for place in np.ndindex(grid):
        for axis, size in enumerate(spacing):
            following = tuple(index + (other == axis) for other, index in enumerate(place))
            if following[axis] < grid[axis]:
                squared = sum((float(channel[place]) - float(channel[following])) ** 2 for channel in channels)
                costs[axis][place] = weight * math.exp(-squared / (2 * sigma**2)) / size
    return costs


def energies_of_all_masks(probability: Array, costs: list[Array]) -> tuple[Array, Mask]:
    """The energies and the masks, each mask flat."""
    masks = np.array(list(product([False, True], repeat=probability.size)))
    certain = probability.ravel().clip(1e-6, 1 - 1e-6)
    energies = -np.where(masks, np.log(certain), np.log(1 - certain)).sum(axis=1)
    numbers = np.arange(probability.size).reshape(probability.shape)
    for axis, cost in enumerate(costs):
        here = numbers.swapaxes(0, axis)[:-1].ravel()
        there = numbers.swapaxes(0, axis)[1:].ravel()
        differ = masks[:, here] != masks[:, there]
        energies += differ @ cost.ravel()[here]
    return energies, masks


@st.composite
def small_cases(draw: st.DrawFn) -> tuple[Case, tuple[float, ...], float, float]:
    """A case of at most ten voxels, its spacing, weight and sigma."""
    grid = draw(st.sampled_from([(1, 1), (1, 7), (6, 1), (2, 5), (3, 3), (1, 3, 3), (2, 2, 2), (5, 1, 2)]))
    unit = st.one_of(st.floats(0, 1), st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]))
    probability = draw(hnp.arrays(np.float64, grid, elements=unit))
    image = draw(hnp.arrays(np.float64, draw(st.sampled_from([grid, (2, *grid)])), elements=unit))
    sides = draw(hnp.arrays(np.int8, grid, elements=st.sampled_from([0, 0, 0, 0, 1, 2])))
    spacing = tuple(draw(st.lists(st.sampled_from([0.5, 1.0, 3.0]), min_size=len(grid), max_size=len(grid))))
    weight, sigma = draw(st.sampled_from([0.0, 0.3, 5.0])), draw(st.sampled_from([0.1, 1.0]))
    return (probability, image, sides == 1, sides == 2), spacing, weight, sigma


@settings(max_examples=80)
@given(drawn=small_cases())
def test_no_mask_has_a_lower_energy(drawn: tuple[Case, tuple[float, ...], float, float]) -> None:
    (probability, image, foreground, background), spacing, weight, sigma = drawn
    costs = pair_costs(image, probability.ndim, weight, sigma, spacing)
    energies, masks = energies_of_all_masks(probability, costs)
    honours = masks[:, foreground.ravel()].all(axis=1) & ~masks[:, background.ravel()].any(axis=1)
    model = {"weight": weight, "sigma": sigma, "spacing": spacing}
    mask = graph_cut(probability, image, foreground_seeds=foreground, background_seeds=background, **model)
    (chosen,) = np.flatnonzero((masks == mask.ravel()).all(axis=1))
    assert honours[chosen]
    assert energies[chosen] == pytest.approx(energies[honours].min(), rel=1e-9, abs=1e-9)
    assert cut_energy(mask, probability, image, **model) == pytest.approx(energies[chosen], rel=1e-9, abs=1e-9)


def object_case(grid: tuple[int, ...], certainty: float, seed: int = 0) -> Case:
    """A blob in noise, what a network would say of it, wrong in patches, and clicks on both sides."""
    rng = np.random.default_rng(seed)
    axes = np.meshgrid(*(np.linspace(-1, 1, size) for size in grid), indexing="ij")
    inside = sum(axis**2 for axis in axes) + 0.2 * smooth_noise(grid, 2, rng) < 0.45
    image = 0.5 * ndimage.gaussian_filter(inside.astype(float), 1) + 0.1 * rng.standard_normal(grid)
    image = (image - image.min()) / np.ptp(image)
    log_odds = certainty * (4 * ndimage.gaussian_filter(inside - 0.5, 2) + smooth_noise(grid, 3, rng))
    foreground, background = np.zeros(grid, np.bool_), np.zeros(grid, np.bool_)
    foreground.flat[rng.choice(np.flatnonzero(inside), 3)] = True
    background.flat[rng.choice(np.flatnonzero(~inside), 3)] = True
    return 1 / (1 + np.exp(-log_odds)), image, foreground, background


def smooth_noise(grid: tuple[int, ...], width: float, rng: np.random.Generator) -> Array:
    noise = ndimage.gaussian_filter(rng.standard_normal(grid), width)
    return noise / noise.std()


def random_case(grid: tuple[int, ...], seed: int = 0) -> Case:
    rng = np.random.default_rng(seed)
    sides = rng.integers(0, 20, grid)
    return rng.random(grid), rng.random(grid), sides == 1, sides == 2


def cut(case: Case, **model: object) -> Mask:
    probability, image, foreground, background = case
    return graph_cut(probability, image, foreground_seeds=foreground, background_seeds=background, **model)


@pytest.mark.parametrize("certainty", [0.1, 2.0])
@pytest.mark.parametrize(
    ("grid", "spacing"), [((40, 33), (1.0, 1.0)), ((40, 33), (0.7, 2.0)), ((12, 14, 13), (3.0, 0.8, 0.8))]
)
def test_the_energy_is_that_of_pymaxflow(grid: tuple[int, ...], spacing: tuple[float, ...], certainty: float) -> None:
    maxflow = pytest.importorskip("maxflow", reason="PyMaxflow is GPL: only a reference")
    for case in (object_case(grid, certainty), random_case(grid)):
        probability, image, foreground, background = case
        graph = maxflow.Graph[float]()
        nodes = graph.add_grid_nodes(grid)
        for axis, costs in enumerate(pair_costs(image, len(grid), 5.0, 0.1, spacing)):
            structure = np.zeros((3,) * len(grid))
            structure[tuple(2 if other == axis else 1 for other in range(len(grid)))] = 1
            graph.add_grid_edges(nodes, costs, structure, symmetric=True)
        towards = np.log(probability) - np.log(1 - probability)
        towards[foreground], towards[background] = 1e6, -1e6
        graph.add_grid_tedges(nodes, np.maximum(towards, 0), np.maximum(-towards, 0))
        graph.maxflow()
        theirs = ~graph.get_grid_segments(nodes)
        ours = cut(case, spacing=spacing)
        assert ours[foreground].all()
        assert not ours[background].any()
        energy = cut_energy(theirs, probability, image, spacing=spacing)
        assert cut_energy(ours, probability, image, spacing=spacing) == pytest.approx(energy, rel=1e-9)
        assert 0 < ours.mean() < 1


def test_energy_by_hand() -> None:
    probability = np.array([[0.9, 0.6], [0.2, 0.5]])
    image = np.array([[0.0, 0.0], [0.1, 0.3]])
    mask = np.array([[True, False], [True, False]])
    unary = -math.log(0.9) - math.log(0.4) - math.log(0.2) - math.log(0.5)
    pairs = 3 * (1 + math.exp(-0.04 / 0.02)) / 2  # both of a row differ, 2 mm apart
    energy = cut_energy(mask, probability, image, weight=3.0, spacing=(1.0, 2.0))
    assert energy == pytest.approx(unary + pairs)


def test_cut_by_hand() -> None:
    """A click turns the dark half of a row against the network, and the edge of the image stops it."""
    image = np.array([[0.0, 0.0, 0.0, 1.0, 1.0, 1.0]])
    probability = np.full(image.shape, 0.4)
    click = np.array([[False, True, False, False, False, False]])
    assert not graph_cut(probability, image).any()
    assert graph_cut(probability, image, foreground_seeds=click).tolist() == [[True] * 3 + [False] * 3]
    # with these weights it is cheaper to leave the click alone: two edges of 0.1 against two voxels of log(1.5) = 0.4
    assert graph_cut(probability, image, foreground_seeds=click, weight=0.1).tolist() == click.tolist()


def test_distant_neighbours_hold_together_less() -> None:
    probability = np.full((3, 3), 0.4)
    click = np.zeros((3, 3), np.bool_)
    click[1, 1] = True
    mask = graph_cut(probability, np.zeros((3, 3)), foreground_seeds=click, spacing=(100.0, 1.0))
    assert mask.tolist() == [[False] * 3, [True] * 3, [False] * 3]


@every_grid
def test_without_weight_it_is_a_threshold(grid: tuple[int, ...]) -> None:
    probability, _, foreground, background = case = random_case(grid)
    expected = (probability > 0.5) & ~background | foreground
    np.testing.assert_array_equal(cut(case, weight=0.0), expected)


@every_grid
def test_clicks_hold_against_any_certainty(grid: tuple[int, ...]) -> None:
    sides = random_case(grid)[2:]
    for certain in (0.0, 1.0):
        mask = cut((np.full(grid, certain), np.zeros(grid), *sides), weight=100.0)
        assert mask[sides[0]].all()
        assert not mask[sides[1]].any()


@every_grid
@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_constant_images_without_seeds(grid: tuple[int, ...], value: float) -> None:
    image = np.full(grid, value)
    assert graph_cut(np.ones(grid), image).all()
    assert graph_cut(np.full(grid, 0.51), image).all()
    # of two masks that cost the same, the smaller
    assert not graph_cut(np.full(grid, 0.5), image).any()
    assert not graph_cut(np.zeros(grid), image).any()


@every_grid
def test_foreground_and_background_are_alike(grid: tuple[int, ...]) -> None:
    probability, image, foreground, background = object_case(grid, 1.0)
    opposite = cut((1 - probability, 1 - image, background, foreground))
    np.testing.assert_array_equal(opposite, ~cut((probability, image, foreground, background)))


def test_a_volume_of_one_slice_equals_the_slice() -> None:
    case = object_case((20, 17), 0.5)
    expected = cut(case, spacing=(0.8, 1.0))
    for axis in range(3):
        spacing = tuple(np.insert([0.8, 1.0], axis, 5.0).tolist())
        as_volume = cut(tuple(np.expand_dims(array, axis) for array in case), spacing=spacing)
        np.testing.assert_array_equal(as_volume.squeeze(axis), expected)


@every_grid
def test_channels_add_their_squared_differences(grid: tuple[int, ...]) -> None:
    probability, image, *sides = object_case(grid, 0.5)
    single = cut((probability, image, *sides))
    np.testing.assert_array_equal(cut((probability, image[None], *sides)), single)
    blind = np.full(grid, 0.3)
    np.testing.assert_array_equal(cut((probability, np.stack([blind, image]), *sides)), single)
    twice = np.stack([image, 1 - image])
    np.testing.assert_array_equal(cut((probability, twice, *sides), sigma=0.1 * math.sqrt(2)), single)


def test_types_and_memory_order_do_not_matter_and_arguments_are_left_as_they_were() -> None:
    case = tuple(np.round(array * 4) / 4 if array.dtype != np.bool_ else array for array in random_case((9, 8)))
    copies = [array.copy() for array in case]
    expected = cut(case)
    for array, copy in zip(case, copies, strict=True):
        np.testing.assert_array_equal(array, copy)
    probability, image, *sides = case
    np.testing.assert_array_equal(cut((probability.astype(np.float16), image.astype(np.float32), *sides)), expected)
    np.testing.assert_array_equal(cut(tuple(np.asfortranarray(array) for array in case)), expected)
    black_and_white = np.round(image)
    np.testing.assert_array_equal(
        cut((probability, black_and_white.astype(np.uint8), *sides)), cut((probability, black_and_white, *sides))
    )


@pytest.mark.parametrize("which", ["probability", "image"])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_no_number_is_refused(which: str, bad: float) -> None:
    fields = dict(zip(("probability", "image"), random_case((5, 6))[:2], strict=True))
    fields[which][3, 4] = bad
    with pytest.raises(DataError, match=f"the {which} has values that are NaN or infinite"):
        graph_cut(**fields)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"probability": np.zeros((5, 7))}, "does not fit image"),
        ({"probability": np.zeros(6)}, "does not fit image"),
        ({"image": np.zeros((2, 2, 5, 6))}, "does not fit image"),
        ({"image": np.zeros((0, 5, 6))}, "no voxels"),
        ({"probability": np.full((5, 6), 1.5)}, "the probability has values from 1.5 to 1.5"),
        ({"image": np.full((5, 6), -3.0)}, r"the image has values from -3 to -3; scale it to \[0, 1\]"),
        ({"foreground_seeds": np.zeros((5, 7), np.bool_)}, "do not fit image"),
        ({"background_seeds": np.zeros((6,), np.bool_)}, "do not fit image"),
        ({"background_seeds": np.zeros((5, 6))}, "seeds of type float64"),
        ({"foreground_seeds": np.eye(5, 6) > 0, "background_seeds": np.eye(5, 6, 1) < 1}, r"5 voxels .* as \(0, 0\)"),
        ({"weight": -1.0}, "weight -1.0"),
        ({"weight": math.inf}, "weight inf"),
        ({"sigma": 0.0}, "sigma 0.0"),
        ({"sigma": math.nan}, "sigma nan"),
        ({"spacing": (1.0,)}, "give 2 positive numbers"),
        ({"spacing": (1.0, 0.0)}, "give 2 positive numbers"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(changes: dict[str, object], message: str) -> None:
    probability, image, *_ = random_case((5, 6))
    with pytest.raises(ConfigError, match=message) as caught:
        graph_cut(**({"probability": probability, "image": image} | changes))
    assert "\n" not in str(caught.value)


def test_the_energy_of_a_mask_that_does_not_fit_is_refused() -> None:
    probability, image, *_ = random_case((5, 6))
    with pytest.raises(ConfigError, match="do not fit image"):
        cut_energy(np.zeros((5, 7), np.bool_), probability, image)
