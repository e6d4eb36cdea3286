"""Which weights answer which case: the newest a new one, and those that it began with one that was begun."""

import logging
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lesslabel.annotating.events import DRAWING, model_named
from lesslabel.annotating.learned_weights import LearnedWeights
from lesslabel.annotating.models import PageModel, general_model
from lesslabel.data.store import Store
from lesslabel.errors import LesslabelError

KEPT_MODELS = 4
"""Models with learned weights in memory beside those of open cases."""
_LOG = logging.getLogger(__name__)


class ServedModels:
    """The model of the page with the weights of the beginning, and with those that were learned since.

    Args:
        model: with the weights of the beginning; None where people draw alone.
        store: whose images it sees.
        work: the folder of what is in work.
    """

    def __init__(self, model: PageModel | None, store: Store, work: Path) -> None:
        self._first = self._newest = model
        self._learned_cases = 0
        self._store = store
        self._weights = LearnedWeights(work)
        self._loaded: OrderedDict[str, PageModel] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def can_learn(self) -> bool:
        """Whether it is the general clicker, the one model that is taught between cases."""
        return self._first is not None and self._first.described.get("name") == "general"

    @property
    def newest(self) -> PageModel | None:
        """What answers a new case."""
        return self._newest

    @property
    def learned_cases(self) -> int:
        """The number of cases that the weights of a new case were learned from, since the beginning of the work."""
        return self._learned_cases

    def model_for(self, events: Sequence[Mapping[str, Any]]) -> PageModel | None:
        """What answers a case with this journal, so that asked again it gives what it gave.

        Weights that are no longer at hand are replaced by the newest; the journal says so at the next turn.

        Args:
            events: see `lesslabel.annotating.journal`.
        """
        if not self.can_learn or not any(event["event"] in DRAWING for event in events):
            return self._newest
        named = model_named(events)
        try:
            return (self._of(named.get("weights")) if named.get("name") == "general" else None) or self._newest
        except LesslabelError as error:
            _LOG.warning("%s; the case goes on with other weights", error)
            return self._newest

    def take_up(self) -> None:
        """Let the weights that were learned last answer new cases; if they are damaged, all stays as it is."""
        try:
            found = self._of(self._weights.newest())
            if found is not None:
                self._newest, self._learned_cases = found, self._weights.cases()
        except LesslabelError as error:
            _LOG.warning("learning: %s; the page goes on with the weights it has", error)

    def _of(self, digest: object) -> PageModel | None:
        """The model with these weights; None if they are not at hand."""
        for known in (self._newest, self._first):
            if known is not None and known.described.get("weights") == digest:
                return known
        if not isinstance(digest, str):
            return None
        with self._lock:
            if digest not in self._loaded:
                path = self._weights.path_of(digest)
                if path is None:
                    return None
                self._loaded[path.stem] = general_model(self._store, path)
            found = self._loaded[digest]
            self._loaded.move_to_end(digest)
            while len(self._loaded) > KEPT_MODELS:
                self._loaded.popitem(last=False)
        return found
