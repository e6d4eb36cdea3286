"""Export cases of a store to other programs, one module for each; `lesslabel import` reads the files that they save."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from lesslabel.data.exchange.base import ExportedCase, Names, Writer, exported_case
from lesslabel.data.exchange.itksnap import write_itksnap
from lesslabel.data.exchange.monailabel import write_monailabel
from lesslabel.data.exchange.nnunet import write_nnunet
from lesslabel.data.exchange.slicer import write_slicer
from lesslabel.data.store import Store
from lesslabel.errors import DataError
from lesslabel.files import written_aside

__all__ = ["PROGRAMS", "export_store"]

PROGRAMS: Mapping[str, Writer] = {
    "slicer": write_slicer,
    "itksnap": write_itksnap,
    "nnunet": write_nnunet,
    "monailabel": write_monailabel,
}


def export_store(
    store: Store,
    program: str,
    folder: Path,
    *,
    annotation: str | None = None,
    uids: Sequence[str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Write cases in the layout of a program, with unchanged voxels, axes and geometry.

    File names are hashes of the uids; headers hold the geometry only. Names of labels and channels are exported.

    Args:
        store: the store of the cases.
        program: one of `PROGRAMS`.
        folder: folder to make; it must not exist. It appears when it is complete.
        annotation: the annotation to export, for the cases that have it; None exports images only.
        uids: which cases; None means all.
        progress: called with (cases done, cases in all).

    Returns:
        The number of written cases.

    Raises:
        DataError: if the folder exists, no case has the annotation, or the program's files cannot hold it.
    """
    if folder.exists():
        raise DataError(f"{folder}: exists already; choose another folder or remove it first")
    chosen = list(store.records) if uids is None else list(uids)
    if annotation is not None and not any(annotation in store.records[uid].annotation_names for uid in chosen):
        known = ", ".join(store.fingerprint["annotations"]) or "none"
        raise DataError(f"{store.path}: none of the cases has an annotation '{annotation}'; there are {known}")

    def cases() -> Iterator[ExportedCase]:
        for done, uid in enumerate(chosen, start=1):
            yield exported_case(store.read(uid), annotation)
            if progress is not None:
                progress(done, len(chosen))

    with written_aside(folder) as aside:
        aside.mkdir(parents=True)
        PROGRAMS[program](aside, cases(), Names(store.labels, store.channels))
    return len(chosen)
