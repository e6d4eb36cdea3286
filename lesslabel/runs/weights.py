"""Weights as safetensors, to share and to start a training from; the file contains no code."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor, nn

from lesslabel.errors import RunError
from lesslabel.files import hash_file
from lesslabel.methods import SegmentationMethod


def save_weights(state: Mapping[str, Tensor], path: Path) -> None:
    """Write the weights of a model.

    Args:
        state: its `state_dict`.
        path: safetensors file to make.
    """
    # the file knows one layout; networks for slices hold theirs channels-last
    safetensors.torch.save_file({name: tensor.cpu().contiguous() for name, tensor in state.items()}, path)


def load_weights(model: nn.Module, path: Path) -> None:
    """Give a model the weights of a file; every tensor must fit.

    Args:
        model: takes the weights; a method may complete them, see `SegmentationMethod.complete_weights`.
        path: safetensors file, such as that of a bundle.

    Raises:
        RunError: if the file cannot be read, or holds other tensors than the model has; names the first.
    """
    weights: Mapping[str, Tensor] = _read(path)
    if isinstance(model, SegmentationMethod):
        weights = model.complete_weights(weights)
    mine = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    theirs = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    for name in sorted(mine.keys() | theirs.keys()):
        if mine.get(name) != theirs.get(name):
            raise RunError(
                f"{path}: has {name} of shape {theirs.get(name)}, this model {mine.get(name)}; use the weights of the "
                "same method and model.network"
            )
    model.load_state_dict(weights)


def describe_weights(path: Path) -> dict[str, Any]:
    """The record of the weights that a run started from: file name and hash of the content."""
    return {"file": path.name, "sha256": hash_file(path)}


def _read(path: Path) -> dict[str, Tensor]:
    try:
        return safetensors.torch.load_file(path)
    except FileNotFoundError as error:
        raise RunError(f"{path}: no weights here; name a safetensors file") from error
    except (OSError, SafetensorError) as error:
        raise RunError(f"{path}: not a whole safetensors file ({error}); fetch it again") from error
