"""What became of every case of the queue, by its journals and by what is in the store."""

from collections.abc import Mapping, Sequence
from typing import Any

from lesslabel.annotating.events import finishes, in_doubt, status_of
from lesslabel.annotating.finishing import covered_before, entered
from lesslabel.annotating.items import Item
from lesslabel.annotating.journals import Journals
from lesslabel.annotating.task import Task
from lesslabel.data.store import Store
from lesslabel.errors import DataError


class States:
    """The states of the cases: ``new``, ``begun``, ``finished`` or ``skipped``.

    Args:
        store: what finished cases are in.
        task: what is to be done.
        items: the queue, by key.
        journals: of the annotation.
    """

    def __init__(self, store: Store, task: Task, items: Mapping[str, Item], journals: Journals) -> None:
        self._store = store
        self._task = task
        self._items = items
        self._journals = journals

    def of(self, author: str) -> dict[str, str]:
        """The state of every case for an author, by key, in the order of the queue."""
        records = {record.uid: record for record in self._store.list_records()}
        name = self._task.name_for(author)
        return {
            key: self._state(author, item, name, name in records[item.uid].annotation_names)
            for key, item in self._items.items()
        }

    def begun_by_others(self, author: str) -> set[str]:
        """The keys of cases that another author has begun, so that what this one draws could not enter the store."""
        if self._task.second_reading:
            return set()
        return {
            key
            for key, authors in self._journals.authors().items()
            if key in self._items and any(self._is_begun(other, key) for other in authors - {author})
        }

    def _is_begun(self, author: str, key: str) -> bool:
        try:
            events = self._journals.brief(author, key).events
        except DataError:  # its author is told, and nobody else waits for that
            return False
        return status_of(events, self._items[key].slices) == "begun"

    def _state(self, author: str, item: Item, name: str, present: bool) -> str:
        try:
            events = self._journals.brief(author, item.key).events
        except DataError:  # said when it is opened, and no reason to keep the others back
            return "begun"
        if present:
            events = self._settled(item, name, events)
        state = status_of(events, item.slices)
        if not present:  # what is no longer in the store is asked for again
            return "begun" if state == "finished" else state
        if not finishes(events):  # by another author, or elsewhere: it is not replaced
            return "finished"
        return "begun" if state == "finished" and not self._covers(item, name, events) else state

    def _settled(self, item: Item, name: str, events: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
        """The events, with one that the case was finished where the store has it and the journal could not say so."""
        begun = in_doubt(events)
        try:
            if begun is None or not entered(self._store, item.uid, name, begun):
                return events
        except DataError:  # a case that cannot be read says so when it is opened
            return events
        place = max(number for number, event in enumerate(events, start=1) if event is begun)
        return [*events[:place], {**begun, "event": "finish"}, *events[place:]]

    def _covers(self, item: Item, name: str, events: Sequence[Mapping[str, Any]]) -> bool:
        """Whether what was finished covers what is asked for now; a case that cannot be read says so when opened."""
        if item.slices is None:
            return any(event.get("slices") is None for event in finishes(events))
        try:
            before = covered_before(self._store, item.uid, name, events)
        except DataError:
            return False
        return before is None or before.issuperset(item.slices)
