"""Pseudo-labels: predictions of a frozen model for images without annotation."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from lesslabel.data.case import IGNORE, Annotation, Kind
from lesslabel.data.loading.module import SegmentationDataModule
from lesslabel.data.queue import Queue
from lesslabel.data.store.annotation_folder import Provenance, write_annotation
from lesslabel.errors import ConfigError
from lesslabel.files import written_aside
from lesslabel.methods import SegmentationMethod
from lesslabel.methods.inference import require_finite_output

NAME = "pseudo/adaptation"
"""Their name as an annotation of a view."""


def write_pseudo_labels(
    method: SegmentationMethod,
    data: SegmentationDataModule,
    uids: Sequence[str],
    queue: Queue,
    folder: Path,
    *,
    model_sha256: str,
    confidence: float = 0.0,
) -> int:
    """Write predictions of the method as pseudo-labels for all units outside a queue, into an annotation folder.

    Slices in the queue get none; neither does a case that is in the queue whole or with every slice.

    Args:
        method: with its weights; it is not trained.
        data: reads the cases.
        uids: the training cases of the target.
        queue: the annotated queue.
        folder: folder to make, complete or not at all; none if there is no case to write.
        model_sha256: hash of the weights, for the author of the annotation.
        confidence: a voxel whose largest class probability is below becomes unknown, in [0, 1]; 0 keeps all.

    Returns:
        Number of cases written.

    Raises:
        ConfigError: if the threshold is no probability.
        DataError: if a case cannot be read or the folder cannot be written.
    """
    require_confidence(confidence)
    provenance = Provenance(
        annotation=NAME,
        stage="pseudo-labels",
        model_sha256=model_sha256,
        queue_sha256=queue.sha256,
        thresholds={"confidence": confidence},
        time=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    depth_of = {uid: data.store.records[uid].depth for uid in sorted(uids)}
    remaining = {uid: _remaining(depth, queue.slices.get(uid, ())) for uid, depth in depth_of.items()}
    wanted = [uid for uid in remaining if remaining[uid] != ()]
    if not wanted:
        return 0
    with written_aside(folder) as aside:
        for uid, labels, certainty in predict_codes(method, data, wanted):
            annotation = Annotation(
                labels=np.where(certainty >= confidence, labels, np.uint8(IGNORE)),
                kind=Kind.PSEUDO,
                author=NAME,
                time=provenance.time,
                covered_slices=remaining[uid],
            )
            write_annotation(aside, uid, annotation, provenance)
    return len(wanted)


def require_confidence(confidence: float) -> None:
    """Refuse a threshold that is no probability.

    Raises:
        ConfigError: names it.
    """
    if not 0.0 <= confidence <= 1.0:
        raise ConfigError(f"confidence: {confidence} is no probability; pass 0 to keep every pseudo-label, or up to 1")


@torch.no_grad()
def predict_codes(
    method: SegmentationMethod, data: SegmentationDataModule, uids: Sequence[str]
) -> Iterator[tuple[str, NDArray[np.uint8], NDArray[np.float32]]]:
    """Predict whole cases in the codes of their store.

    Args:
        method: with its weights, on the device that computes; it is not trained.
        data: reads the cases.
        uids: the cases.

    Yields:
        The case, its labels (z, y, x), and the largest class probability of each voxel (z, y, x).

    Raises:
        DataError: if a case cannot be read, or a probability of it is not finite.
    """
    method.eval()
    for batch in data.evaluation_loader(tuple(uids), with_reference=False):
        batch["image"] = batch["image"].to(method.device)
        probabilities, labels = method.predict_case(batch)
        require_finite_output(probabilities, batch["uid"])
        yield batch["uid"], data.mapping.to_codes(labels.cpu().numpy()), probabilities.amax(dim=0).cpu().numpy()


def _remaining(depth: int, queued: Sequence[int] | None) -> tuple[int, ...] | None:
    """The slices of a case outside the queue; None means all."""
    if queued is None:
        return ()
    return tuple(index for index in range(depth) if index not in queued) if queued else None
