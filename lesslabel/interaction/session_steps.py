"""The steps of a session: turns with their answers."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from lesslabel.interaction.model import History, ObjectModel, Segmentation
from lesslabel.interaction.prompts import Prompt
from lesslabel.interaction.session_log import Turn
from lesslabel.interaction.session_start import StartMask

KEPT_ANSWERS = 16
"""Number of answers kept for undo; older ones are computed again, so that memory does not grow."""


@dataclass(frozen=True, eq=False)
class Step:
    """A turn or start mask, the model of its object, and the answer; None after the answer was dropped."""

    turn: Turn | StartMask
    model: ObjectModel
    answer: Segmentation | None


def of_object(name: str, steps: Sequence[Step]) -> list[Step]:
    """The steps of one object, in order."""
    return [step for step in steps if step.turn.object == name]


def prompts_of(turn: Turn | StartMask) -> tuple[Prompt, ...]:
    """The prompts of a turn; a start mask has none."""
    return () if isinstance(turn, StartMask) else turn.prompts


def history_of(turns: Sequence[Turn | StartMask], previous: Segmentation | None) -> History:
    """The input of the model at the last of these turns of one object.

    Args:
        turns: the turns and start mask of the object; the last one is a turn.
        previous: the answer before the last turn.
    """
    start = turns[0].mask if isinstance(turns[0], StartMask) else None
    prompts = tuple(turn.prompts for turn in turns if isinstance(turn, Turn))
    return History(prompts, start, previous if len(prompts) > 1 else None)


def answer_of(steps: Sequence[Step]) -> Segmentation:
    """The answer to the last step of one object; computed from the last kept one if needed."""
    known = max((place for place, step in enumerate(steps) if step.answer is not None), default=-1)
    answer = steps[known].answer if known >= 0 else None
    for place in range(known + 1, len(steps)):
        turn = steps[place].turn
        if isinstance(turn, StartMask):
            answer = Segmentation.of_mask(turn.mask)
        else:
            history = history_of([step.turn for step in steps[: place + 1]], answer)
            answer = steps[place].model.answer(history).chosen(turn.choice)
    assert answer is not None  # there is at least one step
    return answer


def drop_old_answers(steps: Sequence[Step]) -> tuple[Step, ...]:
    """Drop all answers except the last ones."""
    old = len(steps) - KEPT_ANSWERS
    return tuple(
        replace(step, answer=None) if place < old and step.answer is not None else step
        for place, step in enumerate(steps)
    )
