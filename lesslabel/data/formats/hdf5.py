"""Read arrays of untrusted or damaged HDF5 files: absent data are an error and not filled in."""

from math import ceil, prod
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from lesslabel.data.case import Subvolume

DAMAGE = (OSError, KeyError, ValueError, TypeError, AttributeError, IndexError, RuntimeError, MemoryError)
"""Exceptions of h5py and of the functions here on damaged bytes."""

_NUMBERS = "iufb"
_LARGEST_RATIO = 1032
"""Bytes per byte of a compressed chunk: the largest ratio of deflate, more than that of lzf."""


def get_own(group: h5py.Group, name: str) -> Any:
    """Get an object of a group by name, in the same file only: an external link may lead to any other.

    Raises:
        KeyError: if there is no object of that name.
        ValueError: if it lies in another file.
    """
    found = group[name]
    if h5py.h5o.get_info(found.id).fileno != h5py.h5o.get_info(group.id).fileno:
        raise ValueError(f"'{name}' lies in another file")
    return found


def read_array(group: h5py.Group, name: str, subvolume: Subvolume | None = None) -> NDArray[Any]:
    """Read an array of numbers completely, or a subvolume in its last axes.

    Raises:
        KeyError: if there is no object of that name.
        ValueError: if it is no array of numbers, is in another file, is empty, or declares more than the file holds;
            HDF5 would fill absent data with zeros.
        OSError: if the file is damaged.
    """
    dataset = get_own(group, name)
    if not isinstance(dataset, h5py.Dataset) or dataset.dtype.kind not in _NUMBERS:
        raise ValueError(f"'{name}' is no array of numbers")
    if dataset.is_virtual or dataset.external:
        raise ValueError(f"'{name}' keeps its numbers in other files")
    if not dataset.size:
        raise ValueError(f"'{name}' is empty, {dataset.shape}")
    _require_stored(dataset, subvolume)
    values: NDArray[Any] = np.asarray(dataset[() if subvolume is None else (..., *subvolume)])
    return values


def _require_stored(dataset: h5py.Dataset, subvolume: Subvolume | None) -> None:
    """Refuse an array that declares more than is stored, before memory is allocated."""
    if dataset.chunks is not None:
        expected = prod(ceil(side / chunk) for side, chunk in zip(dataset.shape, dataset.chunks, strict=True))
        if (found := dataset.id.get_num_chunks()) != expected:
            raise ValueError(f"'{dataset.name}' has {found} chunks of {expected}")
    if subvolume is not None:
        return
    stored, ratio = dataset.id.get_storage_size(), 1 if dataset.chunks is None else _LARGEST_RATIO
    if dataset.nbytes > stored * ratio:
        raise ValueError(f"'{dataset.name}' declares {dataset.nbytes} bytes, the file holds {stored} of it")
