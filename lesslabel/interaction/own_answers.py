"""The own answers of a wrapped model, separate from those of the wrapper."""

from collections import OrderedDict
from dataclasses import replace

import numpy as np

from lesslabel.interaction.model import History, ObjectModel, Segmentation
from lesslabel.interaction.prompts import Prompt
from lesslabel.interaction.prompts.seeds import Mask
from lesslabel.interaction.session_steps import KEPT_ANSWERS

Turns = tuple[tuple[Prompt, ...], ...]


class OwnAnswers:
    """Lets a wrapped model continue from its own earlier answers, since a session stores those of the wrapper.

    Args:
        model: the wrapped model of one object.
    """

    def __init__(self, model: ObjectModel) -> None:
        self.model = model
        self._start: Mask | None = None
        self._answers: OrderedDict[Turns, Segmentation] = OrderedDict()

    def of(self, history: History) -> Segmentation:
        """The model's own answer to a history, as if every earlier turn had been answered by the model alone."""
        if not _equal(history.start, self._start):
            self._start = history.start
            self._answers.clear()
        turns = history.turns
        known = next((length for length in range(len(turns), 0, -1) if turns[:length] in self._answers), 0)
        answer = self._answers.get(turns[:known])
        for length in range(known + 1, len(turns) + 1):
            answer = self.model.answer(replace(history, turns=turns[:length], previous=answer))
            self._answers[turns[:length]] = answer
            if len(self._answers) > KEPT_ANSWERS:
                self._answers.popitem(last=False)
        assert answer is not None  # a history has at least one turn
        return answer


def _equal(first: Mask | None, second: Mask | None) -> bool:
    if first is None or second is None:
        return first is second
    return first is second or np.array_equal(first, second)
