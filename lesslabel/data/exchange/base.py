"""A case for another program: file names without information, unchanged geometry, labels with names."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lesslabel.data.case import IGNORE, Annotation, Case
from lesslabel.data.exchange.queue_images import file_stem
from lesslabel.data.formats.nifti import write_image
from lesslabel.data.formats.tolerance import TOLERANCE_VOXEL
from lesslabel.errors import DataError

UNKNOWN = "unknown"
"""The name of voxels that are unknown in an annotation."""
ENDING = ".nii.gz"

_COLOURS = (  # of Okabe and Ito, which colour-blind people can distinguish
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (240, 228, 66),
    (0, 114, 178),
    (213, 94, 0),
    (204, 121, 167),
)
_GREY = (128, 128, 128)
_SCANNER = 1
"""The code of a NIfTI form in the coordinates of the scanner."""
_ORTHOGONAL = 1e-3
"""Largest cosine between two axes of the voxel grid; single precision rounds at about 1e-6."""


@dataclass(frozen=True, eq=False)
class ExportedCase:
    """One exported case.

    Attributes:
        stem: the beginning of its file names: a hash of the uid, which does not reveal it.
        case: its image and geometry.
        annotation: the exported annotation; None for none. Its labels are `IGNORE` outside the covered slices.
    """

    stem: str
    case: Case
    annotation: Annotation | None


@dataclass(frozen=True)
class Names:
    """The names of the store's labels and channels.

    Attributes:
        labels: codes and names, background left out.
        channels: names of the image channels.
    """

    labels: Mapping[int, str]
    channels: Sequence[str]


Writer = Callable[[Path, Iterator[ExportedCase], Names], None]


def exported_case(case: Case, annotation: str | None) -> ExportedCase:
    """Prepare a case for export.

    Raises:
        DataError: if programs that use ITK would display it elsewhere: its grid is sheared, or its affine contradicts
            its spacing.
    """
    if case.affine is not None:
        axes = case.affine[:3, :3] / np.linalg.norm(case.affine[:3, :3], axis=0)
        if np.abs(axes.T @ axes - np.eye(3)).max() > _ORTHOGONAL:
            raise DataError(
                f"case {case.uid}: its axes are not at right angles, which ITK programs cannot show; resample the raw "
                "image and prepare it again"
            )
        if (away_voxel := _displacement_voxel(case, case.affine)) > TOLERANCE_VOXEL:
            raise DataError(
                f"case {case.uid}: its affine contradicts its spacing, and ITK programs would show it {away_voxel:.2g} "
                "voxels from where it is; correct the header of the raw image and prepare it again"
            )
    taken = None if annotation is None else case.annotations.get(annotation)
    return ExportedCase(file_stem(case.uid), case, None if taken is None else _hide_uncovered(taken))


def require_all_labels(case: ExportedCase, codes: Mapping[int, str], program: str) -> None:
    """Refuse an annotation of some labels only, for files in which the others would appear as absent.

    Raises:
        DataError: names the case.
    """
    covered = case.annotation.covered_labels if case.annotation else None
    if covered is not None and not set(codes) <= set(covered):
        raise DataError(
            f"case {case.case.uid}: the annotation covers only {', '.join(codes[code] for code in covered)}, which "
            f"files of {program} cannot say; export it to slicer"
        )


def write_channels(folder: Path, case: Case, names: Sequence[str]) -> None:
    """Write an image, one file per channel: few programs display a NIfTI file of four dimensions as channels."""
    for name, channel in zip(names, case.image, strict=True):
        write_image(folder / name, channel, case.spacing_mm, case.affine, case.qform)


def image_names(case: ExportedCase) -> list[str]:
    """The files of a case's channels, named as `lesslabel select --images` does."""
    return [f"{case.stem}{f'_channel{index}' if index else ''}{ENDING}" for index in range(len(case.case.image))]


def colour_of(code: int) -> tuple[int, int, int]:
    """Red, green and blue in 0 to 255, the same for a code in every program."""
    return _GREY if code == IGNORE else _COLOURS[(code - 1) % len(_COLOURS)]


def affine_of(case: Case) -> NDArray[np.float64]:
    """The affine of a case, or one with its spacing only."""
    return np.diag([*reversed(case.spacing_mm), 1.0]) if case.affine is None else case.affine


def shown_affine_of(case: Case) -> NDArray[np.float64]:
    """The affine by which ITK programs display the exported image: its qform, unless its sform is the scanner's."""
    if case.qform is not None and case.qform.codes[0] != _SCANNER:
        return case.qform.affine
    return affine_of(case)


def _displacement_voxel(case: Case, affine: NDArray[np.float64]) -> float:
    """Largest error of a corner in ITK, which knows rotation, spacing and origin only."""
    left, _, right = np.linalg.svd(affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0))
    shown_mm = left @ right @ np.diag(case.spacing_mm[::-1]) - affine[:3, :3]
    corners = np.array(list(product(*((0, side) for side in case.shape[::-1])))).T
    return float(np.abs(np.linalg.solve(affine[:3, :3], shown_mm @ corners)).max())


def _hide_uncovered(annotation: Annotation) -> Annotation:
    if annotation.covered_slices is None:
        return annotation
    labels = annotation.labels.copy()
    labels[np.setdiff1d(np.arange(len(labels)), annotation.covered_slices)] = IGNORE
    return Annotation(labels, annotation.kind, covered_labels=annotation.covered_labels)
