import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray

from lesslabel.data.loading.intensity import Intensity, normalise
from lesslabel.errors import ConfigError

VOLUMES = arrays(
    np.float32,
    array_shapes(min_dims=4, max_dims=4, max_side=4),
    elements=st.floats(-(2.0**60), 2.0**60, width=32, allow_nan=False),
)
ALL = [Intensity("percentile"), Intensity("zscore"), Intensity("window", window=(-150.0, 250.0)), Intensity("none")]


@given(VOLUMES)
@example(np.full((1, 1, 1, 3), 0.1, np.float32))
@example(np.full((1, 1, 2, 2), 1e-40, np.float32))  # its deviation, rounding alone, is 0 in float32
def test_always_finite_float32(volume: NDArray[np.float32]) -> None:
    for intensity in ALL:
        result = normalise(volume, intensity)
        assert result.dtype == np.float32
        assert result.shape == volume.shape
        assert np.isfinite(result).all()


@given(VOLUMES, st.sampled_from([50.0, 90.0, 99.0, 100.0]))
def test_percentile_lies_between_zero_and_one(volume: NDArray[np.float32], upper: float) -> None:
    result = normalise(volume, Intensity(upper_percentile=upper))
    assert result.min() >= 0.0
    assert result.max() <= 1.0 + 1e-6


@given(VOLUMES, st.sampled_from([50.0, 90.0, 99.0, 100.0]))
def test_percentile_a_second_time_changes_nothing(volume: NDArray[np.float32], upper: float) -> None:
    once = normalise(volume, Intensity(upper_percentile=upper))
    np.testing.assert_allclose(normalise(once, Intensity(upper_percentile=upper)), once, rtol=1e-6, atol=1e-7)


def test_data_that_the_benchmark_clipped_are_left_as_they_are() -> None:
    """The benchmark clips at the first value with 99 % of the voxels at or below it, then scales to [0, 1]."""
    values = np.sort(np.random.default_rng(0).gamma(2.0, size=997)).astype(np.float32)
    limit = values[np.searchsorted(np.arange(1, 998) / 997, 0.99)]
    clipped = (np.minimum(values, limit) - values[0]) / (limit - values[0])
    volume = np.random.default_rng(1).permutation(clipped).reshape(1, 1, 1, 997)
    np.testing.assert_array_equal(normalise(volume, Intensity()), volume)


def test_percentile_by_hand() -> None:
    volume = np.arange(201, dtype=np.float32).reshape(1, 1, 1, 201)  # the 99th percentile is 198
    expected = np.minimum(np.arange(201), 198) / 198
    np.testing.assert_allclose(normalise(volume, Intensity())[0, 0, 0], expected, rtol=1e-6)


def test_percentile_keeps_what_few_voxels_show() -> None:
    volume = np.full((1, 1, 20, 20), -3.0, np.float32)
    volume[0, 0, 0, :3] = (-2.0, 0.0, 1.0)  # fewer than one voxel in a hundred
    np.testing.assert_array_equal(np.unique(normalise(volume, Intensity())), np.float32([0.0, 0.25, 0.75, 1.0]))


def test_channels_are_normalised_apart() -> None:
    one = np.random.default_rng(0).normal(size=(2, 3, 4, 5)).astype(np.float32)
    scaled = one * np.float32([4.0, 0.5])[:, None, None, None] + np.float32([100.0, -7.0])[:, None, None, None]
    for name in ("percentile", "zscore"):
        np.testing.assert_allclose(normalise(scaled, Intensity(name)), normalise(one, Intensity(name)), atol=1e-4)


def test_zscore() -> None:
    volume = np.random.default_rng(0).normal(1000.0, 5.0, size=(1, 4, 30, 30)).astype(np.float32)
    result = normalise(volume, Intensity("zscore")).astype(np.float64)
    assert abs(result.mean()) < 1e-4
    assert abs(result.std() - 1.0) < 1e-5


def test_window_of_the_abdomen() -> None:
    volume = np.float32([-1000.0, -150.0, 50.0, 250.0, 3000.0]).reshape(1, 1, 1, 5)
    result = normalise(volume, Intensity("window", window=(-150.0, 250.0)))
    np.testing.assert_array_equal(result.ravel(), np.float32([0.0, 0.0, 0.5, 1.0, 1.0]))


@pytest.mark.parametrize("name", ["percentile", "zscore"])
@pytest.mark.parametrize("value", [0.0, 0.1, -7.3, 1e6])
def test_constant_channel_becomes_zero(name: str, value: float) -> None:
    constant = np.full((1, 3, 17, 11), value, np.float32)
    assert not normalise(constant, Intensity(name)).any()


def test_none_leaves_values_alone_and_nothing_is_changed_in_place() -> None:
    volume = np.random.default_rng(0).normal(size=(1, 2, 8, 8)).astype(np.float32)
    kept = volume.copy()
    assert normalise(volume, Intensity("none")) is volume
    for intensity in ALL:
        normalise(volume, intensity)
    np.testing.assert_array_equal(volume, kept)


@pytest.mark.parametrize("window", [None, (3.0, 3.0), (3.0, 2.0)])
def test_window_needs_two_ordered_values(window: tuple[float, float] | None) -> None:
    with pytest.raises(ConfigError, match=r"'window' needs window: \[lower, upper\]"):
        Intensity("window", window=window)


@pytest.mark.parametrize("upper", [0.0, -1.0, 100.5, float("nan")])
def test_percentile_out_of_range_is_refused(upper: float) -> None:
    with pytest.raises(ConfigError, match=r"upper_percentile must be in \(0, 100\]"):
        Intensity(upper_percentile=upper)
