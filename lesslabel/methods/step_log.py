"""Logging of the terms of a loss, at the iterations whose values are kept, and of scores of all processes."""

from collections.abc import Mapping
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from lesslabel.data.batch import Batch


def log_terms(method: pl.LightningModule, terms: Mapping[str, Tensor], batch: Batch) -> None:
    """Log terms as ``train/NAME`` at every ``trainer.log_every_n_steps``-th iteration, and at the last of an epoch.

    Lightning would take in every value, to drop those between: half of what it adds to the step of a small network.

    Args:
        method: that trains; outside of a trainer nothing is logged.
        terms: scalars.
        batch: that they were computed from.
    """
    trainer = method._trainer
    if trainer is None or not _kept(trainer):
        return
    kept = {f"train/{name}": value.detach() for name, value in terms.items()}
    method.log_dict(kept, batch_size=len(batch["image"]))


def gathered(scores: Mapping[str, list[float]], processes: int) -> Mapping[str, list[float]]:
    """The scores of the cases of all processes, by name of the case."""
    if processes == 1:
        return scores
    shares: list[Any] = [None] * processes
    torch.distributed.all_gather_object(shares, scores)
    return {uid: score for share in shares for uid, score in share.items()}


def _kept(trainer: pl.Trainer) -> bool:
    return trainer._logger_connector.should_update_logs or trainer.is_last_batch
