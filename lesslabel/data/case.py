"""A case: one image of one patient with its geometry and any number of named annotations."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from itertools import product

import numpy as np
from numpy.typing import NDArray

from lesslabel.errors import DataError

IGNORE = 255
"""The value of an unknown voxel in every label map: uint8 on disk, int64 in a batch."""


Subvolume = tuple[slice, slice, slice]
"""A rectangular region of a case, (z, y, x), with starts and stops inside the image."""


@dataclass(frozen=True, order=True)
class Box:
    """A rectangular part of a case, in voxels of the case's own grid.

    Attributes:
        corner: its first voxel (z, y, x).
        size: (z, y, x), each 1 or more.
    """

    corner: tuple[int, int, int]
    size: tuple[int, int, int]

    @classmethod
    def parse(cls, text: str) -> "Box":
        """Read the text that `str` makes.

        Raises:
            ValueError: if it is not six whole numbers, the corner 0 or more, the size 1 or more.
        """
        box = cls.of([int(word) for word in text.split()])
        if min(box.corner) < 0 or min(box.size) < 1:
            raise ValueError(f"'{text}' is no part of a volume")
        return box

    @classmethod
    def of(cls, numbers: Sequence[int]) -> "Box":
        """Make it of its corner and size in one row, as files and features keep them.

        Raises:
            ValueError: if it is not six numbers.
        """
        z, y, x, depth, height, width = numbers
        return cls((z, y, x), (depth, height, width))

    def __str__(self) -> str:
        return " ".join(map(str, (*self.corner, *self.size)))

    @property
    def stop(self) -> tuple[int, int, int]:
        """The voxel after the last one (z, y, x)."""
        (z, y, x), (depth, height, width) = self.corner, self.size
        return z + depth, y + height, x + width

    @property
    def subvolume(self) -> Subvolume:
        """The same as slices."""
        z, y, x = (slice(start, stop) for start, stop in zip(self.corner, self.stop, strict=True))
        return z, y, x

    @property
    def slices(self) -> tuple[int, ...]:
        """The z indices of the slices that it touches."""
        return tuple(range(self.corner[0], self.stop[0]))

    def fits(self, shape: Sequence[int]) -> bool:
        """Whether it lies inside an image of this shape (z, y, x)."""
        return all(stop <= side for stop, side in zip(self.stop, shape, strict=True))

    def crop(self, subvolume: Subvolume) -> "Box | None":
        """Its part inside a region, counted from the region's first voxel; None if they share no voxel."""
        ends = [span.indices(2**31)[:2] for span in subvolume]
        first = [max(start, low) for start, (low, _) in zip(self.corner, ends, strict=True)]
        last = [min(stop, high) for stop, (_, high) in zip(self.stop, ends, strict=True)]
        if any(start >= stop for start, stop in zip(first, last, strict=True)):
            return None
        z, y, x = (start - low for start, (low, _) in zip(first, ends, strict=True))
        depth, height, width = (stop - start for start, stop in zip(first, last, strict=True))
        return Box((z, y, x), (depth, height, width))

    def on_grid(self, shape: Sequence[int], grid: Sequence[int]) -> "Box":
        """The same part of another grid over the same field of view; voxels on its border belong to it.

        Args:
            shape: (z, y, x) of the case.
            grid: (z, y, x) of the other grid.
        """
        z, y, x = (start * new // old for start, old, new in zip(self.corner, shape, grid, strict=True))
        ends = [-(-stop * new // old) for stop, old, new in zip(self.stop, shape, grid, strict=True)]
        depth, height, width = (end - start for end, start in zip(ends, (z, y, x), strict=True))
        return Box((z, y, x), (depth, height, width))


def tile(shape: Sequence[int], size_voxel: Sequence[int]) -> list[Box]:
    """Cut a volume into boxes side by side, in the order of their corners; every voxel is in exactly one.

    Args:
        shape: (z, y, x) of the volume.
        size_voxel: (z, y, x) of a box; those at the far ends are smaller where the sides are no multiples of it.
    """
    steps = [range(0, side, step) for side, step in zip(shape, size_voxel, strict=True)]
    boxes = []
    for z, y, x in product(*steps):
        depth, height, width = (
            min(step, side - start) for start, step, side in zip((z, y, x), size_voxel, shape, strict=True)
        )
        boxes.append(Box((z, y, x), (depth, height, width)))
    return boxes


def keep_inside(labels: NDArray[np.uint8], boxes: Iterable[Box]) -> None:
    """Make every voxel outside some boxes unknown, in place.

    Args:
        labels: (z, y, x), changed.
        boxes: what stays; none makes all voxels unknown.
    """
    outside = np.ones(labels.shape, np.bool_)
    for box in boxes:
        outside[box.subvolume] = False
    labels[outside] = IGNORE


class Kind(IntEnum):
    """How an annotation was made. ``NONE`` marks a case or slice without labels in the experiment."""

    NONE = 0
    DENSE = 1
    SCRIBBLE = 2
    POINTS = 3
    BOX = 4
    PSEUDO = 5


@dataclass(frozen=True)
class Effort:
    """What an annotation cost a person, as counted while they drew.

    Attributes:
        active_s: seconds of work; pauses over a minute are cut off.
        clicks: points that were clicked.
        strokes: lines, brush strokes and outlines, each drawn in one go.
        slices: how many slices were looked at, along any axis.
        prompts: how often each kind of prompt and tool was used, by name.
        prelabel_dice: Dice of the map that the work began with and the finished one, mean over labels; None if it began
            with nothing.
    """

    active_s: float
    clicks: int = 0
    strokes: int = 0
    slices: int = 0
    prompts: tuple[tuple[str, int], ...] = ()
    prelabel_dice: float | None = None


@dataclass(frozen=True, eq=False)
class Annotation:
    """One label map of a case.

    Attributes:
        labels: (z, y, x) uint8, the source's label codes, `IGNORE` where unknown.
        kind: how it was made.
        author: who or what made it (``"rater1"``, ``"pseudo/<run>"``), free text without patient data.
        time: when it was made, ISO 8601, or empty if unknown.
        covered_labels: the label codes that this annotation covers, without background; None means all. An organ that
            nobody annotated is not background.
        covered_slices: the z indices that this annotation covers; None means all.
        confidence: optional (z, y, x) float32 in [0, 1].
        effort: what it cost, if that was counted.
    """

    labels: NDArray[np.uint8]
    kind: Kind
    author: str = ""
    time: str = ""
    covered_labels: tuple[int, ...] | None = None
    covered_slices: tuple[int, ...] | None = None
    confidence: NDArray[np.float32] | None = None
    effort: Effort | None = None

    def crop(self, subvolume: Subvolume) -> "Annotation":
        """Crop the annotation to a region of its case."""
        return replace(
            self,
            labels=self.labels[subvolume],
            covered_slices=crop_slices(self.covered_slices, subvolume),
            confidence=None if self.confidence is None else self.confidence[subvolume],
        )


def crop_slices(slices: Iterable[int] | None, subvolume: Subvolume) -> tuple[int, ...] | None:
    """The z indices inside a region, counted from its first slice; None, all slices, stays None."""
    first, end, _ = subvolume[0].indices(2**31)
    return None if slices is None else tuple(index - first for index in slices if first <= index < end)


NO_PLACE = (0, 0)
"""The codes of a NIfTI header without sform and qform, whose image nibabel and ITK place differently."""


@dataclass(frozen=True, eq=False)
class Qform:
    """The second place of an image, which ITK may take: by a qform that disagrees with the sform, or by no form at all.

    Attributes:
        affine: 4×4, maps the voxel (x, y, z, 1) to RAS+ mm by the qform; without forms, as ITK does.
        codes: what the header calls its forms: sform_code and qform_code; `NO_PLACE` without forms.
    """

    affine: NDArray[np.float64]
    codes: tuple[int, int]

    def moved(self, matrix: NDArray[np.float64]) -> "Qform":
        """The same for voxels that a 4×4 matrix maps to the voxels of this one."""
        return Qform(self.affine @ matrix, self.codes)


@dataclass(frozen=True, eq=False)
class Case:
    """One image of one patient.

    Attributes:
        uid: the case's name, unique in its store, without patient data if the source has none.
        patient: splits divide by patient; several cases may have the same patient.
        image: (C, z, y, x) float32; a 2D image has z = 1.
        spacing_mm: voxel size in mm in the order (z, y, x).
        affine: 4×4, maps the voxel (x, y, z, 1) to scanner RAS+ mm as NIfTI does; None if the source has none.
        centre: the hospital it came from.
        modality: ``"cine-MR"``, ``"CT"`` …
        group: the official part this case belongs to, if its source has one (``"train"``, ``"TestSet"``).
        annotations: label maps by name (``"dense"``, ``"scribble"``, ``"rater1"``, ``"pseudo/<run>"``).
        qform: the second place that the source states, if it disagrees with `affine`; None if there is one place.
    """

    uid: str
    patient: str
    image: NDArray[np.float32]
    spacing_mm: tuple[float, float, float]
    affine: NDArray[np.float64] | None = None
    centre: str = ""
    modality: str = ""
    group: str = ""
    annotations: Mapping[str, Annotation] = field(default_factory=dict)
    qform: Qform | None = None

    def __post_init__(self) -> None:
        if self.image.ndim != 4:
            raise DataError(f"case {self.uid}: image must be (C, z, y, x), got shape {self.image.shape}")
        for name, annotation in self.annotations.items():
            if annotation.labels.shape != self.image.shape[1:]:
                raise DataError(
                    f"case {self.uid}: annotation '{name}' has shape {annotation.labels.shape}, "
                    f"the image {self.image.shape[1:]}; both must come from the same grid"
                )
            if annotation.confidence is not None and annotation.confidence.shape != annotation.labels.shape:
                raise DataError(
                    f"case {self.uid}: the confidence of annotation '{name}' has shape {annotation.confidence.shape}, "
                    f"its labels {annotation.labels.shape}; both must come from the same grid"
                )

    @property
    def shape(self) -> tuple[int, int, int]:
        """The grid (z, y, x) in voxels."""
        depth, height, width = self.image.shape[1:]
        return depth, height, width
