"""Read a label map of another program, in the codes of the store."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lesslabel.data.case import IGNORE, Case
from lesslabel.data.exchange.base import UNKNOWN, affine_of
from lesslabel.data.exchange.itksnap import DESCRIPTIONS, read_descriptions, shown_name
from lesslabel.data.exchange.monailabel import DATASTORE, FINAL
from lesslabel.data.exchange.nnunet import BACKGROUND, IGNORED
from lesslabel.data.formats.endings import has_ending
from lesslabel.data.formats.grid import lay_on
from lesslabel.data.formats.nifti import NiftiVolume
from lesslabel.data.formats.reading import read_label_map
from lesslabel.data.formats.seg_nrrd import Overlaps, read_segmentation
from lesslabel.data.mask_values import require_no_mask
from lesslabel.data.sources.checks import to_codes
from lesslabel.data.store import Store
from lesslabel.errors import DataError
from lesslabel.files import read_json

ENDINGS = (".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd")
LABEL_FOLDERS = (Path("segmentations"), Path("labelsTr"), FINAL)
"""Folders of label maps in an exported folder."""

_SEGMENTATION = ".seg.nrrd"
_AUTOMATIC = re.compile(r"(?:Segment|Label)[_ ](\d+)")
"""Default names of labels in annotation programs."""


@dataclass(frozen=True, eq=False)
class ReturnedLabels:
    """The labels of a file for a case.

    Attributes:
        labels: (z, y, x) uint8, the store's codes, `IGNORE` where unknown.
        covered_labels: the codes with a name in the file, if it names only some; None means all.
    """

    labels: NDArray[np.uint8]
    covered_labels: tuple[int, ...] | None = None


def read_returned(
    path: Path, case: Case, store: Store, overlaps: Overlaps = "refuse", *, strokes: bool = False
) -> ReturnedLabels:
    """Read a label map; nothing is resampled.

    Values are converted by name if the program stores names: the segments of 3D Slicer, ``labels.txt`` of ITK-SNAP,
    ``dataset.json`` of nnU-Net, ``datastore_v2.json`` of MONAI Label, in the folders of these programs.
    Where there are no names, or only ones as ``Segment_2`` of value 2, values are the store's codes and 255 is unknown.

    Args:
        path: NIfTI, ``.nrrd`` or ``.seg.nrrd``, on the grid of the case; a ``.seg.nrrd`` may be a part of it.
        case: the case of the label map.
        store: the store with the label names.
        overlaps: see `lesslabel.data.formats.seg_nrrd.SegNrrd.flatten`.
        strokes: whether scribbles or points were drawn. Then voxels in no segment of 3D Slicer are unknown, unless
            there is a segment ``unknown``.

    Raises:
        DataError: if the file is damaged, on another grid, its labels are not those of the store, it holds strokes and
            no unknown voxel, or it holds no strokes and is a mask of 0 and 255, which means unknown.
    """
    read = _read(path, case, store, overlaps, IGNORE if strokes else 0)
    if not strokes:
        require_no_mask(read.labels, path)
    elif not (read.labels == IGNORE).any():
        raise DataError(
            f"{path}: every voxel is known, so these are no strokes; set what is not drawn to {IGNORE}, or draw "
            "segments in 3D Slicer, where it is unknown"
        )
    return read


def find_label_folder(folder: Path) -> Path:
    """The folder of label maps in an exported folder; other folders are returned unchanged."""
    return next((folder / inner for inner in LABEL_FOLDERS if (folder / inner).is_dir()), folder)


def _read(path: Path, case: Case, store: Store, overlaps: Overlaps, outside: int) -> ReturnedLabels:
    image = NiftiVolume(case.image, case.spacing_mm, affine_of(case), store.case_path(case.uid), qform=case.qform)
    if has_ending(path, _SEGMENTATION):
        return _read_segments(path, image, store, overlaps, outside)
    volume = lay_on(image, read_label_map(path))
    there = np.unique(volume.array).tolist()
    named = {
        name: value
        for name, value in _named_values(path, store.labels).items()
        if value in there or name in store.labels.values()
    }
    codes = _codes_by_name(path, named, store.labels)
    if codes is None:
        return ReturnedLabels(to_codes(volume.array, store.labels, path, IGNORE))
    return ReturnedLabels(_renumber(path, volume.array, named, codes), _covered(codes, store.labels))


def _read_segments(path: Path, image: NiftiVolume, store: Store, overlaps: Overlaps, outside: int) -> ReturnedLabels:
    segmentation = read_segmentation(path).place_on(image)
    codes = _codes_by_name(path, {segment.name: segment.value for segment in segmentation.segments}, store.labels)
    if codes is not None:
        labels = segmentation.flatten(codes, overlaps, 0 if IGNORE in codes.values() else outside)
        return ReturnedLabels(labels, _covered(codes, store.labels))
    if len(segmentation.layers) > 1:
        raise DataError(f"{path}: its segments overlap and none is named as a label; name them as the labels")
    return ReturnedLabels(to_codes(segmentation.layers[0], store.labels, path, IGNORE))


def _codes_by_name(path: Path, named: Mapping[str, int], labels: Mapping[int, str]) -> dict[str, int] | None:
    """Label codes by name; None without names, so that values must be the codes."""
    code_of = {BACKGROUND: 0, UNKNOWN: IGNORE, IGNORED: IGNORE} | {label: code for code, label in labels.items()}
    strangers = sorted(named.keys() - code_of.keys())
    if named.keys().isdisjoint(labels.values()) and all(_is_automatic(name, named[name]) for name in strangers):
        return None
    if strangers:
        raise DataError(
            f"{path}: segment '{strangers[0]}' is none of the labels {', '.join(labels.values())}; rename it"
        )
    return {name: code_of[name] for name in named}


def _is_automatic(name: str, value: int) -> bool:
    match = _AUTOMATIC.fullmatch(name)
    return match is not None and int(match[1]) == value


def _renumber(
    path: Path, values: NDArray[Any], named: Mapping[str, int], codes: Mapping[str, int]
) -> NDArray[np.uint8]:
    checked = to_codes(values, named.values(), path)
    labels = np.zeros_like(checked)
    for name, value in named.items():
        labels[checked == value] = codes[name]
    return labels


def _covered(codes: Mapping[str, int], labels: Mapping[int, str]) -> tuple[int, ...] | None:
    covered = tuple(sorted(set(codes.values()) & set(labels)))
    return None if len(covered) == len(labels) else covered


def _named_values(path: Path, labels: Mapping[int, str]) -> dict[str, int]:
    """Values by name from the file of the program whose folder this is; empty if there is none."""
    place = path.parent.resolve()  # a path may be relative to these folders
    datastore = place.parent.parent / DATASTORE
    if place.parts[-2:] == FINAL.parts and datastore.is_file():
        return _monailabel_names(datastore, path, place.name)
    for folder in (place, place.parent):
        if (folder / "dataset.json").is_file():
            return _nnunet_names(folder / "dataset.json")
        if (folder / DESCRIPTIONS).is_file():
            label_of = {shown_name(label): label for label in labels.values()}
            return {label_of.get(name, name): value for name, value in read_descriptions(folder / DESCRIPTIONS).items()}
    return {}


def _nnunet_names(path: Path) -> dict[str, int]:
    content = read_json(path, "the description of an nnU-Net data set")
    try:
        pairs = content["labels"].items()
        if all(key.isdecimal() for key, _ in pairs):  # the form of its first version and of the Decathlon
            return {str(name): int(value) for value, name in pairs}
        return {name: int(value) for name, value in pairs}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{path}: its labels are no names of single values ({error}); correct them") from error


def _monailabel_names(datastore: Path, path: Path, tag: str) -> dict[str, int]:
    content = read_json(datastore, "the data store of MONAI Label")
    stem = path.name.partition(".")[0]
    try:
        info = content["objects"][stem]["labels"][tag]["info"]
        return {str(entry["name"]): int(entry["idx"]) for entry in info.get("label_info", [])}
    except KeyError:
        return {}  # MONAI Label has not registered the file yet
    except (TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{datastore}: cannot be read at '{stem}' ({error}); correct it") from error
