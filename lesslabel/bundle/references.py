"""References that may leave a hospital: none is the mean of too few patients."""

import numpy as np
from numpy.typing import NDArray

from lesslabel.errors import ConfigError, DataError


def join_references(
    references: NDArray[np.float32], features: NDArray[np.float32], patients: NDArray[np.str_], min_patients: int
) -> tuple[NDArray[np.float32], tuple[int, ...]]:
    """Merge clusters of too few patients with their nearest cluster.

    K-means gives an outlying image its own cluster, and the mean of one image is the feature of that image: a
    picture of 16×16 cells of the predicted structure. So, of the clusters of too few patients, the one whose
    mean is nearest to another's joins that one, until each has enough. Clusters of enough patients that nothing joins
    keep their mean.

    Args:
        references: (K, D) means of the features of each cluster.
        features: (N, D), finite.
        patients: (N,) the patient of each image.
        min_patients: the least number of patients of each reference; 1 removes only references without an image.

    Returns:
        (K', D) means, K' ≤ K; the number of patients of each.

    Raises:
        ConfigError: if `min_patients` is below 1.
        DataError: if there are fewer patients.
    """
    everybody = len(set(patients.tolist()))
    if min_patients < 1:
        raise ConfigError(f"min_patients: {min_patients}; pass 1 or more")
    if everybody < min_patients:
        raise DataError(
            f"{everybody} training patients have a predicted foreground, {min_patients} behind each reference were "
            "asked for; ask for fewer, or train longer"
        )
    means = dict(enumerate(references.astype(np.float64)))
    nearest = np.full(len(features), np.inf)
    cluster = np.empty(len(features), np.int64)
    for index, mean in means.items():
        distance = np.square(features - mean).sum(axis=1)
        cluster[distance < nearest] = index
        nearest = np.minimum(distance, nearest)
    support = {index: len(set(patients[cluster == index].tolist())) for index in means}
    while too_few := [index for index, count in support.items() if count < min_patients]:
        pairs = [(one, other) for one in too_few for other in means if other != one]
        one, other = min(pairs, key=lambda pair: _squared_distance(means[pair[0]], means[pair[1]]))
        cluster[cluster == one] = other
        del means[one], support[one]
        means[other] = features[cluster == other].mean(axis=0, dtype=np.float64)
        support[other] = len(set(patients[cluster == other].tolist()))
    return np.stack(list(means.values())).astype(np.float32), tuple(support[index] for index in means)


def _squared_distance(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    return float(np.square(one - other).sum())
