"""Logging of the terms of a loss, at the iterations whose values are kept."""

from collections.abc import Mapping

import pytorch_lightning as pl
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


def _kept(trainer: pl.Trainer) -> bool:
    return trainer._logger_connector.should_update_logs or trainer.is_last_batch
