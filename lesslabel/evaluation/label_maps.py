"""Check two label maps and convert them for the kernels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lesslabel.data.case import IGNORE
from lesslabel.errors import ConfigError, DataError
from lesslabel.kernels.regions import Codes, mark_present, recode

HIGHEST_CODE = 65535


def find_thin_axis(shape: Sequence[int]) -> int | None:
    """The axis along which a 3D grid has one slice; None for a volume, a 2D grid, and a grid of a single line."""
    thin = [axis for axis, size in enumerate(shape) if size == 1]
    return thin[0] if len(shape) == 3 and len(thin) == 1 else None


@dataclass(frozen=True, eq=False)
class RegionPair:
    """Two label maps recoded: region i + 1 is the i-th label to score, 0 is everything else.

    Attributes:
        pred: (z, y, x) region indices; a 2D map, and a single slice along any axis, has z = 1.
        ref: (z, y, x) region indices.
        labels: code or name of every region.
        planar: true if the maps are 2D, or a single slice.
        thin_axis: the axis of a 3D map along which it is a single slice, which is left out here; None otherwise.
    """

    pred: Codes
    ref: Codes
    labels: tuple[int | str, ...]
    planar: bool
    thin_axis: int | None = None


def pair_regions(pred: ArrayLike, ref: ArrayLike, labels: Sequence[int] | Mapping[int, str] | None) -> RegionPair:
    """Recode two label maps so that only the labels to score remain; voxels with an unknown reference become 0.

    Raises:
        DataError: if the maps are not 2D or 3D integer maps of one shape, or hold codes that are not labels.
        ConfigError: if `labels` holds the same code twice or one that is not a label.
    """
    pred_codes, ref_codes = _label_codes(pred, "pred"), _label_codes(ref, "ref")
    if pred_codes.shape != ref_codes.shape:
        raise DataError(
            f"pred has shape {pred_codes.shape}, ref {ref_codes.shape}; resample the prediction to the reference's grid"
        )
    in_pred, in_ref = _present_codes(pred_codes), _present_codes(ref_codes)
    if in_pred[IGNORE]:
        raise DataError(
            f"pred holds {IGNORE}, the code of an unknown voxel; a prediction must name a label or 0 everywhere "
            f"(save a mask of 0 and {IGNORE} as 0 and 1, or pass it as bool)"
        )
    unknown = ref_codes == IGNORE if in_ref[IGNORE] else None
    if unknown is not None:
        in_pred = _present_codes(pred_codes[~unknown])
    names = _labels_to_score(labels, in_pred | in_ref)
    index_of: Codes = np.zeros(HIGHEST_CODE + 1, np.uint8 if len(names) < 256 else np.uint16)
    index_of[list(names)] = np.arange(1, len(names) + 1)
    thin_axis = find_thin_axis(pred_codes.shape)
    planar = pred_codes.ndim == 2 or thin_axis is not None
    # without an axis of length 1 the voxels keep their order in memory
    in_plane = [size for axis, size in enumerate(pred_codes.shape) if axis != thin_axis]
    shape = (1, *in_plane) if planar else tuple(in_plane)
    pred_regions = recode(pred_codes.ravel(), index_of).reshape(shape)
    ref_regions = recode(ref_codes.ravel(), index_of).reshape(shape)
    if unknown is not None:
        pred_regions[unknown.reshape(shape)] = 0
    return RegionPair(pred_regions, ref_regions, tuple(names.values()), planar, thin_axis)


def _label_codes(label_map: ArrayLike, name: str) -> NDArray[np.integer]:
    codes = np.asarray(label_map)
    if codes.dtype == np.bool_:
        codes = codes.view(np.uint8)
    if codes.dtype.kind not in "iu":
        raise DataError(
            f"{name} has type {codes.dtype}; a label map holds integers or bool "
            "(take the argmax of probabilities, cast whole numbers with .astype(np.uint8))"
        )
    if codes.ndim not in (2, 3) or codes.size == 0:
        raise DataError(f"{name} has shape {codes.shape}; a label map is a non-empty (y, x) or (z, y, x) array")
    lowest, highest = int(codes.min()), int(codes.max())
    if lowest < 0 or highest > HIGHEST_CODE:
        wrong = lowest if lowest < 0 else highest
        raise DataError(f"{name} holds the code {wrong}; label codes lie in 0–{HIGHEST_CODE}, {IGNORE} is unknown")
    return np.ascontiguousarray(codes)


def _present_codes(codes: NDArray[np.integer]) -> NDArray[np.bool_]:
    present = np.zeros(HIGHEST_CODE + 1, np.bool_)
    mark_present(codes.ravel(), present)
    return present


def _labels_to_score(
    labels: Sequence[int] | Mapping[int, str] | None, present: NDArray[np.bool_]
) -> dict[int, int | str]:
    """Return code → name in the given order; by default all present codes without background and IGNORE."""
    if labels is None:
        return {int(code): int(code) for code in np.flatnonzero(present) if code not in (0, IGNORE)}
    names: dict[int, int | str] = {}
    for code in labels:
        if not isinstance(code, int | np.integer) or not 0 <= code <= HIGHEST_CODE or code == IGNORE:
            raise ConfigError(f"labels: {code!r} is no label code; give integers in 0–{HIGHEST_CODE} except {IGNORE}")
        if int(code) in names:
            raise ConfigError(f"labels: the code {code} is given twice; name each label once")
        names[int(code)] = labels[code] if isinstance(labels, Mapping) else int(code)
    if len(set(names.values())) < len(names):
        raise ConfigError("labels: two codes have one name; give each label its own, or merge the codes in the maps")
    return names
