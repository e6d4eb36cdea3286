"""Similarity of neighbouring places of a map, how it is learned from labels, and a random walk along it."""

from collections.abc import Sequence
from itertools import product

import torch
from torch import Tensor

from lesslabel.data.case import IGNORE

_SMALL = 1e-5


def neighbour_offsets(radius: int, dimensions: int) -> list[tuple[int, ...]]:
    """List the steps to all places that are nearer than a radius, without the place itself."""
    steps = product(range(1 - radius, radius), repeat=dimensions)
    return [step for step in steps if 0 < sum(side**2 for side in step) < radius**2]


def at_offset(values: Tensor, offset: Sequence[int], fill: float) -> Tensor:
    """Read at every place the value of a neighbour.

    Args:
        values: …×[D×]H×W.
        offset: from a place to its neighbour, one number an axis of the grid.
        fill: the value of neighbours outside the map.

    Returns:
        Same shape.
    """
    axes = tuple(range(values.ndim - len(offset), values.ndim))
    moved = values.roll(tuple(-step for step in offset), axes)
    inside = torch.ones(values.shape[axes[0] :], dtype=torch.bool, device=values.device)
    for axis, step in enumerate(offset):
        length = inside.shape[axis]
        there = torch.arange(length, device=values.device) + step
        inside &= ((there >= 0) & (there < length)).view(-1, *[1] * (len(offset) - axis - 1))
    return moved.masked_fill(~inside, fill)


def neighbour_similarity(features: Tensor, offsets: Sequence[Sequence[int]]) -> Tensor:
    """Compute exp(−mean |f_i − f_j|) of every place and its neighbours.

    Args:
        features: B×F×[D×]H×W.
        offsets: K steps to neighbours.

    Returns:
        B×K×[D×]H×W in [0, 1]; 0 for neighbours outside the map.
    """
    differences = [(at_offset(features, offset, torch.inf) - features).abs().mean(dim=1) for offset in offsets]
    return (-torch.stack(differences, dim=1)).exp()


def similarity_loss(similarity: Tensor, label: Tensor, offsets: Sequence[Sequence[int]]) -> Tensor:
    """Draw the similarity of places with the same label to 1, of places with different labels to 0.

    ¼ of the loss is the mean over pairs in the background, ¼ over pairs in one structure, ½ over pairs with different
    labels; a kind without a pair counts 0.

    Args:
        similarity: B×K×[D×]H×W, by `neighbour_similarity`.
        label: B×[D×]H×W int64, class indices or `IGNORE`.
        offsets: those of the similarity.

    Returns:
        Scalar.
    """
    others = torch.stack([at_offset(label, offset, IGNORE) for offset in offsets], dim=1)
    own = label[:, None].expand_as(others)
    known = (own != IGNORE) & (others != IGNORE)
    alike, unlike = -(similarity + _SMALL).log(), -(1.0 + _SMALL - similarity).log()

    def mean(loss: Tensor, pairs: Tensor) -> Tensor:
        return loss.masked_fill(~pairs, 0.0).sum() / pairs.sum().clamp(min=1)

    same = known & (own == others)
    inside = 0.25 * (mean(alike, same & (own == 0)) + mean(alike, same & (own > 0)))
    return inside + 0.5 * mean(unlike, known & ~same)


@torch.no_grad()
def random_walk(values: Tensor, similarity: Tensor, offsets: Sequence[Sequence[int]], steps: int) -> Tensor:
    """Replace every value several times by the mean of its neighbours and itself, weighted by similarity.

    Args:
        values: B×C×[D×]H×W.
        similarity: B×K×[D×]H×W, 0 or more, 0 outside the map; that of a place to itself is 1.
        offsets: those of the similarity.
        steps: how often.

    Returns:
        Same shape as the values.
    """
    total = 1.0 + similarity.sum(dim=1, keepdim=True)
    for _ in range(steps):
        drawn = values.clone()
        for index, offset in enumerate(offsets):
            drawn += similarity[:, index : index + 1] * at_offset(values, offset, 0.0)
        values = drawn / total
    return values
