"""Cross-entropy over known voxels, marginal over classes that nobody annotated."""

import torch
from torch import Tensor
from torch.nn import functional as F

from lesslabel.data.case import IGNORE
from lesslabel.losses.rules import (
    at_least_float32,
    check_shapes,
    classes_to_merge,
    merge_target,
    over_grid,
    over_slices,
)


def partial_cross_entropy(
    logits: Tensor, target: Tensor, *, annotated_labels: Tensor | None = None, weight: Tensor | None = None
) -> Tensor:
    """Average the cross-entropy over the known voxels of the whole batch.

    With scribbles this is the partial cross-entropy of DMPLS (eq. 4-1), averaged instead of summed; with dense labels
    it is the ordinary cross-entropy. If no voxel is known, the loss and its gradient are 0.

    A class that the annotation of a sample does not cover may be labelled as background. It is merged with the
    background (marginal loss, Shi et al., Medical Image Analysis 2021): a background voxel costs −log of the summed
    probabilities of background and unannotated classes. A voxel labelled with an unannotated class counts as
    background. In 3D the slices of a sample may cover different classes.

    Args:
        logits: B×C×[D×]H×W, background at index 0.
        target: B×[D×]H×W int64, class indices or `IGNORE`.
        annotated_labels: B×C bool, in 3D also B×C×D; None, the fast path, means that every class is annotated
            everywhere.
        weight: B or B×[D×]H×W, not negative; a weight of 0 is the same as unknown.

    Returns:
        Scalar, float32 or wider: the sum of losses divided by the known voxels' count (or weight), at least 1.

    Raises:
        ConfigError: if the shapes do not fit.
    """
    check_shapes(logits, target)
    logits = at_least_float32(logits)
    merged = classes_to_merge(annotated_labels, logits)
    if merged is None:
        log_probabilities = F.log_softmax(logits, dim=1)
    else:
        log_probabilities = _marginal_log_probabilities(logits, merged)
        target = merge_target(target, merged)
    known = target != IGNORE
    if weight is None:
        loss = F.nll_loss(log_probabilities, target, ignore_index=IGNORE, reduction="sum")
        return loss / known.sum().clamp(min=1)
    voxel_loss = F.nll_loss(log_probabilities, target, ignore_index=IGNORE, reduction="none")
    voxel_weight = over_grid(at_least_float32(weight), voxel_loss).expand_as(voxel_loss).masked_fill(~known, 0)
    return (voxel_loss * voxel_weight).sum() / voxel_weight.sum().clamp(min=1)


def _marginal_log_probabilities(logits: Tensor, merged: Tensor) -> Tensor:
    log_probabilities = F.log_softmax(logits, dim=1)
    joins_background = merged.clone()
    joins_background[:, 0] = True
    apart = ~over_slices(joins_background, logits)
    background = torch.logsumexp(log_probabilities.masked_fill(apart, -torch.inf), dim=1, keepdim=True)
    return torch.cat([background, log_probabilities[:, 1:]], dim=1)
