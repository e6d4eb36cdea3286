"""The journals of all cases of an annotation, and what the queue needs to know of each, read once for each change."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from lesslabel.annotating.effort import effort_of
from lesslabel.annotating.events import DRAWING
from lesslabel.annotating.journal import Journal

_SUFFIX = ".jsonl"
_KEPT = ("event", "slices", "mark")


@dataclass(frozen=True)
class Brief:
    """What a journal comes to.

    Attributes:
        events: what became of the case, without what was drawn: of several turns in a row one is left.
        active_s: seconds of work.
    """

    events: Sequence[Mapping[str, Any]] = ()
    active_s: float = 0.0

    @classmethod
    def of(cls, events: Sequence[dict[str, Any]]) -> "Brief":
        """Sum up the events of a journal."""
        kept: list[dict[str, Any]] = []
        for event in events:
            if event["event"] in DRAWING and kept and kept[-1]["event"] in DRAWING:
                continue
            kept.append({name: event[name] for name in _KEPT if name in event})
        return cls(tuple(kept), effort_of(events).active_s)


class Journals:
    """The journals of an annotation of a store.

    Args:
        folder: of what is in work.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._briefs: dict[str, tuple[tuple[int, int], Brief]] = {}

    def open(self, author: str, key: str) -> Journal:
        """The journal of a case by an author.

        Raises:
            DataError: if it cannot be read.
        """
        return Journal(self._folder / _name(author, key))

    def brief(self, author: str, key: str) -> Brief:
        """What the journal of a case by an author comes to; it is read again if its file has changed.

        Raises:
            DataError: if it cannot be read.
        """
        name = _name(author, key)
        try:
            status = (self._folder / name).stat()
        except FileNotFoundError:
            return Brief()
        version = status.st_size, status.st_mtime_ns
        known = self._briefs.get(name)
        if known is None or known[0] != version:
            known = self._briefs[name] = version, Brief.of(self.open(author, key).events)
        return known[1]

    def authors(self) -> dict[str, set[str]]:
        """Who has a journal of each case, by its key."""
        found: defaultdict[str, set[str]] = defaultdict(set)
        for path in self._folder.glob(f"*{_SUFFIX}"):
            key, _, author = path.name.removesuffix(_SUFFIX).partition(".")
            found[key].add(unquote(author))
        return dict(found)


def _name(author: str, key: str) -> str:
    return f"{key}.{quote(author, safe=' ')}{_SUFFIX}"
