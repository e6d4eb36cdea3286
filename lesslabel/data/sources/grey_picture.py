"""Grey pictures, which some layouts use for slices or label maps."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lesslabel.data.formats.pictures import read_picture
from lesslabel.errors import DataError


def read_grey(path: Path) -> NDArray[Any]:
    """Read a picture of one channel and one page as (y, x), in the file's number type; two levels are 0 and 1.

    Raises:
        DataError: if the file is absent or damaged, or has colours.
    """
    values = read_picture(path).array
    if values.shape[:2] != (1, 1):
        raise DataError(f"{path}: {values.shape[0]} channels, {values.shape[1]} pages; expected one grey picture")
    grey: NDArray[Any] = values[0, 0]
    return grey.astype(np.uint8) if grey.dtype == np.bool_ else grey
