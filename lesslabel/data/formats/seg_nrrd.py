"""Segmentations of 3D Slicer (``.seg.nrrd``): segments with names and colours in layers, so that they may overlap.

The extension of NRRD is described in the developer guide of 3D Slicer, "Segmentations".
"""

import gzip
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lesslabel.data.case import IGNORE
from lesslabel.data.formats.grid import lay_on_grid
from lesslabel.data.formats.nifti import NiftiVolume
from lesslabel.data.formats.nifti_header import Spacing
from lesslabel.data.formats.nrrd import list_segments, read_nrrd_file
from lesslabel.errors import DataError
from lesslabel.files import written_aside

Overlaps = Literal["refuse", "unknown", "last"]
Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Segment:
    """One named segment.

    Attributes:
        name: its name.
        value: of its voxels in its layer.
        layer: the index of its layer.
        colour: red, green and blue in [0, 1]; None if the file has none.
    """

    name: str
    value: int
    layer: int = 0
    colour: Colour | None = None


@dataclass(frozen=True, eq=False)
class SegNrrd:
    """The content of a ``.seg.nrrd``.

    Attributes:
        layers: (layer, z, y, x) whole numbers.
        segments: in the order of the file; none if the program that wrote it knows no segments.
        spacing_mm: voxel size (z, y, x).
        affine: 4×4, voxel (x, y, z, 1) to RAS+ mm.
        path: the file.
    """

    layers: NDArray[Any]
    segments: tuple[Segment, ...]
    spacing_mm: Spacing
    affine: NDArray[np.float64]
    path: Path

    def mask(self, segment: Segment) -> NDArray[np.bool_]:
        """The voxels (z, y, x) of a segment."""
        return np.asarray(self.layers[segment.layer] == segment.value)

    def flatten(self, codes: Mapping[str, int], overlaps: Overlaps = "refuse", outside: int = 0) -> NDArray[np.uint8]:
        """Make one label map (z, y, x) of all segments.

        Args:
            codes: label code by segment name; every segment must be in it.
            overlaps: the rule for a voxel in several segments: ``refuse`` the file, make it ``unknown``, or
                give it to the ``last`` in the order of the file.
            outside: the value of voxels outside all segments.

        Raises:
            DataError: if segments overlap and the rule is to refuse, or a layer holds a value without a segment.
        """
        self.require_named()
        labels = np.full(self.layers.shape[1:], outside, dtype=np.uint8)
        claimed = np.zeros(labels.shape, dtype=bool)
        for segment in self.segments:
            mask = self.mask(segment)
            twice = claimed & mask
            if overlaps == "refuse" and twice.any():
                raise DataError(
                    f"{self.path}: '{segment.name}' overlaps others on {np.count_nonzero(twice)} voxels; separate them,"
                    " or say with --overlaps what they become"
                )
            labels[mask] = codes[segment.name]
            if overlaps == "unknown":
                labels[twice] = IGNORE
            claimed |= mask
        return labels

    def place_on(self, image: NiftiVolume) -> "SegNrrd":
        """Extend the segmentation to the grid of an image; 3D Slicer may have saved a part of it only.

        Raises:
            DataError: if voxels do not match voxels of the image, or segments leave it.
        """
        if self.layers.shape == (1, 1, 1, 1) and not self.layers.any():  # 3D Slicer saves an empty segmentation so
            layers = np.zeros((1, *image.array.shape[-3:]), dtype=self.layers.dtype)
        else:
            layers = np.stack([lay_on_grid(layer, self.affine, image, self.path) for layer in self.layers])
        return replace(self, layers=layers, spacing_mm=image.spacing_mm, affine=image.affine)

    def require_named(self) -> None:
        """Refuse voxels of a value without a segment, which would be lost.

        Raises:
            DataError: if a layer holds such a value.
        """
        for index, layer in enumerate(self.layers):
            values = [segment.value for segment in self.segments if segment.layer == index]
            strange = np.setdiff1d(np.unique(layer), [0, *values])
            if strange.size:
                expected = ", ".join(map(str, sorted({0, *values})))
                raise DataError(f"{self.path}: label value {strange[0]} is not known; expected {expected}; draw anew")


