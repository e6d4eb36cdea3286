"""A session: a person or robot gives prompts for objects of one image and corrects their segmentation."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from lesslabel.errors import DataError
from lesslabel.interaction.model import ImageModel, InteractiveModel, Segmentation, prepare_image, require_kinds
from lesslabel.interaction.prompts import Prompt
from lesslabel.interaction.session_image import SessionImage
from lesslabel.interaction.session_log import SessionLog, Turn
from lesslabel.interaction.session_start import StartMask
from lesslabel.interaction.session_steps import Step, answer_of, drop_old_answers, history_of, of_object, prompts_of
from lesslabel.interaction.session_views import label_map, most_uncertain_voxel


class InteractiveSession:
    """Interactive segmentation of the objects of one image.

    Every `add` is a turn. The first turn of an object marks it, unless `start_from` gave a start mask; later turns
    correct it. The model gets the turns in order, the start mask and its last answer (`History`). The segmentation of
    an object depends only on its own turns, so image and turns define a session, and `replay` repeats it from its log.

    Do not change returned arrays; copy them.

    Args:
        model: the model.

    Example::

        session = InteractiveSession(model).set_image(volume, spacing_mm)
        segmentation = session.add(InteriorMarginPoints(points))
        segmentation = session.add(Click((12, 80, 64), Side.BACKGROUND), Click((12, 85, 60)))
        segmentation = session.undo()
        session.log({"name": "MIDeepSeg", "sha256": digest}).write(path)
    """

    def __init__(self, model: InteractiveModel) -> None:
        self.model = model
        self._given: tuple[SessionImage, ImageModel] | None = None
        self._started_s = self._preparation_s = 0.0
        self._done: tuple[Step, ...] = ()
        self._undone: tuple[Step, ...] = ()
        self._seen: dict[str, Segmentation] = {}

    def set_image(self, image: NDArray[Any], spacing_mm: Sequence[float] | None = None) -> Self:
        """Set the image and discard all objects of another image. The model prepares it once, here.

        Args:
            image: ([z,] y, x), or (C, [z,] y, x), of as many axes and channels as the model takes; it is copied.
            spacing_mm: voxel size ([z,] y, x); None is 1 mm along every axis.

        Returns:
            The session.

        Raises:
            DataError: if the image has no voxels, other axes or channels, or values that are not finite, or the
                spacing does not fit it. The session does not change.
        """
        model = self.model
        taken = SessionImage.of(image, spacing_mm, dimensions=model.dimensions, in_channels=model.in_channels)
        since = time.perf_counter()
        self._given = taken, prepare_image(model, taken.intensities, taken.spacing_mm)
        self._preparation_s = time.perf_counter() - since
        self._started_s = time.monotonic()
        self.reset()
        return self

    @property
    def image(self) -> SessionImage:
        """The image as input of the model: one array for all objects.

        Raises:
            DataError: if there is none yet.
        """
        return self._require_image()[0]

    @property
    def preparation_s(self) -> float:
        """Seconds that the model took to prepare the image, before any prompt."""
        return self._preparation_s

    @property
    def turns(self) -> tuple[Turn | StartMask, ...]:
        """The turns and start masks that were not undone, in order."""
        return tuple(step.turn for step in self._done)

    @property
    def objects(self) -> tuple[str, ...]:
        """Names of the objects, in the order of their first turn."""
        return tuple(self._seen)

    def segmentation(self, object: str = "1") -> Segmentation:  # noqa: A002  what it is called wherever it is named
        """The current segmentation of an object.

        Raises:
            DataError: if there is no such object.
        """
        if object not in self._seen:
            known = ", ".join(map(repr, self._seen)) or "none so far"
            raise DataError(f"object {object!r}: no such object; objects are {known}")
        return self._seen[object]

    def add(self, *prompts: Prompt, object: str = "1") -> Segmentation:  # noqa: A002
        """Add a turn; undone turns can no longer be redone.

        Args:
            prompts: at least one, in the order in which they were given.
            object: name of their object; a new name starts a new object.

        Returns:
            The new segmentation of the object.

        Raises:
            DataError: if there is no image, a prompt does not fit it, or the model cannot use a prompt
                (`lesslabel.interaction.model.require_kinds`). The session does not change.
        """
        return self.take(Turn(object, prompts, round(time.monotonic() - self._started_s, 3)))

    def start_from(self, mask: NDArray[Any], object: str = "1") -> Segmentation:  # noqa: A002
        """Start an object from a mask; it is the segmentation until the first turn, and can be undone.

        Args:
            mask: ([z,] y, x) bool, or integers 0 and 1: of another method, a prelabel of a queue, or of a person.
            object: name of a new object.

        Returns:
            The mask as a segmentation without uncertainty.

        Raises:
            DataError: if there is no image, the mask is of another shape, empty or holds other values, or the object
                exists already. The session does not change.
        """
        given = np.asarray(mask)
        if given.dtype != np.bool_ and (given.dtype.kind not in "iu" or not np.isin(given, (0, 1)).all()):
            raise DataError(f"object {object!r}: start of type {given.dtype}; pass a bool mask, such as labels == 1")
        seconds = round(time.monotonic() - self._started_s, 3)
        return self.take(StartMask.of_mask(object, given.astype(np.bool_), seconds))

    def choose(self, name: str, object: str = "1") -> Segmentation:  # noqa: A002
        """Choose one of the answers to the last turn of an object (`Segmentation.alternatives`).

        The next turn continues from it. It is part of the turn: undo removes both. Undone turns can no longer be
        redone.

        Args:
            name: of the answer, such as "global".
            object: name of the object.

        Raises:
            DataError: if there is no such object or answer. The session does not change.
        """
        chosen = self.segmentation(object).chosen(name)
        last = of_object(object, self._done)[-1]
        assert isinstance(last.turn, Turn)  # a start mask offers no choice
        step = replace(last, turn=replace(last.turn, choice=name), answer=chosen)
        return self._set_state(tuple(step if each is last else each for each in self._done), (), step)

    def take(self, turn: Turn | StartMask) -> Segmentation:
        """Add a turn or start mask with its recorded time; otherwise as `add`."""
        image, image_model = self._require_image()
        earlier = of_object(turn.object, self._done)
        if isinstance(turn, StartMask):
            if earlier:
                raise DataError(f"object {turn.object!r}: begun already; undo its turns, or give another name")
            if turn.shape != image.shape:
                raise DataError(f"object {turn.object!r}: start of shape {turn.shape}, the image has {image.shape}")
            step = Step(turn, image_model.begin(), Segmentation.of_mask(turn.mask))
        else:
            require_kinds(self.model, turn.prompts)
            for prompt in turn.prompts:
                prompt.validate(image.shape)
            model = earlier[0].model if earlier else image_model.begin()
            history = history_of([*(step.turn for step in earlier), turn], self._seen.get(turn.object))
            step = Step(turn, model, model.answer(history).chosen(turn.choice))
        return self._set_state((*self._done, step), (), step)

    def undo(self) -> Segmentation | None:
        """Undo the last turn, of any object.

        Returns:
            The new segmentation of its object; None if it was the first turn of the object, or there is no turn.
        """
        if not self._done:
            return None
        *kept, last = self._done
        before = of_object(last.turn.object, kept)
        if not before:
            self._done, self._undone = tuple(kept), (*self._undone, last)
            del self._seen[last.turn.object]
            return None
        shown = replace(before[-1], answer=answer_of(before))
        kept = [shown if step is before[-1] else step for step in kept]
        return self._set_state(tuple(kept), (*self._undone, last), shown)

    def redo(self) -> Segmentation | None:
        """Redo the turn that was undone last.

        Returns:
            The new segmentation of its object; None if there is no such turn.
        """
        if not self._undone:
            return None
        *kept, last = self._undone
        shown = replace(last, answer=answer_of([*of_object(last.turn.object, self._done), last]))
        return self._set_state((*self._done, shown), tuple(kept), shown)

    def reset(self) -> None:
        """Discard all objects and turns; the image stays."""
        self._done, self._undone, self._seen = (), (), {}

    def next_click_suggestion(self, object: str = "1") -> tuple[int, ...] | None:  # noqa: A002
        """Suggest the next click on an object: the voxel of greatest uncertainty, see `most_uncertain_voxel`.

        Raises:
            DataError: if there is no such object.
        """
        prompts = [prompt for turn in self.turns if turn.object == object for prompt in prompts_of(turn)]
        return most_uncertain_voxel(self.segmentation(object).uncertainty, prompts)

    def labels(self) -> NDArray[np.uint8]:
        """All objects in one label map, 1 for the first of `objects`; in overlaps the more probable counts.

        Raises:
            DataError: if there is no image, or there are more than 254 objects.
        """
        return label_map(list(self._seen.values()), self.image.shape)

    def log(self, model: Mapping[str, str]) -> SessionLog:
        """The log from which `replay` can repeat the session, given the model and the image.

        Args:
            model: description of the model, such as its name and the sha256 of its weights; no paths.

        Raises:
            DataError: if there is no image, or a value could be a path.
        """
        return SessionLog(dict(model), self.image.sha256, self.turns)

    def _require_image(self) -> tuple[SessionImage, ImageModel]:
        if self._given is None:
            raise DataError("the session has no image; call set_image first")
        return self._given

    def _set_state(self, done: tuple[Step, ...], undone: tuple[Step, ...], shown: Step) -> Segmentation:
        """Set the done and undone steps; the answer of one step becomes the segmentation of its object."""
        assert shown.answer is not None
        self._seen[shown.turn.object] = shown.answer
        self._done, self._undone = drop_old_answers(done), drop_old_answers(undone)
        return shown.answer


def replay(
    model: InteractiveModel, image: NDArray[Any], spacing_mm: Sequence[float] | None, log: SessionLog
) -> InteractiveSession:
    """Repeat a logged session, with bitwise identical results.

    Args:
        model: the same model; compare `log.model` yourself, since a model does not know the sha256 of its weights.
        image: the same image, in any number type that holds its intensities.
        spacing_mm: the same voxel size.
        log: see `SessionLog.read`.

    Raises:
        DataError: if image or voxel size differ, or a turn does not fit the image; names the turn.
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
