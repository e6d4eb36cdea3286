"""Numbers that a network can take: finite, and close enough to each other for single precision."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lesslabel.errors import DataError

_LARGEST_RANGE = float(np.finfo(np.float32).max)


def count_not_finite(values: NDArray[Any]) -> int:
    """How many values are NaN or infinite."""
    return int(values.size - np.count_nonzero(np.isfinite(values)))


def is_within_float32(values: NDArray[Any]) -> bool:
    """Whether differences of the values, which are finite, are finite in single precision: what normalising needs."""
    return float(values.max()) - float(values.min()) <= _LARGEST_RANGE


def require_finite(values: NDArray[Any], what: str, store: Path) -> None:
    """Refuse values that are NaN or infinite, or too far apart for single precision.

    Args:
        values: any shape; nothing is refused if there are none.
        what: the file and the part of it, for messages.
        store: the store it belongs to.

    Raises:
        DataError: names them, how many are at fault, and the fix.
    """
    if strange := count_not_finite(values):
        raise DataError(
            f"{what} has {strange} voxels that are NaN or infinite; run `lesslabel verify {store}`, replace them "
            "in the raw data and prepare the store again"
        )
    if values.size and not is_within_float32(values):
        raise DataError(
            f"{what} reaches from {values.min():g} to {values.max():g}, too far for single precision; correct the raw "
            "data and prepare the store again"
        )
