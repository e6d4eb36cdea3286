"""Intensities of source and target."""

import re

import numpy as np
import pytest

from lesslabel.data.loading.intensity import Intensity
from lesslabel.reports.adaptation.histograms import Intensities, density, draw_intensities

LEVELS = np.linspace(0, 1, 256)


def test_equal_steps_are_a_flat_density():
    edges = np.linspace(-2, 6, 9)
    np.testing.assert_allclose(density(4 * LEVELS, edges), [0, 0, 0.25, 0.25, 0.25, 0.25, 0, 0], rtol=1e-3)


def test_a_value_of_many_voxels_is_one_full_bin():
    # half of the voxels are 0, the others spread from 0 to 2
    quantiles = np.maximum(0, 4 * LEVELS - 2)
    np.testing.assert_allclose(density(quantiles, np.array([-1.0, 0.5, 1, 2])), [0.625 / 1.5, 0.25, 0.25], rtol=5e-3)


def test_the_density_is_the_histogram_of_the_voxels():
    voxels = np.random.default_rng(0).gamma(3.0, 20.0, 200_000)
    edges = np.linspace(0, 200, 21)
    expected, _ = np.histogram(voxels, edges)
    found = density(np.quantile(voxels, LEVELS), edges)
    np.testing.assert_allclose(found * 10, expected / len(voxels), atol=2e-3)
    assert (found * 10).sum() <= 1


def heights(chart: str) -> list[list[float]]:
    """The y of each curve in pixels."""
    return [[float(pair.split(",")[1]) for pair in found.split()] for found in re.findall(r'points="([^"]+)"', chart)]


def test_scanners_that_differ_in_scale_meet_after_normalisation():
    source, target = (LEVELS**2)[None].astype(np.float32), (700 * LEVELS**2)[None].astype(np.float32)
    found = [Intensities("source", source), Intensities("east", target)]
    stored, seen = draw_intensities(found, ["T1"], Intensity("zscore"))
    assert stored.title == "T1, as stored"
    assert seen.title == "T1, as the network sees it (zero mean, unit variance)"
    assert heights(stored.chart)[0] != heights(stored.chart)[1]
    np.testing.assert_allclose(*heights(seen.chart), atol=0.02)


@pytest.mark.parametrize("values", [np.zeros(256), np.full(256, 1e6), np.where(LEVELS < 0.9, 0.0, LEVELS)])
def test_constant_and_nearly_constant_images_are_drawn(values):
    (panel,) = draw_intensities([Intensities("a", values[None].astype(np.float32))], ["T1"], Intensity("none"))
    assert panel.title == "T1, as stored"
    assert "nan" not in panel.chart


def test_the_fullest_bin_may_leave_the_chart_and_no_other():
    values = np.where(LEVELS < 0.6, 0.0, LEVELS)[None].astype(np.float32)
    (panel,) = draw_intensities([Intensities("a", values)], ["T1"], Intensity("none"))
    (curve,) = heights(panel.chart)
    assert curve.count(min(curve)) == 2  # both corners of one bin
    assert sorted(set(curve))[1] == pytest.approx(6 + (220 - 36) * (1 - 1 / 1.1), abs=3)
