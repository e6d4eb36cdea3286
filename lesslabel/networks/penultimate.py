"""Read the penultimate maps of the networks inside a module while it predicts."""

from collections.abc import Iterator
from contextlib import contextmanager

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
    maps: list[Tensor] = []

    def collect(decoder: nn.Module, features: object, result: Tensor) -> None:  # noqa: ARG001  torch's signature
        maps.append(result)

    decoders = [part.decoder for part in module.modules() if isinstance(part, UShaped)]
    hooks = [decoder.register_forward_hook(collect) for decoder in decoders]
    try:
        yield maps
    finally:
        for hook in hooks:
            hook.remove()
