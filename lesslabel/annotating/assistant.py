"""The model beside the person: what it answers to the prompts for one label on one slice or volume."""

import math
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from lesslabel.annotating.kept_answer import KeptAnswer
from lesslabel.annotating.models import PageModel
from lesslabel.annotating.processors import Processors
from lesslabel.annotating.turns import Plane
from lesslabel.annotating.wire import Runs
from lesslabel.data.case import Case
from lesslabel.data.store.finite import count_not_finite
from lesslabel.errors import DataError
from lesslabel.interaction.model import History, ImageModel, ObjectModel, Segmentation, require_kinds
from lesslabel.interaction.prompts import Prompt
from lesslabel.interaction.prompts.seeds import Mask, Shape

KEPT_OBJECTS = 2
"""Labels on a slice or in the volume for which the model keeps what it computed of the crop."""
KEPT_IMAGES = 8
"""Slices of a case that the model keeps what it computed of; the one that was used longest ago goes first."""


@dataclass(frozen=True, eq=False)
class Conversation:
    """What was said of one label on one slice, or in the volume, since the person last painted it there.

    Attributes:
        start: the label's voxels before the first of these turns.
        turns: the prompts, turn by turn.
        drawn: the label's voxels after the last turn, as they stand on the map.
        kept: the model's last answer; None before the first, or where it was let go, to be computed again.
        label: its code; None for an object without one.
        choices: by the number of a turn, counted from 1, the name of the answer that was chosen of those to it.
        others: names of the answers that may be taken in the place of the last one.
    """

    start: Runs
    turns: tuple[tuple[Prompt, ...], ...]
    drawn: Runs
    kept: KeptAnswer | None
    label: int | None = None
    choices: Mapping[int, str] = field(default_factory=dict)
    others: tuple[str, ...] = ()

    @classmethod
    def of_drawn(cls, drawn: Runs, label: int | None = None) -> Self:
        """Nothing said yet of what stands there."""
        return cls(drawn, (), drawn, None, label)

    def with_turn(self, prompts: tuple[Prompt, ...], drawn: Runs, answer: Segmentation | None) -> Self:
        """The same after one more turn."""
        kept = None if answer is None else KeptAnswer.of(answer)
        return replace(self, turns=(*self.turns, prompts), drawn=drawn, kept=kept, others=_others(kept))

    def retaken(self, value: float | str | None, drawn: Runs, kept: KeptAnswer | None) -> Self:
        """The same after its last answer was taken otherwise, see `Edit.value`."""
        choices = {**self.choices, len(self.turns): value} if isinstance(value, str) else self.choices
        return replace(self, drawn=drawn, kept=kept, choices=choices, others=_others(kept))

    @property
    def size_bytes(self) -> int:
        """Of the answer in memory."""
        return 0 if self.kept is None else self.kept.size_bytes

    def start_mask(self, shape: Shape) -> Mask | None:
        """The start as a mask of that shape; None if it is empty."""
        if not len(self.start.starts):
            return None
        mask = np.zeros(math.prod(shape), np.bool_)
        mask[self.start.voxels] = True
        return mask.reshape(shape)


