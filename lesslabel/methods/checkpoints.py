"""Record the method in its checkpoints, and refuse the checkpoints of other methods."""

from collections.abc import Sequence
from typing import Any

import torch
from pytorch_lightning import LightningModule

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
