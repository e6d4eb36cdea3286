"""Import label maps that people drew on a store's images: all of them or none."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from dataclasses import replace as change
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lesslabel.data.case import IGNORE, Annotation, Box, Case, Kind, keep_inside
from lesslabel.data.exchange.queue_images import file_stem
from lesslabel.data.exchange.returned_labels import ENDINGS, ReturnedLabels, find_label_folder, read_returned
from lesslabel.data.formats import reading
from lesslabel.data.formats.endings import has_ending
from lesslabel.data.formats.seg_nrrd import Overlaps
from lesslabel.data.queue import Queue
from lesslabel.data.store import Store
from lesslabel.data.store.annotation_checks import unlabelled_boxes, unlabelled_slices
from lesslabel.errors import DataError

_Reader = Callable[[Path, Case], ReturnedLabels]


@dataclass(frozen=True)
class ReturnedCase:
    """The imported label map of one case.

    Attributes:
        uid: the case.
        file: name of its label map; empty if there is no usable one.
        slices: the queued z indices; None means all.
        patches: the queued parts of them; None means all.
        voxels: voxels in the queued slices or patches by the name of every label that the file covers.
        problem: the reason for refusal and the fix, in one line; empty if it is sound.
    """

    uid: str
    file: str
    slices: tuple[int, ...] | None
    voxels: Mapping[str, int] = field(default_factory=dict)
    problem: str = ""
    patches: tuple[Box, ...] | None = None

    @property
    def shown_units(self) -> str:
        """The queued patches or slices as text."""
        if self.patches is not None:
            return "\n".join(f"patch {patch}" for patch in self.patches)
        return "all" if self.slices is None else ", ".join(map(str, self.slices))

    def keep_queued(self, labels: NDArray[np.uint8]) -> None:
        """Make the voxels of a label map (z, y, x) unknown that were not queued, in place."""
        if self.slices is not None:
            labels[np.setdiff1d(np.arange(len(labels)), self.slices)] = IGNORE
        if self.patches is not None:
            keep_inside(labels, self.patches)


def import_annotations(
    store: Store,
    queue: Queue | None,
    folder: Path,
    name: str,
    *,
    author: str,
    time: str,
    kind: Kind = Kind.DENSE,
    overlaps: Overlaps = "refuse",
    allow_empty: bool = False,
    replace: bool = False,
) -> list[ReturnedCase]:
    """Check every label map, then add all of them to the store.

    A label map is found by the exported name of the image (`lesslabel.data.exchange.queue_images.file_stem`),
    with any text after it: ``case_0123456789ab.seg.nrrd``, ``case_0123456789ab_prelabel.nii.gz``. Its grid must be that
    of the image; nothing is resampled. `lesslabel.data.exchange.returned_labels.read_returned` turns its values into
    labels.

    Args:
        store: the store that the queue was made from, or that was exported.
        queue: the units to annotate; only these slices or patches are imported. None imports all label maps of the
            folder.
        folder: the folder of the label maps without the images; or an exported folder.
        name: of the new annotation.
        author: the annotator, without patient data.
        time: when, ISO 8601.
        kind: how it was made; for scribbles and points, see `read_returned`.
        overlaps: the rule for voxels in several segments of 3D Slicer; see `read_returned`.
        allow_empty: accept slices, patches and cases without any label.
        replace: see `Store.add_annotations`.

    Returns:
        One entry per case. Nothing was added if any has a problem.

    Raises:
        DataError: if the folder is absent or holds a file of no case, the queue is not of this store, or the store
            refuses an annotation.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; name the one that holds the label maps")
    folder = find_label_folder(folder)
    if queue is not None:
        queue.require_known(store.records)
    asked = dict.fromkeys(_list_drawn(store, folder)) if queue is None else queue.slices
    strokes = kind in (Kind.SCRIBBLE, Kind.POINTS)
    read = partial(read_returned, store=store, overlaps=overlaps, strokes=strokes)
    patches = {} if queue is None else queue.patches
    wanted = [ReturnedCase(uid, "", slices, patches=patches.get(uid)) for uid, slices in asked.items()]
    returned = [_check(store, case, folder, read, allow_empty) for case in wanted]
    if not any(case.problem for case in returned):
        made = ((entry.uid, _annotation(store, entry, folder, read)) for entry in returned)
        signed = ((uid, change(annotation, kind=kind, author=author, time=time)) for uid, annotation in made)
        store.add_annotations(name, signed, replace=replace)
    return returned


