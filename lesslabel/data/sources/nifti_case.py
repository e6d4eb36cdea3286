"""A case from NIfTI files by role: what a table and a folder of several raters' label maps have in common."""

import re
from pathlib import Path

import numpy as np

from lesslabel.data.case import IGNORE, Annotation, Case, Kind
from lesslabel.data.nifti import NiftiVolume, read_image, read_label_map, require_same_grid
from lesslabel.data.sources.base import RawCase, Source
from lesslabel.data.sources.checks import to_codes
from lesslabel.errors import DataError

ENDINGS = (".nii.gz", ".nii")

_RATER = re.compile(r"\w[\w.\-]*")
_TAKEN = ("dense", "image", "scribble")


def without_ending(name: str) -> str:
    """The name of a NIfTI file without ``.nii`` or ``.nii.gz``; other names stay as they are."""
    return next((name.removesuffix(ending) for ending in ENDINGS if name.endswith(ending)), name)


def name_annotation(label: str, where: Path | str) -> str:
    """The annotation that a label map's name stands for.

    Args:
        label: ``label`` or ``labels``, the one dense label map, or ``label_<rater>``, the map of one of several.
        where: the file or table, for messages.

    Returns:
        ``"dense"``, or the rater's name; a rater that is a number is ``"rater<number>"``.

    Raises:
        DataError: if what follows ``_`` cannot name a rater.
    """
    _, several, rater = label.partition("_")
    if not several:
        return "dense"
    if rater in _TAKEN or not _RATER.fullmatch(rater):
        raise DataError(f"{where}: '{label}' names no rater; write label_1 or label_anna, and not {', '.join(_TAKEN)}")
    return f"rater{rater}" if rater.isdecimal() else rater


def label_roles(raw: RawCase) -> list[str]:
    """The roles of a case's files that are whole label maps: ``"dense"`` and the raters."""
    return [role for role in raw.files if role != "scribble" and not _is_image(role)]


def read_channels(raw: RawCase) -> NiftiVolume:
    """Read all channels of a case, ``"image"``, ``"image 2"`` …, stacked in the order of its files.

    Raises:
        DataError: if a file is damaged or the channels lie on different grids.
    """
    volumes = [read_image(path) for role, path in raw.files.items() if _is_image(role)]
    first = volumes[0]
    for volume in volumes[1:]:
        require_same_grid(first, volume)
    return NiftiVolume(np.concatenate([volume.array for volume in volumes]), first.spacing_mm, first.affine, first.path)


def read_case(raw: RawCase, source: Source, unknown: int = IGNORE) -> Case:
    """Read one case: its channels, ``"scribble"``, and every other role as a dense annotation of that name.

    Args:
        raw: the files by role.
        source: whose labels and channels the case must keep to.
        unknown: the value of an unknown voxel in scribbles; in whole label maps it is `IGNORE`.

    Raises:
        DataError: if a file is damaged, holds another label, lies on another grid, or channels are missing.
    """
    image = read_channels(raw)
    if len(image.array) != len(source.channels):
        raise DataError(
            f"{image.path}: case {raw.uid} has {len(image.array)} channels, not {len(source.channels)} "
            f"({', '.join(source.channels)}); every case needs the same ones in the same order"
        )
    annotations = {}
    for role in label_roles(raw):
        values = _read_aligned(raw.files[role], image)
        labels = to_codes(values.array, source.labels, values.path, IGNORE)
        annotations[role] = Annotation(labels, Kind.DENSE, author="" if role == "dense" else role)
    if "scribble" in raw.files:
        annotations["scribble"] = _scribble(_read_aligned(raw.files["scribble"], image), source, unknown)
    return Case(
        uid=raw.uid,
        patient=raw.patient,
        image=image.array,
        spacing_mm=image.spacing_mm,
        affine=image.affine,
        centre=raw.centre,
        modality=raw.modality,
        group=raw.group,
        annotations=annotations,
    )


def _is_image(role: str) -> bool:
    return role.partition(" ")[0] == "image"


def _scribble(values: NiftiVolume, source: Source, unknown: int) -> Annotation:
    if not (values.array == unknown).any():
        raise DataError(
            f"{values.path}: no voxel is {unknown}, the value of unknown; pass UNKNOWN, "
            "or name the file in column 'label' if every voxel is annotated"
        )
    return Annotation(to_codes(values.array, source.labels, values.path, unknown), Kind.SCRIBBLE)


def _read_aligned(path: Path, image: NiftiVolume) -> NiftiVolume:
    label_map = read_label_map(path)
    require_same_grid(image, label_map)
    return label_map
