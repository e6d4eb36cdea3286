"""Generated scribbles: inside their structures, as sparse as those that people draw."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from lesslabel.data.case import IGNORE
from lesslabel.data.weak_labels.scribbles import scribble_from_labels


def rings(depth: int = 3, size: int = 96) -> np.ndarray:
    """A disc (3) in a ring (2) beside a crescent (1), the same on every slice."""
    y, x = np.ogrid[:size, :size]
    radius = np.hypot(y - size / 2, x - size / 2)
    labels = np.zeros((size, size), np.uint8)
    labels[np.hypot(y - size / 2, x - size / 3) < 0.22 * size] = 1
    labels[radius < 0.2 * size] = 2
    labels[radius < 0.12 * size] = 3
    return np.repeat(labels[None], depth, axis=0)


@settings(max_examples=60)
@given(
    labels=arrays(
        np.uint8,
        st.tuples(st.integers(1, 2), st.integers(1, 24), st.integers(1, 24)),
        elements=st.sampled_from([0, 1, 7, 254, IGNORE]),
    ),
    seed=st.integers(0, 99),
    thickness_voxel=st.integers(1, 3),
)
def test_never_leaves_its_structure_and_never_knows_the_unknown(labels, seed, thickness_voxel) -> None:
    scribble = scribble_from_labels(labels, np.random.default_rng(seed), thickness_voxel=thickness_voxel)
    assert scribble.shape == labels.shape
    assert scribble.dtype == np.uint8
    known = scribble != IGNORE
    np.testing.assert_array_equal(scribble[known], labels[known])


def test_every_structure_of_every_slice_gets_a_stroke() -> None:
    labels = rings()
    scribble = scribble_from_labels(labels, np.random.default_rng(0))
    for plane in scribble:
        assert set(np.unique(plane)) == {0, 1, 2, 3, IGNORE}


def test_every_part_of_a_structure_gets_a_stroke() -> None:
    labels = np.zeros((1, 40, 80), np.uint8)
    labels[0, 10:30, 10:25] = labels[0, 5:35, 50:58] = 1
    scribble = scribble_from_labels(labels, np.random.default_rng(0))
    parts, count = ndimage.label(labels == 1)
    assert count == 2
    assert set(np.unique(parts[scribble == 1])) == {1, 2}


def test_strokes_are_thin() -> None:
    scribble = scribble_from_labels(rings(), np.random.default_rng(0))
    for code in (0, 1, 2, 3):
        thick = [ndimage.binary_erosion(plane == code, np.ones((3, 3))).any() for plane in scribble]
        assert not any(thick)


def test_thickness_widens_the_strokes() -> None:
    thin, thick = (
        scribble_from_labels(rings(), np.random.default_rng(0), thickness_voxel=width, gap=0.0) for width in (1, 2)
    )
    assert (thick[thin != IGNORE] != IGNORE).all()
    assert 1.5 < (thick != IGNORE).sum() / (thin != IGNORE).sum() < 3.0


def test_omission_leaves_structures_out_but_not_the_background() -> None:
    scribble = scribble_from_labels(rings(), np.random.default_rng(0), omission=1.0)
    assert set(np.unique(scribble)) == {0, IGNORE}
    depth = 200
    half = scribble_from_labels(rings(depth, 32), np.random.default_rng(0), omission=0.5)
    drawn = (half == 2).any(axis=(1, 2)).sum()
    assert 75 < drawn < 125  # binomial, 3.5 standard deviations


def test_gap_shortens_the_strokes() -> None:
    lengths = [
        (scribble_from_labels(rings(20), np.random.default_rng(0), gap=gap) == 2).sum() for gap in (0.0, 0.2, 0.4)
    ]
    assert lengths[0] > lengths[1] > lengths[2] > 0.4 * lengths[0]


def test_a_slice_without_structures_gets_background() -> None:
    scribble = scribble_from_labels(np.zeros((1, 64, 64), np.uint8), np.random.default_rng(0))
    assert set(np.unique(scribble)) == {0, IGNORE}


def test_the_same_seed_draws_the_same() -> None:
    first, second, other = (scribble_from_labels(rings(), np.random.default_rng(seed)) for seed in (4, 4, 5))
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, other)


@pytest.mark.real
def test_as_sparse_as_real_scribbles(real_data) -> None:
    """Within a factor of two of what people drew, label by label, on real hearts."""
    import h5py

    drawn, generated = np.zeros(4), np.zeros(4)
    for index, path in enumerate(sorted((real_data / "acdc").rglob("*.h5"))):
        with h5py.File(path) as file:
            labels, real = file["label"][()], file["scribble"][()]
        made = scribble_from_labels(labels, np.random.default_rng(index))
        drawn += [(real == code).sum() for code in range(4)]
        generated += [(made == code).sum() for code in range(4)]
    assert (generated < 2 * drawn).all()
    assert (drawn < 2 * generated).all()
