"""The log of a run for TensorBoard, in files without a host name."""

import time
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

from lesslabel.runs.file_logger import FileLogger

_FORMAT = "brain.Event:2"


class EventLogger(FileLogger):
    """Appends every logged value as an event that TensorBoard shows.

    TensorBoard's own writer puts the host name into the file name; a shared run folder must not contain it.

    Args:
        folder: where the file goes; every start of a run has its own, named by the second of that start.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / f"events.out.tfevents.{int(time.time())}")

    def append(self, metrics: dict[str, float], step: int | None, *, new: bool) -> None:
        """Append one event with all values."""
        values = [Summary.Value(tag=name, simple_value=value) for name, value in metrics.items()]
        events = [Event(wall_time=time.time(), step=step, summary=Summary(value=values))]
        if new:
            events.insert(0, Event(wall_time=time.time(), file_version=_FORMAT))
        with self.path.open("ab") as file:
            for event in events:
                RecordWriter(file).write(event.SerializeToString())
