"""What every cue promises, and the formula of each. A new cue adds a row to CUES."""

import math
from typing import get_args

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from lesslabel.errors import ConfigError
from lesslabel.interaction import (
    CUES,
    Cue,
    cues,
    disk_cue,
    euclidean_cue,
    exponential_geodesic_cue,
    gaussian_cue,
    gaussian_geodesic_cue,
    geodesic_cue,
    geodesic_distance,
)
from lesslabel.interaction.encoding import CueName
from lesslabel.interaction.learned_cue import GaussianGeodesicCue, gaussian_geodesic

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

every_cue = pytest.mark.parametrize("cue", CUES.values(), ids=CUES.keys())
every_grid = pytest.mark.parametrize(
    ("grid", "spacing"), [((21, 17), (0.8, 1.6)), ((7, 12, 11), (3.0, 0.8, 1.1))], ids=["2d", "3d"]
)


def random_case(grid: tuple[int, ...], clicks: int = 3) -> tuple[Array, Mask]:
    rng = np.random.default_rng(0)
    seeds = np.zeros(grid, np.bool_)
    seeds.flat[rng.choice(seeds.size, clicks, replace=False)] = True
    return rng.random(grid), seeds


def distance_mm(seeds: Mask, spacing: tuple[float, ...]) -> Array:
    """To the nearest seed, every pair measured."""
    places = np.stack(np.indices(seeds.shape), axis=-1).reshape(-1, seeds.ndim) * spacing
    return cdist(places, places[seeds.ravel()]).min(axis=1).reshape(seeds.shape)


# What all promise


def test_every_cue_that_is_written_is_in_the_registry() -> None:
    written = {value for name, value in vars(cues).items() if name.endswith("_cue")}
    assert written == set(CUES.values())
    assert {*CUES, "none"} == set(get_args(CueName))


@every_cue
@every_grid
@pytest.mark.parametrize("clicks", [1, 3])
def test_values_lie_between_0_and_1_and_are_1_at_the_seeds(
    cue: Cue, grid: tuple[int, ...], spacing: tuple[float, ...], clicks: int
) -> None:
    image, seeds = random_case(grid, clicks)
    values = cue(image, seeds, spacing)
    assert values.dtype == np.float32
    assert values.shape == grid
    assert values.min() >= 0
    assert values.max() == 1
    assert (values[seeds] == 1).all()
    assert (values < 1).any()


@every_cue
@every_grid
def test_no_seed_gives_zeros_and_only_seeds_give_ones(
    cue: Cue, grid: tuple[int, ...], spacing: tuple[float, ...]
) -> None:
    image, _ = random_case(grid)
    assert not cue(image, np.zeros(grid, np.bool_), spacing).any()
    assert (cue(image, np.ones(grid, np.bool_), spacing) == 1).all()


@every_cue
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_it_never_rises_away_from_the_seed(cue: Cue, axis: int) -> None:
    """In a uniform image, and up a ramp, where geodesic distances grow as well."""
    seeds = np.zeros((9, 14, 25), np.bool_)
    seeds[0, 0, 0] = True
    for image in (np.ones(seeds.shape), np.sum(np.indices(seeds.shape), axis=0)):
        assert (np.diff(cue(image, seeds, (3.0, 1.0, 0.5)), axis=axis) <= 0).all()


@every_cue
@every_grid
def test_another_seed_never_lowers_the_exponential_kinds(
    cue: Cue, grid: tuple[int, ...], spacing: tuple[float, ...]
) -> None:
    """Those rescaled by the farthest voxel may fall."""
    if cue in (euclidean_cue, geodesic_cue):
        return
    image, seeds = random_case(grid)
    more = seeds.copy()
    more.flat[5] = True
    assert (cue(image, more, spacing) >= cue(image, seeds, spacing)).all()


@every_cue
@every_grid
def test_the_same_again_and_arguments_left_as_they_were(
    cue: Cue, grid: tuple[int, ...], spacing: tuple[float, ...]
) -> None:
    image, seeds = random_case(grid)
    copies = image.copy(), seeds.copy()
    first = cue(image, seeds, spacing)
    np.testing.assert_array_equal(cue(image, seeds, spacing), first)
    np.testing.assert_array_equal(image, copies[0])
    np.testing.assert_array_equal(seeds, copies[1])


@every_cue
@every_grid
def test_axes_are_treated_alike(cue: Cue, grid: tuple[int, ...], spacing: tuple[float, ...]) -> None:
    image, seeds = random_case(grid)
    turned = cue(image.T, seeds.T, spacing[::-1]).T
    np.testing.assert_allclose(turned, cue(image, seeds, spacing), rtol=1e-6, atol=1e-7)


@every_cue
def test_channels_first_are_told_by_the_seeds(cue: Cue) -> None:
    image, seeds = random_case((21, 17))
    np.testing.assert_array_equal(cue(image[None], seeds, (1.0, 1.0)), cue(image, seeds, (1.0, 1.0)))


@every_cue
@pytest.mark.parametrize("shape", [(21, 18), (3, 17, 21), (17,)])
def test_seeds_of_another_grid_are_refused(cue: Cue, shape: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match="do not fit image"):
        cue(np.zeros((21, 17)), np.zeros(shape, np.bool_), (1.0, 1.0))


# The formula of each


