"""Choose the cases and slices that the page displays, and read their arrays."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from lesslabel.data.case import IGNORE, Case, Kind
from lesslabel.data.formats.nifti import read_label_map
from lesslabel.data.store import Store
from lesslabel.data.view import View, make_target, map_labels
from lesslabel.errors import DataError, RunError
from lesslabel.reports.drawing.slice_plots import LabelMap, SlicePlot
from lesslabel.reports.runs.methods import Method

DRAWN_KINDS = (Kind.SCRIBBLE, Kind.POINTS, Kind.BOX, Kind.PSEUDO)
"""Kinds of annotation that are worth a column of their own beside the reference."""


def choose_cases(dice: pd.DataFrame) -> list[tuple[str, str]]:
    """Choose the best, median and worst case by the mean of all methods, so that every method shows the same cases.

    With several methods the case on which they differ most is added. Ties go to the uid that sorts first.

    Args:
        dice: mean Dice over the labels; one row per uid, one column per method. A case without score is passed over.

    Returns:
        (why, uid), each uid once.
    """
    mean = dice.mean(axis=1).dropna().sort_index().sort_values(ascending=False, kind="stable")
    uids = [str(uid) for uid in mean.index]
    if not uids:
        return []
    if len(uids) == 1:
        return [("only case", uids[0])]
    chosen = {uids[0]: "best", uids[-1]: "worst"}
    if len(uids) > 2:
        chosen = {uids[0]: "best", uids[(len(uids) - 1) // 2]: "median", uids[-1]: "worst"}
    gaps = (dice.max(axis=1) - dice.min(axis=1)).sort_index().dropna()
    if dice.shape[1] > 1 and gaps.max() > 0:
        chosen.setdefault(str(gaps.idxmax()), "methods differ most")
    return [(why, uid) for uid, why in chosen.items()]


def choose_slice(truth: LabelMap, predictions: Sequence[LabelMap]) -> int:
    """Choose the slice to picture: of those well inside the organ, the one where the predictions are most often wrong.

    Well inside means at least half as many foreground voxels as the fullest slice of the reference. Ties go to the
    fuller slice, then to the lower one. Unknown voxels of the reference do not count.

    Args:
        truth: (z, y, x) reference.
        predictions: label maps of the same shape.
    """
    known = truth != IGNORE
    foreground = ((truth > 0) & known).sum(axis=(1, 2))
    wrong = np.zeros(len(truth), dtype=np.int64)
    for prediction in predictions:
        wrong += ((prediction != truth) & known).sum(axis=(1, 2))
    inside = foreground * 2 >= foreground.max()
    return max(range(len(truth)), key=lambda z: (inside[z], wrong[z], foreground[z], -z))


def read_slice_plots(methods: Sequence[Method], store: Store) -> list[SlicePlot]:
    """Read what is pictured: chosen cases from the store, predictions from the first run of each method.

    Raises:
        DataError: if a case of the store or a prediction is damaged.
        RunError: if a prediction lies on another grid than the case.
    """
    dice = pd.DataFrame({method.name: method.case_dice() for method in methods})
    return [_scene(methods, store, uid, why) for why, uid in choose_cases(dice)]


def _scene(methods: Sequence[Method], store: Store, uid: str, why: str) -> SlicePlot:
    run = methods[0].runs[0]
    case = store.read(uid)
    if run.reference not in case.annotations:
        path = store.case_path(uid)
        raise DataError(f"{path}: no annotation '{run.reference}'; name the store that the runs were scored against")
    mapping = map_labels(View(labels=run.view.get("labels")), store.labels)
    truth = make_target(case.annotations[run.reference], mapping).labels
    weak = _weak_annotation(case, run.reference, [name for method in methods for name in method.annotations])
    predictions = [_prediction(method, uid, truth.shape) for method in methods]
    z = choose_slice(truth, [prediction for prediction in predictions if prediction is not None])
    return SlicePlot(
        uid=uid,
        why=why,
        slice_index=z,
        slices=len(truth),
        image=case.image[(run.view.get("channels") or [0])[0], z],
        spacing_mm=case.spacing_mm[1:],
        truth=truth[z],
        supervision=None if weak is None else (weak, make_target(case.annotations[weak], mapping).labels[z]),
        predictions=tuple(None if prediction is None else prediction[z] for prediction in predictions),
    )


def _prediction(method: Method, uid: str, shape: tuple[int, ...]) -> LabelMap | None:
    """The label map (z, y, x) of the method's first run, None if it was not kept."""
    path = method.runs[0].folder / "test" / "predictions" / f"{uid}.nii.gz"
    if not path.is_file():
        return None
    labels = read_label_map(path).array.astype(np.uint8)
    if labels.shape != shape:
        raise RunError(
            f"{path}: shape (z, y, x) is {labels.shape}, that of the case in the store {shape}; "
            "name the store that the run was tested on"
        )
    return labels


def _weak_annotation(case: Case, reference: str, preferred: Sequence[str]) -> str | None:
    """Name of a weak annotation of the case: one that training used if the case has it, else the first there is."""
    weak = [name for name, held in case.annotations.items() if held.kind in DRAWN_KINDS and name != reference]
    return next((name for name in [*preferred, *weak] if name in weak), None)
