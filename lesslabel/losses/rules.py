"""Rules that all losses share: float32 arithmetic, matching shapes, and the merging of unannotated classes.

The kind of annotation and the classes that it covers may differ from slice to slice of a volume. Only `over_slices`
broadcasts them to the axes of a grid.
"""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

from lesslabel.errors import ConfigError

_LABEL_CODES = 256


def without_autocast(values: Tensor) -> AbstractContextManager[object]:
    """Compute in the precision of the values; a device that has no autocast, such as meta, needs nothing."""
    kind = values.device.type
    return torch.autocast(kind, enabled=False) if torch.amp.is_autocast_available(kind) else nullcontext()


def at_least_float32(values: Tensor) -> Tensor:
    """Widen half precision to float32, so that a sum over many voxels under autocast stays precise."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def check_shapes(prediction: Tensor, target: Tensor) -> None:
    """Check that a target lies on the grid of a prediction.

    Args:
        prediction: B×C×[D×]H×W.
        target: B×[D×]H×W.

    Raises:
        ConfigError: if batch or grid differ.
    """
    if prediction.shape[:1] + prediction.shape[2:] != target.shape:
        raise ConfigError(
            f"target {tuple(target.shape)} does not fit prediction {tuple(prediction.shape)}; "
            "expected B×[D×]H×W beside B×C×[D×]H×W"
        )


def classes_to_merge(annotated_labels: Tensor | None, prediction: Tensor) -> Tensor | None:
    """Decide which classes are merged into the background of which sample, or of which of its slices.

    On a GPU it does not check whether no class is merged, since that would make the host wait; pass None if every
    class is annotated.

    Args:
        annotated_labels: B×C[×D] bool, whether the annotation of the sample, or of its slice, covers the class; None
            means all of them. The merged classes are added to column 0, the background, which counts as annotated.
        prediction: B×C×[D×]H×W.

    Returns:
        Bool of the same shape, True where the class was not annotated, never in column 0; None if there is nothing to
        merge.

    Raises:
        ConfigError: if the shapes do not fit.
    """
    if annotated_labels is None:
        return None
    over_slices(annotated_labels, prediction)
    merged = ~annotated_labels.bool()
    merged[:, 0] = False
    if merged.device.type == "cpu" and not merged.any():
        return None
    return merged


def merge_target(target: Tensor, merged: Tensor) -> Tensor:
    """Turn the labels of merged classes into background; `IGNORE` and all other labels stay.

    Args:
        target: B×[D×]H×W int64, values in [0, 255].
        merged: B×C[×D] bool from `classes_to_merge`.

    Returns:
        B×[D×]H×W int64.
    """
    if merged.ndim == 3:  # each slice is a sample of its own
        return merge_target(target.flatten(0, 1), merged.transpose(1, 2).flatten(0, 1)).view_as(target)
    batch, classes = merged.shape
    codes = torch.arange(_LABEL_CODES, device=target.device).repeat(batch, 1)
    codes[:, :classes].masked_fill_(merged, 0)
    return codes.gather(1, target.flatten(1)).view_as(target)


def merge_probabilities(probabilities: Tensor, merged: Tensor) -> Tensor:
    """Add the probabilities of merged classes to the background and set them to 0.

    Args:
        probabilities: B×C×[D×]H×W.
        merged: B×C[×D] bool from `classes_to_merge`.

    Returns:
        B×C×[D×]H×W with the same sum over classes.
    """
    mask = over_slices(merged, probabilities)
    moved = probabilities.masked_fill(~mask, 0).sum(dim=1, keepdim=True)
    kept = probabilities.masked_fill(mask, 0)
    return torch.cat([kept[:, :1] + moved, kept[:, 1:]], dim=1)


def over_grid(values: Tensor, grid: Tensor) -> Tensor:
    """Append axes of size 1 until the values broadcast over a tensor with spatial axes (B×C with B×C×[D×]H×W)."""
    return values.reshape(*values.shape, *(1,) * (grid.ndim - values.ndim))


def over_slices(values: Tensor, grid: Tensor) -> Tensor:
    """Broadcast a value of each sample, or of each of its slices, over a tensor with spatial axes.

    A value of a sample counts in all its slices, so both forms are equivalent if the slices of a volume agree.
    In 2D a sample is one slice and has one value.

    Args:
        values: a kind of supervision, B[×D] over a grid B×[D×]H×W, or annotated classes, B×C[×D] over B×C×[D×]H×W.
        grid: its last two axes are those of a slice.

    Returns:
        The values with axes of size 1 behind them.

    Raises:
        ConfigError: if there is neither one value for each sample nor one for each slice.
    """
    if values.ndim > grid.ndim - 2 or values.shape != grid.shape[: values.ndim]:
        raise ConfigError(
            f"kind or annotated_labels of shape {tuple(values.shape)} do not fit {tuple(grid.shape)}; give one value "
            "for each sample, or in 3D one for each slice: kind B[×D], annotated_labels B×C[×D]"
        )
    return over_grid(values, grid)
