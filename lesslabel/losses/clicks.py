"""Losses of networks with clicks: weighted near clicks, and focused on wrong voxels."""

import torch
from torch import Tensor
from torch.nn import functional as F

from lesslabel.data.case import IGNORE
from lesslabel.errors import ConfigError
from lesslabel.losses.rules import at_least_float32, check_shapes


def click_influence(clicked: Tensor, reach_voxel: float) -> Tensor:
    """Compute the influence of clicks on each voxel: ψ = 1 − min(φ, τ) / τ, φ the distance (FCA-Net, eq. 3.1 and 3.3).

    Args:
        clicked: B×[D×]H×W bool, the clicked voxels.
        reach_voxel: τ, the distance in voxels at which the influence ends; published 100, for images of 512 pixels.

    Returns:
        B×[D×]H×W float32 in [0, 1]: 1 at a click, 0 from the reach on, 0 everywhere in a sample without a click.

    Raises:
        ConfigError: if the reach is not positive.
    """
    if not reach_voxel > 0:
        raise ConfigError(f"reach_voxel: {reach_voxel} must be positive")
    axes = [torch.arange(length, device=clicked.device, dtype=torch.float32) for length in clicked.shape[1:]]
    influence = torch.zeros(clicked.shape, device=clicked.device)
    for sample, marked in enumerate(clicked):
        for position in marked.nonzero():
            distance = _distance(axes, position)
            influence[sample] = torch.maximum(influence[sample], 1 - distance.clamp(max=reach_voxel) / reach_voxel)
    return influence


def click_weighted_cross_entropy(
    logits: Tensor,
    target: Tensor,
    near_object_clicks: Tensor,
    near_background_clicks: Tensor | None = None,
    *,
    lowest: float = 0.8,
    highest: float = 2.0,
) -> Tensor:
    """Average the cross-entropy of object and background, with larger weights near clicks (FCA-Net, eq. 3.2–3.7).

    A voxel of the object weighs ``lowest + ψ (highest − lowest)`` by its influence ψ of the clicks on the object, one
    of the background by that of the clicks on the background. Without the latter the background weighs ``lowest``
    everywhere: with the influence of the first click alone this is the first-click loss (eq. 3.6, 3.7), else the click
    loss (eq. 3.4, 3.5).

    Args:
        logits: B×2×[D×]H×W, background and object.
        target: B×[D×]H×W int64: 0, 1 or `IGNORE`.
        near_object_clicks: B×[D×]H×W, see `click_influence`.
        near_background_clicks: the same of the clicks on the background; None for none.
        lowest: α.
        highest: β.

    Returns:
        Scalar, float32 or wider: the weighted sum divided by the number of known voxels, at least 1.

    Raises:
        ConfigError: if the shapes do not fit.
    """
    check_shapes(logits, target)
    on_object = near_object_clicks * (target == 1)
    influence = on_object if near_background_clicks is None else on_object + near_background_clicks * (target == 0)
    loss = F.cross_entropy(at_least_float32(logits), target, ignore_index=IGNORE, reduction="none")
    weight = lowest + influence * (highest - lowest)
    return (loss * weight).sum() / (target != IGNORE).sum().clamp(min=1)


def normalised_focal_loss(logits: Tensor, target: Tensor, *, focus: float = 2.0) -> Tensor:
    """Compute the cross-entropy of each sample with weights (1 − p)^γ that sum to one (EdgeFlow, eq. 1 and 2).

    p is the probability of a voxel's own class. The weights carry no gradient, as in Sofiiuk et al., "AdaptIS:
    Adaptive instance selection network", ICCV 2019, which introduced them; the equation does not state it.

    Args:
        logits: B×C×[D×]H×W.
        target: B×[D×]H×W int64, class indices or `IGNORE`.
        focus: γ; 0 is the cross-entropy averaged over each sample. EdgeFlow does not give its value; RITM has 2.

    Returns:
        Scalar, float32 or wider: the mean over the samples with a known voxel, 0 without any.

    Raises:
        ConfigError: if the shapes do not fit or the focus is negative.
    """
    check_shapes(logits, target)
    if focus < 0:
        raise ConfigError(f"focus: {focus} must be at least 0")
    known = (target != IGNORE).flatten(1)
    loss = F.cross_entropy(at_least_float32(logits), target, ignore_index=IGNORE, reduction="none").flatten(1)
    weight = (1 - (-loss.detach()).exp()).clamp(min=0) ** focus * known
    per_sample = (loss * weight).sum(dim=1) / weight.sum(dim=1).clamp(min=torch.finfo(weight.dtype).tiny)
    return per_sample.sum() / known.any(dim=1).sum().clamp(min=1)


def balanced_cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """Compute the cross-entropy of an edge, whose few voxels have the same weight as all others together.

    ``−[β y log p + (1 − β)(1 − y) log(1 − p)]`` with β the share of the other voxels (Xie and Tu, "Holistically-nested
    edge detection", ICCV 2015), summed over the known voxels of a sample and divided by their number.

    Args:
        logits: B×[D×]H×W of the edge.
        target: B×[D×]H×W int64, 0, 1 or `IGNORE`.

    Returns:
        Scalar, float32 or wider: the mean over the samples with a known voxel, 0 without any.
    """
    known = (target != IGNORE).flatten(1)
    edge = (target == 1).flatten(1)
    others = 1 - edge.sum(dim=1, keepdim=True) / known.sum(dim=1, keepdim=True).clamp(min=1)
    loss = F.binary_cross_entropy_with_logits(at_least_float32(logits).flatten(1), edge.float(), reduction="none")
    weighted = loss * torch.where(edge, others, 1 - others) * known
    per_sample = weighted.sum(dim=1) / known.sum(dim=1).clamp(min=1)
    return per_sample.sum() / known.any(dim=1).sum().clamp(min=1)


def _distance(axes: list[Tensor], position: Tensor) -> Tensor:
    """Distances of all voxels of a grid to one of them."""
    squared = torch.zeros(())
    for index, (axis, place) in enumerate(zip(axes, position, strict=True)):
        shape = [1] * len(axes)
        shape[index] = -1
        squared = squared.to(axis.device) + (axis - place).square().view(shape)
    return squared.sqrt()
