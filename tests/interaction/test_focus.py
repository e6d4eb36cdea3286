"""Where FocusCut looks closer: the examples of its algorithms, and how views are pasted."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from toy_model import ToyModel  # a model that fills disks around clicks

from lesslabel.errors import ConfigError
from lesslabel.interaction import Click, InteractiveSession, Side
from lesslabel.interaction.crop import Crop
from lesslabel.interaction.focus import focus_range, narrowed_range, simulated_focus
from lesslabel.interaction.focus_view import ROUNDS, FocusedImage, FocusSettings, FocusView
from lesslabel.interaction.model import History, Segmentation

ONES = np.ones(2)


def square(shape=(140, 140), low=20, high=120) -> np.ndarray:
    mask = np.zeros(shape, bool)
    mask[low:high, low:high] = True
    return mask


def test_a_small_change_is_looked_at() -> None:
    before = square()
    now = before.copy()
    now[58:63, 58:63] = False
    found = focus_range(before, now, (60.0, 60.0), ONES)
    assert found is not None
    assert found.centre == (60.0, 60.0)
    assert found.radius_voxel == 3.5  # 1.75 · 2


def test_a_change_of_a_fifth_of_the_object_is_not() -> None:
    before = square()
    now = before.copy()
    now[20:41, 20:120] = False
    assert focus_range(before, now, (30.0, 60.0), ONES) is None


def test_a_click_that_changed_nothing_reaches_to_the_nearest_border() -> None:
    before = square()
    found = focus_range(before, before, (60.0, 110.0), ONES)
    assert found is not None
    assert found.radius_voxel == 17.5  # 1.75 · 10
    assert focus_range(before & False, before & False, (3.0, 3.0), ONES) is None  # there is no border


def test_only_the_part_that_was_clicked_counts_and_coarse_axes_count_more() -> None:
    before = square()
    now = before.copy()
    now[60, 60] = now[30:32, 100:102] = False
    assert focus_range(before, now, (60.0, 60.0), ONES).radius_voxel == 1.75
    now = before.copy()
    now[58:63, 60] = False
    assert focus_range(before, now, (60.0, 60.0), np.array([3.0, 1.0])).radius_voxel == 1.75 * 6


def test_a_view_narrows_to_what_still_changes() -> None:
    before = square()
    now = before.copy()
    assert narrowed_range(before, now, (60.0, 60.0), ONES) is None
    now[58:61, 58:61] = False
    assert narrowed_range(before, now, (60.0, 60.0), ONES) is None  # eroded away
    now[50:71, 50:71] = False
    assert narrowed_range(before, now, (60.0, 60.0), ONES).radius_voxel == pytest.approx(1.1 * 8)


def test_training_views_lie_at_the_boundary() -> None:
    truth = square()
    size = 100.0
    for seed in range(50):
        view = simulated_focus(truth, np.random.default_rng(seed), ONES)
        assert 0.2 * size <= view.radius_voxel <= 0.8 * size
        off = np.array(view.centre)
        nearest = np.abs(np.argwhere(truth) - off).max(axis=1).min()
        assert nearest <= 0.3 * view.radius_voxel + 1
    again = simulated_focus(truth, np.random.default_rng(7), ONES)
    assert again == simulated_focus(truth, np.random.default_rng(7), ONES)


class Filled:
    """A global model that answers with a given mask, another one for each turn."""

    def __init__(self, masks: Sequence[np.ndarray]) -> None:
        self.masks = masks

    def begin(self) -> "Filled":
        return self

    def answer(self, history: History) -> Segmentation:
        return Segmentation.of_mask(self.masks[len(history.turns) - 1])


class Constant:
    """Focus views that are one value each."""

    def __init__(self, *values: float) -> None:
        self.values = list(values)
        self.batches: list[list[Crop]] = []

    def segment(self, crops: Sequence[Crop], *_: object) -> list[np.ndarray]:
        self.batches.append(list(crops))
        values = [self.values[index % len(self.values)] for index in range(len(crops))]
        sizes = [tuple(side.stop - side.start for side in crop.window) for crop in crops]
        return [np.full(size, value, np.float32) for size, value in zip(sizes, values, strict=True)]


def history_of(*positions: tuple[float, float]) -> History:
    return History(tuple((Click(position, Side.BACKGROUND),) for position in positions))


def masks_with_holes(*holes: tuple[int, int]) -> list[np.ndarray]:
    masks = [square()]
    for y, x in holes:
        masks.append(masks[-1].copy())
        masks[-1][y - 2 : y + 3, x - 2 : x + 3] = False
    return masks


def test_views_that_overlap_are_averaged_and_all_else_stays() -> None:
    masks = masks_with_holes((60, 60), (60, 64))
    patches = Constant(0.25, 0.75)
    image = FocusedImage(Filled(masks), patches, (140, 140), (1.0, 1.0), FocusSettings())
    history = history_of((20.0, 20.0), (60.0, 60.0), (60.0, 64.0))
    answer = image.begin().answer(history)
    assert len(patches.batches) == 1  # all views in one batch
    first, second = patches.batches[0]
    inside_first, inside_second = np.zeros((2, 140, 140), bool)
    inside_first[first.window] = inside_second[second.window] = True
    np.testing.assert_array_equal(answer.probability[inside_first & inside_second], 0.5)
    np.testing.assert_array_equal(answer.probability[inside_first & ~inside_second], 0.25)
    np.testing.assert_array_equal(answer.probability[inside_second & ~inside_first], 0.75)
    outside = ~inside_first & ~inside_second
    np.testing.assert_array_equal(answer.probability[outside], masks[2].astype(np.float32)[outside])
    np.testing.assert_array_equal(answer.mask[outside], masks[2][outside])


def test_the_first_click_is_never_looked_at_closer() -> None:
    patches = Constant(0.1)
    image = FocusedImage(Filled([square()]), patches, (140, 140), (1.0, 1.0), FocusSettings())
    image.begin().answer(history_of((60.0, 60.0)))
    assert not patches.batches


def test_the_fast_strategy_looks_at_three_sizes_at_once_and_the_closest_counts() -> None:
    patches = Constant(0.1, 0.2, 0.3)
    image = FocusedImage(
        Filled(masks_with_holes((60, 60))), patches, (140, 140), (1.0, 1.0), FocusSettings(progress="fast", growth=10)
    )
    answer = image.begin().answer(history_of((30.0, 30.0), (60.0, 60.0)))
    assert [crop.window[0].stop - crop.window[0].start for crop in patches.batches[0]] == [40, 32, 26]
    assert answer.probability[60, 60] == np.float32(0.3)
    assert answer.probability[60, 60 - 15] == np.float32(0.2)
    assert answer.probability[60, 60 - 18] == np.float32(0.1)


def test_the_standard_strategy_stops_where_nothing_changes_any_more() -> None:
    patches = Constant(0.0)
    settings = FocusSettings(progress="standard", growth=10)
    image = FocusedImage(Filled(masks_with_holes((60, 60))), patches, (140, 140), (1.0, 1.0), settings)
    image.begin().answer(history_of((30.0, 30.0), (60.0, 60.0)))
    assert len(patches.batches) == 2  # the second look changes nothing, so there is no third


class Turning(Constant):
    """Focus views that change all that they see."""

    def segment(self, crops: Sequence[Crop], _: History, current: Sequence[np.ndarray]) -> list[np.ndarray]:
        self.batches.append(list(crops))
        return [1 - before[crop.window] for crop, before in zip(crops, current, strict=True)]


def test_the_standard_strategy_stops_after_three_rounds_at_the_latest() -> None:
    patches = Turning()
    settings = FocusSettings(progress="standard", growth=10)
    image = FocusedImage(Filled(masks_with_holes((60, 60))), patches, (140, 140), (1.0, 1.0), settings)
    image.begin().answer(history_of((30.0, 30.0), (60.0, 60.0)))
    assert len(patches.batches) == ROUNDS == 3
    sides = [crops[0].window[0].stop - crops[0].window[0].start for crops in patches.batches]
    assert sides == sorted(sides, reverse=True)


@pytest.mark.parametrize("settings", [{"progress": "slow"}, {"growth": 0.0}, {"erosion_voxel": -1}])
def test_settings_that_make_no_sense_are_refused(settings) -> None:
    with pytest.raises(ConfigError, match="focus"):
        FocusSettings(**settings)


def test_any_model_can_be_wrapped_and_undo_gives_the_same_again() -> None:
    image = np.random.default_rng(0).normal(size=(1, 40, 44)).astype(np.float32)
    session = InteractiveSession(FocusView(ToyModel())).set_image(image)
    session.add(Click((20.0, 20.0)))
    second = session.add(Click((12.0, 20.0)))
    session.add(Click((20.0, 30.0), Side.BACKGROUND))
    session.undo()
    np.testing.assert_array_equal(session.segmentation().probability, second.probability)
    again = session.add(Click((20.0, 30.0), Side.BACKGROUND))
    fresh = InteractiveSession(FocusView(ToyModel())).set_image(image)
    for click in (Click((20.0, 20.0)), Click((12.0, 20.0)), Click((20.0, 30.0), Side.BACKGROUND)):
        last = fresh.add(click)
    np.testing.assert_array_equal(last.probability, again.probability)
    assert torch.isfinite(torch.from_numpy(last.probability)).all()
