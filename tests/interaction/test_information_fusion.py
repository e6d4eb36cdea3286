"""Information fusion by its equations and by hand, and the cut that follows it."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from lesslabel.errors import ConfigError, DataError
from lesslabel.interaction import geodesic_distance
from lesslabel.interaction.graph_cut import graph_cut
from lesslabel.interaction.information_fusion import information_fusion, information_fusion_graph_cut

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Case = tuple[Array, Array, Mask, Mask]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Probability, image, with one or two channels, and seeds; often a side has none."""
    grid = draw(hnp.array_shapes(min_dims=2, max_dims=3, min_side=1, max_side=5))
    unit = st.floats(0, 1, width=32)
    probability = draw(hnp.arrays(np.float64, grid, elements=unit))
    image = draw(hnp.arrays(np.float64, draw(st.sampled_from([grid, (2, *grid)])), elements=unit))
    sides = draw(hnp.arrays(np.int8, grid, elements=st.sampled_from([0] * 15 + [1, 2])))
    return probability, image, sides == 1, sides == 2


def by_the_equations(case: Case) -> tuple[Array, Array]:
    """Both refined probabilities, with a large constant for the distance to a side without clicks."""
    probability, image, *sides = case
    spacing = (1.0,) * probability.ndim
    to_foreground, to_background = (
        geodesic_distance(image, seeds, spacing).astype(np.float64) if seeds.any() else np.full(probability.shape, 600)
        for seeds in sides
    )
    both = np.exp(-to_foreground) + np.exp(-to_background)
    near = np.exp(-np.minimum(to_foreground, to_background))
    return (
        (1 - near) * probability + near * np.exp(-to_foreground) / both,
        (1 - near) * (1 - probability) + near * np.exp(-to_background) / both,
    )


@settings(max_examples=80)
@given(case=cases())
def test_it_follows_the_equations(case: Case) -> None:
    refined = information_fusion(*case)
    foreground, background = by_the_equations(case)
    assert refined.dtype == np.float32
    assert ((refined >= 0) & (refined <= 1)).all()
    np.testing.assert_allclose(refined, foreground, atol=1e-6)
    np.testing.assert_allclose(1 - refined, background, atol=1e-6)


def row(*columns: int) -> Mask:
    seeds = np.zeros((1, 4), np.bool_)
    seeds[0, list(columns)] = True
    return seeds


IMAGE = np.array([[0.0, 0.0, 0.25, 1.0]])
PROBABILITY = np.array([[0.2, 0.6, 0.5, 0.9]])


def test_by_hand() -> None:
    refined = information_fusion(PROBABILITY, IMAGE, row(0), row(3))
    beside_click = 1 / (1 + math.exp(-1))
    near = math.exp(-0.25)
    between = (1 - near) * 0.5 + near / (1 + math.exp(0.25 - 0.75))
    np.testing.assert_allclose(refined, [[beside_click, beside_click, between, 1 - beside_click]], rtol=1e-6)


def test_a_side_without_clicks_is_infinitely_far() -> None:
    distance = np.array([[0, 0, 0.25, 1]])
    refined = information_fusion(PROBABILITY, IMAGE, row(0), row())
    np.testing.assert_allclose(refined, (1 - np.exp(-distance)) * PROBABILITY + np.exp(-distance), rtol=1e-6)
    refined = information_fusion(PROBABILITY, IMAGE, row(), row(0))
    np.testing.assert_allclose(refined, (1 - np.exp(-distance)) * PROBABILITY, rtol=1e-6)


def test_without_clicks_nothing_changes() -> None:
    refined = information_fusion(PROBABILITY, IMAGE, row(), row())
    np.testing.assert_array_equal(refined, PROBABILITY.astype(np.float32))
    expected = graph_cut(refined, IMAGE)
    np.testing.assert_array_equal(information_fusion_graph_cut(PROBABILITY, IMAGE, row(), row()), expected)


def test_the_scale_says_how_far_a_click_reaches() -> None:
    grey = IMAGE * 50
    of_range = information_fusion(PROBABILITY, grey, row(0), row())
    np.testing.assert_allclose(of_range, information_fusion(PROBABILITY, IMAGE, row(0), row()), rtol=1e-6)
    as_it_is = information_fusion(PROBABILITY, grey, row(0), row(), scale=None)
    np.testing.assert_allclose(as_it_is[0, 2:], PROBABILITY[0, 2:], atol=1e-5)


