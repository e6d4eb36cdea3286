"""Project vectors of many dimensions to points on a page."""

from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lesslabel.errors import ConfigError

Projection = Literal["pca", "tsne"]


class Plane(NamedTuple):
    """Points on a page.

    Attributes:
        points: (N, 2) float64.
        axes: labels of the horizontal and the vertical axis.
    """

    points: NDArray[np.float64]
    axes: tuple[str, str]


def project(vectors: NDArray[np.floating[Any]], projection: Projection, seed: int = 0) -> Plane:
    """Project vectors to two dimensions.

    Args:
        vectors: (N, D), finite.
        projection: ``pca``, principal components, keeps distances as far as a plane can and needs no seed; ``tsne``
            (van der Maaten and Hinton, Visualizing data using t-SNE, JMLR 2008) keeps neighbours together, while
            distances between groups mean nothing.
        seed: of ``tsne``.

    Raises:
        ConfigError: if there is no such projection, or ``tsne`` gets fewer than four vectors.
    """
    if projection == "pca":
        points, shares = principal_components(vectors)
        first, second = (f"{name} principal component, {share:.0%} of the variance" for name, share in shares.items())
        return Plane(points, (first, second))
    if projection != "tsne":
        raise ConfigError(f"map: '{projection}' is not one of pca, tsne")
    return Plane(_neighbour_embedding(vectors, seed), ("", ""))


def principal_components(vectors: NDArray[np.floating[Any]]) -> tuple[NDArray[np.float64], dict[str, float]]:
    """Compute the coordinates of vectors along the two directions in which they vary most.

    The sign of a direction is free; here its largest entry is positive, so that equal vectors give equal maps.

    Args:
        vectors: (N, D), finite; N and D at least 1.

    Returns:
        (N, 2) coordinates about the mean, and the share of the variance of each, ``first`` and ``second``.
    """
    centred = np.asarray(vectors, dtype=np.float64) - np.mean(vectors, axis=0, dtype=np.float64)
    _, widths, directions = np.linalg.svd(centred, full_matrices=False)
    directions = directions[:2]
    largest = np.abs(directions).argmax(axis=1)
    directions *= np.where(directions[range(len(directions)), largest] < 0, -1.0, 1.0)[:, None]
    points = np.zeros((len(centred), 2))
    points[:, : len(directions)] = centred @ directions.T
    variance = np.zeros(2)
    variance[: len(directions)] = np.square(widths[:2])
    shares = variance / max(float(np.square(widths).sum()), np.finfo(np.float64).tiny)
    return points, dict(zip(("first", "second"), shares.tolist(), strict=True))


def _neighbour_embedding(vectors: NDArray[np.floating[Any]], seed: int) -> NDArray[np.float64]:
    if len(vectors) < 4:
        raise ConfigError(f"map: tsne needs four images and references at least, here are {len(vectors)}; use pca")
    # imported here since it takes a second and the default does not need it
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    # at most 30 neighbours, as published for many images; every neighbourhood must be smaller than the whole
    embedding: Any = TSNE(perplexity=min(30.0, (len(vectors) - 1) / 3), init="pca", random_state=seed)
    with threadpool_limits(limits=1):  # with several threads the order of a sum is not deterministic
        points = embedding.fit_transform(np.asarray(vectors, dtype=np.float64))
    return np.asarray(points, dtype=np.float64)