@every_grid
def test_euclidean_and_gaussian_and_disk_measure_in_space(grid: tuple[int, ...], spacing: tuple[float, ...]) -> None:
    image, seeds = random_case(grid)
    distance = distance_mm(seeds, spacing)
    finest = distance / min(spacing)
    linear = 1 - np.minimum(distance / distance.max(), 0.4) / 0.4
    np.testing.assert_allclose(euclidean_cue(image, seeds, spacing, truncation=0.4), linear, atol=1e-6)
    bell = np.exp(-(finest**2) / (2 * 3.0**2))
    np.testing.assert_allclose(gaussian_cue(image, seeds, spacing, sigma_voxel=3.0), bell, atol=1e-6)
    np.testing.assert_array_equal(disk_cue(image, seeds, spacing, radius_voxel=2.9), finest <= 2.9)


def test_defaults_are_those_published() -> None:
    seeds = np.zeros((1, 41), np.bool_)
    seeds[0, 0] = True
    ramp = np.arange(41.0)[None]
    spacing = (1.0, 1.0)
    assert gaussian_cue(ramp, seeds, spacing)[0, 9] == pytest.approx(math.exp(-0.5))
    assert disk_cue(ramp, seeds, spacing)[0, [5, 6]].tolist() == [1, 0]
    for cue in (euclidean_cue, geodesic_cue):
        assert cue(ramp, seeds, spacing)[0, [12, 24, 40]] == pytest.approx([0.5, 0, 0], abs=1e-6)
    assert exponential_geodesic_cue(ramp, seeds, spacing)[0, 40] == pytest.approx(math.exp(-1))
    assert gaussian_geodesic_cue(ramp, seeds, spacing)[0, 40] == pytest.approx(math.exp(-0.5))


@every_grid
def test_geodesic_cues_follow_the_geodesic_distance(grid: tuple[int, ...], spacing: tuple[float, ...]) -> None:
    image, seeds = random_case(grid)
    for scale in ("minmax", "zscore", None):
        distance = geodesic_distance(image, seeds, spacing, scale=scale).astype(np.float64)
        linear = 1 - np.minimum(distance / distance.max(), 0.5) / 0.5
        np.testing.assert_allclose(
            geodesic_cue(image, seeds, spacing, truncation=0.5, scale=scale), linear, rtol=1e-5, atol=1e-6
        )
        np.testing.assert_allclose(
            exponential_geodesic_cue(image, seeds, spacing, scale=scale, bound=None), np.exp(-distance), rtol=1e-5
        )
        np.testing.assert_allclose(
            gaussian_geodesic_cue(image, seeds, spacing, sigma=0.7, scale=scale), np.exp(-distance / 0.98), rtol=1e-5
        )


def test_the_exponential_cue_is_cut_below_one_of_256_grey_levels() -> None:
    seeds = np.zeros((1, 13), np.bool_)
    seeds[0, 0] = True
    ramp = np.arange(13.0)[None]
    cut = exponential_geodesic_cue(ramp, seeds, (1.0, 1.0), scale=None)
    whole = exponential_geodesic_cue(ramp, seeds, (1.0, 1.0), scale=None, bound=None)
    assert whole == pytest.approx(np.exp(-ramp))
    np.testing.assert_array_equal(cut, np.where(whole >= 1 / 256, whole, 0))
    assert (cut == 0).sum() == 7


@pytest.mark.parametrize(
    ("cue", "setting", "value"),
    [
        (euclidean_cue, "truncation", 0.0),
        (geodesic_cue, "truncation", 1.1),
        (gaussian_cue, "sigma_voxel", 0.0),
        (disk_cue, "radius_voxel", -1.0),
        (gaussian_geodesic_cue, "sigma", math.nan),
    ],
)
def test_settings_that_make_no_sense_are_refused(cue: Cue, setting: str, value: float) -> None:
    image, seeds = random_case((21, 17))
    with pytest.raises(ConfigError, match=f"{setting} {value}"):
        cue(image, seeds, (1.0, 1.0), **{setting: value})


# The learned one


@every_grid
def test_the_learned_cue_starts_as_the_fixed_one(grid: tuple[int, ...], spacing: tuple[float, ...]) -> None:
    image, seeds = random_case(grid)
    distance = torch.from_numpy(geodesic_distance(image, seeds, spacing, bound=0.3))
    assert distance.isinf().any()
    expected = np.where(distance.isinf(), 0, gaussian_geodesic_cue(image, seeds, spacing, sigma=0.8))
    learned = GaussianGeodesicCue(sigma=0.8)(distance[None, None])
    np.testing.assert_allclose(learned[0, 0].detach(), expected, rtol=1e-5)


def test_gradients_reach_sigma_also_beside_voxels_out_of_reach() -> None:
    distance = torch.tensor([0.0, 0.3, 2.0, torch.inf], dtype=torch.float64)
    sigma = torch.tensor(0.9, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda sigma: gaussian_geodesic(distance, sigma), sigma)
    cue = GaussianGeodesicCue(sigma=0.9).double()
    cue(distance).sum().backward()
    finite = distance[:-1]
    assert cue.log_sigma.grad.item() == pytest.approx(
        (finite / 0.9**2 * torch.exp(-finite / (2 * 0.9**2))).sum().item()
    )


def test_a_learned_cue_without_a_width_is_refused() -> None:
    with pytest.raises(ConfigError, match="sigma 0"):
        GaussianGeodesicCue(sigma=0)
