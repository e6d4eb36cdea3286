"""What a training tells of its pace."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
import pytorch_lightning as pl

from lesslabel.runs import callbacks
from lesslabel.runs.callbacks import EpochBar, EpochLine


class Clock:
    """Seconds that a test moves."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def monotonic(self) -> float:
        return self.seconds


def told(line: EpochLine, clock: Clock, trainer: SimpleNamespace, *, after_s: float, steps: int) -> None:
    clock.seconds += after_s
    trainer.global_step += steps
    line.on_train_batch_end(cast(pl.Trainer, trainer), cast(Any, None), None, None, 0)


def test_a_long_epoch_tells_its_pace_and_what_is_left(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock, line = Clock(), EpochLine()
    monkeypatch.setattr(callbacks, "time", clock)
    trainer = SimpleNamespace(is_global_zero=True, global_step=40, max_steps=400, callback_metrics={})
    line.on_train_epoch_start(cast(pl.Trainer, trainer), cast(Any, None))
    told(line, clock, trainer, after_s=14, steps=9)
    assert capsys.readouterr().err == ""
    told(line, clock, trainer, after_s=2, steps=1)
    assert capsys.readouterr().err == "iteration 50/400 · 1.6 s each, 9 min to go\n"
    told(line, clock, trainer, after_s=59, steps=10)
    assert capsys.readouterr().err == ""
    told(line, clock, trainer, after_s=5, steps=20)
    assert capsys.readouterr().err == "iteration 80/400 · 2 s each, 11 min to go\n"


@pytest.mark.parametrize(
    ("batches", "accumulated", "epochs", "last"),
    [(10, 1, -1, 30), (7, 1, None, 43), (400, 1, -1, 1), (10, 4, -1, 100), (10, 1, 5, 5)],
)
def test_the_bar_names_the_last_epoch(batches: int, accumulated: int, epochs: int | None, last: int) -> None:
    bar = EpochBar()
    trainer = SimpleNamespace(
        max_steps=300, num_training_batches=batches, accumulate_grad_batches=accumulated, max_epochs=epochs
    )
    bar._trainer = cast(pl.Trainer, trainer)
    assert bar._get_train_description(0) == f"Epoch 1 of {last}"
