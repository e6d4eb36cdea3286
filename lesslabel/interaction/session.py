"""A session: one person, or robot, points at the objects of one image, sees them segmented, and corrects."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from lesslabel.errors import DataError
from lesslabel.interaction.model import ImageModel, InteractiveModel, ObjectModel, Segmentation, look_at
from lesslabel.interaction.prompts import Prompt
from lesslabel.interaction.session_image import SessionImage
from lesslabel.interaction.session_log import SessionLog, Turn
from lesslabel.interaction.session_views import label_map, most_uncertain_voxel


@dataclass(frozen=True)
class _Step:
    """A turn, and the model of its object: kept together, so that a turn given again begins nothing anew."""

    turn: Turn
    model: ObjectModel


class InteractiveSession:
    """One image in front of one person.

    Every `add` is a turn. The first of an object points at it; the prompts of its later ones are corrections. What is
    seen of an object depends on its own turns alone, so a session is its image and the turns that were not taken back,
    and `replay` gives it again from its log.

    The arrays in what is returned belong to the session; copy them to change them.

    Args:
        model: what segments.

    Example::

        session = InteractiveSession(model).set_image(volume, spacing_mm)
        seen = session.add(InteriorMarginPoints(points))
        seen = session.add(Click((12, 80, 64), Side.BACKGROUND), Click((12, 85, 60)))
        seen = session.undo()
        session.log({"name": "MIDeepSeg", "sha256": digest}).write(path)
    """

    def __init__(self, model: InteractiveModel) -> None:
        self.model = model
        self._given: tuple[SessionImage, ImageModel] | None = None
        self._started_s = 0.0
        self.reset()

    def set_image(self, image: NDArray[Any], spacing_mm: Sequence[float] | None = None) -> Self:
        """Begin with an image; what was said of another is forgotten. A `LookingModel` looks at it now, this once.

        Args:
            image: ([z,] y, x), or (C, [z,] y, x), of as many axes and channels as the model takes; it is copied.
            spacing_mm: voxel size ([z,] y, x); None is 1 mm along every axis.

        Returns:
            The session.

        Raises:
            DataError: if the image has no voxels, other axes or channels, or values that are not finite, or the
                spacing does not fit it. The session stays as it was.
        """
        model = self.model
        taken = SessionImage.of(image, spacing_mm, dimensions=model.dimensions, in_channels=model.in_channels)
        self._given = taken, look_at(model, taken.intensities, taken.spacing_mm)
        self._started_s = time.monotonic()
        self.reset()
        return self

    @property
    def image(self) -> SessionImage:
        """The image as the model is given it: one array for all objects.

        Raises:
            DataError: if there is none yet.
        """
        return self._looked_at()[0]

    @property
    def turns(self) -> tuple[Turn, ...]:
        """The turns that were not taken back, in order."""
        return tuple(step.turn for step in self._done)

    @property
    def objects(self) -> tuple[str, ...]:
        """Names of the objects, in the order in which they were first pointed at."""
        return tuple(self._seen)

    def segmentation(self, object: str = "1") -> Segmentation:  # noqa: A002  what it is called wherever it is named
        """What is seen of an object.

        Raises:
            DataError: if there is no such object.
        """
        if object not in self._seen:
            known = ", ".join(map(repr, self._seen)) or "none so far"
            raise DataError(f"object {object!r}: nothing was said of it; objects are {known}")
        return self._seen[object]

    def add(self, *prompts: Prompt, object: str = "1") -> Segmentation:  # noqa: A002
        """Take a turn; turns taken back before can no longer be given again.

        Args:
            prompts: at least one, in the order in which they were given.
            object: name of the object that they speak of; a new name is a new object.

        Returns:
            What is now seen of the object.

        Raises:
            DataError: if there is no image, a prompt does not fit it, or the model does not understand the first
                prompts. The session stays as it was.
        """
        return self.take(Turn(object, prompts, round(time.monotonic() - self._started_s, 3)))

    def take(self, turn: Turn) -> Segmentation:
        """Take a turn that was made elsewhere, with the time that it bears; otherwise as `add`."""
        image, image_model = self._looked_at()
        for prompt in turn.prompts:
            prompt.validate(image.shape)
        earlier = _of_object(turn.object, self._done)
        model = earlier[0].model if earlier else image_model.begin(turn.prompts)
        self._change((*self._done, _Step(turn, model)), (), turn.object)
        return self._seen[turn.object]

    def undo(self) -> Segmentation | None:
        """Take back the last turn, of whatever object.

        Returns:
            What is now seen of its object; None if it was the object's first turn, or there was none to take back.
        """
        if not self._done:
            return None
        *kept, last = self._done
        return self._change(tuple(kept), (*self._undone, last), last.turn.object)

    def redo(self) -> Segmentation | None:
        """Give the turn that was taken back last again.

        Returns:
            What is now seen of its object; None if there is no such turn.
        """
        if not self._undone:
            return None
        *kept, last = self._undone
        return self._change((*self._done, last), tuple(kept), last.turn.object)

    def reset(self) -> None:
        """Forget all objects and turns, for good; the image stays."""
        self._done: tuple[_Step, ...] = ()
        self._undone: tuple[_Step, ...] = ()
        self._seen: dict[str, Segmentation] = {}

    def next_click_suggestion(self, object: str = "1") -> tuple[int, ...] | None:  # noqa: A002
        """Where a click on an object would teach most: the voxel of greatest uncertainty, see `most_uncertain_voxel`.

        Raises:
            DataError: if there is no such object.
        """
        return most_uncertain_voxel(self.segmentation(object).uncertainty, _prompts(_of_object(object, self._done)))

    def labels(self) -> NDArray[np.uint8]:
        """All objects in one map, 1 being the first of `objects`; the more probable wins an overlap, see `label_map`.

        Raises:
            DataError: if there is no image, or there are more than 254 objects.
        """
        return label_map(list(self._seen.values()), self.image.shape)

    def log(self, model: Mapping[str, str]) -> SessionLog:
        """All from which `replay` can give the session again, but for the model and the image themselves.

        Args:
            model: what the model is, such as its name and the sha256 of its weights; words, no path.

        Raises:
            DataError: if there is no image, or a value could be a path.
        """
        return SessionLog(dict(model), self.image.sha256, self.turns)

    def _looked_at(self) -> tuple[SessionImage, ImageModel]:
        if self._given is None:
            raise DataError("the session has no image; call set_image first")
        return self._given

    def _change(self, done: tuple[_Step, ...], undone: tuple[_Step, ...], name: str) -> Segmentation | None:
        """Go to another state, which differs in the last turn of one object; an error leaves the present one."""
        steps = _of_object(name, done)
        if steps:
            self._seen[name] = steps[0].model.segment(_prompts(steps[1:]))
        else:
            del self._seen[name]
        self._done, self._undone = done, undone
        return self._seen.get(name)


def replay(
    model: InteractiveModel, image: NDArray[Any], spacing_mm: Sequence[float] | None, log: SessionLog
) -> InteractiveSession:
    """Give a logged session again, with results that are the same bit by bit.

    Args:
        model: the same as then; compare `log.model`, as a model does not know the sha256 of its weights.
        image: the same as then, in whatever type of number holds its intensities.
        spacing_mm: the same as then.
        log: see `SessionLog.read`.

    Raises:
        DataError: if the image or voxel size is another, or a turn does not fit it; names the turn.
    """
    session = InteractiveSession(model).set_image(image, spacing_mm)
    found = session.image.sha256
    if found != log.image_sha256:
        raise DataError(
            f"image: not that of the session log, or of another voxel size (sha256 {found[:12]}); give that"
        )
    for number, turn in enumerate(log.turns, start=1):
        try:
            session.take(turn)
        except DataError as error:
            raise DataError(f"session log, turn {number}: {error}") from error
    return session


def _of_object(name: str, steps: Sequence[_Step]) -> list[_Step]:
    return [step for step in steps if step.turn.object == name]


def _prompts(steps: Sequence[_Step]) -> list[Prompt]:
    return [prompt for step in steps for prompt in step.turn.prompts]
