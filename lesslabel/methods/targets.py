"""Targets of a batch by kind of annotation, its unlabelled samples, and the supervised terms of the loss."""

from collections.abc import Sequence

import torch
from torch import Tensor

from lesslabel.data.batch import Batch
from lesslabel.data.case import IGNORE, Kind
from lesslabel.losses import dice_loss, partial_cross_entropy
from lesslabel.losses.rules import over_slices


def dense_target(batch: Batch) -> Tensor:
    """The target of densely labelled slices; every other slice is set to `IGNORE`.

    Losses on shapes and overlaps (Dice, level sets) use only dense labels.
    """
    return target_of_kinds(batch, (Kind.DENSE,))


def target_of_kinds(batch: Batch, kinds: Sequence[Kind]) -> Tensor:
    """The target of slices of the given kinds; every other slice (in 2D a sample) is set to `IGNORE`."""
    wanted = torch.isin(batch["kind"], torch.tensor([int(kind) for kind in kinds], device=batch["kind"].device))
    return torch.where(over_slices(wanted, batch["target"]), batch["target"], IGNORE)


def trusted_target(batch: Batch) -> Tensor:
    """The target without the background of slices whose annotation lacks a class: there it may be that class."""
    target = batch["target"]
    complete = over_slices(batch["annotated_labels"].all(dim=1), target)
    return torch.where((target != 0) | complete, target, IGNORE)


def unlabelled_samples(batch: Batch) -> Tensor:
    """Which samples are unlabelled: (B,) bool, from `kind` and never from pixels.

    A volume is unlabelled if none of its slices is labelled.
    """
    kind = batch["kind"]
    return (kind == int(Kind.NONE)).reshape(len(kind), -1).all(dim=1)


def take_samples(batch: Batch, indices: Tensor) -> Batch:
    """Select samples of a batch in the given order; indices beyond the end start again at 0."""
    indices = indices % max(1, len(batch["image"]))
    taken = Batch(
        image=batch["image"][indices],
        target=batch["target"][indices],
        kind=batch["kind"][indices],
        annotated_labels=batch["annotated_labels"][indices],
        uid=[batch["uid"][index] for index in indices.tolist()],
    )
    if "weight" in batch:
        taken["weight"] = batch["weight"][indices]
    if "derived" in batch:
        taken["derived"] = batch["derived"][indices]
    return taken


def within(batch: Batch, region: Tensor) -> Batch:
    """Set every target outside a region ([D×]H×W bool) to `IGNORE`."""
    restricted = batch.copy()
    restricted["target"] = torch.where(region, batch["target"], IGNORE)
    return restricted


def known_cross_entropy(logits: Tensor, batch: Batch) -> Tensor:
    """Average the cross-entropy of logits B×C×[D×]H×W over the known voxels of a batch; 0 if none is known."""
    return partial_cross_entropy(
        logits, batch["target"], annotated_labels=batch["annotated_labels"], weight=batch.get("weight")
    )


def supervised_terms(logits: Tensor, batch: Batch, dice_kinds: Sequence[Kind] = (Kind.DENSE,)) -> dict[str, Tensor]:
    """Compute the supervised terms of a batch: ½ cross-entropy on known voxels and ½ Dice on dense slices.

    Args:
        logits: B×C×[D×]H×W.
        batch: the labels; unlabelled samples and unlabelled slices do not change the terms.
        dice_kinds: the kinds of annotation that Dice uses, slice by slice.

    Returns:
        The terms ``cross_entropy`` and ``dice``.
    """
    cross_entropy = known_cross_entropy(logits, batch)
    probabilities = logits.float().softmax(dim=1)
    target = target_of_kinds(batch, dice_kinds)
    dice = dice_loss(probabilities, target, annotated_labels=batch["annotated_labels"])
    return {"cross_entropy": 0.5 * cross_entropy, "dice": 0.5 * dice}
