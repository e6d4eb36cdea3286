"""Read a case from its files by role, for tables and for folders of several raters' label maps."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from lesslabel.data.case import IGNORE, Annotation, Case, Kind
from lesslabel.data.formats import endings
from lesslabel.data.formats.endings import has_ending
from lesslabel.data.formats.grid import lay_on
from lesslabel.data.formats.nifti import NiftiVolume
from lesslabel.data.formats.reading import has_segments, list_names, read_image, read_labels
from lesslabel.data.mask_values import require_no_mask
from lesslabel.data.sources.base import RawCase, Source
from lesslabel.data.sources.checks import is_case_name, to_codes
from lesslabel.errors import DataError
from lesslabel.plain_text import composed

ENDINGS = (".nii.gz", ".nii")

_TAKEN = ("dense", "image", "scribble")
WORDS_FOR_A_FILE = ("path", "paths", "file", "files", "filename", "filepath", "name", "map")
"""``label_path`` is the path of a label, and nobody is called so."""


def without_ending(name: str) -> str:
    """The name of a NIfTI file without ``.nii`` or ``.nii.gz``; other names are returned unchanged."""
    return endings.without_ending(name, ENDINGS)


def nifti_in(folder: Path) -> list[Path]:
    """The NIfTI files of a folder by name, none if it is absent; archives made on a Mac hold twins, ``._<name>``."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if has_ending(path, ENDINGS) and not path.name.startswith("."))


def find_nifti(folder: Path, stem: str) -> Path | None:
    """The NIfTI file of that name with either ending; None if there is none."""
    usual = (path for ending in ENDINGS if (path := folder / f"{stem}{ending}").is_file())
    return next(usual, None) or next((path for path in nifti_in(folder) if without_ending(path.name) == stem), None)


def name_annotation(label: str, where: Path | str) -> str:
    """The annotation of a label map, by its name.

    Args:
        label: ``label`` or ``labels``, the one dense label map, or ``label_<rater>``, the map of one of several.
        where: the file or table, for messages.

    Returns:
        ``"dense"``, or the rater's name; a rater that is a number is ``"rater<number>"``.

    Raises:
        DataError: if the text after ``_`` cannot name a rater.
    """
    _, several, rater = label.partition("_")
    if not several:
        return "dense"
    if rater.lower() in WORDS_FOR_A_FILE:
        raise DataError(f"{where}: '{label}' names no rater; rename it to 'label'")
    if rater in _TAKEN or " " in rater or not is_case_name(rater):
        raise DataError(f"{where}: '{label}' names no rater; write label_1 or label_anna, and not {', '.join(_TAKEN)}")
    return composed(f"rater{rater}" if rater.isdecimal() else rater)


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
    if len(volumes) == 1:
        return first
    laid = [first, *(lay_on(first, volume) for volume in volumes[1:])]
    return replace(first, array=np.concatenate([volume.array for volume in laid]))


def read_case(raw: RawCase, source: Source, unknown: int = IGNORE) -> Case:
    """Read one case: its channels, ``"scribble"``, and every other role as a dense annotation of that name.

    Args:
        raw: the files by role.
        source: defines the permitted labels and channels, and the value of an unknown voxel in whole
            label maps, if any.
        unknown: the value of an unknown voxel in scribbles.

    Raises:
        DataError: if a file is damaged, holds another label, lies on another grid, or channels are missing.
    """
    image = read_channels(raw)
    if len(image.array) != len(source.channels):
        raise DataError(
            f"{image.path}: case {raw.uid} has {len(image.array)} channels, not {len(source.channels)} "
            f"({', '.join(source.channels)}); every case needs the same ones in the same order"
        )
    annotations = {role: _dense(raw, role, image, source) for role in label_roles(raw)}
    if "scribble" in raw.files:
        annotations["scribble"] = _scribble(raw, image, source, unknown)
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
        qform=image.qform,
    )


def _is_image(role: str) -> bool:
    return role.partition(" ")[0] == "image"


def _dense(raw: RawCase, role: str, image: NiftiVolume, source: Source) -> Annotation:
    path = raw.files[role]
    values = read_labels(path, image, source.labels, same_grid=raw.same_grid)
    labels = to_codes(values, source.labels, path, source.dense_unknown)
    if source.dense_unknown == IGNORE:  # another value is declared by the layout
        require_no_mask(labels, path)
    covered = None
    if has_segments(path):  # an absent segment was not annotated
        names = set(list_names(path))
        covered = tuple(code for code, name in source.labels.items() if name in names)
    if covered is not None and len(covered) == len(source.labels):
        covered = None
    return Annotation(labels, Kind.DENSE, author="" if role == "dense" else role, covered_labels=covered)


def _scribble(raw: RawCase, image: NiftiVolume, source: Source, unknown: int) -> Annotation:
    path = raw.files["scribble"]
    values = read_labels(path, image, source.labels, outside=unknown, same_grid=raw.same_grid)
    if not (values == unknown).any():
        raise DataError(
            f"{path}: no voxel is {unknown}, the value of unknown; pass UNKNOWN, "
            "or name the file in column 'label' if every voxel is annotated"
        )
    return Annotation(to_codes(values, source.labels, path, unknown), Kind.SCRIBBLE)
