"""Maps of vectors."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from lesslabel.errors import ConfigError
from lesslabel.reports.adaptation.choice_map import drawn_together
from lesslabel.reports.adaptation.embedding import principal_components, project


@pytest.fixture
def vectors() -> np.ndarray:
    """Forty vectors of length 12, of different spread along every axis."""
    return np.random.default_rng(3).normal(5.0, np.arange(1, 13), (40, 12))


def test_principal_components_are_those_of_scikit_learn_up_to_sign(vectors):
    points, shares = principal_components(vectors.astype(np.float32))
    other = PCA(2, svd_solver="full").fit(vectors)
    expected = other.transform(vectors)
    signs = np.sign((points * expected).sum(axis=0))
    np.testing.assert_allclose(points, expected * signs, atol=1e-3)
    np.testing.assert_allclose(list(shares.values()), other.explained_variance_ratio_, rtol=1e-5)


def test_the_sign_does_not_depend_on_the_order_of_the_vectors(vectors):
    points, _ = principal_components(vectors)
    turned, _ = principal_components(vectors[::-1])
    np.testing.assert_allclose(points, turned[::-1], atol=1e-9)


def test_points_on_a_line_by_hand():
    points, shares = principal_components(np.array([[0.0, 0, 0], [3, 4, 0], [6, 8, 0]]))
    np.testing.assert_allclose(points, [[-5, 0], [0, 0], [5, 0]], atol=1e-12)
    assert shares == pytest.approx({"first": 1.0, "second": 0.0})


@pytest.mark.parametrize("given", [[[1.0, 2, 3]], [[2.0], [2.0]], [[0.0, 0], [0, 0]]])
def test_too_little_to_vary_is_one_place(given):
    points, shares = principal_components(np.array(given))
    assert not points.any()
    assert set(shares.values()) == {0.0}


def test_the_axes_say_how_much_they_show():
    assert project(np.array([[0.0, 0], [2, 0], [1, 1], [1, -1]]), "pca").axes == (
        "first principal component, 50% of the variance",
        "second principal component, 50% of the variance",
    )


def test_neighbours_stay_neighbours_and_a_seed_gives_one_map(vectors):
    groups = np.concatenate([vectors[:10], vectors[:10] + 500])
    points = project(groups, "tsne", seed=4).points
    assert points.shape == (20, 2)
    distance = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.fill_diagonal(distance, np.inf)
    assert ((distance.argmin(axis=1) < 10) == (np.arange(20) < 10)).all()
    np.testing.assert_array_equal(points, project(groups, "tsne", seed=4).points)


def test_what_cannot_be_mapped_is_refused(vectors):
    with pytest.raises(ConfigError, match="map: 'umap' is not one of pca, tsne"):
        project(vectors, "umap")
    with pytest.raises(ConfigError, match="at least, here are 3; use pca"):
        project(vectors[:3], "tsne")


def test_far_points_are_drawn_nearer_in_the_same_order():
    points = np.array([[0.0, 7], [1, 7], [2, 7], [3, 7], [1002, 7]])
    drawn = drawn_together(points)
    # median 2, deviations 2, 1, 0, 1, 1000, of which the median is 1
    np.testing.assert_allclose(drawn[:, 0], [np.arcsinh(-2), np.arcsinh(-1), 0, np.arcsinh(1), np.arcsinh(1000)])
    assert not drawn[:, 1].any()
