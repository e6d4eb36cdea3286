"""One image and one object of it, as an interactive method prepares them for sessions."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lesslabel.errors import DataError
from lesslabel.interaction.crop import Crop
from lesslabel.interaction.encoding import start_box, unit_range
from lesslabel.interaction.guidance import Guidance
from lesslabel.interaction.model import History, Phases, Segmentation
from lesslabel.interaction.prompts import Prompt
from lesslabel.interaction.prompts.seeds import Mask
from lesslabel.methods.interactive.turn_input import TurnInput

if TYPE_CHECKING:
    from lesslabel.methods.interactive.base import Answer, InteractiveMethod


class PreparedImage:
    """An image with the features that a method computed once; the `ImageModel` of sessions.

    Args:
        method: the method.
        image: (C, [z,] y, x) float32.
        spacing_mm: voxel size.
    """

    def __init__(self, method: "InteractiveMethod", image: Tensor, spacing_mm: tuple[float, ...]) -> None:
        self.method = method
        self.image = image
        self.spacing_mm = spacing_mm
        with evaluating(method):
            self.features = method.image_features(image, spacing_mm)

    def begin(self) -> "PreparedObject":
        """Start a new object of the image."""
        return PreparedObject(self)


class PreparedObject:
    """One object of an image; the `ObjectModel` of sessions.

    It caches what the next turn can use again: the rasterised prompts and the features of the crop.

    Args:
        prepared: the image.
    """

    def __init__(self, prepared: PreparedImage) -> None:
        self.prepared = prepared
        self._guidance: tuple[tuple[tuple[Prompt, ...], ...], Guidance] | None = None
        self._grid: tuple[Crop, Tensor] | None = None
        self._pointed: tuple[Mask, tuple[Prompt, ...]] | None = None
        self._features: tuple[Any, Any] | None = None

    def answer(self, history: History) -> Segmentation:
        """Segment the object after a turn; the crop grows if a prompt lies outside it."""
        prepared, method = self.prepared, self.prepared.method
        history = self._resolve_start(history)
        crop, marked = self._crop_of(history), self._guidance_of(history)
        begun = time.perf_counter()
        turn_input = TurnInput(
            prepared.image,
            prepared.spacing_mm,
            prepared.features,
            history,
            marked,
            crop,
            self._on(crop),
            method.encoding,
            None if history.before is None else method.previous_map(history.before),
        )
        with evaluating(method):
            features = self._features_of(turn_input)
            encoded = time.perf_counter()
            answer = method.answer(features, turn_input)
        answered = time.perf_counter()
        shown = self._to_image(answer, turn_input)
        return replace(shown, phases=Phases(encoded - begun, answered - encoded, time.perf_counter() - answered))

    def _resolve_start(self, history: History) -> History:
        """The history for the method: if it takes no start mask, the first robot gives prompts for the mask."""
        start, method = history.start, self.prepared.method
        if start is None or method.takes_start:
            return history
        if self._pointed is None or not np.array_equal(self._pointed[0], start):
            rng = np.random.default_rng(0)
            pointed = method.first_robot.annotate(start, rng, spacing_mm=self.prepared.spacing_mm)
            if not pointed:
                raise DataError(
                    f"start: {method.first_robot.name} finds no position for its prompts; click in the object"
                )
            self._pointed = start, pointed
        return replace(history, turns=(self._pointed[1], *history.turns), start=None)

    def _guidance_of(self, history: History) -> Guidance:
        """The rasterised prompts; the prompts of a new turn are added to the cached ones."""
        *earlier, last = history.turns
        if self._guidance is not None and self._guidance[0] == tuple(earlier):
            guidance = self._guidance[1].extended(last)
        else:
            guidance = Guidance(tuple(self.prepared.image.shape[1:]), history.prompts)
        self._guidance = history.turns, guidance
        return guidance

    def _crop_of(self, history: History) -> Crop:
        shape, encoding = tuple(self.prepared.image.shape[1:]), self.prepared.method.encoding
        first: tuple[Prompt, ...] = history.turns[0]
        later = [prompt for turn in history.turns[1:] for prompt in turn]
        if history.start is not None:
            first, later = (start_box(history.start),), list(history.prompts)
        crop = encoding.crop(first, shape, self.prepared.spacing_mm)
        for prompt in later:
            if not crop.holds(prompt.points):
                crop = crop.widened(prompt.points)
        return crop

    def _on(self, crop: Crop) -> Tensor:
        """The image on the crop, cached until the crop changes."""
        if self._grid is None or self._grid[0] != crop:
            self._grid = crop, unit_range(crop.image_to_grid(self.prepared.image))
        return self._grid[1]

    def _features_of(self, turn_input: TurnInput) -> Any:
        """The features of the crop, cached until the crop, the first turn or the start mask changes."""
        history = turn_input.history
        start = None if history.start is None else history.start.tobytes()
        place = turn_input.crop, history.turns[0], start
        if self._features is None or self._features[0] != place:
            self._features = place, self.prepared.method.object_features(turn_input)
        return self._features[1]

    def _to_image(self, answer: "Answer", turn_input: TurnInput) -> Segmentation:
        shown = self._one_to_image(answer, turn_input)
        others = {name: self._one_to_image(other, turn_input) for name, other in answer.alternatives.items()}
        return replace(shown, alternatives=others) if others else shown

    def _one_to_image(self, answer: "Answer", turn_input: TurnInput) -> Segmentation:
        crop, start = turn_input.crop, turn_input.history.start
        if answer.weight is not None:
            return _mixed(crop.paste(answer.probability.cpu()), crop.paste(answer.weight.cpu()), turn_input.previous)
        window = crop.window
        mask, probability = crop.to_window(answer.mask.float().cpu()) > 0.5, crop.to_window(answer.probability.cpu())
        if answer.changed is not None and start is not None:
            near, before = crop.to_window(answer.changed.float().cpu()) > 0, start[window]
            mask, probability = np.where(near, mask, before), np.where(near, probability, np.float32(before))
        if turn_input.history.corrected and self.prepared.method.hard_clicks:
            # on a grid finer than the image, resampling could lose a marked voxel; no prompt lies outside the window
            seeds = turn_input.guidance.seeds
            mask = (mask | seeds.foreground[window]) & ~seeds.background[window]
        whole_mask, whole_probability, keeps_start = crop.embedded(mask), crop.embedded(probability), False
        if answer.changed is not None and start is not None:
            whole_mask, whole_probability, keeps_start = start.copy(), start.astype(np.float32), True
            whole_mask[window], whole_probability[window] = mask, probability
        return Segmentation(
            mask=whole_mask,
            probability=whole_probability,
            uncertainty=crop.paste(answer.uncertainty.cpu()),
            memory=None if answer.memory is None else crop.paste(answer.memory.cpu()),
            window=None if keeps_start else window,
        )


def _mixed(
    probability: NDArray[np.float32], weight: NDArray[np.float32], previous: NDArray[np.float32] | None
) -> Segmentation:
    """An answer that replaces the previous map, 0 without one, as far as a weight says."""
    mixed = weight * probability
    if previous is not None:
        mixed += (1 - weight) * previous
    return Segmentation(mixed > 0.5, mixed, 4 * mixed * (1 - mixed))


@contextmanager
def evaluating(method: "InteractiveMethod") -> Iterator[None]:
    """Switch off dropout and gradients; afterwards restore the mode of every layer."""
    modes = [(module, module.training) for module in method.modules()]
    method.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, training in modes:
            module.training = training
