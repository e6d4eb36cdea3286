"""Focus views of clicks, for any interactive model. This needs PyTorch."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from lesslabel.errors import ConfigError
from lesslabel.interaction.crop import Crop, finest
from lesslabel.interaction.focus import FocusRange, focus_range, narrowed_range
from lesslabel.interaction.model import History, ImageModel, InteractiveModel, ObjectModel, Segmentation, prepare_image
from lesslabel.interaction.own_answers import OwnAnswers, Turns
from lesslabel.interaction.prompts import Click
from lesslabel.interaction.prompts.seeds import Shape
from lesslabel.interaction.sub_images import Probability, SubImages
from lesslabel.interaction.wrapper import Wrapper

Progress = Literal["none", "standard", "fast"]

ROUNDS = 3
"""T, the largest number of rounds of the progressive strategy."""

SHRINKAGE = 0.8
"""The ratio of the view sizes of two rounds of the fast strategy."""


class Patches(Protocol):
    """Segments parts of an image, each as a separate image."""

    def segment(self, crops: Sequence[Crop], history: History, current: Sequence[Probability]) -> list[Probability]:
        """Segment some parts.

        Args:
            crops: the positions of the parts.
            history: the prompts on the image.
            current: for each part, ([z,] y, x) in [0, 1] on the whole image, its initial prediction.

        Returns:
            For each part the probability on the voxels of its window.
        """
        ...


@dataclass(frozen=True)
class FocusSettings:
    """Settings of focus views; the defaults are published.

    Attributes:
        largest_share: see `focus_range`.
        growth: see `focus_range`.
        progress: ``none`` segments each view once; ``standard`` again where much changed, at most three times;
            ``fast`` segments three views of decreasing size at once.
        narrowing: see `narrowed_range`.
        erosion_voxel: see `narrowed_range`.

    Raises:
        ConfigError: if a value is out of its range.
    """

    largest_share: float = 0.2
    growth: float = 1.75
    progress: Progress = "none"
    narrowing: float = 1.1
    erosion_voxel: int = 2

    def __post_init__(self) -> None:
        if self.progress not in get_args(Progress):
            raise ConfigError(f"focus.progress: {self.progress!r} is not one of {', '.join(get_args(Progress))}")
        for name in ("largest_share", "growth", "narrowing"):
            if not 0 < getattr(self, name) < float("inf"):
                raise ConfigError(f"focus.{name}: {getattr(self, name)} must be positive")
        if self.erosion_voxel < 0:
            raise ConfigError(f"focus.erosion_voxel: {self.erosion_voxel} must be at least 0")


class FocusView(Wrapper):
    """Wrap an interactive model: segment a focus view wherever a click changed only a detail.

    The focus view of FocusCut (Lin et al., CVPR 2022) as a wrapper: after the second click on, the part around every
    click whose change was local is cropped from the image at full resolution and segmented by the model as an image
    of its own, with the global prediction as start mask; the results are pasted back, their mean where they overlap. A
    model that resamples images to its grid thus gets details that the grid cannot represent. Unlike the method of
    the paper, `lesslabel.methods.FocusCut`, the model was not trained for such parts.

    Args:
        model: the model.
        settings: settings of focus views.
    """

    def __init__(self, model: InteractiveModel, settings: FocusSettings = FocusSettings()) -> None:
        super().__init__(model)
        self.settings = settings

    def prepare_image(self, image: NDArray[np.float32], spacing_mm: Sequence[float]) -> "FocusedImage":
        """Compute what depends only on an image; see `InteractiveModel.prepare_image`."""
        spacing = tuple(spacing_mm)
        whole = prepare_image(self.model, image, spacing)
        return FocusedImage(whole, SubImages(self.model, image, spacing), image.shape[1:], spacing, self.settings)


class FocusedImage:
    """One image with focus views; the `ImageModel` of sessions.

    Args:
        whole: the model of the global view.
        patches: the model of the focus views.
        shape: of the image, ([z,] y, x).
        spacing_mm: voxel size.
        settings: settings of focus views.
    """

    def __init__(
        self, whole: ImageModel, patches: Patches, shape: Shape, spacing_mm: Sequence[float], settings: FocusSettings
    ) -> None:
        self.whole = whole
        self.patches = patches
        self.shape = tuple(shape)
        self.scale = np.asarray(spacing_mm) / finest(spacing_mm, self.shape)
        self.settings = settings

    def begin(self) -> "FocusedObject":
        """Begin with an object of the image."""
        return FocusedObject(self, self.whole.begin())


class FocusedObject:
    """One object with focus views; the `ObjectModel` of sessions.

    Every turn after the first keeps the range of its view, a function of the global predictions before and after
    it. The global prediction does not use the results of the views, as published.

    Args:
        image: the image.
        model: the object in the global view.
    """

    def __init__(self, image: FocusedImage, model: ObjectModel) -> None:
        self.image = image
        self.own = OwnAnswers(model)
        self._ranges: dict[Turns, tuple[FocusRange, ...]] = {}

    def answer(self, history: History) -> Segmentation:
        """Segment the object globally, then in focus views of the clicks that changed a detail."""
        answered = self.own.of(history)
        begun = time.perf_counter()
        ranges = [each for length in range(2, len(history.turns) + 1) for each in self._ranges_of(history, length)]
        if not ranges:
            return answered
        probability = self._closer(ranges, history, answered.probability)
        same = probability == answered.probability
        uncertainty = np.where(same, answered.uncertainty, 4 * probability * (1 - probability))
        mask = np.where(same, answered.mask, probability > 0.5)
        segmented = Segmentation(mask, probability, uncertainty.astype(np.float32))
        if answered.phases is None:
            return segmented
        views_s = time.perf_counter() - begun
        return replace(segmented, phases=replace(answered.phases, head_s=answered.phases.head_s + views_s))

    def _ranges_of(self, history: History, length: int) -> tuple[FocusRange, ...]:
        """The views of the clicks of one turn."""
        turns = history.turns[:length]
        if turns not in self._ranges:
            before, now = (
                self.own.of(History(history.turns[:end], history.start)).mask for end in (length - 1, length)
            )
            settings = self.image.settings
            found = [
                focus_range(
                    before,
                    now,
                    click.position,
                    self.image.scale,
                    largest_share=settings.largest_share,
                    growth=settings.growth,
                )
                for click in turns[-1]
                if isinstance(click, Click)
            ]
            self._ranges[turns] = tuple(each for each in found if each is not None)
        return self._ranges[turns]

    def _closer(self, ranges: Sequence[FocusRange], history: History, whole: Probability) -> Probability:
        """The global probability with the views pasted in: the mean of all views that contain a voxel."""
        total, count = np.zeros_like(whole), np.zeros(whole.shape, np.int32)
        for window, inside in self._views(ranges, history, whole):
            total[window] += inside
            count[window] += 1
        return np.where(count > 0, total / np.maximum(count, 1), whole).astype(np.float32)

    def _views(
        self, ranges: Sequence[FocusRange], history: History, whole: Probability
    ) -> list[tuple[tuple[slice, ...], Probability]]:
        """The window and the probability of the view of each click, after all its rounds."""
        crops = [self._crop(each) for each in ranges]
        rounds = 1 if self.image.settings.progress != "fast" else ROUNDS
        all_crops = [
            self._crop(FocusRange(each.centre, each.radius_voxel * SHRINKAGE**number))
            for number in range(rounds)
            for each in ranges
        ]
        segmented = self.image.patches.segment(all_crops, history, [whole] * len(all_crops))
        views = [whole[crop.window].copy() for crop in crops]
        for index, (crop, inside) in enumerate(zip(all_crops, segmented, strict=True)):
            views[index % len(crops)][_within(crop, crops[index % len(crops)])] = inside
        if self.image.settings.progress == "standard":
            self._progress(ranges, crops, views, history, whole)
        return [(crop.window, view) for crop, view in zip(crops, views, strict=True)]

    def _progress(
        self,
        ranges: Sequence[FocusRange],
        crops: Sequence[Crop],
        views: list[Probability],
        history: History,
        whole: Probability,
    ) -> None:
        """Segment smaller views as long as they change (algorithm 3)."""
        before = {index: whole[crop.window] > 0.5 for index, crop in enumerate(crops)}
        for _ in range(ROUNDS - 1):
            narrowed = {
                index: self._narrowed(mask, views[index] > 0.5, ranges[index], crops[index])
                for index, mask in before.items()
            }
            following = [(index, self._crop(each)) for index, each in narrowed.items() if each is not None]
            if not following:
                return
            before = {index: views[index] > 0.5 for index, _ in following}
            current = [_pasted(whole, crops[index], views[index]) for index, _ in following]
            segmented = self.image.patches.segment([crop for _, crop in following], history, current)
            for (index, crop), inside in zip(following, segmented, strict=True):
                views[index][_within(crop, crops[index])] = inside

    def _narrowed(
        self, before: NDArray[np.bool_], now: NDArray[np.bool_], each: FocusRange, crop: Crop
    ) -> FocusRange | None:
        settings, corner = self.image.settings, [side.start for side in crop.window]
        centre = tuple(place - start for place, start in zip(each.centre, corner, strict=True))
        found = narrowed_range(
            before,
            now,
            centre,
            self.image.scale,
            growth=settings.narrowing,
            erosion_voxel=settings.erosion_voxel,
        )
        return None if found is None else FocusRange(each.centre, min(found.radius_voxel, each.radius_voxel))

    def _crop(self, each: FocusRange) -> Crop:
        lengths = [2 * each.radius_voxel / side for side in self.image.scale]
        return Crop.centred(each.centre, lengths, self.image.shape)


def _within(inner: Crop, outer: Crop) -> tuple[slice, ...]:
    """The window of one crop in voxels of another that contains it."""
    return tuple(
        slice(inside.start - around.start, inside.stop - around.start)
        for inside, around in zip(inner.window, outer.window, strict=True)
    )


def _pasted(whole: Probability, crop: Crop, inside: Probability) -> Probability:
    pasted = whole.copy()
    pasted[crop.window] = inside
    return pasted
