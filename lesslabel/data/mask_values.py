"""Masks of 0 and 255 that pass for label maps of which nothing but background is known."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lesslabel.data.case import IGNORE
from lesslabel.errors import DataError

_FIX = f"if it is a mask of 0 and {IGNORE}, save it as 0 and 1; otherwise annotate a label in it or leave it out"


def require_known_label(labels: NDArray[Any], where: Path | str) -> None:
    """Refuse a label map that has unknown voxels and, where it is known, nothing but background.

    Args:
        labels: any shape, `IGNORE` where unknown.
        where: the file, for messages.

    Raises:
        DataError: names the file, its values and the fix.
    """
    if (labels == IGNORE).any() and not _has_label(labels):
        raise DataError(
            f"{where}: known nowhere but in the background (values {_show(labels)}; {IGNORE} = unknown); {_FIX}"
        )


def is_mask(labels: NDArray[Any]) -> bool:
    """Whether a label map (z, y, x) holds 0 and 255 alone, side by side in one slice, or 255 everywhere.

    Some whole slices may be unknown in it: people annotate a few, and there may be nothing to annotate in these.
    """
    if _has_label(labels):
        return False
    unknown = (labels == IGNORE).reshape(len(labels), -1)
    return bool(unknown.all() or (unknown.any(axis=1) & ~unknown.all(axis=1)).any())


def require_no_mask(labels: NDArray[Any], where: Path | str) -> None:
    """Refuse a dense label map that is a mask; see `is_mask`.

    Args:
        labels: (z, y, x), `IGNORE` where unknown.
        where: the file, or the case and its annotation, for messages.

    Raises:
        DataError: names the file, its values and the fix.
    """
    if is_mask(labels):
        require_known_label(labels, where)


def _has_label(labels: NDArray[Any]) -> bool:
    return bool(((labels != 0) & (labels != IGNORE)).any())


def _show(labels: NDArray[Any]) -> str:
    return " and ".join(str(value) for value in np.unique(labels).tolist())