def read_segmentation(path: Path) -> SegNrrd:
    """Read a ``.seg.nrrd``, or a plain NRRD, which has no segments.

    Raises:
        DataError: if the file is absent or damaged, a segment has no layer, or two segments share a name.
    """
    file = read_nrrd_file(path)
    colours = {
        name: _parse_colour(file.metadata.get(f"{key.removesuffix('Name')}Color", ""))
        for key, name in file.metadata.items()
        if key.endswith("_Name")
    }
    segments = [
        Segment(segment.name, segment.value, segment.layer, colours[segment.name])
        for segment in list_segments(path, file.metadata)
    ]
    volume = file.volume
    for segment in segments:
        if segment.layer >= len(volume.array):
            raise DataError(f"{path}: segment '{segment.name}' is on layer {segment.layer}, which is not there")
    if not np.issubdtype(volume.array.dtype, np.integer):
        raise DataError(f"{path}: voxels are {volume.array.dtype}; save it as a binary labelmap")
    return SegNrrd(volume.array, tuple(segments), volume.spacing_mm, volume.affine, Path(path))


def write_segmentation(path: Path, segmentation: SegNrrd) -> None:
    """Write a ``.seg.nrrd`` that 3D Slicer opens directly: LPS, compressed, the same bytes every time.

    Args:
        path: the file; `segmentation.path` is ignored.
        segmentation: layers with values from 0 to 255.

    Raises:
        DataError: if a value is not within 0 to 255, a name has a line break, or the file cannot be written.
    """
    layers = segmentation.layers
    if layers.min(initial=0) < 0 or layers.max(initial=0) > np.iinfo(np.uint8).max:
        raise DataError(f"{path}: segment values must be 0 to 255, got {layers.min()} to {layers.max()}")
    for segment in segmentation.segments:
        if len(segment.name.splitlines()) != 1:
            raise DataError(f"{path}: segment name {segment.name!r}; use one line of text")
    several = len(layers) > 1
    # NRRD names the fastest axis first
    values = np.moveaxis(layers, 0, -1) if several else layers[0]
    to_lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ segmentation.affine
    directions = [_vector(axis) for axis in to_lps[:3, :3].T]
    lines = [
        "NRRD0004",
        "type: uint8",
        f"dimension: {values.ndim}",
        "space: left-posterior-superior",
        f"sizes: {' '.join(map(str, values.shape[::-1]))}",
        f"space directions: {' '.join((['none'] if several else []) + directions)}",
        f"kinds: {' '.join((['list'] if several else []) + ['domain'] * 3)}",
        "encoding: gzip",
        f"space origin: {_vector(to_lps[:3, 3])}",
    ]
    for index, segment in enumerate(segmentation.segments):
        lines += [f"Segment{index}_{key}:={value}" for key, value in _describe(segmentation, index, segment).items()]
    lines += [
        "Segmentation_ContainedRepresentationNames:=Binary labelmap|",
        "Segmentation_MasterRepresentation:=Binary labelmap",
        "Segmentation_SourceRepresentation:=Binary labelmap",
        "Segmentation_ReferenceImageExtentOffset:=0 0 0",
    ]
    content = gzip.compress(np.ascontiguousarray(values, dtype=np.uint8).tobytes(), 4, mtime=0)
    with written_aside(path) as aside:
        aside.write_bytes("\n".join([*lines, "", ""]).encode("utf-8") + content)


def _describe(segmentation: SegNrrd, index: int, segment: Segment) -> dict[str, str]:
    described = {
        "ID": f"Segment_{index + 1}",
        "Name": segment.name,
        "NameAutoGenerated": "0",
        "LabelValue": str(segment.value),
        "Layer": str(segment.layer),
        "Extent": " ".join(f"0 {side - 1}" for side in segmentation.layers.shape[:0:-1]),
        "Tags": "|",
    }
    if segment.colour is not None:
        described |= {"Color": " ".join(f"{part:g}" for part in segment.colour), "ColorAutoGenerated": "0"}
    return described


def _vector(values: NDArray[np.float64]) -> str:
    # adding 0 turns -0 into 0
    return "(" + ",".join(f"{value + 0.0:.17g}" for value in values) + ")"


def _parse_colour(text: str) -> Colour | None:
    try:
        red, green, blue = (float(part) for part in text.split())
    except ValueError:
        return None  # the program chooses a colour
    return red, green, blue
