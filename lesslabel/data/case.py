"""A case: one image of one patient with its geometry and any number of named annotations."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from lesslabel.errors import DataError

IGNORE = 255
"""The value of an unknown voxel in every label map: uint8 on disk, int64 in a batch."""


Subvolume = tuple[slice, slice, slice]
"""A rectangular region of a case, (z, y, x), with starts and stops inside the image."""


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
