"""Pictures and label maps to train the general clicker on, read from stores into memory."""

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from lesslabel.data.case import IGNORE, Annotation, Case, Kind
from lesslabel.data.store.finite import require_finite
from lesslabel.data.store.store import Store
from lesslabel.errors import DataError

LONGEST_VOXEL = 256
"""Longer side of a picture in memory."""
MOST_SLICES = 12
"""Slices of a volume, spread evenly over those with labels."""
VALIDATION_SHARE = 10
"""One patient in this many is for validation."""
_LEAST_VOXELS = 40


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture, or a slice of a volume, with its labels.

    Attributes:
        image: (C, y, x) uint8, of one to three channels.
        labels: (y, x) uint8, `IGNORE` where unknown.
        half: the image at half of its size, for windows that are shown smaller.
        validation: whether it is left out of training, by its patient.
    """

    image: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    half: NDArray[np.uint8]
    validation: bool

    @property
    def classes(self) -> list[int]:
        """Labels with enough voxels."""
        counts = np.bincount(self.labels.ravel(), minlength=IGNORE + 1)
        counts[[0, IGNORE]] = 0
        return np.flatnonzero(counts >= _LEAST_VOXELS).tolist()


def read_pictures(store: Store) -> list[Picture]:
    """Read the pictures and slices of a store that have dense labels.

    Raises:
        DataError: if there are none, or an image has voxels that are NaN or infinite.
    """
    found = [picture for uid in store.records for picture in _of_case(store, uid)]
    if not found:
        raise DataError(f"{store.path}: no case with dense labels; name another store")
    return found


def read_label_maps(folder: Path) -> list[NDArray[np.uint8]]:
    """Read slices of the label maps (NIfTI) of a folder, to make images from.

    Raises:
        DataError: if there are none.
    """
    import nibabel

    found = []
    for path in sorted(folder.rglob("*.nii*")):
        volume = np.asarray(nibabel.load(path).dataobj).astype(np.uint8)  # type: ignore[attr-defined]
        for index in _spread(np.flatnonzero(volume.any(axis=(0, 1)))):
            labels = volume[:, :, index].T
            step = max(1, round(max(labels.shape) / LONGEST_VOXEL))
            found.append(np.ascontiguousarray(labels[::step, ::step]))
    if not found:
        raise DataError(f"{folder}: no label maps (*.nii, *.nii.gz)")
    return found


def _of_case(store: Store, uid: str) -> Iterator[Picture]:
    case = store.read(uid)
    dense = next((each for each in case.annotations.values() if each.kind is Kind.DENSE), None)
    if dense is not None:
        require_finite(case.image, f"{store.case_path(uid)}: image", store.path)
        yield from pictures_of(case, dense)


def pictures_of(case: Case, dense: Annotation) -> Iterator[Picture]:
    """The slices of a case on which a dense annotation has labels."""
    low, high = np.percentile(case.image, (0.5, 99.5), axis=(1, 2, 3), keepdims=True)
    scaled = np.clip((case.image - low) / np.maximum(high - low, 1e-6), 0, 1)
    known = (dense.labels > 0) & (dense.labels != IGNORE)
    validation = zlib.crc32(case.patient.encode()) % VALIDATION_SHARE == 0
    for index in _spread(np.flatnonzero(known.sum(axis=(1, 2)) >= _LEAST_VOXELS)):
        image = torch.from_numpy(np.ascontiguousarray(scaled[:3, index], np.float32))
        labels = torch.from_numpy(np.ascontiguousarray(dense.labels[index]))
        factor = LONGEST_VOXEL / max(image.shape[1:])
        if factor < 1:
            size = tuple(max(1, round(side * factor)) for side in image.shape[1:])
            image = F.interpolate(image[None], size, mode="bilinear", antialias=True)[0]
            labels = F.interpolate(labels[None, None].float(), size, mode="nearest-exact")[0, 0].to(torch.uint8)
        thin = min(image.shape[1:]) < 2  # a side of one voxel has no half
        half = image if thin else F.interpolate(image[None], scale_factor=0.5, mode="bilinear", antialias=True)[0]
        picture = Picture(_bytes(image), labels.numpy(), _bytes(half), validation)
        if picture.classes:
            yield picture


def _bytes(image: torch.Tensor) -> NDArray[np.uint8]:
    return (image * 255).round().clamp(0, 255).to(torch.uint8).numpy()


def _spread(indices: NDArray[np.int64]) -> Sequence[int]:
    if len(indices) > MOST_SLICES:
        indices = indices[np.linspace(0, len(indices) - 1, MOST_SLICES).round().astype(np.int64)]
    return [int(index) for index in indices]
