"""The log of a run for TensorBoard, in files whose names tell of no machine."""

import time
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import Logger
from pytorch_lightning.utilities import rank_zero_only
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

from lesslabel.errors import RunError

_FORMAT = "brain.Event:2"


class EventLogger(Logger):
    """Appends every logged value as an event that TensorBoard shows.

    TensorBoard's own writer names its file after the host, which a run folder that is given away should not tell.

    Args:
        folder: where the file goes; every start of a run has its own, named by the second of that start.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.path = folder / f"events.out.tfevents.{int(time.time())}"

    @property
    def name(self) -> str:
        """Name that Lightning asks for."""
        return "events"

    @property
    def version(self) -> str:
        """Version that Lightning asks for."""
        return ""

    @rank_zero_only
    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing: the run folder holds the configuration."""

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Append one event with all values.

        Raises:
            RunError: if the disk refuses.
        """
        values = [Summary.Value(tag=name, simple_value=value) for name, value in metrics.items()]
        events = [Event(wall_time=time.time(), step=step, summary=Summary(value=values))]
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if not self.path.exists():
                events.insert(0, Event(wall_time=time.time(), file_version=_FORMAT))
            with self.path.open("ab") as file:
                for event in events:
                    RecordWriter(file).write(event.SerializeToString())
        except OSError as error:
            raise RunError(
                f"{self.path}: cannot be written ({error.strerror}); free some space, then resume the run"
            ) from error
