"""Soft Dice over known voxels."""

import torch
from torch import Tensor

from lesslabel.data.case import IGNORE
from lesslabel.errors import ConfigError
from lesslabel.losses.rules import (
    at_least_float32,
    check_shapes,
    classes_to_merge,
    merge_probabilities,
    merge_target,
    over_grid,
)


def dice_loss(
    probabilities: Tensor,
    target: Tensor,
    *,
    squared: bool = True,
    include_background: bool = True,
    annotated_labels: Tensor | None = None,
    per_sample: bool = False,
    smooth: float = 1e-5,
) -> Tensor:
    """Compute one minus the mean soft Dice of the classes, over known voxels.

    Per class, with sums over the known voxels: ``(2 Σ p·t + smooth) / (Σ p² + Σ t² + smooth)``, or with plain sums in
    the denominator. Unknown voxels are left out of all three sums. If no voxel is known, the loss and its gradient are
    0. Use it for dense targets and pseudo labels: over a few scribbled voxels, Dice ignores the prediction between
    them.

    A class without a voxel in the target is not left out: its Dice is ``smooth / (Σ p² + smooth)``, close to 0 as soon
    as the class is predicted anywhere, and 1 if it is predicted nowhere. With a small ``smooth`` this gives a large
    gradient.

    A class that the annotation of a sample does not cover is treated differently: its probability is added to the
    background, its label (if any) becomes background, and it is left out of the mean unless another sample covers it.
    In 3D the same holds slice by slice, so sums over the batch equal those of a batch of the slices.

    Args:
        probabilities: B×C×[D×]H×W in [0, 1], background at index 0.
        target: B×[D×]H×W integers, class indices or `IGNORE`.
        squared: squared sums in the denominator, as published with DMPLS; False gives plain sums, as in DTC (eq. 5-5).
        include_background: whether the background is one of the averaged classes.
        annotated_labels: B×C bool, in 3D also B×C×D; None means that every class is annotated everywhere.
        per_sample: sums over each sample, then the mean over the samples with a known voxel; False sums over the batch.
        smooth: added to numerator and denominator; positive.

    Returns:
        Scalar in [0, 1], float32 or wider.

    Raises:
        ConfigError: if the shapes do not fit or ``smooth`` is not positive.
    """
    check_shapes(probabilities, target)
    if smooth <= 0:
        raise ConfigError(f"smooth: {smooth} must be positive, or the Dice of an empty class is 0 / 0")
    probabilities = at_least_float32(probabilities)
    merged = classes_to_merge(annotated_labels, probabilities)
    if merged is None:
        counts = _where_known(target, 1)[:, None].expand(probabilities.shape[:2])
    else:
        probabilities = merge_probabilities(probabilities, merged)
        target = merge_target(target, merged)
        counts = _annotated_classes(target, merged)
    overlap, size = _sums(probabilities, target, squared)
    if not per_sample:
        overlap, size = overlap.sum(0, keepdim=True), size.sum(0, keepdim=True)
        counts = counts.any(0, keepdim=True)
    loss = 1 - (2 * overlap + smooth) / (size + smooth)
    first = 0 if include_background else 1
    return _mean_of_class_means(loss[:, first:], counts[:, first:])


def _where_known(target: Tensor, axes: int) -> Tensor:
    """Which samples (1 axis), or which of their slices (2), have a known voxel."""
    return (target != IGNORE).flatten(axes).any(dim=axes)


def _annotated_classes(target: Tensor, merged: Tensor) -> Tensor:
    """Which classes the annotation of a sample covers: B×C; in 3D in at least one slice."""
    annotated = _where_known(target, merged.ndim - 1)[:, None] & ~merged
    return annotated if merged.ndim == 2 else annotated.any(dim=2)


def _sums(probabilities: Tensor, target: Tensor, squared: bool) -> tuple[Tensor, Tensor]:
    """Sum p·t and p² + t² (or p + t) over each sample's known voxels; both B×C."""
    known = (target != IGNORE)[:, None]
    classes = over_grid(torch.arange(probabilities.shape[1], device=target.device), target)
    is_class = target[:, None] == classes  # IGNORE equals no class
    probabilities = probabilities.masked_fill(~known, 0)
    overlap = probabilities.masked_fill(~is_class, 0).flatten(2).sum(2)
    predicted = (probabilities.square() if squared else probabilities).flatten(2).sum(2)
    return overlap, predicted + is_class.flatten(2).sum(2)


def _mean_of_class_means(loss: Tensor, counts: Tensor) -> Tensor:
    """Average over the classes of a row, then over the rows, only where ``counts``; 0 if nothing counts."""
    row_loss = loss.masked_fill(~counts, 0).sum(1) / counts.sum(1).clamp(min=1)
    return row_loss.sum() / counts.any(1).sum().clamp(min=1)
