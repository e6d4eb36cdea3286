"""Expand the labels of a run's training cases by what its model is certain of: pseudo-labels for a second stage."""

from collections.abc import Iterator
from datetime import UTC, datetime
from math import log
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from lesslabel.data.case import IGNORE, Annotation, Case, Kind, keep_inside
from lesslabel.data.store.annotation_folder import Provenance, write_annotation
from lesslabel.data.view import VisibleAnnotation
from lesslabel.errors import ConfigError, RunError
from lesslabel.files import hash_file, written_aside
from lesslabel.losses import voxel_entropy
from lesslabel.methods.inference import require_finite_output
from lesslabel.runs.reopening import FinishedRun, reopen_run
from lesslabel.runs.settings import Overrides
from lesslabel.runs.trainer import evaluation_trainer


def expand_labels(
    run: str | Path,
    out: str | Path,
    *,
    name: str = "expanded",
    uncertainty: float = 0.1,
    largest_component: bool = False,
    overrides: Overrides | None = None,
    checkpoint: str = "auto",
) -> int:
    """Write pseudo-labels of a run's training cases into an annotation folder, which a view lays over the store.

    A voxel is known where the entropy of the prediction, as a share of the largest possible, ln C, is below a
    threshold. What supervised the run stays as it was drawn. Section 3.3 of DMSPS (Han et al., Medical Image Analysis
    2024); its published code takes the prediction on scribbles too.

    Args:
        run: the run folder.
        out: folder to make, complete or not at all.
        name: of the annotation.
        uncertainty: threshold in (0, 1].
        largest_component: keep the largest connected component of each class, background included; of a network for
            slices in each slice.
        overrides: values of settings; they override the run's configuration.
        checkpoint: ``best``, ``last`` or a file; ``auto`` takes the best if there is one, else the last.

    Returns:
        Number of cases written.

    Raises:
        ConfigError: if the threshold is out of range.
        RunError: if the folder exists, or the data of the run changed.
        DataError: if a case cannot be read, or its prediction is not finite.
    """
    if not 0 < uncertainty <= 1:
        raise ConfigError(f"uncertainty: {uncertainty} is no share of the largest entropy; pass one in (0, 1]")
    if Path(out).exists():
        raise RunError(f"{out}: exists already; remove it, or name another folder")
    finished = reopen_run(Path(run), overrides, checkpoint)
    finished.require_same_data()
    finished.load_weights()
    provenance = Provenance(
        annotation=name,
        stage="expanded",
        model_sha256=hash_file(finished.checkpoint),
        thresholds={"uncertainty": uncertainty, "largest component": float(largest_component)},
        time=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    count = 0
    with written_aside(Path(out)) as aside:
        for uid, labels in _expand_cases(finished, uncertainty, largest_component):
            write_annotation(aside, uid, Annotation(labels, Kind.PSEUDO, name, provenance.time), provenance)
            count += 1
    return count


@torch.no_grad()
def _expand_cases(
    finished: FinishedRun, uncertainty: float, largest_component: bool
) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    model, data = finished.parsed.model, finished.parsed.datamodule
    model.to(evaluation_trainer(finished.parsed, []).strategy.root_device)
    shown = data.shown()
    uids = tuple(record.uid for record in data.records("train"))
    for batch in data.evaluation_loader(uids, with_reference=False):
        batch["image"] = batch["image"].to(model.device)
        probabilities, labels = model.predict_case(batch)
        require_finite_output(probabilities, batch["uid"])
        share = voxel_entropy(probabilities[None])[0] / log(len(probabilities))
        classes = labels.masked_fill(share >= uncertainty, IGNORE).cpu().numpy()
        if largest_component:
            classes = keep_largest_parts(classes, slice_by_slice=model.shape.dimensions == 2)
        known = classes != IGNORE
        codes = np.where(known, data.mapping.to_codes(np.where(known, classes, 0)), np.uint8(IGNORE))
        case = data.training_store.read(batch["uid"])
        yield batch["uid"], _with_drawn(codes, case, shown.get(batch["uid"], ()))


def keep_largest_parts(labels: NDArray[np.uint8], *, slice_by_slice: bool) -> NDArray[np.uint8]:
    """Set every voxel outside the largest face-connected part of its label to `IGNORE`.

    Args:
        labels: (z, y, x); `IGNORE` stays.
        slice_by_slice: parts within each slice, else within the volume.
    """
    from scipy import ndimage

    if slice_by_slice:
        return np.stack([keep_largest_parts(plane[None], slice_by_slice=False)[0] for plane in labels])
    kept = np.full_like(labels, IGNORE)
    for code in np.setdiff1d(np.unique(labels), [IGNORE]):
        parts, _ = ndimage.label(labels == code)
        sizes = np.bincount(parts.ravel())
        sizes[0] = 0
        kept[parts == sizes.argmax()] = code
    return kept


def _with_drawn(labels: NDArray[np.uint8], case: Case, shown: tuple[VisibleAnnotation, ...]) -> NDArray[np.uint8]:
    """The labels, with what supervised the run where something was known."""
    joined = labels.copy()
    for entry in shown:
        drawn = case.annotations[entry.annotation].labels.copy()
        if entry.boxes is not None:
            keep_inside(drawn, entry.boxes)
        chosen = range(len(drawn)) if entry.slices is None else entry.slices
        for index in chosen:
            joined[index] = np.where(drawn[index] == IGNORE, joined[index], drawn[index])
    return joined
