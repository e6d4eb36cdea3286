"""The label map of a case as a person draws it, turn by turn, and any turn taken back."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from lesslabel.annotating.assistant import Assistant, Conversation
from lesslabel.annotating.edits import filled_between, largest_component
from lesslabel.annotating.held import held_bytes, let_go
from lesslabel.annotating.taken import Again, Redrawn, Taken, before_any, union
from lesslabel.annotating.turns import OF_THE_ANSWER, Edit, Outlined, Paint, Plane, Prompted, Turn
from lesslabel.annotating.wire import Change, Runs, changes_of
from lesslabel.errors import DataError
from lesslabel.interaction.prompts.seeds import Mask
from lesslabel.interaction.session_views import most_uncertain_voxel

KEPT_BYTES = 256 * 2**20
"""Of the model's answers with their probabilities, twice; older ones are computed again if need be."""

Voxel = tuple[int, int, int]
_Key = tuple[int, Plane | None]
_Part = Prompted | Edit | Outlined
"""Turns on one label, on a slice or in the volume."""


class Drawing:
    """A label map, and the turns that made it out of what was there first.

    Prompts for a label never take a voxel from another label. A turn of the model goes on from what stands on the map:
    the voxels that the person painted meanwhile are what the model starts from.

    Attributes:
        labels: (z, y, x) uint8; changed in place.
        taken: the turns that stand, in order.

    Args:
        base: (z, y, x) uint8, what is there before the first turn; it is copied.
        erased: the value of what nobody marked: 0, or `IGNORE` where only strokes are kept.
        assistant: the model; None where a person draws alone.
    """

    def __init__(self, base: NDArray[np.uint8], erased: int, assistant: Assistant | None) -> None:
        self.labels = base.copy()
        self.taken: list[Taken] = []
        self._erased = erased
        self._assistant = assistant
        self._said: dict[_Key, Conversation] = {}

    @property
    def shape(self) -> tuple[int, int, int]:
        """(z, y, x) in voxels."""
        depth, height, width = self.labels.shape
        return depth, height, width

    @property
    def nbytes(self) -> int:
        """Bytes of the map, of what the turns hold, and of the image as the model sees it."""
        seen = 0 if self._assistant is None else self._assistant.nbytes
        return self.labels.nbytes + held_bytes(self._said, self.taken) + seen

    def apply(self, number: int, turn: Turn) -> Taken:
        """Take a turn.

        Raises:
            DataError: if the model does not understand it. The map stays as it was.
        """
        if isinstance(turn, Paint):
            return self._take(self._painted(number, turn), None)
        if isinstance(turn, Outlined):
            return self._take(self._outlined(number, turn), None)
        if isinstance(turn, Prompted):
            return self._take(*self._answered(number, turn))
        if turn.what in OF_THE_ANSWER:
            return self._take(*self._retaken(number, turn))
        return self._take(self._edited(number, turn), None)

    def apply_known(self, number: int, turn: Turn, changes: Sequence[Change]) -> Taken:
        """Take a turn whose changes are known, without asking the model again."""
        voxels = np.concatenate([np.zeros(0, np.int64), *(change.runs.voxels for change in changes)])
        values = [np.full(int(change.runs.lengths.sum()), change.value, np.uint8) for change in changes]
        after = np.concatenate([np.zeros(0, np.uint8), *values])
        order = np.argsort(voxels, kind="stable")
        voxels, after = voxels[order], after[order]
        if isinstance(turn, Paint | Outlined) or (isinstance(turn, Edit) and turn.what not in OF_THE_ANSWER):
            return self._take(Taken(number, turn, voxels, self._flat[voxels], after), None)
        said = self._said_of(turn)
        taken = Taken(number, turn, voxels, self._flat[voxels], after, said)
        drawn = self._drawn_after(taken, turn)
        if isinstance(turn, Prompted):
            return self._take(taken, said.with_turn(turn.prompts, drawn, None))
        kept = None if isinstance(turn.value, str) else said.kept
        return self._take(taken, said.retaken(turn.value, drawn, kept))

    def suggestion(self, turn: Prompted | Edit) -> Voxel | None:
        """Where a click on the label of a turn would teach the model most, (z, y, x); None if it does not know."""
        said = self._said.get(_key(turn))
        if said is None or said.kept is None:
            return None
        prompts = [prompt for given in said.turns for prompt in given]
        voxel = most_uncertain_voxel(said.kept.uncertainty, prompts, said.kept.window)
        if voxel is None:
            return None
        z, y, x = voxel if turn.plane is None else _in_volume(voxel, turn.plane)
        return z, y, x

    def other_answers(self, turn: Turn) -> tuple[str, ...]:
        """The names of the answers that may be taken in the place of the model's last one, if the turn was about it."""
        if isinstance(turn, Paint | Outlined) or (isinstance(turn, Edit) and turn.what not in OF_THE_ANSWER):
            return ()
        said = self._said.get(_key(turn))
        return () if said is None else said.others

    def uncertainty(self, label: int, plane: Plane) -> NDArray[np.float32] | None:
        """How uncertain the model's last answer on a label was on a slice, (y, x); None if it did not answer there."""
        for key in ((label, plane), (label, None)):
            said = self._said.get(key)
            if said is not None and said.turns and self._assistant is not None:
                seen = self._assistant.last_answer(key[1], said).uncertainty
                return seen if key[1] is not None else seen[plane.cut]
        return None

    def stands(self, number: int) -> bool:
        """Whether a turn was given and not taken back."""
        return any(taken.number == number for taken in self.taken)

    def remove(self, number: int) -> Redrawn:
        """Take a turn back; the later ones are drawn anew without it.

        Raises:
            DataError: if no such turn stands, or a later one means nothing without it. The map stays as it was.
        """
        if not self.stands(number):
            raise DataError(f"turn {number}: not there; it was taken back already, or never given")
        return self._redraw(number, [(taken.number, taken.turn) for taken in self.taken if taken.number > number])

    def restore(self, number: int, turn: Turn) -> Redrawn:
        """Give a turn that was taken back again, in its old place.

        Raises:
            DataError: if it stands, or means nothing there. The map stays as it was.
        """
        if self.stands(number):
            raise DataError(f"turn {number}: was not taken back; take it back first")
        later = [(taken.number, taken.turn) for taken in self.taken if taken.number > number]
        return self._redraw(number, [(number, turn), *later])

    def redraw_known(self, number: int, turns: Sequence[tuple[int, Turn, Sequence[Change]]]) -> None:
        """Do what `remove` and `restore` did, from what the later turns came to."""
        self._unwind(number)
        for later, turn, changes in turns:
            self.apply_known(later, turn, changes)

    def _redraw(self, number: int, turns: Sequence[tuple[int, Turn]]) -> Redrawn:
        """Take the turns from a number on back, and take these instead."""
        touched = union(taken.voxels for taken in self.taken if taken.number >= number)
        before = self._flat[touched]
        unwound = self._unwind(number)
        again, offered = [], []
        try:
            for later, turn in turns:
                again.append(self.apply(later, turn))
                offered.append(self.other_answers(turn))
        except Exception as error:  # whatever it is, memory that ran out above all
            self._unwind(number)
            for taken in unwound:
                self.apply_known(taken.number, taken.turn, taken.changes)
            if later == number or not isinstance(error, DataError):
                raise
            raise DataError(f"turn {later} would mean nothing then ({error}); take it back first") from error
        voxels, values = before_any(touched, before, again)
        voxels = voxels[values != self._flat[voxels]]
        drawn = [Again(taken.number, taken.changes, others) for taken, others in zip(again, offered, strict=True)]
        return Redrawn(changes_of(voxels, self._flat[voxels]), drawn)

    def _unwind(self, number: int) -> list[Taken]:
        """Take back all turns from a number on; returns them in order."""
        unwound: list[Taken] = []
        while self.taken and self.taken[-1].number >= number:
            taken = self.taken.pop()
            self._flat[taken.voxels] = taken.before
            if isinstance(taken.turn, Prompted | Edit) and taken.said_before is not None:
                self._said[_key(taken.turn)] = taken.said_before
            unwound.append(taken)
        return unwound[::-1]

    def _take(self, taken: Taken, said: Conversation | None) -> Taken:
        self._flat[taken.voxels] = taken.after
        self.taken.append(taken)
        if said is not None and isinstance(taken.turn, Prompted | Edit):
            self._said.pop(_key(taken.turn), None)
            self._said[_key(taken.turn)] = said  # last in the order of the dictionary
            let_go(self._said, self.taken, KEPT_BYTES)
        return taken

    def _painted(self, number: int, turn: Paint) -> Taken:
        voxels = turn.runs.voxels
        voxels = voxels[self._flat[voxels] != turn.value]
        after = np.full(len(voxels), turn.value, np.uint8)
        return Taken(number, turn, voxels, self._flat[voxels], after)

    def _edited(self, number: int, turn: Edit) -> Taken:
        if turn.what == "largest-component":
            kept = largest_component(self.labels[_cut(turn)] == turn.label)
            return self._changed(number, turn, kept, None, turn)
        assert turn.plane is not None
        filled = filled_between(self.labels == turn.label, turn.plane.axis)
        return self._changed(number, replace(turn, plane=None), filled, None, turn)

    def _outlined(self, number: int, turn: Outlined) -> Taken:
        mask = np.zeros(self.shape, np.bool_)
        mask.reshape(-1)[turn.runs.voxels] = True
        return self._changed(number, turn, mask[_cut(turn)], None, turn)

    def _retaken(self, number: int, turn: Edit) -> tuple[Taken, Conversation]:
        if self._assistant is None:
            raise DataError(f"{turn.what}: there is no model")
        self._assistant.require_plane(turn.plane)
        said = self._said_of(turn)
        answer = self._assistant.last_answer(turn.plane, said, turn.what)
        if isinstance(turn.value, str):
            answer = answer.chosen(turn.value)
        mask = answer.probability >= turn.value if isinstance(turn.value, float) else answer.mask
        taken = self._changed(number, turn, mask, said, turn)
        return taken, said.retaken(turn.value, self._drawn_after(taken, turn), answer)

    def _answered(self, number: int, turn: Prompted) -> tuple[Taken, Conversation]:
        if self._assistant is None:
            raise DataError("prompts: there is no model; paint, or start with --model")
        self._assistant.require_plane(turn.plane)
        said = self._said_of(turn)
        answer = self._assistant.answer(turn.plane, said, turn.prompts)
        taken = self._changed(number, turn, answer.mask, said, turn)
        return taken, said.with_turn(turn.prompts, self._drawn_after(taken, turn), answer)

    def _changed(self, number: int, part: _Part, mask: Mask, said: Conversation | None, turn: _Part) -> Taken:
        """What it changes to give a label this mask, in the part that a turn speaks of; other labels keep theirs."""
        here, wanted = self.labels[_cut(part)].reshape(-1), mask.reshape(-1)
        free, drawn = np.flatnonzero(wanted), np.flatnonzero(here == part.label)
        gained, lost = free[here[free] == self._erased], drawn[~wanted[drawn]]
        if part.label == self._erased:
            gained = lost = gained[:0]
        changed = np.concatenate([gained, lost])
        after = np.repeat(np.array([part.label, self._erased], np.uint8), [len(gained), len(lost)])
        order = np.argsort(changed, kind="stable")
        changed, after = changed[order], after[order]
        return Taken(number, turn, self._voxels_of(part, changed), here[changed], after, said)

    def _drawn_after(self, taken: Taken, turn: Prompted | Edit) -> Runs:
        """The voxels of the label on its slice once the turn is taken."""
        self._flat[taken.voxels] = taken.after
        drawn = self._drawn(turn)
        self._flat[taken.voxels] = taken.before
        return drawn

    def _said_of(self, turn: Prompted | Edit) -> Conversation:
        """What was said of the label there, if the map still shows what came of it."""
        drawn = self._drawn(turn)
        said = self._said.get(_key(turn))
        return said if said is not None and said.drawn.same_as(drawn) else Conversation.of_drawn(drawn, turn.label)

    def _drawn(self, turn: Prompted | Edit) -> Runs:
        return Runs.of_voxels(np.flatnonzero(self.labels[_cut(turn)] == turn.label))

    def _voxels_of(self, turn: _Part, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """Flat indices in the case, sorted, of those in the part that a turn speaks of."""
        if turn.plane is None:
            return places
        sides = [side for axis, side in enumerate(self.shape) if axis != turn.plane.axis]
        voxel = list(np.unravel_index(places, sides))
        voxel.insert(turn.plane.axis, np.full(len(places), turn.plane.index))
        return np.asarray(np.ravel_multi_index(voxel, self.shape), np.int64)  # the order of the axes is kept

    @property
    def _flat(self) -> NDArray[np.uint8]:
        return self.labels.reshape(-1)


def _key(turn: Prompted | Edit) -> _Key:
    return turn.label, turn.plane


def _in_volume(voxel: tuple[int, ...], plane: Plane) -> tuple[int, ...]:
    return (*voxel[: plane.axis], plane.index, *voxel[plane.axis :])


def _cut(turn: _Part) -> tuple[int | slice, ...]:
    return (slice(None),) * 3 if turn.plane is None else turn.plane.cut
