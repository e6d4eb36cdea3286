"""Two hospitals in one store: the north has a model, the east has images."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch
import yaml

from lesslabel.data.case import Case
from lesslabel.data.queue import WHOLE_CASE, Queue, QueueRow
from lesslabel.data.sources.base import RawCase
from lesslabel.data.sources.phantom import Phantom

REFERENCES = 4
SHORT = ("--data.steps_per_epoch", "2", "--trainer.max_steps", "4", "--trainer.log_every_n_steps", "1")
WITHOUT_LABELS = (*SHORT, "--trainer.accelerator", "cpu", "--data.unlabelled_batch_size", "4")
EAST = ("--data.split", "random_by_centre", "--data.centres", '["east"]')
SETTINGS = (*SHORT, "--trainer.accelerator", "cpu", "--data.batch_size", "4", *EAST)
"""Four iterations in two epochs on the training patients of the east."""


class Unlabelled(Phantom):
    """The phantom's images, which nobody ever annotated."""

    def read(self, raw: RawCase) -> Case:
        return replace(super().read(raw), annotations={})


def source_config(store: Path) -> dict[str, Any]:
    """Eighty iterations of full supervision at the north, with two of the store's labels in one class."""
    return {
        "model": {
            "class_path": "lesslabel.methods.Supervised",
            "init_args": {
                "num_classes": 3,
                "network": {"channels": [4, 8], "encoder_dropout": [0.0, 0.1]},
                "optimiser": {"name": "adam", "learning_rate": 0.03},
            },
        },
        "data": {
            "class_path": "lesslabel.data.PhantomDataModule",
            "init_args": {
                "store": str(store),
                "split": "random_by_centre",
                "centres": ["north"],
                "view": {"labels": {"heart": [2, 3], "RV": [1]}},
                "intensity": {"name": "zscore"},
                "batch_size": 8,
                "steps_per_epoch": 40,
                "augmentation": {"turn_flip_probability": 0.0, "rotation_probability": 0.0},
            },
        },
        "trainer": {"accelerator": "cpu", "max_steps": 80, "log_every_n_steps": 10},
    }


def write_yaml(path: Path, content: dict[str, Any]) -> Path:
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


def queue_of(units: Sequence[tuple[str, int]]) -> Queue:
    return Queue(tuple(QueueRow(uid, index) for uid, index in units))


def units_of(queue: Queue) -> list[tuple[str, int]]:
    return [(row.uid, row.slice) for row in queue.rows]


def whole(*uids: str) -> list[tuple[str, int]]:
    return [(uid, WHOLE_CASE) for uid in uids]


def checkpoint(run: Path) -> dict[str, Any]:
    content: dict[str, Any] = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    return content


def require_same_training(first: Path, second: Path) -> None:
    """Require two runs to have ended with the same weights, moments of the optimiser and curves, bit for bit."""
    one, other = checkpoint(first), checkpoint(second)
    assert one["global_step"] == other["global_step"]
    require_equal(one["state_dict"], other["state_dict"])
    require_equal(one["optimizer_states"], other["optimizer_states"])
    curves = [pd.read_csv(run / "logs" / "metrics.csv") for run in (first, second)]
    pd.testing.assert_frame_equal(*curves)


def require_equal(first: Any, second: Any) -> None:
    if isinstance(first, dict):
        assert first.keys() == second.keys()
        for key in first:
            require_equal(first[key], second[key])
    elif isinstance(first, list):
        assert len(first) == len(second)
        for one, other in zip(first, second, strict=True):
            require_equal(one, other)
    elif isinstance(first, torch.Tensor):
        assert torch.equal(first, second)
    else:
        assert first == second
