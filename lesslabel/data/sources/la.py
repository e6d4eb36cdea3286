"""LA: the left atrium in late gadolinium enhanced MR, 100 volumes of the 2018 challenge.

Xiong et al., "A global benchmark of algorithms for segmenting the left atrium from late gadolinium-enhanced cardiac
magnetic resonance imaging", Medical Image Analysis 2021. The h5 layout and its lists: Yu et al., "Uncertainty-aware
self-ensembling model for semi-supervised 3D left atrium segmentation", MICCAI 2019.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from lesslabel.data.case import Annotation, Case, Kind
from lesslabel.data.formats.grid import lay_on
from lesslabel.data.formats.hdf5 import DAMAGE, read_array
from lesslabel.data.formats.nrrd import read_nrrd
from lesslabel.data.sources.base import RawCase, Source
from lesslabel.data.sources.checks import sorted_unique, to_codes
from lesslabel.errors import ConfigError, DataError
from lesslabel.files import require_regular

SPACING_MM = (0.625, 0.625, 0.625)
"""Voxel size of the whole challenge; the h5 files hold none."""

TRAIN_LISTS = ("train.list", "la_train.list")
TEST_LISTS = ("test.list", "la_test.list")

_VOLUME = "mri_norm2.h5"
_IMAGE, _LABEL = "lgemri.nrrd", "laendo.nrrd"
_CAVITY = 255
_PATCH_VOXEL = (112, 112)
"""(y, x) size of the patch in the published crop."""
_MARGIN_VOXEL = (10, 20)
"""Least margin, and one more than the largest, of each side in the published crop."""


class LA(Source):
    """The left atrium in the layout of semi-supervised benchmarks, or in that of the challenge.

    The h5 layout is ``<ID>/mri_norm2.h5`` with ``image`` and ``label`` as (x, y, z), cropped around the atrium and
    normalised. The challenge's is ``<ID>/lgemri.nrrd`` with ``laendo.nrrd`` (255 is the cavity) beside it; it gets
    the same treatment: zero mean and unit variance over the whole image, then in x and y, not in z, a crop to the
    atrium plus room for a patch of 112 voxels plus a margin of 10 to 19 voxels for each side. The published margins
    were random without a seed; here they are a deterministic function of the ID. Without a label the image is not
    cropped. Folders may lie in RAW or one level below it.

    Args:
        raw: folder with either layout.
        train_list: text file with one ID per line. Its cases come first, in its order, with the group ``train``. By
            default ``train.list`` or ``la_train.list`` in RAW or its parent, if there is one.
        test_list: the same for the group ``test``; by default ``test.list`` or ``la_test.list``.
        spacing_mm: ``"z,y,x"`` of the h5 layout; by default the challenge's 0.625 in all directions.
    """

    name = "la"
    labels: Mapping[int, str] = MappingProxyType({1: "left atrium"})

    def __init__(
        self,
        raw: Path,
        train_list: Path | None = None,
        test_list: Path | None = None,
        spacing_mm: str | None = None,
    ) -> None:
        super().__init__(raw)
        train = self._read_list(train_list, TRAIN_LISTS)
        test = self._read_list(test_list, TEST_LISTS)
        if shared := sorted(set(train) & set(test)):
            raise DataError(f"{self.raw}: case {shared[0]} is in the training and in the test list; keep it in one")
        self.group_of = dict.fromkeys(train, "train") | dict.fromkeys(test, "test")
        self.spacing_mm = SPACING_MM if spacing_mm is None else _parse_spacing(spacing_mm)

    def list_cases(self) -> list[RawCase]:
        """List the listed cases in their order, then the others by name; see `Source.list_cases`."""
        found = [
            RawCase(uid=(uid := path.parent.name), patient=uid, files=files, group=self.group_of.get(uid, ""))
            for pattern in (f"*/{_VOLUME}", f"*/*/{_VOLUME}", f"*/{_IMAGE}", f"*/*/{_IMAGE}")
            for path in self.raw.glob(pattern)
            if (files := _files_of(path))
        ]
        if not found:
            raise DataError(
                f"{self.raw}: no LA data; expected <ID>/{_VOLUME} or <ID>/{_IMAGE} in it or one level below"
            )
        rank = {uid: index for index, uid in enumerate(self.group_of)}
        return sorted(sorted_unique(found), key=lambda case: rank.get(case.uid, len(rank)))

    def read(self, raw: RawCase) -> Case:
        """Read one volume; see `Source.read`."""
        return self._read_volume(raw) if raw.files["image"].name == _VOLUME else self._read_challenge(raw)

    def _read_list(self, path: Path | None, names: tuple[str, ...]) -> list[str]:
        """IDs of the list that was passed or is found; none if there is no list."""
        candidates = [folder / name for folder in (self.raw, self.raw.resolve().parent) for name in names]
        path = path or next((candidate for candidate in candidates if candidate.is_file()), None)
        if path is None:
            return []
        try:
            return path.read_text(encoding="utf-8").split()
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"{path}: not a readable list of IDs, one a line ({error})") from error

    def _read_volume(self, raw: RawCase) -> Case:
        path = raw.files["image"]
        require_regular(path)
        try:
            with h5py.File(path, "r") as volume:
                arrays = {key: read_array(volume, key).T for key in ("image", "label") if key in list(volume)}
        except DAMAGE as error:
            reason = " ".join(str(error).split())
            raise DataError(f"{path}: not a readable h5 file ({reason}); copy it again") from error
        for key in ("image", "label"):
            if key not in arrays:
                raise DataError(f"{path}: holds no dataset '{key}'; expected image and label of shape (x, y, z)")
        image, labels = arrays["image"], arrays["label"]
        if image.ndim != 3 or labels.shape != image.shape:
            raise DataError(
                f"{path}: 'label' is {labels.T.shape}, the image {image.T.shape}; both must be of one (x, y, z)"
            )
        return self._case(raw, image, to_codes(labels, self.labels, path), self.spacing_mm, None)

    def _read_challenge(self, raw: RawCase) -> Case:
        image = read_nrrd(raw.files["image"])
        normalised = _normalised(image.array, image.path)
        if "dense" not in raw.files:
            return self._case(raw, normalised, None, image.spacing_mm, image.affine)
        label = lay_on(image, read_nrrd(raw.files["dense"]), same_grid=raw.same_grid)
        # 255 is the cavity in these files, and means unknown in lesslabel
        if strange := sorted(set(np.unique(label.array).tolist()) - {0, _CAVITY}):
            raise DataError(
                f"{label.path}: label value {strange[0]:g} is not known; expected 0 and {_CAVITY}; copy it again"
            )
        cavity = label.array == _CAVITY
        if not cavity.any():
            raise DataError(f"{label.path}: no voxel is {_CAVITY}, the cavity that the image is cropped to; correct it")
        y, x = crop_around(cavity, raw.uid)
        affine = image.affine.copy()
        affine[:3, 3] += image.affine[:3, :3] @ (x.start, y.start, 0)
        return self._case(raw, normalised[:, y, x], cavity[:, y, x].astype(np.uint8), image.spacing_mm, affine)

    def _case(
        self,
        raw: RawCase,
        image: NDArray[Any],
        labels: NDArray[np.uint8] | None,
        spacing_mm: tuple[float, float, float],
        affine: NDArray[np.float64] | None,
    ) -> Case:
        return Case(
            uid=raw.uid,
            patient=raw.patient,
            image=np.ascontiguousarray(image[None], dtype=np.float32),
            spacing_mm=spacing_mm,
            affine=affine,
            modality="LGE-MR",
            group=raw.group,
            annotations={} if labels is None else {"dense": Annotation(np.ascontiguousarray(labels), Kind.DENSE)},
        )


def crop_around(mask: NDArray[np.bool_], uid: str) -> tuple[slice, slice]:
    """The published crop in y and x.

    Args:
        mask: (z, y, x), not empty.
        uid: the case; the margins are a deterministic function of it.

    Returns:
        Slices along y and x.
    """
    generator = np.random.default_rng(list(hashlib.sha256(uid.encode()).digest()))
    slices = []
    for axis, patch in ((1, _PATCH_VOXEL[0]), (2, _PATCH_VOXEL[1])):
        inside = np.flatnonzero(mask.any(axis=tuple(other for other in range(3) if other != axis)))
        first, last = int(inside[0]), int(inside[-1])
        room = max(patch - (last - first), 0) // 2
        before, after = (int(margin) for margin in generator.integers(*_MARGIN_VOXEL, size=2))
        # the last voxel is the end of the slice, so one voxel is missing, as published
        slices.append(slice(max(first - before - room, 0), min(last + after + room, mask.shape[axis])))
    return slices[0], slices[1]


def _files_of(image: Path) -> dict[str, Path]:
    """The files of one case; of a folder with both layouts the h5 file is read."""
    if image.name == _VOLUME:
        return {"image": image}
    if image.with_name(_VOLUME).exists():
        return {}
    label = image.with_name(_LABEL)
    return {"image": image, "dense": label} if label.exists() else {"image": image}


def _normalised(image: NDArray[Any], path: Path) -> NDArray[np.float32]:
    deviation = float(image.std(dtype=np.float64))
    if not deviation > 0.0:
        raise DataError(f"{path}: the image is constant or not finite; copy it again")
    normalised: NDArray[np.float32] = ((image - image.mean(dtype=np.float64)) / deviation).astype(np.float32)
    return normalised


def _parse_spacing(text: str) -> tuple[float, float, float]:
    try:
        z, y, x = (float(side) for side in text.split(","))
    except ValueError:
        z = y = x = 0.0
    if not all(0.0 < side < np.inf for side in (z, y, x)):
        raise ConfigError(f"la: spacing_mm is '{text}'; give three positive numbers in mm, z,y,x")
    return z, y, x
