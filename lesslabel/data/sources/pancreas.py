"""Pancreas-CT: the pancreas in 82 contrast-enhanced abdominal CTs of the NIH Clinical Center, two of them withdrawn.

Roth et al., "DeepOrgan: Multi-level Deep Convolutional Networks for Automated Pancreas Segmentation", MICCAI 2015; the
data: The Cancer Imaging Archive, doi 10.7937/K9/TCIA.2016.tNB1kqBU.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lesslabel.data.case import Annotation, Case, Kind
from lesslabel.data.formats.dicom import read_series
from lesslabel.data.formats.grid import lay_on
from lesslabel.data.formats.nifti import NiftiVolume, read_image, read_label_map
from lesslabel.data.sources.base import RawCase, Source
from lesslabel.data.sources.checks import sorted_unique, to_codes
from lesslabel.data.sources.isotropic import IsotropicGrid, crop_around
from lesslabel.errors import ConfigError, DataError

WINDOW_HU = (-125.0, 275.0)
"""The range of intensities in the published preprocessing."""

_FOLDER = re.compile(r"PANCREAS_(\d{4})")
_IMAGE = re.compile(r"(?:PANCREAS_|image)(\d{4})\.nii(?:\.gz)?")
_LABEL = re.compile(r"label(\d{4})\.nii(?:\.gz)?")
_MARGIN_VOXEL = 25
_PATCH_VOXEL = 96
_SPACING_TOLERANCE = 0.01


class Pancreas(Source):
    """Pancreas-CT with the preprocessing of published semi-supervised results.

    Images are ``PANCREAS_0001/…/*.dcm`` as in the archive, or ``PANCREAS_0001.nii.gz`` or ``image0001.nii.gz``;
    labels are ``label0001.nii.gz``. They may lie anywhere below RAW. A case is ``PANCREAS_0001`` in every layout.

    On reading, an image is resampled to 1 mm (cubic B-spline; labels: nearest), clipped to −125 to 275 HU, cropped to
    the pancreas with a margin of 25 voxels, and at least 96 voxels where the image has them, on each axis, and given
    zero mean and unit variance. Without a label the image is not cropped.

    Args:
        raw: folder with either layout.
        label_order: how the voxels of a label map are matched with its image. ``header``: by its header, with axes in
            another order or direction if needed; a header of another grid than the image's is refused. ``stored``:
            voxel for voxel with the image as stored, a series in the order of InstanceNumber, as public code pairs the
            published label maps; of the header only the voxel size counts. ``y``, ``z``, ``yz`` …: the same with these
            axes reversed, such as ``y`` for images converted by a program that turns rows upside down.

    Raises:
        ConfigError: if `label_order` is none of these.
    """

    name = "pancreas"
    labels: Mapping[int, str] = MappingProxyType({1: "pancreas"})
    withdrawn: Mapping[str, str] = MappingProxyType(
        {"PANCREAS_0025": "PANCREAS_0002", "PANCREAS_0070": "PANCREAS_0002"}
    )

    def __init__(self, raw: Path, label_order: str = "header") -> None:
        super().__init__(raw)
        reversible = bool(label_order) and set(label_order) <= set("xyz") and len(set(label_order)) == len(label_order)
        if label_order not in ("header", "stored") and not reversible:
            raise ConfigError(
                f"pancreas: label_order is '{label_order}'; choose header, stored, or the axes to reverse, such as y"
            )
        self.label_order = label_order

    def list_cases(self) -> list[RawCase]:
        """List the images by number, with their labels; see `Source.list_cases`."""
        labels: dict[str, Path] = {}
        for number, path in self._find(_LABEL, "label*.nii*"):
            if labels.setdefault(number, path) != path:
                raise DataError(f"{path}: label {number} is also in {labels[number]}; keep one, or pass a folder below")
        cases = []
        for number, image in [*self._find_series(), *self._find(_IMAGE, "*.nii*")]:
            uid = f"PANCREAS_{number}"
            files = {"image": image, "dense": labels[number]} if number in labels else {"image": image}
            cases.append(RawCase(uid=uid, patient=uid, files=files))
        if not cases:
            raise DataError(
                f"{self.raw}: no Pancreas-CT data; expected PANCREAS_0001/…/*.dcm or PANCREAS_0001.nii.gz below it, "
                "and label0001.nii.gz"
            )
        return sorted_unique(cases)

    def read(self, raw: RawCase) -> Case:
        """Read one image; see `Source.read`."""
        image = _read_ct(raw.files["image"])
        grid = IsotropicGrid(image.array.shape, image.spacing_mm)
        labels, box = None, grid.whole
        if "dense" in raw.files:
            label_map = self._lay_on(image, read_label_map(raw.files["dense"]), raw.same_grid)
            labels = grid.nearest(to_codes(label_map, self.labels, raw.files["dense"]))
            if not labels.any():
                raise DataError(f"{raw.files['dense']}: no voxel is 1, the pancreas that the image is cropped to")
            box = crop_around(labels > 0, _MARGIN_VOXEL, _PATCH_VOXEL)
            labels = np.ascontiguousarray(labels[box])
        return Case(
            uid=raw.uid,
            patient=raw.patient,
            image=_normalised(grid.cubic(image.array, box), image.path)[None],
            spacing_mm=(1.0, 1.0, 1.0),
            affine=grid.affine(image.affine, box),
            modality="CT",
            annotations={} if labels is None else {"dense": Annotation(labels, Kind.DENSE)},
        )

    def _find(self, pattern: re.Pattern[str], glob: str) -> Iterator[tuple[str, Path]]:
        """Files by number; a Mac's ``._`` twins match no pattern."""
        for path in sorted(self.raw.rglob(glob)):
            if match := pattern.fullmatch(path.name):
                yield match[1], path

    def _find_series(self) -> Iterator[tuple[str, Path]]:
        """The first slice of every folder of a case that holds slices."""
        for folder in sorted(self.raw.rglob("PANCREAS_*")):
            if match := _FOLDER.fullmatch(folder.name):
                for series in sorted({path.parent for path in folder.rglob("*.dcm")}):
                    yield match[1], min(series.glob("*.dcm"))

    def _lay_on(self, image: NiftiVolume, label: NiftiVolume, same_grid: bool) -> NDArray[Any]:
        """The label map voxel for voxel with the image."""
        if self.label_order == "header" and not same_grid:
            return _by_header(image, label)
        stored = "" if self.label_order in ("header", "stored") else self.label_order
        same = label.array.shape == image.array.shape and np.allclose(
            label.spacing_mm, image.spacing_mm, rtol=_SPACING_TOLERANCE
        )
        if not same:
            raise DataError(
                f"{label.path}: {label.array.shape} voxels of {_show(label.spacing_mm)} mm (z, y, x), "
                f"{image.path.name} has {image.array.shape} of {_show(image.spacing_mm)} mm; they are not of one series"
            )
        laid: NDArray[Any] = np.flip(label.array, tuple("zyx".index(axis) for axis in stored))
        return laid


def _by_header(image: NiftiVolume, label: NiftiVolume) -> NDArray[Any]:
    try:
        return lay_on(image, label).array
    except DataError as error:
        raise DataError(
            f"{error}; if the header is wrong and the voxels are in the image's order, pass LABEL_ORDER stored, "
            "or the axes to reverse, and look at a case before training"
        ) from error


def _read_ct(path: Path) -> NiftiVolume:
    """One channel (z, y, x) in HU."""
    if path.suffix == ".dcm":
        return read_series(path.parent)
    image = read_image(path)
    if len(image.array) != 1:
        raise DataError(f"{path}: {len(image.array)} channels; expected a CT of one")
    return NiftiVolume(image.array[0], image.spacing_mm, image.affine, path)


def _normalised(values: NDArray[np.float32], path: Path) -> NDArray[np.float32]:
    values = np.clip(values, *WINDOW_HU)
    deviation = float(values.std(dtype=np.float64))
    if not deviation > 0.0:
        raise DataError(f"{path}: nothing between {WINDOW_HU[0]:g} and {WINDOW_HU[1]:g} HU; is it a CT in HU?")
    normalised: NDArray[np.float32] = ((values - values.mean(dtype=np.float64)) / deviation).astype(np.float32)
    return normalised


def _show(spacing_mm: tuple[float, float, float]) -> str:
    return "×".join(f"{side:.4g}" for side in spacing_mm)
