"""What happened to a case, line by line: appended and on the disk before the page is answered.

One file for each case and author, one JSON object a line. It is enough to draw the label map again, without the model:
each turn says what it changed. A line that a kill or a full disk cut short was never answered, and is dropped.
"""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lesslabel.errors import DataError
from lesslabel.files import sync_alone

VERSION = 1


class Journal:
    """The journal of one case by one author.

    Args:
        path: the file; it is made with the first line.

    Attributes:
        path: the file.

    Raises:
        DataError: if a line but the last is damaged, or it was written by a newer version.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._events, self._size, self._on_disk = _read(path)

    @property
    def events(self) -> Sequence[dict[str, Any]]:
        """What was written so far, in order."""
        return self._events

    def is_current(self) -> bool:
        """Whether the file is as this journal knows it; another server may have gone on with it."""
        try:
            return self.path.stat().st_size == self._on_disk
        except FileNotFoundError:
            return self._on_disk == 0

    def append(self, event: dict[str, Any]) -> None:
        """Write one line and wait until it is on the disk.

        Raises:
            DataError: if the disk refuses; the journal stays as it was.
        """
        line = json.dumps(event, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode() + b"\n"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            new = not self.path.exists()
            with self.path.open("ab") as file:
                file.truncate(self._size)  # of what was cut short
                try:
                    file.write(line)
                    file.flush()
                    os.fsync(file.fileno())
                except OSError:
                    file.truncate(self._size)
                    raise
            if new:
                sync_alone(self.path.parent)
        except OSError as error:
            raise DataError(
                f"{self.path.name}: cannot be written ({error.strerror}); free space, then try again"
            ) from error
        self._size += len(line)
        self._on_disk = self._size
        self._events.append(event)


def _read(path: Path) -> tuple[list[dict[str, Any]], int, int]:
    """All whole lines, the number of bytes that they take, and that of the whole file."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return [], 0, 0
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); check the rights") from error
    whole = content[: content.rfind(b"\n") + 1]
    events: list[dict[str, Any]] = []
    for number, line in enumerate(whole.splitlines(), start=1):
        try:
            event = json.loads(line)
            events.append({**event})
        except (ValueError, TypeError) as error:
            raise DataError(f"{path}, line {number}: damaged ({error}); restore the file, or move it away") from error
    if events and events[0].get("version") != VERSION:
        raise DataError(f"{path}: version {events[0].get('version')!r}, this program reads {VERSION}; move it away")
    return events, len(whole), len(content)
