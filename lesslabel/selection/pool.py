"""The pool of images and annotation units that strategies choose from."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lesslabel.errors import DataError

_COLUMNS = ("foreground_voxel", "entropy", "margin", "least_confidence", "mutual_information", "deviation")
BLOCK_ROWS = 4096
"""Rows processed together, so that no pass over the features needs a second copy of them."""


@dataclass(frozen=True, eq=False)
class Annotated:
    """The units that earlier rounds annotated.

    Attributes:
        features: (M, D) float32, in the same feature space as the pool; a row of NaN for a unit without a feature.
        patients: (M,) name of each unit's patient; None if unknown.
        rounds: the number of earlier rounds.
        own_rounds: how many of them the strategy that ranks now has ranked.
    """

    features: NDArray[np.float32]
    patients: NDArray[np.str_] | None = None
    rounds: int = 1
    own_rounds: int = 0

    @property
    def whole_features(self) -> NDArray[np.float32]:
        """The rows that have a feature."""
        whole: NDArray[np.float32] = self.features[~np.isnan(self.features[:, 0])]
        return whole


@dataclass(frozen=True, eq=False)
class Pool:
    """Images to choose from, one per row, and the annotation units that they belong to.

    Without `groups` every image is a unit, and the index of a unit is its row. With `groups` a unit is all images with
    one name (the slices of a case), and the units are the sorted names.

    Attributes:
        features: (N, D), kept as float32; a row of NaN for an image without a feature, because no foreground was
            predicted.
        foreground_voxel: (N,) predicted foreground of each image; None assumes foreground in images with a feature.
        entropy: (N,) mean entropy per pixel, 0 or more.
        margin: (N,) mean difference of the two largest probabilities per pixel, in [0, 1].
        least_confidence: (N,) mean of 1 − the largest probability per pixel, in [0, 1].
        groups: (N,) name of each image's unit.
        patients: (N,) name of each image's patient; None makes every unit a patient of its own.
        mutual_information: (N,) mean over pixels of H(mean p) − mean H(p) over several predictions, 0 or more.
        deviation: (N,) mean over pixels and classes of the standard deviation of p over several predictions.
        class_entropy: (N, C) sum of the entropy over the pixels predicted as each class, divided by all pixels; the row
            sums to `entropy`.
        class_shares: (N, C) share of the pixels predicted as each class; a row sums to 1.
        gradients: (N, G) gradient of the loss by the last layer, if the prediction were true.
        annotated: the units of earlier rounds, which are not in the pool; None in the first round.
        has_feature: (N,) bool, which images have a feature.
        unit_names: sorted names of the units, or None without groups.
        unit_of_row: (N,) int64, index of each image's unit.

    Raises:
        DataError: if a column does not have N finite values, or a feature is infinite or NaN in part.
    """

    features: NDArray[np.float32]
    foreground_voxel: NDArray[np.integer[Any]] | None = None
    entropy: NDArray[np.floating[Any]] | None = None
    margin: NDArray[np.floating[Any]] | None = None
    least_confidence: NDArray[np.floating[Any]] | None = None
    groups: NDArray[np.str_] | None = None
    patients: NDArray[np.str_] | None = None
    mutual_information: NDArray[np.floating[Any]] | None = None
    deviation: NDArray[np.floating[Any]] | None = None
    class_entropy: NDArray[np.floating[Any]] | None = None
    gradients: NDArray[np.floating[Any]] | None = None
    class_shares: NDArray[np.floating[Any]] | None = None
    annotated: Annotated | None = None
    has_feature: NDArray[np.bool_] = field(init=False, repr=False)
    unit_names: NDArray[np.str_] | None = field(init=False, repr=False)
    unit_of_row: NDArray[np.int64] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        features, has_feature = check_features(self.features, "features")
        rows = len(features)
        for name in _COLUMNS:
            if getattr(self, name) is not None:
                _set(self, name, _check_column(getattr(self, name), rows, name))
        for name in ("class_entropy", "class_shares", "gradients"):
            if getattr(self, name) is not None:
                _set(self, name, _check_table(getattr(self, name), rows, name))
        if self.patients is not None:
            _set(self, "patients", np.asarray(self.patients, dtype=np.str_))
            _require_length(np.asarray(self.patients), rows, "patients")
        names, unit_of_row = None, np.arange(rows)
        if self.groups is not None:
            groups = np.asarray(self.groups, dtype=np.str_)
            _require_length(groups, rows, "groups")
            _set(self, "groups", groups)
            names, unit_of_row = np.unique(groups, return_inverse=True)
        _set(self, "features", features)
        _set(self, "has_feature", has_feature)
        _set(self, "unit_names", names)
        _set(self, "unit_of_row", unit_of_row)

    @property
    def unit_count(self) -> int:
        """Number of units."""
        return len(self.features) if self.unit_names is None else len(self.unit_names)

    @property
    def has_foreground(self) -> NDArray[np.bool_]:
        """Which images have predicted foreground: (N,) bool."""
        return self.has_feature if self.foreground_voxel is None else self.foreground_voxel > 0

    @property
    def unit_has_feature(self) -> NDArray[np.bool_]:
        """Which units have an image with a feature: (units,) bool."""
        return self.any_in_unit(self.has_feature)

    @property
    def unit_patients(self) -> NDArray[np.int64]:
        """Index of each unit's patient, in the order of names; without `patients` every unit has its own: (units,)."""
        if self.patients is None:
            return np.arange(self.unit_count)
        return np.unique(self.patients[self._first_rows()], return_inverse=True)[1].astype(np.int64)

    def turns_of_patients(self) -> NDArray[np.int64]:
        """How many units of each unit's patient earlier rounds annotated: (units,)."""
        if self.patients is None or self.annotated is None or self.annotated.patients is None:
            return np.zeros(self.unit_count, np.int64)
        names, counts = np.unique(self.annotated.patients, return_counts=True)
        before = dict(zip(names.tolist(), counts.tolist(), strict=True))
        of_units = self.patients[self._first_rows()].tolist()
        return np.array([before.get(name, 0) for name in of_units], np.int64)

    def annotated_features(self) -> NDArray[np.float32]:
        """The features of earlier rounds: (M, D), without rows of NaN.

        Raises:
            DataError: if their length is not that of the pool's features.
        """
        length = self.features.shape[1]
        if self.annotated is None:
            return np.empty((0, length), np.float32)
        before = self.annotated.whole_features
        if before.shape[1] != length:
            raise DataError(f"annotated: features of length {before.shape[1]}, those of the pool have {length}")
        return before

    def _first_rows(self) -> NDArray[np.int64]:
        """The first image of each unit."""
        return np.unique(self.unit_of_row, return_index=True)[1].astype(np.int64)

    def any_in_unit(self, rows: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Which units have one of these rows: (units,) bool."""
        result: NDArray[np.bool_] = np.bincount(self.unit_of_row, rows, self.unit_count) > 0
        return result

    def unit_means(self, values: NDArray[np.floating[Any]], rows: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Average one value per image over the chosen images of each unit.

        Args:
            values: (N,).
            rows: (N,) bool, the chosen images.

        Returns:
            (units,); NaN for a unit without a chosen image.
        """
        units = self.unit_of_row[rows]
        totals = np.bincount(units, values[rows], self.unit_count)
        counts = np.bincount(units, minlength=self.unit_count)
        means: NDArray[np.float64] = np.divide(totals, counts, out=np.full(self.unit_count, np.nan), where=counts > 0)
        return means

    def unit_features(self) -> NDArray[np.float32]:
        """Average the features of each unit's images that have one.

        Returns:
            (units, D) float32, a row of NaN for a unit that has none; without groups the features themselves.
        """
        return self.average_in_units(self.features, self.has_feature)

    def average_in_units(self, values: NDArray[np.float32], chosen: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Average rows over the chosen images of each unit.

        Args:
            values: (N, D) float32.
            chosen: (N,) bool.

        Returns:
            (units, D) float32, a row of NaN for a unit without a chosen image; without groups the values themselves.
        """
        if self.groups is None:
            return values
        means = np.full((self.unit_count, values.shape[1]), np.nan, np.float32)
        rows = np.flatnonzero(chosen)
        rows = rows[np.argsort(self.unit_of_row[rows], kind="stable")]
        units, starts, counts = np.unique(self.unit_of_row[rows], return_index=True, return_counts=True)
        for unit, start, count in zip(units, starts, counts, strict=True):
            means[unit] = values[rows[start : start + count]].mean(axis=0, dtype=np.float64)
        return means


def check_features(features: ArrayLike, name: str) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Check features, and find the rows that have one.

    Args:
        features: (N, D) numbers; a row of NaN means no feature.
        name: their name in an error.

    Returns:
        The features as contiguous float32, copied only if needed, and (N,) bool.

    Raises:
        DataError: if the shape is wrong, or a row is infinite or partly NaN.
    """
    given = np.asarray(features)
    if given.ndim != 2 or given.shape[1] == 0 or given.dtype.kind not in "fiu":
        raise DataError(f"{name}: {given.dtype} of shape {given.shape}; pass numbers, one row per image")
    with np.errstate(over="ignore"):  # values beyond float32 become infinite and raise an error below
        checked = np.ascontiguousarray(given, dtype=np.float32)
    has_feature = np.empty(len(checked), np.bool_)
    for start in range(0, len(checked), BLOCK_ROWS):
        block = checked[start : start + BLOCK_ROWS]
        finite = np.isfinite(block).all(axis=1)
        has_feature[start : start + BLOCK_ROWS] = finite
        for row in np.flatnonzero(~finite):
            if not np.isnan(block[row]).all():
                raise DataError(f"{name}: row {start + row} is infinite or NaN in part; extract this image again")
    return checked, has_feature


def _check_column(values: ArrayLike, rows: int, name: str) -> NDArray[Any]:
    column = np.asarray(values)
    if column.dtype.kind not in "fiu":
        raise DataError(f"{name}: {column.dtype}; pass numbers, one for each image")
    _require_length(column, rows, name)
    if not np.isfinite(column).all():
        raise DataError(f"{name}: row {int(np.argmin(np.isfinite(column)))} is not finite; predict this image again")
    return column


def _check_table(values: ArrayLike, rows: int, name: str) -> NDArray[np.float32]:
    table = np.asarray(values)
    if table.ndim != 2 or len(table) != rows or table.shape[1] == 0 or table.dtype.kind not in "fiu":
        raise DataError(
            f"{name}: {table.dtype} of shape {table.shape}; pass a row of numbers for each of {rows} images"
        )
    if not np.isfinite(table).all():
        row = int(np.argmin(np.isfinite(table).all(axis=1)))
        raise DataError(f"{name}: row {row} is not finite; predict this image again")
    return np.ascontiguousarray(table, dtype=np.float32)


def _require_length(column: NDArray[Any], rows: int, name: str) -> None:
    if column.shape != (rows,):
        raise DataError(f"{name}: shape {column.shape}; pass one value for each of the {rows} images")


def _set(pool: Pool, name: str, value: object) -> None:
    object.__setattr__(pool, name, value)  # sets a field of the frozen instance during construction
