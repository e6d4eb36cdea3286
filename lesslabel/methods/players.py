"""Methods with several optimisers that step in turn, such as a network and its discriminators."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import torch
from pytorch_lightning.core.optimizer import LightningOptimizer, do_nothing_closure
from torch import Tensor, nn

from lesslabel.data.batch import Batch
from lesslabel.methods.optimiser import Optimiser
from lesslabel.networks.u_shaped import Encoder

if TYPE_CHECKING:
    from lesslabel.methods.base import SegmentationMethod


@dataclass(frozen=True, eq=False)
class Player:
    """A submodule of a method with its own optimiser.

    Attributes:
        module: the submodule; only this player updates its weights.
        optimiser: its optimiser.
        losses: computes the named, weighted terms of its loss from the training batch.
    """

    module: nn.Module
    optimiser: Optimiser
    losses: Callable[[Batch], Mapping[str, Tensor]]


def main_parameters(method: "SegmentationMethod") -> list[nn.Parameter]:
    """The trainable weights of a method without those of its players."""
    others = {id(weight) for player in method.players().values() for weight in player.module.parameters()}
    return [weight for weight in method.parameters() if weight.requires_grad and id(weight) not in others]


def configure_all(method: "SegmentationMethod", max_steps: int) -> Any:
    """Build optimiser and schedule of the method and of each of its players, as Lightning expects them."""
    configured = []
    for optimiser, weights, module in (
        (method.optimiser, main_parameters(method), method),
        *((player.optimiser, list(player.module.parameters()), player.module) for player in method.players().values()),
    ):
        encoders = [each for each in module.modules() if isinstance(each, Encoder)]
        shares = ((part.parameters(), share) for part, share in method.rate_shares())
        built = optimiser.build(weights, (weight for encoder in encoders for weight in encoder.parameters()), shares)
        configured.append({"optimizer": built, "lr_scheduler": optimiser.schedule(built, max_steps)})
    return configured if len(configured) > 1 else configured[0]


def alternate(method: "SegmentationMethod", batch: Batch) -> Tensor:
    """Run one iteration: a step of the method, then of each player in order, each on its own weights only.

    An iteration counts once, whatever the number of optimisers, so `trainer.max_steps` and ramps have their usual
    meaning. `after_update` is called last.

    Returns:
        The loss of the method, detached.

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
