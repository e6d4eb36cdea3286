"""Measure how sure a model is of its predictions of whole cases, and how good they are where a reference is there."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lesslabel.data.batch import EvaluationBatch
from lesslabel.data.loading.module import SegmentationDataModule
from lesslabel.disagreement import dropout_active, has_dropout
from lesslabel.evaluation.overlap import dice_per_class
from lesslabel.expectation.agreement import pairwise_dice
from lesslabel.expectation.confidence import ConfidenceCounts, count_confidence
from lesslabel.methods import SegmentationMethod
from lesslabel.methods.inference import require_finite_output

PASSES = 5
"""Predictions with dropout of each case."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """What a model says of its own prediction of a case.

    Attributes:
        uid: the case.
        patient: its patient.
        counts: the confidences.
        agreement: (C,) the Dice between predictions with dropout; 0 for a class that is predicted without dropout
            alone, NaN for one that is never predicted; None if the model has no dropout.
        dice: (C,) the real Dice, NaN for a class that the reference does not cover or that neither map holds; None
            without a reference.
    """

    uid: str
    patient: str
    counts: ConfidenceCounts
    agreement: NDArray[np.float64] | None
    dice: NDArray[np.float64] | None

    @property
    def predicted(self) -> NDArray[np.bool_]:
        """Which classes the prediction holds: (C,)."""
        held: NDArray[np.bool_] = self.counts.inside.sum(axis=1) > 0
        return held


@torch.no_grad()
def measure_cases(
    method: SegmentationMethod, data: SegmentationDataModule, uids: Sequence[str], *, with_reference: bool
) -> Iterator[Evidence]:
    """Predict whole cases and measure the doubt in each, case by case.

    Args:
        method: with its weights, on the device that computes.
        data: reads the cases.
        uids: the cases.
        with_reference: also score against the reference of the view.

    Yields:
        The evidence of one case. Random numbers of dropout depend on the uid alone.

    Raises:
        DataError: if a case cannot be read, or a probability of it is not finite.
    """
    method.eval()
    for batch in data.evaluation_loader(tuple(uids), with_reference=with_reference):
        batch["image"] = batch["image"].to(method.device)
        probabilities, labels = method.predict_case(batch)
        require_finite_output(probabilities, batch["uid"])
        yield Evidence(
            uid=batch["uid"],
            patient=batch["patient"],
            counts=count_confidence(probabilities, labels),
            agreement=_agreement(method, batch, labels) if has_dropout(method) else None,
            dice=_dice(labels.cpu().numpy(), batch, len(probabilities)),
        )


def _agreement(method: SegmentationMethod, batch: EvaluationBatch, labels: Tensor) -> NDArray[np.float64]:
    with dropout_active(method, batch["uid"]):
        predictions = [method.predict_case(batch)[1].cpu().numpy() for _ in range(PASSES)]
    agreement = pairwise_dice(predictions, method.num_classes)
    agreement[np.isnan(agreement) & np.isin(np.arange(method.num_classes), labels.cpu().numpy())] = 0.0
    return agreement


def _dice(labels: NDArray[Any], batch: EvaluationBatch, classes: int) -> NDArray[np.float64] | None:
    if "reference" not in batch:
        return None
    dice = dice_per_class(labels, batch["reference"].cpu().numpy(), classes)
    dice[~batch["annotated_labels"].cpu().numpy()] = np.nan
    return dice
