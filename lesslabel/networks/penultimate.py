"""Read the penultimate and the encoder maps of the networks inside a module while it predicts."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from lesslabel.networks.u_shaped import UShaped


@contextmanager
def penultimate_maps(module: nn.Module) -> Iterator[list[Tensor]]:
    """Collect the output of the decoders of all U-shaped networks inside a module while the block runs.

    A method may hold several networks, such as a student and its teacher. Only those that run are recorded, with
    any head, and no network runs twice.

    Args:
        module: a network, a wrapper of one, or a method.

    Yields:
        A list that receives one map B×features×[D×]H×W each time a network runs.
    """
    with _outputs([part.decoder for part in module.modules() if isinstance(part, UShaped)]) as maps:
        yield maps


@contextmanager
def encoder_maps(module: nn.Module) -> Iterator[list[list[Tensor]]]:
    """Collect the maps of the encoders of all U-shaped networks inside a module while the block runs.

    With them a perturbed decoding needs no second pass of the encoder.

    Args:
        module: a network, a wrapper of one, or a method.

    Yields:
        A list that receives the maps of one image, finest first, each time a network runs.
    """
    with _outputs([part.encoder for part in module.modules() if isinstance(part, UShaped)]) as maps:
        yield maps


@contextmanager
def _outputs(parts: Sequence[nn.Module]) -> Iterator[list[Any]]:
    outputs: list[Any] = []

    def collect(part: nn.Module, inputs: object, output: object) -> None:  # noqa: ARG001  torch's signature
        outputs.append(output)

    hooks = [part.register_forward_hook(collect) for part in parts]
    try:
        yield outputs
    finally:
        for hook in hooks:
            hook.remove()