def _list_drawn(store: Store, folder: Path) -> list[str]:
    """The cases with a label map in a folder, in the order of the store.

    Raises:
        DataError: if a label map belongs to no case, or there is no label map.
    """
    uid_of = {file_stem(uid): uid for uid in store.records}
    length = len(file_stem(""))
    found: set[str] = set()
    for path in sorted(folder.iterdir()):
        if has_ending(path, ENDINGS):
            if path.name[:length] not in uid_of:
                raise DataError(f"{path}: named as no case of {store.path}; name it as its image, or take it out")
            found.add(uid_of[path.name[:length]])
        elif path.name[:length] in uid_of and has_ending(path, reading.ENDINGS):
            raise DataError(f"{path}: not a format in which label maps are taken back; save it as .nii.gz")
    if not found:
        raise DataError(f"{folder}: no label map ({', '.join(ENDINGS)}); name the folder that holds them")
    return [uid for uid in store.records if uid in found]


def _annotation(store: Store, entry: ReturnedCase, folder: Path, reader: _Reader) -> Annotation:
    """Read the annotation again from its file, so that only one is in memory at a time."""
    read = reader(folder / entry.file, store.read(entry.uid))
    labels, slices = read.labels, entry.slices
    entry.keep_queued(labels)
    if slices is None and not (known := (labels != IGNORE).any(axis=(1, 2))).all():
        slices = tuple(np.flatnonzero(known).tolist())
    return Annotation(labels, Kind.DENSE, covered_labels=read.covered_labels, covered_slices=slices)


def _check(store: Store, asked: ReturnedCase, folder: Path, reader: _Reader, allow_empty: bool) -> ReturnedCase:
    try:
        path = _find(folder, asked.uid)
        read = reader(path, store.read(asked.uid))
    except DataError as error:
        return change(asked, problem=str(error))
    problem = "" if allow_empty else _find_emptiness(path, read.labels, asked)
    asked.keep_queued(read.labels)
    covered = store.labels if read.covered_labels is None else read.covered_labels
    voxels = {store.labels[code]: int(np.count_nonzero(read.labels == code)) for code in covered}
    return change(asked, file=path.name, voxels=voxels, problem=problem)


def _find(folder: Path, uid: str) -> Path:
    stem = file_stem(uid)
    found = sorted(path for path in folder.glob(f"{stem}*") if has_ending(path, ENDINGS))
    if not found:
        raise DataError(
            f"{folder}: no label map {stem} ({', '.join(ENDINGS)}); add it, or take the case out of the queue"
        )
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise DataError(f"{folder}: {names} are all of one case; keep its label map in a folder without the others")
    return found[0]


def _find_emptiness(path: Path, labels: NDArray[np.uint8], asked: ReturnedCase) -> str:
    """The problem of a queued unit without a label; empty if all have one."""
    if asked.patches is not None:
        without, what = [str(box) for box in unlabelled_boxes(labels, asked.patches)], "patch"
    else:
        without, what = [str(index) for index in unlabelled_slices(labels, asked.slices)], "slice"
    if not without:
        return ""
    whole = asked.slices is None and asked.patches is None
    problem = "holds no label" if whole else f"no label on {what} {', '.join(without)}"
    return f"{path}: {problem}; draw it, or pass --allow-empty if there is nothing to be drawn"
