"""Small runs through the command line, in this process or in another."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
import yaml

from lesslabel.cli import main
from lesslabel.data.batch import Batch
from lesslabel.methods import DMPLS, SegmentationMethod

SETTINGS: dict[str, Any] = {
    "name": "DMPLS",
    "model": {
        "class_path": "lesslabel.methods.DMPLS",
        "init_args": {
            "num_classes": 4,
            "network": {"channels": [4, 8], "encoder_dropout": [0.0, 0.0], "normalisation": "instance"},
            "optimiser": {"name": "adam", "learning_rate": 0.03},
        },
    },
    "data": {
        "class_path": "lesslabel.data.PhantomDataModule",
        "init_args": {
            "store": "",
            "view": {"supervision": [{"annotation": "scribble"}]},
            "batch_size": 4,
            "steps_per_epoch": 4,
        },
    },
    "trainer": {"accelerator": "cpu", "max_steps": 12, "log_every_n_steps": 1},
}
"""The configuration of the small runs; the store is filled in by the fixture `config`."""


def write_config(path: Path, store: Path, change: Callable[[dict[str, Any]], None] | None = None) -> Path:
    """Write the small configuration, changed if asked."""
    content: dict[str, Any] = yaml.safe_load(yaml.safe_dump(SETTINGS))
    content["data"]["init_args"]["store"] = str(store)
    if change is not None:
        change(content)
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


def fit(config: Path, run: Path, *settings: str) -> int:
    """`lesslabel fit` in this process."""
    return main(["fit", "--config", str(config), "--run", str(run), *settings])


def start(arguments: Sequence[object], *, threads: int | None = None) -> "subprocess.Popen[str]":
    """Start `lesslabel` in a process group of its own."""
    environment = os.environ | {"OMP_NUM_THREADS": str(threads or torch.get_num_threads())}
    return subprocess.Popen(
        [sys.executable, "-m", "lesslabel.cli", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
        # a shell that runs the tests in the background has them ignore Ctrl-C, and children inherit that
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL) and None,
    )


def wait_for_step(run: Path, step: int, process: "subprocess.Popen[str]", seconds: float = 600.0) -> None:
    """Wait until the run has logged a step."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and process.poll() is None:
        steps = logged_steps(run)
        if steps and max(steps) >= step:
            return
        time.sleep(0.02)
    raise AssertionError(f"step {step} was not reached; exit code {process.poll()}")


def logged_steps(run: Path) -> list[int]:
    """Steps whose loss is in the curves, in the order of the file; what is being written right now is left out."""
    path = run / "logs" / "metrics.csv"
    lines = path.read_text().split("\n")[1:-1] if path.exists() else []
    return [int(line.split(",")[0]) for line in lines if ",train/loss," in line]


def curves(run: Path) -> pd.DataFrame:
    """The run's curves."""
    return pd.read_csv(run / "logs" / "metrics.csv")


def checkpoint(run: Path, name: str = "last") -> dict[str, Any]:
    """A checkpoint's content."""
    content: dict[str, Any] = torch.load(run / "checkpoints" / f"{name}.ckpt", weights_only=True)
    return content


def require_equal(first: Any, second: Any, where: str = "checkpoint") -> None:
    """Require two nested values to be equal bit for bit."""
    assert type(first) is type(second), where
    if isinstance(first, dict):
        assert first.keys() == second.keys(), where
        for key in first:
            require_equal(first[key], second[key], f"{where}.{key}")
    elif isinstance(first, list | tuple):
        assert len(first) == len(second), where
        for index, (one, other) in enumerate(zip(first, second, strict=True)):
            require_equal(one, other, f"{where}[{index}]")
    elif isinstance(first, torch.Tensor):
        assert torch.equal(first, second), where
    else:
        assert first == second, where


def require_same_training(first: Path, second: Path) -> None:
    """Require two runs to have ended with the same weights, optimiser, schedule and curves, bit for bit."""
    one, other = checkpoint(first), checkpoint(second)
    for part in ("global_step", "epoch", "state_dict", "optimizer_states", "lr_schedulers"):
        require_equal(one[part], other[part], part)
    pd.testing.assert_frame_equal(curves(first), curves(second))


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    """What was printed to stderr, which must be one line without a traceback."""
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1, lines
    assert len(lines[0]) < 400
    assert lines[0].startswith("lesslabel ")
    return lines[0]


def interrupt_before(step: int, monkeypatch: pytest.MonkeyPatch, method: type[SegmentationMethod] = DMPLS) -> None:
    """Press Ctrl-C before the losses of a step."""
    losses = method.losses

    def interrupted(self: SegmentationMethod, batch: Batch) -> object:
        if self.global_step == step:
            raise KeyboardInterrupt
        return losses(self, batch)

    monkeypatch.setattr(method, "losses", interrupted)
