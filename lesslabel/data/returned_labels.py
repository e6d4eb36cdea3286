"""One label map as another program saved it, in the codes of the store."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lesslabel.data.case import IGNORE, Case
from lesslabel.data.export.base import UNKNOWN, affine_of
from lesslabel.data.export.monailabel import DATASTORE, FINAL
from lesslabel.data.export.nnunet import BACKGROUND, IGNORED
from lesslabel.data.nifti import NiftiVolume, read_label_map, require_same_grid
from lesslabel.data.nrrd import read_nrrd
from lesslabel.data.seg_nrrd import Overlaps, read_segmentation
from lesslabel.data.sources.checks import to_codes
from lesslabel.data.store import Store
from lesslabel.errors import DataError
from lesslabel.files import read_json

ENDINGS = (".nii", ".nii.gz", ".nrrd")
LABEL_FOLDERS = (Path("segmentations"), Path("labelsTr"), FINAL)
"""Where in an exported folder label maps lie."""

_SEGMENTATION = ".seg.nrrd"


@dataclass(frozen=True, eq=False)
class ReturnedLabels:
    """What a file says of a case.

    Attributes:
        labels: (z, y, x) uint8, the store's codes, `IGNORE` where unknown.
        covered_labels: the codes that the file has names for, if it names but some; None means all.
    """

    labels: NDArray[np.uint8]
    covered_labels: tuple[int, ...] | None = None


def read_returned(path: Path, case: Case, store: Store, overlaps: Overlaps = "refuse") -> ReturnedLabels:
    """Read a label map; nothing is resampled.

    Values are taken by name where the program says names: the segments of 3D Slicer, ``dataset.json`` of nnU-Net,
    ``datastore_v2.json`` of MONAI Label, in the folders where these programs keep them. Where none of the names is a
    label of the store, and where there are no names, values are the store's codes and 255 is unknown.

    Args:
        path: NIfTI, ``.nrrd`` or ``.seg.nrrd``, on the grid of the case; a ``.seg.nrrd`` may be a part of it.
        case: whose labels it holds.
        store: knows the labels.
        overlaps: see `lesslabel.data.seg_nrrd.Segmentation.flatten`.

    Raises:
        DataError: if the file is damaged, on another grid, or its labels are not those of the store.
    """
    image = NiftiVolume(case.image, case.spacing_mm, affine_of(case), store.case_path(case.uid))
    if path.name.endswith(_SEGMENTATION):
        return _read_segments(path, image, store, overlaps)
    volume = read_nrrd(path) if path.name.endswith(".nrrd") else read_label_map(path)
    require_same_grid(image, volume)
    named = _named_values(path)
    codes = _codes_by_name(path, list(named), store.labels)
    if codes is None:
        return ReturnedLabels(to_codes(volume.array, store.labels, path, IGNORE))
    return ReturnedLabels(_renumber(path, volume.array, named, codes), _covered(codes, store.labels))


def find_label_folder(folder: Path) -> Path:
    """The folder of label maps within a folder as it was exported; other folders are returned as they are."""
    return next((folder / inner for inner in LABEL_FOLDERS if (folder / inner).is_dir()), folder)


def _read_segments(path: Path, image: NiftiVolume, store: Store, overlaps: Overlaps) -> ReturnedLabels:
    segmentation = read_segmentation(path).place_on(image)
    codes = _codes_by_name(path, [segment.name for segment in segmentation.segments], store.labels)
    if codes is not None:
        return ReturnedLabels(segmentation.flatten(codes, overlaps), _covered(codes, store.labels))
    if len(segmentation.layers) > 1:
        raise DataError(f"{path}: its segments overlap and none is named as a label; name them as the labels")
    return ReturnedLabels(to_codes(segmentation.layers[0], store.labels, path, IGNORE))


def _codes_by_name(path: Path, names: list[str], labels: Mapping[int, str]) -> dict[str, int] | None:
    """Label codes by name; None if no name is that of a label, so that values have to be the codes."""
    code_of = {label: code for code, label in labels.items()}
    if code_of.keys().isdisjoint(names):
        return None
    code_of = {BACKGROUND: 0, UNKNOWN: IGNORE, IGNORED: IGNORE} | code_of
    if strangers := sorted(set(names) - code_of.keys()):
        raise DataError(
            f"{path}: segment '{strangers[0]}' is none of the labels {', '.join(labels.values())}; rename it"
        )
    return {name: code_of[name] for name in names}


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


def _named_values(path: Path) -> dict[str, int]:
    """Values by name as the program says them that keeps such files where this one lies; empty if none does."""
    datastore = path.parent.parent.parent / DATASTORE
    if path.parent.parts[-2:] == FINAL.parts and datastore.is_file():
        return _monailabel_names(datastore, path)
    for folder in (path.parent, path.parent.parent):
        if (folder / "dataset.json").is_file():
            return _nnunet_names(folder / "dataset.json")
    return {}


def _nnunet_names(path: Path) -> dict[str, int]:
    content = read_json(path, "the description of an nnU-Net data set")
    try:
        pairs = content["labels"].items()
        if all(key.isdecimal() for key, _ in pairs):  # as its first version and the Decathlon wrote it
            return {str(name): int(value) for value, name in pairs}
        return {name: int(value) for name, value in pairs}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{path}: its labels are no names of single values ({error}); correct them") from error


def _monailabel_names(datastore: Path, path: Path) -> dict[str, int]:
    content = read_json(datastore, "the data store of MONAI Label")
    stem = path.name.partition(".")[0]
    try:
        info = content["objects"][stem]["labels"][path.parent.name]["info"]
        return {str(entry["name"]): int(entry["idx"]) for entry in info.get("label_info", [])}
    except KeyError:
        return {}  # a file that MONAI Label has not seen yet
    except (TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{datastore}: cannot be read at '{stem}' ({error}); correct it") from error
