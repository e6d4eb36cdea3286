"""Everything the server knows: the queue, who has which case, the cases that are open, and the way into the store."""

import hashlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lesslabel.annotating.assistant import Assistant
from lesslabel.annotating.case_session import CaseSession
from lesslabel.annotating.finishing import bring_in
from lesslabel.annotating.items import Item, list_items, read_prelabel
from lesslabel.annotating.journals import Journals
from lesslabel.annotating.learner import Learner
from lesslabel.annotating.leases import LeasedError, Leases, other_holder
from lesslabel.annotating.levels import levels_to_json
from lesslabel.annotating.models import PageModel
from lesslabel.annotating.note import Note
from lesslabel.annotating.open_cases import OpenCases
from lesslabel.annotating.processors import Processors
from lesslabel.annotating.served_models import ServedModels
from lesslabel.annotating.states import States
from lesslabel.annotating.task import Task, work_folder
from lesslabel.annotating.turns import plane_from_json
from lesslabel.data.case import Case, Kind
from lesslabel.data.exchange.base import colour_of
from lesslabel.data.store import Store
from lesslabel.errors import LesslabelError
from lesslabel.interaction.session_start import require_plain


class UnknownCaseError(LesslabelError):
    """A key that names no case of the queue."""


class Desk:
    """The state behind the page, for any number of authors.

    Args:
        store: the store.
        task: what is to be done.
        model: what answers prompts; None where people draw alone.

    Raises:
        ConfigError: if the model should learn and cannot.
        DataError: if the queue cannot be read or is not of this store.
    """

    def __init__(self, store: Store, task: Task, model: PageModel | None = None) -> None:
        self.store = store
        self.task = task
        self.model = model
        self._items = {item.key: item for item in list_items(store, task.queue)}
        self._folder = work_folder(store.path, task.annotation)
        self._leases = Leases(self._folder / "leases.json", task.lease_s)
        self._journals = Journals(self._folder)
        self._states = States(store, task, self._items, self._journals)
        self._open = OpenCases(self._make_session)
        self._processors = Processors()
        self._models = ServedModels(model, store, self._folder)
        self._learner = Learner.of(self._models, store.path, task) if task.learn else None

    def overview(self, author: str) -> dict[str, Any]:
        """The queue with the state of every case, the labels, and the model."""
        leases = self._leases.current()
        states = self._states.of(author)
        efforts = [self._journals.brief(author, key).active_s for key, state in states.items() if state == "finished"]
        return {
            "annotation": self.task.name_for(author),
            "kind": self.task.kind.name.lower(),
            "author": author,
            "store": hashlib.sha256(str(self.store.path.resolve()).encode()).hexdigest()[:16],
            "erased": self.task.erased,
            "labels": [
                {"code": code, "name": name, "colour": list(colour_of(code))}
                for code, name in self.store.labels.items()
            ],
            "channels": list(self.store.channels),
            "model": None
            if self.model is None
            else {
                "name": self.model.described.get("name", ""),
                "dimensions": self.model.model.dimensions,
                "prompts": list(self.model.prompts),
                "first": self.model.first,
            },
            "learning": None
            if self._learner is None
            else {"at_work": self._learner.at_work, "cases": self._models.learned_cases},
            "items": [
                {
                    "key": item.key,
                    "uid": item.uid,
                    "slices": item.slices,
                    "reason": item.reason,
                    "reasons": dict(item.reasons),
                    "state": states[item.key],
                    "leased_by": other_holder(leases.get(self._lease_key(author, item.key)), author),
                }
                for item in self._items.values()
            ],
            "median_s": median(done) if (done := [seconds for seconds in efforts if seconds > 0]) else None,
        }

    def next_key(self, author: str, without: Collection[str] = ()) -> str | None:
        """The first case in the order of the queue, but for those, that waits for this author; None if none is left.

        A case that another author has begun comes after all others: only one of the two can finish it.
        """
        leases, elsewhere = self._leases.current(), self._states.begun_by_others(author)
        waiting = [
            key
            for key, state in self._states.of(author).items()
            if state in ("new", "begun") and not other_holder(leases.get(self._lease_key(author, key)), author)
        ]
        return min((key for key in waiting if key not in without), key=elsewhere.__contains__, default=None)

    def open(self, author: str, tab: str, key: str, *, from_other_tab: bool = False) -> dict[str, Any]:
        """Put a case in front of an author: take its lease, and say all that the page needs to know.

        Raises:
            UnknownCaseError: if the queue has no such case.
            LeasedError: if someone else, or another tab, has it.
            DataError: if the case or its journal cannot be read.
        """
        item = self._item(key)
        self._leases.take(self._lease_key(author, key), author, tab, from_other_tab=from_other_tab)
        with self._open.using(author, item, self._has_older_model) as session:
            return session.whole()

    @contextmanager
    def at_work(self, author: str, tab: str, key: str) -> Iterator[CaseSession]:
        """The case that an author has in front of them, locked, its lease renewed.

        Raises:
            UnknownCaseError: if the queue has no such case.
            LeasedError: if someone else, or another tab, has it by now.
        """
        item = self._item(key)
        self._leases.take(self._lease_key(author, key), author, tab)
        with self._open.using(author, item) as session:
            yield session

    def case(self, author: str, key: str) -> Case:
        """The image of a case.

        Raises:
            UnknownCaseError: if the queue has no such case.
        """
        with self._open.using(author, self._item(key)) as session:
            return session.case

    def uncertainty(self, author: str, key: str, label: int, axis: int, index: int) -> dict[str, Any] | None:
        """How uncertain the model was on a slice, see `levels_to_json`; None if it did not answer there.

        Raises:
            UnknownCaseError: if the queue has no such case.
            DataError: if the case has no such slice.
        """
        with self._open.using(author, self._item(key)) as session:
            plane = plane_from_json({"axis": axis, "index": index}, self.shape_of(key))
            seen = session.drawing.uncertainty(label, plane)
        return None if seen is None else levels_to_json(seen)

    def shape_of(self, key: str) -> tuple[int, int, int]:
        """The shape (z, y, x) of a case.

        Raises:
            UnknownCaseError: if the queue has no such case.
        """
        record = self.store.records[self._item(key).uid]
        return record.depth, record.height, record.width

    def finish(self, author: str, tab: str, key: str, note: Note, *, allow_empty: bool = False) -> str:
        """Bring a case into the store, and give it back.

        Returns:
            The name of the annotation.

        Raises:
            EmptyError: see `finished_annotation`.
            LeasedError: if someone else, or another tab, has it, or the store has what another author drew.
            DataError: if the store refuses it; nothing was changed.
        """
        name = self.task.name_for(author)
        with self.at_work(author, tab, key) as session:
            bring_in(self.store, session, name, self.task.kind, author, note, allow_empty=allow_empty)
        self._leases.release(self._lease_key(author, key), author, tab)
        if self._learner is not None:
            self._learner.start()
        return name

    def skip(self, author: str, tab: str, key: str, reason: str, note: Note) -> None:
        """Leave a case out, with a reason, and give it back.

        Raises:
            DataError: if the reason is no words on one line.
        """
        require_plain("reason", reason)
        with self.at_work(author, tab, key) as session:
            if not session.done_already(note):
                session.skip(reason, note)
        self._leases.release(self._lease_key(author, key), author, tab)

    def close(self, author: str, tab: str, key: str, note: Note) -> None:
        """Give a case back; what was drawn and looked at stays in its journal.

        Raises:
            UnknownCaseError: if the queue has no such case.
            DataError: if the disk refuses; the case is given back all the same.
        """
        try:
            if note.seen or note.active_s:
                with self.at_work(author, tab, key) as session:
                    if not session.done_already(note):
                        session.look(note)
        except LeasedError:
            return  # who has lost the case has nothing to give back
        finally:
            self._leases.release(self._lease_key(author, self._item(key).key), author, tab)

    def count_items(self) -> int:
        """How many cases the queue has."""
        return len(self._items)

    def count_finished(self, author: str) -> int:
        """How many cases of the queue are in the store under the name of an author's annotation."""
        return sum(state == "finished" for state in self._states.of(author).values())

    def end(self) -> None:
        """End what learns; all else is on the disk."""
        if self._learner is not None:
            self._learner.end()

    def _item(self, key: str) -> Item:
        if key not in self._items:
            raise UnknownCaseError(f"no case {key[:40]!r} in this queue")
        return self._items[key]

    def _make_session(self, author: str, item: Item) -> CaseSession:
        case = self.store.read(item.uid)
        journal = self._journals.open(author, item.key)
        model = self._models.model_for(journal.events)
        assistant = None
        if model is not None and self.task.kind is Kind.DENSE:
            assistant = Assistant(model, case, self._processors)

        def base() -> NDArray[np.uint8]:
            if item.prelabel is not None and self.task.kind is Kind.DENSE:
                return read_prelabel(item.prelabel, case, self.store)
            return np.full(case.shape, self.task.erased, np.uint8)

        described = {} if model is None else model.described
        bare = Case(case.uid, case.patient, case.image, case.spacing_mm, case.affine, modality=case.modality)
        return CaseSession(item, bare, base, self.task.erased, tuple(self.store.labels), journal, assistant, described)

    def _has_older_model(self, session: CaseSession) -> bool:
        """Whether a case that was only looked at would be answered by other weights if it was opened now."""
        newest = self._models.newest
        return session.revision == 0 and newest is not None and session.described != newest.described

    def _lease_key(self, author: str, key: str) -> str:
        """In a second reading several authors have a case in front of them, each for themselves."""
        return f"{key}/{author}" if self.task.second_reading else key
