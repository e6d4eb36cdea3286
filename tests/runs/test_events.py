"""What TensorBoard is given, read by TensorBoard."""

import socket
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from lesslabel.errors import RunError
from lesslabel.runs.events import EventLogger


def test_tensorboard_reads_what_was_logged(tmp_path: Path) -> None:
    logger = EventLogger(tmp_path / "tensorboard")
    for step in (0, 10):
        logger.log_metrics({"train/loss": 0.5 - step / 100, "epoch": step // 10}, step)
    logger.log_metrics({"validation/dice": 0.25}, 10)
    seen = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert seen.Tags()["scalars"] == ["train/loss", "epoch", "validation/dice"]
    assert [(event.step, event.value) for event in seen.Scalars("train/loss")] == [(0, 0.5), (10, pytest.approx(0.4))]
    assert [(event.step, event.value) for event in seen.Scalars("validation/dice")] == [(10, 0.25)]
    assert seen.file_version == 2.0


def test_a_second_start_is_shown_after_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for second in (1_700_000_000.2, 1_700_000_007.9):
        monkeypatch.setattr("time.time", lambda second=second: second)
        EventLogger(tmp_path).log_metrics({"train/loss": 1.0}, int(second))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "events.out.tfevents.1700000000",
        "events.out.tfevents.1700000007",
    ]
    seen = EventAccumulator(str(tmp_path)).Reload().Scalars("train/loss")
    assert [event.step for event in seen] == [1_700_000_000, 1_700_000_007]


def test_no_file_tells_of_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "janes-laptop")
    EventLogger(tmp_path).log_metrics({"train/loss": 1.0}, 0)
    (path,) = tmp_path.iterdir()
    assert "janes-laptop" not in path.name
    assert b"janes-laptop" not in path.read_bytes()


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "tensorboard").touch()
    with pytest.raises(RunError, match=r"tensorboard/.*: cannot be written .*; free some space, then resume the run"):
        EventLogger(tmp_path / "tensorboard").log_metrics({"train/loss": 1.0}, 0)
