"""Record the method in its checkpoints, refuse those of other methods, and complete weights to start from."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from pytorch_lightning import LightningModule
from torch import Tensor, nn

from lesslabel.errors import NonFiniteLossError, RunError

_KEY = "lesslabel_method"


def sign_checkpoint(method: LightningModule, checkpoint: dict[str, Any], cases: Sequence[str]) -> None:
    """Record which method the weights belong to.

    Args:
        method: the method of the checkpoint.
        checkpoint: the content of the checkpoint, before it is written.
        cases: of the last batch.

    Raises:
        NonFiniteLossError: if a weight is not finite; names it and the cases.
    """
    for name, tensor in method.state_dict().items():
        if not torch.isfinite(tensor).all():
            raise NonFiniteLossError(
                f"weights of {name} are not finite after iteration {method.global_step}; cases of the last batch: "
                f"{', '.join(cases)}; the last good checkpoint is kept, lower the learning rate"
            )
    checkpoint[_KEY] = type(method).__name__


def require_own_checkpoint(method: LightningModule, checkpoint: dict[str, Any]) -> None:
    """Raise an error for the checkpoint of another method or of a network of another shape.

    Raises:
        RunError: names the method, or the weight and both shapes.
    """
    writer = checkpoint.get(_KEY, "another program")
    if writer != type(method).__name__:
        raise RunError(f"the checkpoint was written by {writer}, this run is {type(method).__name__}; use its own")
    mine = {name: tuple(tensor.shape) for name, tensor in method.state_dict().items()}
    theirs = {name: tuple(tensor.shape) for name, tensor in checkpoint["state_dict"].items()}
    for name in sorted(mine.keys() | theirs.keys()):
        if mine.get(name) != theirs.get(name):
            raise RunError(
                f"the checkpoint has {name} of shape {theirs.get(name)}, this run {mine.get(name)}; "
                "use its own, or the same model.network"
            )


def with_own_parts(weights: Mapping[str, Tensor], method: nn.Module, *parts: str) -> Mapping[str, Tensor]:
    """Complete the weights that a method starts from by parts that are its own, as they were made.

    Args:
        weights: by name, those of a network alone.
        method: has the parts.
        parts: names of submodules or buffers of the method, dotted if inside others.

    Returns:
        The same if they hold all parts, else those of the method too.
    """
    starts = tuple(f"{part}." for part in parts)
    own = {name: tensor.clone() for name, tensor in method.state_dict().items() if f"{name}.".startswith(starts)}
    missing = {name: tensor for name, tensor in own.items() if name not in weights}
    return {**weights, **missing} if missing else weights
