"""The steps of a session: what was taken, and what was answered."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from lesslabel.interaction.model import History, ObjectModel, Segmentation
from lesslabel.interaction.prompts import Prompt
from lesslabel.interaction.session_log import Turn
from lesslabel.interaction.session_start import StartMask

KEPT_ANSWERS = 16
"""Answers that undo gives again as they are; those before are computed again, so that memory does not grow."""


@dataclass(frozen=True, eq=False)
class Step:
    """A turn or a start, the model of its object, and its answer; None once the answer was let go."""

    turn: Turn | StartMask
    model: ObjectModel
    answer: Segmentation | None


def of_object(name: str, steps: Sequence[Step]) -> list[Step]:
    """The steps of one object, in order."""
    return [step for step in steps if step.turn.object == name]


def prompts_of(turn: Turn | StartMask) -> tuple[Prompt, ...]:
    """What was said in a turn; a start says nothing of single voxels."""
    return () if isinstance(turn, StartMask) else turn.prompts


def history_of(turns: Sequence[Turn | StartMask], previous: Segmentation | None) -> History:
    """What the model is given with the last of these turns of one object.

    Args:
        turns: those of the object, the last one a turn.
        previous: the answer to those before the last.
    """
    start = turns[0].mask if isinstance(turns[0], StartMask) else None
    prompts = tuple(turn.prompts for turn in turns if isinstance(turn, Turn))
    return History(prompts, start, previous if len(prompts) > 1 else None)


def answer_of(steps: Sequence[Step]) -> Segmentation:
    """The answer to the last of the steps of one object; computed from the last one that was kept, if need be."""
    known = max((place for place, step in enumerate(steps) if step.answer is not None), default=-1)
    answer = steps[known].answer if known >= 0 else None
    for place in range(known + 1, len(steps)):
        turn = steps[place].turn
        if isinstance(turn, StartMask):
            answer = Segmentation.of_mask(turn.mask)
        else:
            answer = steps[place].model.answer(history_of([step.turn for step in steps[: place + 1]], answer))
    assert answer is not None  # there is at least one step
    return answer


def drop_old_answers(steps: Sequence[Step]) -> tuple[Step, ...]:
    """Let go of all answers but the last ones."""
    old = len(steps) - KEPT_ANSWERS
    return tuple(
        replace(step, answer=None) if place < old and step.answer is not None else step
        for place, step in enumerate(steps)
    )
