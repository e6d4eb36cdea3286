"""Export the images of a queue as NIfTI, for an annotation program such as 3D Slicer."""

import csv
import hashlib
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lesslabel.data.case import Case, keep_inside
from lesslabel.data.formats.nifti import write_image, write_label_map
from lesslabel.data.queue import Queue, write_queue
from lesslabel.data.store import Store
from lesslabel.errors import DataError
from lesslabel.files import written_aside


def file_stem(uid: str) -> str:
    """The name of a case in exported files: a hash of the uid, which does not reveal it."""
    return f"case_{hashlib.sha256(uid.encode()).hexdigest()[:12]}"


def export_queue_images(
    store: Store, queue: Queue, folder: Path, prelabels: Mapping[str, NDArray[Any]] | None = None
) -> Queue:
    """Write the images of the queued cases, the queue itself and a work list with one row per case.

    Of a case that is queued by patch there is also a label map ``…_patches.nii.gz`` that is 1 inside the patches.

    Annotators need `worklist.csv` and the NIfTI files; `queue.csv` relates files to cases and can stay
    in the hospital. File names are hashes of the uid; a header holds the geometry only.

    Args:
        store: the store of the cases.
        queue: the units to annotate.
        folder: folder to make; it must not exist. It appears when it is complete.
        prelabels: label maps to start from, by uid: (z, y, x) label codes of the store, or class probabilities
            (C, z, y, x), background first, then the store's labels in their order. A case may be absent.

    Returns:
        The queue with `image` and `prelabel` filled in, as it was written.

    Raises:
        DataError: if the folder exists, the store does not have a unit, or a label map does not fit its case.
    """
    if folder.exists():
        raise DataError(f"{folder}: exists already; choose another folder or remove it first")
    queue.require_known(store.records)
    given = prelabels or {}
    with written_aside(folder) as aside:
        aside.mkdir(parents=True)
        for uid in queue.slices:
            case = store.read(uid)
            for name, channel in zip(_image_names(store, uid), case.image, strict=True):
                write_image(aside / name, channel, case.spacing_mm, case.affine, case.qform)
            if uid in given:
                labels = _to_codes(given[uid], case, tuple(store.labels))
                write_label_map(aside / _prelabel_name(uid), labels, case.spacing_mm, case.affine, case.qform)
            if uid in queue.patches:
                inside = np.ones(case.shape, np.uint8)
                keep_inside(inside, queue.patches[uid])
                inside[inside != 1] = 0
                write_label_map(aside / _patches_name(uid), inside, case.spacing_mm, case.affine, case.qform)
        rows = [
            replace(
                row,
                image=_image_names(store, row.uid)[0],
                prelabel=_prelabel_name(row.uid) if row.uid in given else "",
            )
            for row in queue.rows
        ]
        exported = Queue(tuple(rows))
        write_queue(aside / "queue.csv", exported)
        _write_worklist(aside / "worklist.csv", store, exported, given)
    return exported


def _image_names(store: Store, uid: str) -> list[str]:
    """One file per channel: few programs display a NIfTI file of four dimensions as channels."""
    channels = store.records[uid].channels
    return [f"{file_stem(uid)}{f'_channel{index}' if index else ''}.nii.gz" for index in range(channels)]


def _prelabel_name(uid: str) -> str:
    return f"{file_stem(uid)}_prelabel.nii.gz"


def _patches_name(uid: str) -> str:
    return f"{file_stem(uid)}_patches.nii.gz"


def _to_codes(values: NDArray[Any], case: Case, codes: tuple[int, ...]) -> NDArray[np.uint8]:
    if values.ndim == 4:
        if len(values) != len(codes) + 1:
            raise DataError(
                f"case {case.uid}: probabilities of {len(values)} classes, the store has {len(codes)} labels and "
                "background; pass label codes instead"
            )
        values = np.array([0, *codes], dtype=np.uint8)[values.argmax(axis=0)]
    if values.shape != case.shape:
        raise DataError(f"case {case.uid}: a label map of shape {values.shape}, the image has {case.shape}; z, y, x")
    strange = sorted(set(np.unique(values).tolist()) - {0, *codes})
    if strange:
        raise DataError(
            f"case {case.uid}: a label map with {strange[0]:g}, the store knows {', '.join(map(str, codes))}"
        )
    return values.astype(np.uint8)


def _write_worklist(path: Path, store: Store, queue: Queue, prelabels: Collection[str]) -> None:
    """One row per case, in the order of the queue, for case iterators."""
    columns = max((store.records[uid].channels for uid in queue.slices), default=1)
    header = ["ID", "image", *(f"image{index}" for index in range(1, columns)), "prelabel", "slices"]
    header += ["patches"] if queue.patches else []
    with written_aside(path) as aside, aside.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        for uid in dict.fromkeys(row.uid for row in queue.rows):
            slices = queue.slices[uid]
            shown = "all" if slices is None else " ".join(str(index) for index in slices)
            prelabel = _prelabel_name(uid) if uid in prelabels else ""
            names = _image_names(store, uid)
            cells = [file_stem(uid), *names, *[""] * (columns - len(names)), prelabel, shown]
            writer.writerow([*cells, *([_patches_name(uid) if uid in queue.patches else ""] if queue.patches else [])])
