"""Histogram matching against scikit-image, by hand, and its bad input."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage.exposure import match_histograms

from lesslabel.data.loading.histogram_matching import match_histogram, read_quantiles
from lesslabel.errors import ConfigError

LEVELS = np.linspace(0.0, 1.0, 256)


def test_by_hand() -> None:
    image = np.array([[[[1, 2, 3, 4]]]], dtype=np.float32)
    quantiles = np.array([[0.0, 80.0]], dtype=np.float32)  # uniform from 0 to 80
    np.testing.assert_allclose(match_histogram(image, quantiles), [[[[10, 30, 50, 70]]]])


def test_agrees_with_scikit_image() -> None:
    generator = np.random.default_rng(0)
    image = generator.gamma(2.0, 50.0, (1, 8, 40, 40)).astype(np.float32)
    reference = generator.normal(300.0, 40.0, (8, 40, 40)).astype(np.float32)
    quantiles = np.quantile(reference, LEVELS).astype(np.float32)[None]
    expected = match_histograms(image[0], reference)
    inner = (expected > np.quantile(reference, 0.01)) & (expected < np.quantile(reference, 0.99))
    matched = match_histogram(image, quantiles)[0]
    np.testing.assert_allclose(matched[inner], expected[inner], atol=1.0)  # 256 levels of a deviation of 40


def test_each_channel_goes_to_its_own_reference() -> None:
    image = np.random.default_rng(0).random((2, 2, 8, 8), dtype=np.float32)
    quantiles = np.stack([LEVELS, 100.0 + LEVELS]).astype(np.float32)
    matched = match_histogram(image, quantiles)
    assert matched[0].max() <= 1.0
    assert matched[1].min() >= 100.0


@given(arrays(np.float32, (1, 2, 3, 4), elements=st.floats(-1e3, 1e3, width=32)))
def test_keeps_the_order_of_values_and_the_range_of_the_reference(image: np.ndarray) -> None:
    quantiles = np.linspace(5.0, 9.0, 16, dtype=np.float32)[None]
    matched = match_histogram(image, quantiles)
    order = np.argsort(image, axis=None, kind="stable")
    assert (np.diff(matched.ravel()[order]) >= -1e-6).all()
    assert matched.min() >= 5.0
    assert matched.max() <= 9.0


def test_a_constant_channel_becomes_the_median() -> None:
    image = np.full((1, 2, 2, 2), 7.0, dtype=np.float32)
    np.testing.assert_allclose(match_histogram(image, np.array([[0.0, 1.0, 10.0]], dtype=np.float32)), 1.0)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read"),
        (np.zeros((2, 8), np.float32), "the images have 1 channels"),
        (np.zeros((1, 1), np.float32), "the images have 1 channels"),
        (np.array([[1.0, 0.0]]), "does not rise"),
        (np.array([[0.0, np.nan]]), "does not rise"),
        (np.array([{}], dtype=object), "cannot be read"),
    ],
)
def test_bad_quantiles_are_refused(tmp_path: Path, content: np.ndarray | None, said: str) -> None:
    path = tmp_path / "quantiles.npy"
    if content is not None:
        np.save(path, content, allow_pickle=True)
    with pytest.raises(ConfigError, match=said):
        read_quantiles(path, 1)
