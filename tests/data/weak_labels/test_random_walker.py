"""Scribbles spread by a random walker: against the exact solution, and over a store."""

import numpy as np
import pytest

from lesslabel.cli import main
from lesslabel.data.case import IGNORE, Kind
from lesslabel.data.store import Store
from lesslabel.data.weak_labels.random_walker import spread_scribbles
from lesslabel.errors import ConfigError, DataError


def two_halves(noise: float = 0.05) -> tuple[np.ndarray, np.ndarray]:
    """Columns 0–5 dark, 6–11 bright, one stroke in each."""
    rng = np.random.default_rng(0)
    image = np.repeat((np.arange(12) >= 6).astype(float)[None], 10, axis=0)
    scribbles = np.full((10, 12), IGNORE, dtype=np.uint8)
    scribbles[3:7, 1], scribbles[3:7, 10] = 0, 3
    return image + noise * rng.normal(size=image.shape), scribbles


def probabilities_by_hand(image: np.ndarray, scribbles: np.ndarray, code: int, beta: float) -> np.ndarray:
    """The Dirichlet problem on the grid, with scikit-image's weights exp(−β·g² / (10·std)), solved densely."""
    places = list(np.ndindex(image.shape))
    index = {place: number for number, place in enumerate(places)}
    laplacian = np.zeros((len(places), len(places)))
    for y, x in places:
        for other in ((y + 1, x), (y, x + 1)):
            if other in index:
                weight = np.exp(-beta / (10 * image.std()) * (image[y, x] - image[other]) ** 2) + 1e-10
                i, j = index[(y, x)], index[other]
                laplacian[[i, j], [j, i]] -= weight
                laplacian[[i, j], [i, j]] += weight
    known = (scribbles != IGNORE).ravel()
    reached = (scribbles == code).ravel().astype(float)
    solved = np.linalg.solve(laplacian[~known][:, ~known], -laplacian[~known][:, known] @ reached[known])
    reached[~known] = solved
    return reached.reshape(image.shape)


def test_a_pixel_gets_the_label_that_a_walker_reaches_first() -> None:
    image, scribbles = two_halves(noise=0.3)
    exact = probabilities_by_hand(image, scribbles, 3, 100.0)
    labels = spread_scribbles(image, scribbles, beta=100.0)
    sure = abs(exact - 0.5) > 0.05
    np.testing.assert_array_equal(labels[sure], np.where(exact > 0.5, 3, 0)[sure])
    unsure = spread_scribbles(image, scribbles, beta=100.0, confidence=0.9)
    far, near = np.maximum(exact, 1 - exact) > 0.95, np.maximum(exact, 1 - exact) < 0.85
    assert (unsure[far] != IGNORE).all()
    assert (unsure[near & (scribbles == IGNORE)] == IGNORE).all()


def test_an_edge_stops_the_walker() -> None:
    image, scribbles = two_halves()
    labels = spread_scribbles(image, scribbles)
    assert (labels[:, :6] == 0).all()
    assert (labels[:, 6:] == 3).all()


def test_one_label_fills_the_slice_and_none_leaves_it_unknown() -> None:
    image, scribbles = two_halves()
    assert (spread_scribbles(image, np.where(scribbles == 3, IGNORE, scribbles).astype(np.uint8)) == 0).all()
    assert (spread_scribbles(image, np.full_like(scribbles, IGNORE)) == IGNORE).all()


@pytest.fixture
def store(tmp_path):
    assert (
        main(["prepare", "phantom", "-", str(tmp_path / "store"), *["--cases", "3", "--size", "32", "--depth", "3"]])
        == 0
    )
    return Store(tmp_path / "store")


def test_every_case_gets_pseudo_labels_that_keep_its_scribbles(store) -> None:
    assert main(["spread", str(store.path), "--name", "walked"]) == 0
    again = Store(store.path)
    for uid in again.records:
        annotations = again.read(uid).annotations
        drawn, walked = annotations["scribble"].labels, annotations["walked"]
        assert walked.kind is Kind.PSEUDO
        assert "random walker from 'scribble'" in walked.author
        known = drawn != IGNORE
        np.testing.assert_array_equal(walked.labels[known], drawn[known])
        covered = known.any(axis=(1, 2))
        assert walked.covered_slices is None or list(walked.covered_slices) == np.flatnonzero(covered).tolist()
        assert (walked.labels[covered] != IGNORE).all()
        truth = annotations["dense"].labels[covered]
        assert (walked.labels[covered] == truth).mean() > 0.8


def test_bad_requests_are_refused(store) -> None:
    from lesslabel.data.store.spreading import spread_annotation

    with pytest.raises(DataError, match="no case has an annotation 'drawn'"):
        spread_annotation(store, "drawn", "walked")
    with pytest.raises(DataError, match="has an annotation 'dense' already"):
        spread_annotation(store, "scribble", "dense")
    with pytest.raises(ConfigError, match="beta -1"):
        spread_annotation(store, "scribble", "walked", beta=-1)


def test_a_slice_without_an_unknown_pixel_stays_as_it_is() -> None:
    image, _ = two_halves()
    drawn = np.where(np.arange(12) >= 6, np.uint8(3), np.uint8(0))[None].repeat(10, axis=0)
    np.testing.assert_array_equal(spread_scribbles(image, drawn), drawn)
