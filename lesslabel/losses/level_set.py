"""Level sets of classes: regression targets, their loss, and the conversion to a probability.

From "Semi-supervised Medical Image Segmentation through Dual-task Consistency" (DTC, Luo et al., AAAI 2021); the
equations are those of its author's thesis.
"""

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lesslabel.data.case import IGNORE
from lesslabel.data.loading.derived import make_in_runs
from lesslabel.errors import ConfigError
from lesslabel.kernels.signed_distance import scaled_by_side, squared_distance_to_other_side
from lesslabel.losses.rules import at_least_float32, over_slices, without_autocast

Empty = Literal["outside", "zeros"]


def level_set(mask: NDArray[np.bool_], empty: Empty = "outside") -> NDArray[np.float32]:
    """Turn a mask into its level set: negative inside, 0 on the boundary, positive outside (eq. 5-1).

    Each side is divided by its own largest distance, so values span [−1, 1]. The boundary is the layer of inside voxels
    with a face neighbour outside; an object as thin as this layer has no negative value. Distances are exact,
    Euclidean, and in voxels whatever the spacing, as published.

    Args:
        mask: ([D,] H, W). Voxels beyond the image count as neither inside nor outside.
        empty: values for an empty mask: ``outside`` is +1 everywhere; ``zeros``, as in the public code of DTC, is 0
            (boundary) everywhere, with the probability 0.5.

    Returns:
        Same shape, float32. A mask that fills the image gives −1 everywhere, where the public code divides 0 by 0.
    """
    if not mask.any():
        return np.full(mask.shape, 1.0 if empty == "outside" else 0.0, np.float32)
    if mask.all():
        return np.full(mask.shape, -1.0, np.float32)
    volume = np.ascontiguousarray(mask if mask.ndim == 3 else mask[None])
    squared = squared_distance_to_other_side(volume)
    return scaled_by_side(squared.reshape(-1), volume.reshape(-1)).reshape(mask.shape)


def level_sets(labels: NDArray[Any], classes: int, empty: Empty = "outside") -> NDArray[np.float32]:
    """Make the level set of every foreground class of one label map.

    Args:
        labels: ([D,] H, W) class indices; `IGNORE` counts as outside of every class.
        classes: classes, background included.
        empty: see `level_set`.

    Returns:
        (classes − 1, [D,] H, W) float32, class 1 first.
    """
    return np.stack([level_set(labels == index, empty) for index in range(1, classes)])


def level_set_targets(target: Tensor, classes: int, empty: Empty = "outside", dense: Tensor | None = None) -> Tensor:
    """Compute the level sets of a batch, on the CPU in one thread.

    Args:
        target: B×[D×]H×W class indices or `IGNORE`.
        classes: classes, background included.
        empty: see `level_set`.
        dense: B[×D] bool, the samples or slices that are densely labelled; None means all. A run of neighbouring dense
            slices is a volume of its own, see `lesslabel.data.loading.derived.make_in_runs`.

    Returns:
        B×(classes − 1)×[D×]H×W float32 on the device of the target, 0 where nothing is dense.
    """
    labels = target.cpu().numpy()
    dense_slices = np.ones(len(labels), dtype=np.bool_) if dense is None else dense.cpu().numpy()
    maps = np.zeros((len(labels), classes - 1, *labels.shape[1:]), dtype=np.float32)
    for index in np.flatnonzero(dense_slices.reshape(len(dense_slices), -1).any(axis=1)):
        maps[index] = make_in_runs(lambda part: level_sets(part, classes, empty), labels[index], dense_slices[index])
    return torch.from_numpy(maps).to(target.device)


def level_set_loss(
    prediction: Tensor,
    level_set_target: Tensor,
    target: Tensor,
    *,
    annotated_labels: Tensor | None = None,
    per_sample: bool = False,
) -> Tensor:
    """Average the squared error of level sets over known voxels and annotated classes (eq. 5-6).

    If no voxel is known, the loss and its gradient are 0.

    Args:
        prediction: B×(C − 1)×[D×]H×W, one level set per foreground class.
        level_set_target: same shape.
        target: B×[D×]H×W class indices; only used to find the known voxels.
        annotated_labels: B×C bool, in 3D also B×C×D; None means that every class is annotated everywhere.
        per_sample: mean over each sample, then over the samples with a known voxel; False averages over the batch.

    Returns:
        Scalar, float32 or wider.
    """
    known = (target != IGNORE)[:, None].expand_as(prediction)
    if annotated_labels is not None:
        known = known & over_slices(annotated_labels[:, 1:].bool(), prediction)
    error = (at_least_float32(prediction) - level_set_target).square().masked_fill(~known, 0)
    if not per_sample:
        return error.sum() / known.sum().clamp(min=1)
    counts = known.flatten(1).sum(1)
    return (error.flatten(1).sum(1) / counts.clamp(min=1)).sum() / (counts > 0).sum().clamp(min=1)


def level_set_to_probability(values: Tensor, steepness: float = 1500.0) -> Tensor:
    """Turn level sets into probabilities by the smooth inverse T⁻¹(z) = sigmoid(−k·z) (eq. 5-2).

    Inside is negative, hence the sign; the thesis prints +k. Computed in float32 also under autocast: at k = 1500 the
    function rises within a few thousandths, which half precision rounds away.

    Args:
        values: level sets in [−1, 1], any shape.
        steepness: k, positive.

    Returns:
        Same shape in [0, 1], float32 or wider.
    """
    with without_autocast(values):
        return torch.sigmoid(-steepness * at_least_float32(values))


@dataclass(frozen=True)
class LevelSetDerivation:
    """How the data module computes level sets of samples; see `lesslabel.data.loading.derived.MapDerivation`.

    Attributes:
        whole: True computes them once from the whole case and keeps them in the store; False from each patch.
        dimensions: 2 makes the level set of every slice on its own, 3 that of the volume.
        empty: see `level_set`.
    """

    whole: bool
    dimensions: int
    empty: Empty = "outside"

    def __post_init__(self) -> None:
        if self.empty not in get_args(Empty):
            raise ConfigError(f"empty: {self.empty!r} is not one of {', '.join(map(repr, get_args(Empty)))}")

    @property
    def name(self) -> str:
        """Names everything that the values depend on besides the labels; change it with the computation."""
        return f"level_set_{self.dimensions}d_{self.empty}"

    def make(self, labels: NDArray[np.uint8], classes: int) -> NDArray[np.float32]:
        """Make (classes − 1, [D,] H, W) float32 from class indices ([D,] H, W)."""
        if self.dimensions == 2 and labels.ndim == 3:
            return np.stack([level_sets(one, classes, self.empty) for one in labels], axis=1)
        return level_sets(labels, classes, self.empty)
