"""The rules that every loss keeps: float32 arithmetic, matching shapes, and the merging of unannotated classes."""

import torch
from torch import Tensor

from lesslabel.errors import ConfigError

_LABEL_CODES = 256


def at_least_float32(values: Tensor) -> Tensor:
    """Widen half precision to float32, so that a sum over many voxels under autocast keeps its digits."""
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


def classes_to_merge(annotated_labels: Tensor | None) -> Tensor | None:
    """Decide which classes are merged into the background of which sample.

    On a GPU the answer "none" is not looked for, since the question would make the host wait; pass None where every
    class is annotated.

    Args:
        annotated_labels: B×C bool, whether the sample's annotation speaks of the class; None means all of them.
            Column 0, the background, takes what is merged and counts as annotated.

    Returns:
        B×C bool, True where the class was not annotated, never in column 0; None if there is nothing to merge.
    """
    if annotated_labels is None:
        return None
    merged = ~annotated_labels.bool()
    merged[:, 0] = False
    if merged.device.type == "cpu" and not merged.any():
        return None
    return merged


def merge_target(target: Tensor, merged: Tensor) -> Tensor:
    """Turn the labels of merged classes into background; `IGNORE` and all other labels stay.

    Args:
        target: B×[D×]H×W int64, values in [0, 255].
        merged: B×C bool from `classes_to_merge`.

    Returns:
        B×[D×]H×W int64.
    """
    batch, classes = merged.shape
    codes = torch.arange(_LABEL_CODES, device=target.device).repeat(batch, 1)
    codes[:, :classes].masked_fill_(merged, 0)
    return codes.gather(1, target.flatten(1)).view_as(target)


def merge_probabilities(probabilities: Tensor, merged: Tensor) -> Tensor:
    """Add the probabilities of merged classes to the background and set them to 0.

    Args:
        probabilities: B×C×[D×]H×W.
        merged: B×C bool from `classes_to_merge`.

    Returns:
        B×C×[D×]H×W with the same sum over classes.
    """
    mask = over_grid(merged, probabilities)
    moved = probabilities.masked_fill(~mask, 0).sum(dim=1, keepdim=True)
    kept = probabilities.masked_fill(mask, 0)
    return torch.cat([kept[:, :1] + moved, kept[:, 1:]], dim=1)


def over_grid(values: Tensor, grid: Tensor) -> Tensor:
    """Append axes of size 1 until the values broadcast over a tensor with spatial axes (B×C with B×C×[D×]H×W)."""
    return values.reshape(*values.shape, *(1,) * (grid.ndim - values.ndim))
