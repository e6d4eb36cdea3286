"""The number types of the arrays in a case file: the expected ones, and those that other programs may write."""

from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np

from lesslabel.data.formats.hdf5 import DAMAGE, read_array

WrongType = tuple[str, str, str]
"""Name of an array, its type, the expected type."""


def find_wrong_types(path: Path) -> list[WrongType]:
    """The arrays of a case file with another type than expected; none if the file cannot be opened."""
    if not path.is_file():
        return []
    try:
        with h5py.File(path, "r") as file:
            return [(name, _describe(file[name]), str(np.dtype(dtype))) for name, dtype in _wrong(file)]
    except DAMAGE:
        return []


def correct_types(path: Path) -> bool:
    """Convert the arrays in a case file to the expected types.

    Args:
        path: a copy of the case file, changed in place; if the result is False, do not use it.

    Returns:
        Whether no value changed.
    """
    try:
        with h5py.File(path, "r+") as file:
            return all(_convert(file, name, dtype) for name, dtype in list(_wrong(file)))
    except DAMAGE:
        return False


def _wrong(file: h5py.File) -> Iterator[tuple[str, type[np.generic]]]:
    expected: dict[str, type[np.generic]] = {"image": np.float32}
    for name in file.get("annotations", {}):
        expected |= {f"annotations/{name}/labels": np.uint8, f"annotations/{name}/confidence": np.float32}
    for name, dtype in expected.items():
        dataset = file.get(name)
        if not isinstance(dataset, h5py.Dataset):
            continue
        as_it_should = dataset.dtype == dtype or (name == "image" and dataset.dtype == np.int16)
        if not as_it_should or dataset.chunks is None:  # an array without chunks has no checksums
            yield name, dtype


def _describe(dataset: h5py.Dataset) -> str:
    return str(dataset.dtype) if dataset.chunks else f"{dataset.dtype} without checksums"


def _convert(file: h5py.File, name: str, dtype: type[np.generic]) -> bool:
    values = read_array(file, name)
    with np.errstate(invalid="ignore", over="ignore"):
        converted = values.astype(dtype)
    if not np.array_equal(converted, values, equal_nan=values.dtype.kind == "f"):
        return False
    del file[name]
    file.create_dataset(name, data=converted, chunks=True)
    return True
