"""What is to be annotated: the cases of a queue in their order with the reason, or all cases of the store."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lesslabel.data.case import Case
from lesslabel.data.exchange.base import affine_of
from lesslabel.data.exchange.queue_images import file_stem
from lesslabel.data.formats.grid import lay_on
from lesslabel.data.formats.nifti import NiftiVolume
from lesslabel.data.formats.reading import read_label_map
from lesslabel.data.queue import QueueRow, read_queue
from lesslabel.data.sources.checks import to_codes
from lesslabel.data.store import Store
from lesslabel.errors import DataError


@dataclass(frozen=True)
class Item:
    """One case to annotate.

    Attributes:
        uid: the case.
        key: what it is called on the wire and in file names; it follows from the uid and tells nothing of it.
        slices: the z indices that are asked for, in the order of their ranks; None asks for the whole case.
        reason: why it was chosen, in one line, by the best rank; empty if nobody chose it.
        reasons: by z index, why a slice was chosen, where the queue tells.
        prelabel: a label map to start from; None for none.
    """

    uid: str
    key: str
    slices: tuple[int, ...] | None = None
    reason: str = ""
    reasons: Mapping[int, str] = field(default_factory=dict)
    prelabel: Path | None = None


def list_items(store: Store, queue: Path | None) -> list[Item]:
    """The cases in the order in which they should be annotated: by the best rank of their rows.

    Raises:
        DataError: if the queue cannot be read, asks for what the store does not have, or the store has no case.
    """
    if queue is None:
        items = [Item(uid, file_stem(uid)) for uid in store.records]
    else:
        rows = sorted(read_queue(queue, store).rows, key=lambda row: row.rank)
        if any(row.unit == "patch" for row in rows):
            raise DataError(
                f"{queue}: holds patches, which the page does not show; write them with `lesslabel select --images`, "
                "draw them in another program, and `lesslabel import` takes them back"
            )
        rows_of: dict[str, list[QueueRow]] = {}
        for row in rows:
            rows_of.setdefault(row.uid, []).append(row)
        items = [_item(uid, own, queue.parent) for uid, own in rows_of.items()]
    if not items:
        raise DataError(f"{queue or store.path}: no case to annotate; prepare or select some")
    return items


def read_prelabel(path: Path, case: Case, store: Store) -> NDArray[np.uint8]:
    """Read a label map to start from, (z, y, x) in the store's codes.

    Raises:
        DataError: if it is absent or damaged, on another grid, or has other labels.
    """
    image = NiftiVolume(case.image, case.spacing_mm, affine_of(case), store.case_path(case.uid), qform=case.qform)
    volume = lay_on(image, read_label_map(path))
    return to_codes(volume.array, store.labels, path)


def _item(uid: str, rows: list[QueueRow], folder: Path) -> Item:
    whole = any(row.slice < 0 for row in rows)
    prelabel = next((row.prelabel for row in rows if row.prelabel), "")
    return Item(
        uid=uid,
        key=file_stem(uid),
        slices=None if whole else tuple(int(row.slice) for row in rows),
        reason=next((row.reason for row in rows if row.reason), ""),
        reasons={int(row.slice): row.reason for row in reversed(rows) if row.slice >= 0 and row.reason},
        prelabel=folder / prelabel if prelabel else None,
    )
