"""Bring label maps that people drew on the images of a queue back into the store: all of them or none."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lesslabel.data.case import IGNORE, Annotation, Case, Kind
from lesslabel.data.nifti import NiftiVolume, read_label_map, require_same_grid
from lesslabel.data.nrrd import read_nrrd, read_segments
from lesslabel.data.queue import Queue
from lesslabel.data.queue_images import file_stem
from lesslabel.data.sources.checks import to_codes
from lesslabel.data.store import Store
from lesslabel.errors import DataError

ENDINGS = (".nii", ".nii.gz", ".nrrd")
_SEGMENTATION = ".seg.nrrd"


@dataclass(frozen=True)
class ReturnedCase:
    """What came back for one queued case.

    Attributes:
        uid: the case.
        file: name of its label map, empty if there is none that can be taken.
        slices: the queued z indices; None means all.
        voxels: voxels in the queued slices by label name.
        problem: why it is refused and what to do, in one line; empty if it is sound.
    """

    uid: str
    file: str
    slices: tuple[int, ...] | None
    voxels: Mapping[str, int] = field(default_factory=dict)
    problem: str = ""


def import_annotations(
    store: Store,
    queue: Queue,
    folder: Path,
    name: str,
    *,
    author: str,
    time: str,
    allow_empty: bool = False,
    replace: bool = False,
) -> list[ReturnedCase]:
    """Check every label map, then add all of them to the store as dense annotations of the queued slices.

    A label map is found by the name under which the image left (`lesslabel.data.queue_images.file_stem`), whatever
    follows it: ``case_0123456789ab.seg.nrrd``, ``case_0123456789ab_prelabel.nii.gz``. It must lie on the grid of the
    image; nothing is resampled. Segments of 3D Slicer that bear the names of the store's labels are taken by name.

    Args:
        store: the store that the queue was made from.
        queue: what was to be annotated; only these slices are taken.
        folder: where the label maps lie, apart from the images.
        name: of the new annotation.
        author: who drew it, without patient data.
        time: when, ISO 8601.
        allow_empty: also take queued slices and cases without any label.
        replace: see `Store.add_annotations`.

    Returns:
        What came back, one entry per case. Nothing was added if any has a problem.

    Raises:
        DataError: if the folder is absent, the queue is not of this store, or the store refuses an annotation.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; name the one that holds the label maps")
    queue.require_known(store.records)
    returned = [_check(store, uid, slices, folder, allow_empty) for uid, slices in queue.slices.items()]
    if not any(case.problem for case in returned):
        store.add_annotations(name, _annotations(store, returned, folder, author, time), replace=replace)
    return returned


def _annotations(
    store: Store, returned: Sequence[ReturnedCase], folder: Path, author: str, time: str
) -> Iterator[tuple[str, Annotation]]:
    """The annotations once more from their files, so that only one is in memory at a time."""
    for entry in returned:
        labels = _read_labels(folder / entry.file, store.read(entry.uid), store)
        if entry.slices is not None:
            labels[np.setdiff1d(np.arange(len(labels)), entry.slices)] = IGNORE
        yield entry.uid, Annotation(labels, Kind.DENSE, author, time, covered_slices=entry.slices)


def _check(store: Store, uid: str, slices: tuple[int, ...] | None, folder: Path, allow_empty: bool) -> ReturnedCase:
    try:
        path = _find(folder, uid)
        labels = _read_labels(path, store.read(uid), store)
    except DataError as error:
        return ReturnedCase(uid, "", slices, problem=str(error))
    queued = labels if slices is None else labels[list(slices)]
    voxels = {label: int(np.count_nonzero(queued == code)) for code, label in store.labels.items()}
    problem = "" if allow_empty else _find_emptiness(path, labels, slices)
    return ReturnedCase(uid, path.name, slices, voxels, problem)


def _find(folder: Path, uid: str) -> Path:
    stem = file_stem(uid)
    found = sorted(path for path in folder.glob(f"{stem}*") if path.name.endswith(ENDINGS))
    if not found:
        raise DataError(
            f"{folder}: no label map {stem} ({', '.join(ENDINGS)}); add it, or take the case out of the queue"
        )
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise DataError(f"{folder}: {names} are all of one case; keep its label map in a folder without the others")
    return found[0]


def _read_labels(path: Path, case: Case, store: Store) -> NDArray[np.uint8]:
    volume = read_nrrd(path) if path.name.endswith(".nrrd") else read_label_map(path)
    affine = np.diag([*reversed(case.spacing_mm), 1.0]) if case.affine is None else case.affine
    require_same_grid(NiftiVolume(case.image, case.spacing_mm, affine, store.case_path(case.uid)), volume)
    if path.name.endswith(_SEGMENTATION):
        return _take_by_name(path, volume, store)
    return to_codes(volume.array, store.labels, path, IGNORE)


def _take_by_name(path: Path, volume: NiftiVolume, store: Store) -> NDArray[np.uint8]:
    """Number the segments of 3D Slicer as the store does: Slicer numbers them in the order in which they were made."""
    segments = read_segments(path)
    code_of = {label: code for code, label in store.labels.items()}
    if segments.keys().isdisjoint(code_of):
        return to_codes(volume.array, store.labels, path, IGNORE)
    if strangers := sorted(segments.keys() - code_of.keys()):
        raise DataError(f"{path}: segment '{strangers[0]}' is none of the labels {', '.join(code_of)}; rename it")
    values = to_codes(volume.array, segments.values(), path)
    labels = np.zeros_like(values)
    for label, value in segments.items():
        labels[values == value] = code_of[label]
    return labels


def _find_emptiness(path: Path, labels: NDArray[np.uint8], slices: tuple[int, ...] | None) -> str:
    """Which queued unit holds no label, as a problem; empty if all do."""
    labelled = ((labels != 0) & (labels != IGNORE)).any(axis=(1, 2))
    advice = "draw it, or pass --allow-empty if there is nothing to be drawn"
    if slices is None:
        return "" if labelled.any() else f"{path}: holds no label; {advice}"
    empty = [index for index in slices if not labelled[index]]
    return f"{path}: no label on slice {', '.join(map(str, empty))}; {advice}" if empty else ""