def test_the_weight_says_how_locally_a_click_acts() -> None:
    near = np.exp(-5 * np.array([[0, 0, 0.25, 1]]))
    refined = information_fusion(PROBABILITY, IMAGE, row(0), row(), intensity_weight=5.0)
    np.testing.assert_allclose(refined, (1 - near) * PROBABILITY + near, rtol=1e-6)
    unsure = np.full(IMAGE.shape, 0.4)
    far = information_fusion_graph_cut(unsure, IMAGE, row(0), row(), intensity_weight=0.1, weight=0.0)
    assert far.tolist() == [[True, True, True, True]]
    local = information_fusion_graph_cut(unsure, IMAGE, row(0), row(), intensity_weight=20.0, weight=0.0)
    assert local.tolist() == [[True, True, False, False]]


@pytest.mark.parametrize("grid", [(24, 30), (8, 16, 15)], ids=["2d", "3d"])
@pytest.mark.parametrize("channels", [0, 2])
def test_a_click_corrects_what_a_cut_alone_does_not(grid: tuple[int, ...], channels: int) -> None:
    """Two bright boxes, of which the network missed one: a click on it brings it all, and no more."""
    boxes = np.zeros(grid, np.bool_)
    boxes[..., 3:-3, 3:6] = boxes[..., 3:-3, 9:12] = True
    image = np.where(boxes, 0.9, 0.1) + np.random.default_rng(0).uniform(-0.02, 0.02, grid)
    image = (image - image.min()) / np.ptp(image)
    image = np.stack([image] * channels) if channels else image
    seen = boxes.copy()
    seen[..., 9:] = False
    probability = np.where(seen, 0.95, 0.05)
    foreground, background = np.zeros(grid, np.bool_), np.zeros(grid, np.bool_)
    place = (*(size // 2 for size in grid[:-1]), 10)
    foreground[place] = True
    background[(*place[:-1], 7)] = True
    seeds = {"foreground_seeds": foreground, "background_seeds": background}
    refined = information_fusion_graph_cut(probability, image, **seeds)
    np.testing.assert_array_equal(refined, boxes)
    alone = graph_cut(probability, image, **seeds)
    assert (alone != boxes).sum() > 0
    np.testing.assert_array_equal(information_fusion_graph_cut(refined.astype(float), image, **seeds), boxes)


def test_options_of_the_cut_reach_it() -> None:
    rng = np.random.default_rng(0)
    probability, image, sides = rng.random((16, 15)), rng.random((16, 15)), rng.integers(0, 20, (16, 15))
    options = {"weight": 0.5, "sigma": 0.3, "spacing": (1.0, 0.3)}
    seeds = {"foreground_seeds": sides == 1, "background_seeds": sides == 2}
    refined = information_fusion(probability, image, **seeds, scale=None)
    expected = graph_cut(refined, image, **seeds, **options)
    cut = information_fusion_graph_cut(probability, image, **seeds, **options, scale=None)
    np.testing.assert_array_equal(cut, expected)
    for name in seeds | options:
        without = {key: value for key, value in (seeds | options).items() if key != name}
        assert (graph_cut(refined, image, **without) != expected).any(), name


@pytest.mark.parametrize("act", [information_fusion, information_fusion_graph_cut])
@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"probability": np.zeros((2, 4))}, ConfigError, "give one shape"),
        ({"probability": PROBABILITY + 0.5}, ConfigError, "the probability has values from 0.7 to 1.4"),
        ({"probability": PROBABILITY * np.nan}, DataError, "the probability has values that are NaN"),
        ({"image": IMAGE * np.nan}, DataError, "NaN or infinite"),
        ({"image": IMAGE[:, :3]}, ConfigError, "do not fit image"),
        ({"foreground_seeds": row(0)[:, :3]}, ConfigError, "do not fit image"),
        ({"background_seeds": row(0, 3)}, ConfigError, r"1 voxels .* as \(0, 0\)"),
        ({"scale": "max"}, ConfigError, "scale: 'max'"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(
    act: object, changes: dict[str, object], error: type[Exception], message: str
) -> None:
    arguments = {"probability": PROBABILITY, "image": IMAGE, "foreground_seeds": row(0), "background_seeds": row(3)}
    with pytest.raises(error, match=message):
        act(**(arguments | changes))
