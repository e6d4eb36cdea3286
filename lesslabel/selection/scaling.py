"""Scale features before distances are taken."""

import numpy as np
from numpy.typing import NDArray


def to_unit_length(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Divide each row by its Euclidean length.

    Args:
        features: (N, D); rows of NaN and of zeros stay as they are.

    Returns:
        (N, D) float32, a new array.
    """
    length = np.sqrt(np.einsum("nd,nd->n", features, features, dtype=np.float64))
    length[~(length > 0.0)] = 1.0
    scaled: NDArray[np.float32] = (features / length[:, None]).astype(np.float32)
    return scaled


def standardise(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give every column mean 0 and standard deviation 1 over the rows that have a feature.

    Args:
        features: (N, D); a row of NaN for an image without a feature.

    Returns:
        (N, D) float32, a new array; a constant column is 0, a row of NaN stays.
    """
    whole = features[~np.isnan(features[:, 0])].astype(np.float64)
    if not len(whole):
        return features.copy()
    mean, deviation = whole.mean(axis=0), whole.std(axis=0)
    deviation[deviation < 1e-12] = np.inf
    scaled: NDArray[np.float32] = ((features - mean) / deviation).astype(np.float32)
    return scaled
