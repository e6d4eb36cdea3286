"""Turns that stand, what each changed, and what taking one back or giving it again comes to."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lesslabel.annotating.assistant import Conversation
from lesslabel.annotating.turns import Turn
from lesslabel.annotating.wire import Change, changes_of, to_json


@dataclass(frozen=True, eq=False)
class Taken:
    """A turn that stands, and what it changed.

    Attributes:
        number: of the turn, counted from 1; a turn that was taken back and given again keeps it.
        turn: what was done.
        voxels: flat indices of the voxels that it changed, sorted.
        before: their values before.
        after: their values after.
        said_before: for prompts, what had been said of the label on that slice before.
    """

    number: int
    turn: Turn
    voxels: NDArray[np.int64]
    before: NDArray[np.uint8]
    after: NDArray[np.uint8]
    said_before: Conversation | None = None

    @property
    def changes(self) -> list[Change]:
        """What it changed, grouped by value."""
        return changes_of(self.voxels, self.after)


@dataclass(frozen=True, eq=False)
class Again:
    """A turn that was drawn anew.

    Attributes:
        number: of the turn.
        changes: what it changes now.
        other_answers: names of the answers of the model that may be taken in its place now.
    """

    number: int
    changes: list[Change]
    other_answers: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """As the journal keeps it."""
        return {"number": self.number, "changes": to_json(self.changes), "other_answers": list(self.other_answers)}


@dataclass(frozen=True, eq=False)
class Redrawn:
    """What taking back or giving again one turn came to.

    Attributes:
        changes: of the whole map.
        again: the turns that were drawn anew.
    """

    changes: list[Change]
    again: list[Again]


def union(voxels: Iterable[NDArray[np.int64]]) -> NDArray[np.int64]:
    """All flat indices, sorted, each once."""
    return np.unique(np.concatenate([np.zeros(0, np.int64), *voxels]))


def before_any(
    touched: NDArray[np.int64], before: NDArray[np.uint8], again: Sequence[Taken]
) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """All voxels that were touched while turns were taken back and given again, and their values before all that.

    Args:
        touched: flat indices of those that the turns had touched which were taken back, sorted.
        before: their values then.
        again: the turns that were given again, in order.

    Returns:
        Flat indices, sorted, and values.
    """
    if not again:
        return touched, before
    voxels, first = np.unique(np.concatenate([taken.voxels for taken in again]), return_index=True)
    new = ~np.isin(voxels, touched)  # these were as they were before the first of the turns given again
    values = np.concatenate([taken.before for taken in again])[first[new]]
    both = np.concatenate([touched, voxels[new]])
    order = np.argsort(both)
    return both[order], np.concatenate([before, values])[order]