class Assistant:
    """A model in front of the slices, or the volume, of one case.

    Args:
        model: what segments.
        case: the case.
        processors: shared with the other cases of the page; None for those of this one alone.
    """

    def __init__(self, model: PageModel, case: Case, processors: Processors | None = None) -> None:
        self._model = model
        self._case = case
        self._processors = processors or Processors()
        self._looked_at: OrderedDict[Plane | None, ImageModel] = OrderedDict()
        self._begun: OrderedDict[tuple[Plane | None, int | None], tuple[Runs, ObjectModel]] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def nbytes(self) -> int:
        """Bytes of the image as the model sees it, where that is not the image of the case itself."""
        image = self.__dict__.get("_image")  # None until it is asked for
        return 0 if image is None or np.may_share_memory(image, self._case.image) else int(image.nbytes)

    def require_plane(self, plane: Plane | None) -> None:
        """Refuse a slice for a model of volumes, and a volume for a model of slices.

        Raises:
            DataError: if so.
        """
        dimensions = self._model.model.dimensions
        if (plane is None) != (dimensions == 3):
            wanted = "no plane, as it takes volumes" if dimensions == 3 else "the plane of the slice"
            raise DataError(f"prompts: the model has {dimensions} dimensions; give {wanted}")

    def answer(self, plane: Plane | None, said: Conversation, prompts: tuple[Prompt, ...]) -> Segmentation:
        """Segment after one more turn.

        Args:
            plane: the slice; None for the volume.
            said: what was said before.
            prompts: of this turn.

        Raises:
            DataError: if the prompts do not fit the image, or the model does not understand them.
        """
        shape = self._shape(plane)
        require_kinds(self._model.model, prompts)
        for prompt in prompts:
            prompt.validate(shape)
        start = said.start_mask(shape)
        turns = (*said.turns, prompts)
        with self._processors.share():
            begun = self._object_of(plane, said)
            return begun.answer(_history(start, turns, self._last(begun, start, said), self._meant(said)))

    def last_answer(self, plane: Plane | None, said: Conversation, wanted: str = "threshold") -> KeptAnswer:
        """The answer to the last turn, asked for again if it was let go.

        Args:
            plane: the slice; None for the volume.
            said: what was said.
            wanted: for what, in the words of an error.

        Raises:
            DataError: if nothing was said.
        """
        if said.kept is not None:
            return said.kept
        start = said.start_mask(self._shape(plane))
        with self._processors.share():
            answer = self._last(self._object_of(plane, said), start, said)
        if answer is None:
            raise DataError(f"{wanted}: the model has not answered here since the last stroke; give a prompt first")
        return KeptAnswer.of(answer)

    def _meant(self, said: Conversation) -> int | None:
        """The model's class of the label, if it has one."""
        return None if said.label is None else self._model.classes.get(said.label)

    def _last(self, begun: ObjectModel, start: Mask | None, said: Conversation) -> Segmentation | None:
        previous = None if said.kept is None else said.kept.whole()
        if previous is None:
            for count in range(1, len(said.turns) + 1):
                answer = begun.answer(_history(start, said.turns[:count], previous, self._meant(said)))
                name = said.choices.get(count)  # another model, by which the case was opened again, may not offer it
                previous = answer.chosen(name) if name in answer.alternatives else answer
        return previous

    def _shape(self, plane: Plane | None) -> Shape:
        return tuple(side for axis, side in enumerate(self._case.shape) if plane is None or axis != plane.axis)

    def _object_of(self, plane: Plane | None, said: Conversation) -> ObjectModel:
        """The object in the hands of the model, with what it computed at the turns before."""
        place = plane, said.label
        known = self._begun.pop(place, None)
        begun = (
            known if known is not None and known[0].same_as(said.start) else (said.start, self._look_at(plane).begin())
        )
        self._begun[place] = begun
        while len(self._begun) > KEPT_OBJECTS:
            self._begun.popitem(last=False)
        return begun[1]

    def _look_at(self, plane: Plane | None) -> ImageModel:
        with self._lock:
            if plane in self._looked_at:
                self._looked_at.move_to_end(plane)
                return self._looked_at[plane]
        image, spacing_mm = self._part(plane)
        looked = self._model.prepare_image(image, spacing_mm, plane)
        with self._lock:
            self._looked_at[plane] = looked
            while len(self._looked_at) > KEPT_IMAGES:
                self._looked_at.popitem(last=False)
        return looked

    @cached_property
    def _image(self) -> NDArray[np.float32]:
        image = self._model.image_of(self._case)
        if strange := count_not_finite(image):
            raise DataError(
                f"the image has {strange} voxels that are NaN or infinite, which no model takes; draw without it, or "
                "replace them in the raw data and prepare the store again"
            )
        return image

    def _part(self, plane: Plane | None) -> tuple[NDArray[np.float32], tuple[float, ...]]:
        if plane is None:
            return self._image, self._case.spacing_mm
        image = np.ascontiguousarray(self._image[(slice(None), *plane.cut)])
        return image, tuple(side for axis, side in enumerate(self._case.spacing_mm) if axis != plane.axis)


def _others(kept: KeptAnswer | None) -> tuple[str, ...]:
    return () if kept is None else kept.others


def _history(
    start: Mask | None, turns: Sequence[tuple[Prompt, ...]], previous: Segmentation | None, meant: int | None
) -> History:
    return History(tuple(turns), start, previous if len(turns) > 1 else None, meant)
