"""Optimiser and learning rate schedule, set by values that a YAML file can hold."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn

from lesslabel.errors import ConfigError
from lesslabel.losses import poly


@dataclass(frozen=True)
class Optimiser:
    """Optimiser and learning rate; the rate is updated every iteration.

    Attributes:
        name: ``sgd`` or ``adam``.
        learning_rate: at the start.
        momentum: of SGD.
        weight_decay: L2 penalty.
        decay: ``poly`` is (1 − t/t_max)^power over the whole run, ``step`` multiplies by `factor` every `every`
            iterations after the first `keep`, ``none`` keeps the rate constant.
        power: of ``poly``.
        every: iterations between two steps of ``step``.
        factor: of ``step``.
        keep: of ``step``.
        encoder_share: learning rate of the encoders of networks, as a share of `learning_rate`; use less than 1 for
            pretrained encoders.
    """

    name: Literal["sgd", "adam"] = "sgd"
    learning_rate: float = 0.01
    momentum: float = 0.9
    weight_decay: float = 1e-4
    decay: Literal["poly", "step", "none"] = "poly"
    power: float = 0.9
    every: int = 2500
    factor: float = 0.1
    keep: int = 0
    encoder_share: float = 1.0

    def __post_init__(self) -> None:
        for name in ("learning_rate", "power", "encoder_share"):
            if not 0.0 < getattr(self, name) < math.inf:
                raise ConfigError(f"optimiser: {name} must be positive, got {getattr(self, name)}")
        for name in ("momentum", "weight_decay", "factor", "keep"):
            if not 0.0 <= getattr(self, name) < math.inf:
                raise ConfigError(f"optimiser: {name} must not be negative, got {getattr(self, name)}")
        if self.every < 1:
            raise ConfigError(f"optimiser: every must be at least 1 iteration, got {self.every}")

    def build(
        self,
        parameters: Iterable[nn.Parameter],
        encoder: Iterable[nn.Parameter] = (),
        shares: Iterable[tuple[Iterable[nn.Parameter], float]] = (),
    ) -> torch.optim.Optimizer:
        """Build the torch optimiser.

        Args:
            parameters: trained weights.
            encoder: those of them that belong to encoders; `encoder_share` applies to them.
            shares: others with a rate of their own, each with its share of the rate that they would have.
        """
        share_of = {id(weight): self.encoder_share for weight in encoder}
        for part, share in shares:
            share_of |= {id(weight): share * share_of.get(id(weight), 1.0) for weight in part}
        weights = self._groups(list(parameters), share_of) if set(share_of.values()) - {1.0} else list(parameters)
        if self.name == "adam":
            return torch.optim.Adam(weights, self.learning_rate, weight_decay=self.weight_decay)
        return torch.optim.SGD(weights, self.learning_rate, momentum=self.momentum, weight_decay=self.weight_decay)

    def _groups(self, weights: list[nn.Parameter], share_of: Mapping[int, float]) -> list[Any]:
        """The weights, in a group for each learning rate; first those that learn at the rate itself.

        A group is there if none of its weights is trained, too: a checkpoint goes on with as many as it has.
        """
        groups: dict[float, list[nn.Parameter]] = {share: [] for share in (1.0, *share_of.values())}
        for weight in weights:
            groups[share_of.get(id(weight), 1.0)].append(weight)
        return [{"params": group, "lr": share * self.learning_rate} for share, group in groups.items()]

    def schedule(self, optimiser: torch.optim.Optimizer, max_steps: int) -> dict[str, Any]:
        """Build the learning rate schedule as Lightning expects it.

        Args:
            optimiser: the result of `build`.
            max_steps: iterations of the whole run.
        """

        def factor_at(step: int) -> float:
            if self.decay == "poly":
                return poly(step, max_steps, self.power)
            return float(self.factor ** (max(0, step - self.keep) // self.every)) if self.decay == "step" else 1.0

        return {"scheduler": torch.optim.lr_scheduler.LambdaLR(optimiser, factor_at), "interval": "step"}
