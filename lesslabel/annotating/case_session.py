"""One case in front of one annotator: its drawing, its journal, and what of it was looked at."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lesslabel.annotating.assistant import Assistant
from lesslabel.annotating.begin import first_event
from lesslabel.annotating.drawing import Drawing
from lesslabel.annotating.effort import effort_of
from lesslabel.annotating.events import DRAWING, counts, mark_of, model_named, now, other_answers, shown, status_of
from lesslabel.annotating.items import Item
from lesslabel.annotating.journal import Journal
from lesslabel.annotating.note import Note
from lesslabel.annotating.taken import Redrawn
from lesslabel.annotating.turns import Edit, Prompted, Turn, turn_from_json
from lesslabel.annotating.wire import Change, to_json, whole_map
from lesslabel.data.case import Annotation, Case, Effort
from lesslabel.errors import DataError


class CaseSession:
    """The state of one case by one author; all of it is in the journal, from which it is made again.

    One thread at a time uses it (`OpenCases.using`), also while the model works: turns of one case come one after the
    other, those of other cases do not wait.

    Attributes:
        item: what is asked for.
        case: its image; of its annotations none.
        drawing: the label map.

    Args:
        item: what is asked for.
        case: the case.
        base: makes the label map before the first turn, (z, y, x); called for a new journal only.
        erased: the value of what nobody marked, see `Drawing`.
        codes: label codes of the store.
        journal: of this case and author.
        assistant: the model, None for none.
        described: what the model is, in words.

    Raises:
        DataError: if the journal is of another image, or cannot be read.
    """

    def __init__(
        self,
        item: Item,
        case: Case,
        base: Callable[[], NDArray[np.uint8]],
        erased: int,
        codes: Sequence[int],
        journal: Journal,
        assistant: Assistant | None,
        described: Mapping[str, str],
    ) -> None:
        self.item = item
        self.case = case
        self._erased = erased
        self._values = tuple(sorted({0, erased, *codes}))
        self._journal = journal
        self._described = dict(described)
        self._turns: dict[int, Turn] = {}
        self._ids: set[str] = set()
        first = first_event(journal, item.key, case, base, erased, described)
        self._base = [Change.from_json(change, int(np.prod(case.shape))) for change in first["base"]]
        self.drawing = Drawing(self.base(), erased, assistant)
        for event in journal.events[1:]:
            self._replay(event)

    # What is there ----------------------------------------------------------------------------------------------------

    @property
    def described(self) -> Mapping[str, str]:
        """What the model is, in words."""
        return self._described

    @property
    def events(self) -> Sequence[Mapping[str, Any]]:
        """Its journal."""
        return self._journal.events

    @property
    def revision(self) -> int:
        """How many times the label map was changed."""
        return sum(event["event"] in DRAWING for event in self._journal.events)

    @property
    def status(self) -> str:
        """``new``, ``begun``, ``finished`` or ``skipped``."""
        return status_of(self.events, self.item.slices)

    @property
    def was_finished(self) -> bool:
        """Whether it was brought into the store before, whatever was done since."""
        return any(event["event"] == "finish" for event in self._journal.events)

    @property
    def nbytes(self) -> int:
        """Bytes held by its voxels, turns and answers."""
        return self.case.image.nbytes + self.drawing.nbytes

    @property
    def effort(self) -> Effort:
        """What it cost so far."""
        return effort_of(self._journal.events)

    @property
    def seen(self) -> set[tuple[int, int]]:
        """The slices that were looked at, as (axis, index)."""
        return {(axis, index) for event in self._journal.events for axis, index in event.get("seen", ())}

    def base(self) -> NDArray[np.uint8]:
        """The label map (z, y, x) before the first turn."""
        labels = np.full(self.case.shape, self._erased, np.uint8)
        for change in self._base:
            labels.reshape(-1)[change.runs.voxels] = change.value
        return labels

    def whole(self) -> dict[str, Any]:
        """All that a page needs to show the case, but for its image."""
        depth, height, width = self.case.shape
        others = other_answers(self.events)
        return {
            "key": self.item.key,
            "shape": [depth, height, width],
            "spacing_mm": list(self.case.spacing_mm),
            "channels": len(self.case.image),
            "modality": self.case.modality,
            "slices": self.item.slices,
            "reason": self.item.reason,
            "reasons": dict(self.item.reasons),
            "status": self.status,
            "revision": self.revision,
            "rest": self._erased,
            "labels": to_json(whole_map(self.drawing.labels, self._erased)),
            "turns": [
                {
                    "number": number,
                    "turn": shown(turn, self.case.shape),
                    "stands": self.drawing.stands(number),
                    "other_answers": others.get(number, []),
                }
                for number, turn in self._turns.items()
            ],
            "seen": sorted(self.seen),
            "active_s": self.effort.active_s,
        }

    def is_current(self) -> bool:
        """Whether nobody else went on with its journal."""
        return self._journal.is_current()

    def done_already(self, note: Note) -> bool:
        """Whether this very message was dealt with: the answer was lost on its way."""
        return note.id in self._ids

    # What is done -----------------------------------------------------------------------------------------------------

    def take(self, content: Any, note: Note) -> dict[str, Any]:
        """Take a turn, and have it on the disk.

        Raises:
            DataError: if it does not fit, the model does not understand it, or the disk refuses. Nothing has changed.
        """
        turn = turn_from_json(content, self.case.shape, self._values)
        number = max(self._turns, default=0) + 1
        taken = self.drawing.apply(number, turn)
        others = list(self.drawing.other_answers(turn))
        event = {"number": number, "turn": turn.to_json(), "changes": to_json(taken.changes), **counts(turn)}
        event |= {"other_answers": others} if others else {}
        self._write("turn", event, note, undo=lambda: self.drawing.remove(number))
        self._turns[number] = turn
        suggested = self.drawing.suggestion(turn) if isinstance(turn, Prompted | Edit) else None
        return {
            "number": number,
            "turn": shown(turn, self.case.shape),
            "revision": self.revision,
            "changes": event["changes"],
            "suggested": suggested,
            "other_answers": others,
        }

    def remove(self, number: int, note: Note) -> dict[str, Any]:
        """Take a turn back, whichever.

        Raises:
            DataError: if it does not stand, a later turn means nothing without it, or the disk refuses.
        """
        redrawn = self.drawing.remove(number)
        undo: Callable[[], object] = lambda: self.drawing.restore(number, self._turns[number])  # noqa: E731
        return self._redrawn("remove", number, redrawn, note, undo)

    def restore(self, number: int, note: Note) -> dict[str, Any]:
        """Give a turn that was taken back again, in its old place.

        Raises:
            DataError: if there is no such turn, it stands, or the disk refuses.
        """
        if number not in self._turns:
            raise DataError(f"turn {number}: never given")
        redrawn = self.drawing.restore(number, self._turns[number])
        return self._redrawn("restore", number, redrawn, note, lambda: self.drawing.remove(number))

    def look(self, note: Note) -> None:
        """Keep what was looked at and how long was worked."""
        self._write("look", {}, note)

    def skip(self, reason: str, note: Note) -> None:
        """Leave the case out, with a reason."""
        self._write("skip", {"reason": reason, "slices": self._asked()}, note)

    def begin_to_finish(self, name: str, annotation: Annotation, note: Note) -> None:
        """Keep that the annotation is about to enter the store."""
        self._write("finishing", {"annotation": name, "slices": self._asked(), "mark": mark_of(annotation)}, note)

    def finish(self, begun: Mapping[str, Any], note: Note) -> None:
        """Keep that the annotation of which this event told that it was about to is in the store."""
        self._write("finish", {"annotation": begun["annotation"], "slices": begun["slices"]}, note)

    def _asked(self) -> list[int] | None:
        """The slices that the queue asks for; None for the whole case."""
        return None if self.item.slices is None else list(self.item.slices)

    def _redrawn(
        self, event: str, number: int, redrawn: Redrawn, note: Note, undo: Callable[[], object]
    ) -> dict[str, Any]:
        self._write(event, {"number": number, "again": [turn.to_json() for turn in redrawn.again]}, note, undo=undo)
        return {
            "number": number,
            "revision": self.revision,
            "changes": to_json(redrawn.changes),
            "redrawn": [{"number": turn.number, "other_answers": turn.other_answers} for turn in redrawn.again],
        }

    def _write(
        self, event: str, content: Mapping[str, Any], note: Note, *, undo: Callable[[], object] = lambda: None
    ) -> None:
        try:
            if event in DRAWING and model_named(self._journal.events) != self._described:
                self._journal.append({"event": "model", "model": self._described, "at": now()})
            self._journal.append(
                {
                    "event": event,
                    "id": note.id,
                    **content,
                    "seen": [list(place) for place in note.seen],
                    "active_s": note.active_s,
                    "at": now(),
                }
            )
        except DataError:
            undo()
            raise
        self._ids.add(note.id)

    def _replay(self, event: dict[str, Any]) -> None:
        """Do again what the journal says; the model is not asked."""
        self._ids.add(str(event.get("id", "")))
        size = self.drawing.labels.size
        if event["event"] == "turn":
            turn = turn_from_json(event["turn"], self.case.shape, self._values)
            self._turns[event["number"]] = turn
            changes = [Change.from_json(change, size) for change in event["changes"]]
            self.drawing.apply_known(event["number"], turn, changes)
        elif event["event"] in DRAWING:
            again = [
                (
                    int(later["number"]),
                    self._turns[later["number"]],
                    [Change.from_json(change, size) for change in later["changes"]],
                )
                for later in event["again"]
            ]
            self.drawing.redraw_known(event["number"], again)
