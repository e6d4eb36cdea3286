"""The memory that the turns of a case hold: voxels that they changed, and the model's answers, of which old ones go."""

from collections.abc import Hashable, MutableMapping, MutableSequence, Sequence
from dataclasses import replace
from typing import TypeVar

from lesslabel.annotating.assistant import Conversation
from lesslabel.annotating.taken import Taken

_Key = TypeVar("_Key", bound=Hashable)


def held_bytes(said: MutableMapping[_Key, Conversation], taken: Sequence[Taken]) -> int:
    """Bytes of the answers and of the voxels that turns changed.

    Args:
        said: what was said last, by label and place.
        taken: the turns that stand.
    """
    answers = {id(each.kept): each.size_bytes for each in _conversations(said, taken) if each.kept is not None}
    return sum(answers.values()) + sum(turn.voxels.nbytes + turn.before.nbytes + turn.after.nbytes for turn in taken)


def _conversations(said: MutableMapping[_Key, Conversation], taken: Sequence[Taken]) -> list[Conversation]:
    return [*said.values(), *(turn.said_before for turn in taken if turn.said_before is not None)]


def let_go(said: MutableMapping[_Key, Conversation], taken: MutableSequence[Taken], kept_bytes: int) -> None:
    """Let go of all answers but the last ones, so that memory does not grow with the turns.

    Args:
        said: what was said last, by label and place, in the order in which it was said; changed in place.
        taken: the turns that stand, in order; changed in place.
        kept_bytes: of the answers in each of the two.
    """
    kept = 0
    for key in reversed(list(said)):
        kept += said[key].size_bytes
        if kept > kept_bytes:
            said[key] = replace(said[key], kept=None)
    kept = 0
    for place in reversed(range(len(taken))):
        before = taken[place].said_before
        if before is None or before.kept is None:
            continue
        kept += before.size_bytes
        if kept > kept_bytes:
            taken[place] = replace(taken[place], said_before=replace(before, kept=None))
