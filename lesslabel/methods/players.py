"""Methods with several optimisers, whose steps alternate: a network and the discriminators that play against it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import torch
from pytorch_lightning.core.optimizer import LightningOptimizer, do_nothing_closure
from torch import Tensor, nn

from lesslabel.data.batch import Batch
from lesslabel.methods.optimiser import Optimiser

if TYPE_CHECKING:
    from lesslabel.methods.base import SegmentationMethod


@dataclass(frozen=True, eq=False)
class Player:
    """A part of a method that has an optimiser of its own.

    Attributes:
        module: a submodule of the method; its weights belong to this player alone.
        optimiser: how they are updated.
        losses: the named, weighted terms of its loss, from the batch that the method itself was given.
    """

    module: nn.Module
    optimiser: Optimiser
    losses: Callable[[Batch], Mapping[str, Tensor]]


def main_parameters(method: "SegmentationMethod") -> list[nn.Parameter]:
    """The trainable weights that belong to no player."""
    others = {id(weight) for player in method.players().values() for weight in player.module.parameters()}
    return [weight for weight in method.parameters() if weight.requires_grad and id(weight) not in others]


def configure_all(method: "SegmentationMethod", max_steps: int) -> Any:
    """Optimiser and schedule of the method and of each of its players, in the form that Lightning takes."""
    configured = []
    for optimiser, weights in (
        (method.optimiser, main_parameters(method)),
        *((player.optimiser, list(player.module.parameters())) for player in method.players().values()),
    ):
        built = optimiser.build(weights)
        configured.append({"optimizer": built, "lr_scheduler": optimiser.schedule(built, max_steps)})
    return configured if len(configured) > 1 else configured[0]


def alternate(method: "SegmentationMethod", batch: Batch) -> Tensor:
    """Take one iteration: a step of the method, then one of each player in order, each on its own weights alone.

    An iteration counts once, however many optimisers step in it, so that `trainer.max_steps` and ramps mean what they
    mean everywhere. What follows an update (`after_update`) comes last.

    Returns:
        The method's own loss, without its graph.

    Raises:
        NonFiniteLossError: if a sum is not finite; names the cases of the batch.
    """
    optimisers = cast(list[LightningOptimizer], method.optimizers())
    schedulers = cast(list[Any], method.lr_schedulers())
    moves = [("", method.losses), *((f"{name}_", player.losses) for name, player in method.players().items())]
    method.held_iteration = method.global_step
    totals: list[Tensor] = []
    try:
        for number, (optimiser, scheduler, (prefix, losses)) in enumerate(
            zip(optimisers, schedulers, moves, strict=True)
        ):
            with method.toggled_optimizer(optimiser):
                total = method.checked_total(losses(batch), batch, prefix)
                optimiser.zero_grad()
                method.manual_backward(total)
                if number:  # Lightning counts every step of an optimiser as an iteration
                    optimiser._on_before_step = optimiser._on_after_step = do_nothing_closure
                optimiser.step()
                scheduler.step()
            totals.append(total.detach())
        with torch.no_grad():
            method.after_update()
    finally:
        method.held_iteration = None
    return totals[0]
