"""The model without training: the threshold against a slow search, and what it finds on images whose truth is known."""

import numpy as np
import pytest

from lesslabel.errors import DataError
from lesslabel.interaction import Box, Click, InteractiveSession, Polygon, Scribble, Side
from lesslabel.interaction.prompts import rasterise
from lesslabel.interaction.stable_region import (
    EdgeImage,
    SizePrior,
    _best_threshold,
    nearest_class,
    region_map,
    stable_region,
)
from lesslabel.interaction.training_free import TrainingFree


def ball(shape: tuple[int, ...], radius: float, centre: tuple[float, ...] | None = None) -> np.ndarray:
    middle = centre or tuple((side - 1) / 2 for side in shape)
    return sum((axis - m) ** 2 for axis, m in zip(np.indices(shape), middle, strict=True)) <= radius**2


def seen(truth: np.ndarray, seed: int = 0) -> np.ndarray:
    return np.where(truth, 120.0, 40.0) + np.random.default_rng(seed).normal(0, 6, truth.shape)


def dice(first: np.ndarray, second: np.ndarray) -> float:
    return float(2 * (first & second).sum() / (first.sum() + second.sum()))


def test_the_threshold_is_that_of_a_slow_search() -> None:
    rng = np.random.default_rng(0)
    image = rng.random((1, 12, 15)).astype(np.float32)
    field = rng.random((12, 15))
    prior = SizePrior(0.1, 1.0, 0.05)
    levels = np.unique(np.sort(field, axis=None)[(np.linspace(0.002, 0.7, 128) * (field.size - 1)).astype(int)])
    contrast = []
    for level in levels:
        mask, crossed = field <= level, []
        for axis in (0, 1):
            changes = np.abs(np.diff(image[0], axis=axis))
            crossed.extend(changes[np.diff(mask, axis=axis)].tolist())
        contrast.append(np.mean(crossed))
    share = np.array([(field <= level).mean() for level in levels])
    score = np.array(contrast) / max(contrast) - 0.05 * np.log(share / 0.1) ** 2
    assert _best_threshold(field, EdgeImage(image).changes, prior) == levels[score.argmax()]


