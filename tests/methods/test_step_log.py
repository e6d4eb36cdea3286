"""Terms are handed to Lightning where it keeps them, and nowhere else."""

from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from lesslabel.methods.step_log import log_terms
from lesslabel.runs.callbacks import ReplayableSteps, step_seed
from lesslabel.runs.curves import CurveLogger


class Counting(pl.LightningModule):
    """Logs the number of its step."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))
        self.handed: list[int] = []
        self.drawn: list[float] = []

    def training_step(self, batch: Tensor) -> Tensor:
        self.drawn.append(float(torch.rand(())))
        step = torch.tensor(float(self.global_step))
        log_terms(self, {"loss": step}, {"image": batch})  # type: ignore[typeddict-item]  # nothing else is read
        return self.weight + batch.sum()

    def log_dict(self, terms: Any, **more: Any) -> None:  # type: ignore[override]  # as it is called here
        self.handed.append(int(terms["train/loss"]))
        super().log_dict(terms, **more)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD([self.weight], lr=0.1)


def trained(folder: Path, **settings: Any) -> tuple[Counting, pl.Trainer]:
    method = Counting()
    trainer = pl.Trainer(
        accelerator="cpu",
        logger=CurveLogger(folder / "curves.csv"),
        callbacks=[ReplayableSteps(3)],
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **settings,
    )
    trainer.fit(method, DataLoader(torch.zeros(5, 1), batch_size=1))  # type: ignore[arg-type]  # a tensor is a dataset
    return method, trainer


@pytest.mark.parametrize(
    ("every", "handed"), [(1, list(range(10))), (3, [2, 4, 5, 8, 9]), (50, [4, 9])], ids=["all", "some", "none"]
)
def test_the_curve_is_that_of_every_step_logged(tmp_path: Path, every: int, handed: list[int]) -> None:
    method, trainer = trained(tmp_path, max_steps=10, log_every_n_steps=every)
    assert method.handed == handed
    path = tmp_path / "curves.csv"
    rows = path.read_text().splitlines()[1:] if path.exists() else []
    assert [row for row in rows if "train/loss" in row] == [
        f"{step},train/loss,{step}" for step in range(10) if (step + 1) % every == 0
    ]
    assert float(trainer.callback_metrics["train/loss"]) == 9, "the line of an epoch tells its last iteration"


def test_outside_of_a_trainer_nothing_is_logged() -> None:
    method = Counting()
    method.training_step(torch.zeros(1))
    assert method.handed == []


def test_the_generator_of_the_processor_is_seeded_as_by_manual_seed(tmp_path: Path) -> None:
    method, _ = trained(tmp_path, max_steps=3, log_every_n_steps=1)
    expected = []
    for step in range(3):
        torch.manual_seed(step_seed(3, step, 0))
        expected.append(float(torch.rand(())))
    assert method.drawn == expected
