"""K-means for the strategies."""

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

_MANY = 2_000_000  # clusters times features, above which Lloyd's algorithm takes a minute
_BATCH = 4096


def k_means(features: NDArray[np.float32], n_clusters: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Cluster by squared Euclidean distance.

    Lloyd's algorithm from one seeded k-means++ start, until it converges. One thread: with several, scikit-learn sums
    the centres in the order in which threads finish, and their last digits change from run to run. 100 000 features of
    length 256 and 10 clusters take one second on clustered data and ten on others, so the mini-batch approximation
    (Sculley, WWW 2010) is needed only for many clusters of many features, as the public code of TypiClust has it.

    Args:
        features: (N, D), finite.
        n_clusters: from 1 to N. Some stay empty if fewer rows differ.
        seed: random seed of the start.

    Returns:
        (n_clusters, D) centres; (N,) cluster of each row.
    """
    # imported here because it takes a second, and most strategies do not need it
    from sklearn.cluster import KMeans, MiniBatchKMeans
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits

    clustering: Any = KMeans(n_clusters, n_init=1, random_state=seed)
    if n_clusters * len(features) > _MANY:
        clustering = MiniBatchKMeans(n_clusters, n_init=1, random_state=seed, batch_size=_BATCH)
    with threadpool_limits(limits=1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer distinct rows than clusters
        clustering.fit(features)
    return clustering.cluster_centers_, clustering.labels_.astype(np.int64)