@pytest.mark.parametrize("shape", [(64, 80), (12, 40, 44)], ids=["2D", "3D"])
def test_a_click_finds_a_ball_and_a_background_click_is_obeyed(shape: tuple[int, ...]) -> None:
    truth = ball(shape, 0.3 * min(shape[-2:]))[...]
    session = InteractiveSession(TrainingFree(dimensions=len(shape))).set_image(seen(truth))
    middle = tuple(side // 2 for side in shape)
    assert dice(session.add(Click(middle)).mask, truth) > 0.9
    beside = (*middle[:-1], middle[-1] + 4)
    mask = session.add(Click(beside, Side.BACKGROUND)).mask
    assert mask[middle]
    assert not mask[beside]


@pytest.mark.parametrize(
    "prompt",
    [
        Box((10.0, 20.0), (50.0, 62.0)),
        Polygon(((9.0, 20.0), (9.0, 62.0), (52.0, 62.0), (52.0, 20.0))),
        Scribble((((25.0, 40.0), (38.0, 40.0)),)),
    ],
    ids=lambda prompt: prompt.name,
)
def test_every_kind_of_prompt_finds_it(prompt: Box) -> None:
    truth = ball((64, 80), 16)
    session = InteractiveSession(TrainingFree()).set_image(seen(truth))
    answer = session.add(prompt)
    assert dice(answer.mask, truth) > 0.9
    assert not (answer.mask & rasterise([prompt], truth.shape).background).any()


def test_a_small_object_of_a_large_image_is_looked_at_again() -> None:
    truth = ball((500, 420), 40, (200.0, 300.0))
    session = InteractiveSession(TrainingFree()).set_image(seen(truth))
    assert dice(session.add(Click((200, 300))).mask, truth) > 0.95


def test_a_mask_to_start_from_is_kept_and_corrected_near_the_marks() -> None:
    """Half of a disk was painted: a click on it agrees, one on the other half adds that, one beside it takes away."""
    truth = ball((64, 80), 16)
    painted = truth & (np.arange(80) < 40)
    session = InteractiveSession(TrainingFree()).set_image(seen(truth))
    session.start_from(painted)
    assert dice(session.add(Click((2.0, 2.0), Side.BACKGROUND)).mask, painted) > 0.97
    assert dice(session.add(Click((32.0, 32.0))).mask, painted) > 0.97
    added = session.add(Click((32.0, 48.0))).mask
    assert dice(added, truth) > dice(painted, truth) + 0.05
    assert not (added & ~truth).sum() > 20


def test_a_box_around_a_mask_solves_the_object_anew() -> None:
    """Half of a disk was painted, and the box holds the whole of it; a box beside the mask is refused."""
    truth = ball((64, 80), 16)
    painted = truth & (np.arange(80) < 40)
    session = InteractiveSession(TrainingFree()).set_image(seen(truth))
    session.start_from(painted)
    found = session.add(Box((14, 22), (50, 58))).mask
    assert dice(found, truth) > dice(painted, truth)
    assert not found[:, 59:].any()
    session = InteractiveSession(TrainingFree()).set_image(seen(truth))
    session.start_from(painted)
    with pytest.raises(DataError, match="none marks or encloses"):
        session.add(Box((0, 66), (10, 79)))


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_channels_and_units_do_not_matter(channels: int) -> None:
    truth = ball((64, 80), 16)
    image = np.stack([seen(truth)] * channels)
    masks = [
        InteractiveSession(TrainingFree()).set_image(given).add(Click((32, 40))).mask
        for given in (image, 9 * image - 5)
    ]
    assert dice(masks[0], masks[1]) > 0.999
    assert dice(masks[0], truth) > 0.9


def test_a_volume_is_no_slice_of_many_channels() -> None:
    with pytest.raises(DataError, match="C up to 8"):
        InteractiveSession(TrainingFree()).set_image(np.zeros((20, 16, 16)))


def test_a_click_in_the_background_alone_says_nothing() -> None:
    session = InteractiveSession(TrainingFree()).set_image(seen(ball((32, 32), 8)))
    with pytest.raises(DataError, match="click in it"):
        session.add(Click((1, 1), Side.BACKGROUND))


def test_scribbles_of_all_classes_in_one_solve() -> None:
    labels = np.zeros((40, 60), np.uint8)
    labels[:, 20:40], labels[:, 40:] = 1, 2
    image = np.array([20.0, 80.0, 140.0])[labels] + np.random.default_rng(0).normal(0, 2, labels.shape)
    marks = np.full(labels.shape, 255, np.uint8)
    for index, column in ((0, 3), (1, 36), (2, 57)):
        marks[5:35, column] = index
    prepared = TrainingFree().prepare_image(image[None].astype(np.float32), (1.0, 1.0))
    found = prepared.classes(marks)
    assert (found == labels).mean() > 0.97
    assert (found[marks != 255] == marks[marks != 255]).all()
    with pytest.raises(DataError, match="at least one mark"):
        prepared.classes(np.full(labels.shape, 255, np.uint8))


def test_of_equally_near_classes_the_smallest_is_taken() -> None:
    marks = np.full((3, 5), 255, np.uint8)
    marks[:, 0], marks[:, 4] = 2, 1
    assert nearest_class(EdgeImage(np.zeros((1, 3, 5), np.float32)), marks, 255).tolist() == [[2, 2, 1, 1, 1]] * 3


def test_the_region_map_is_empty_without_marks_and_falls_with_the_distance() -> None:
    truth = ball((48, 48), 12)
    image = np.stack([seen(truth).astype(np.float32) / 160] * 3)
    nothing = rasterise([], (48, 48))
    assert region_map(image, nothing, None).max() == 0
    shown = region_map(image, rasterise([Click((24, 24))], (48, 48)), None)
    assert dice(shown > 0.5, truth) > 0.9
    assert shown[24, 24] == 1
    enclosed = region_map(image, nothing, ball((48, 48), 17))
    assert dice(enclosed > 0.5, truth) > 0.9


def test_a_mask_has_a_mark_in_every_part_and_no_holes() -> None:
    truth = ball((48, 48), 8, (12.0, 12.0)) | ball((48, 48), 8, (36.0, 36.0))
    image = np.where(truth, 0.9, 0.1).astype(np.float32)[None]
    foreground = np.zeros(truth.shape, np.bool_)
    foreground[12, 12] = True
    mask, probability = stable_region(EdgeImage(image), foreground, np.zeros_like(foreground), SizePrior())
    assert mask[12, 12]
    assert not mask[36, 36]
    assert ((probability > 0.5) == mask).all()
