"""What every interactive method promises of colour images, of tiny and cut objects, and of long sessions."""

import numpy as np
import torch
from test_interactive_contract import (
    IMAGE,
    SPACING,
    both_dimensions,
    every_method,
    image_of,
    make,
    prompts_of,
    session_on,
    truth_of,
)

from lesslabel.data.batch import collate
from lesslabel.interaction import Click, InteractiveSession, Side
from lesslabel.interaction.robots import ErrorCentreRobot
from lesslabel.methods import InteractiveMethod

CLICKS = 20


def colours_of(dimensions: int) -> np.ndarray:
    grey = image_of(dimensions)[0]
    return np.stack([grey, grey[::-1] * 0.5, -grey])


def one_voxel(dimensions: int) -> np.ndarray:
    truth = np.zeros(IMAGE[dimensions], bool)
    truth[tuple(length // 2 for length in truth.shape)] = True
    return truth


def cut_by_the_border(dimensions: int) -> np.ndarray:
    """An object in a corner of the image."""
    shape = IMAGE[dimensions]
    return np.roll(truth_of(dimensions), [-(length // 2) for length in shape], tuple(range(dimensions))) & (
        np.indices(shape) < np.reshape(shape, (-1, *[1] * dimensions)) / 2
    ).all(axis=0)


def clicked(method: InteractiveMethod, truth: np.ndarray, clicks: int) -> tuple[InteractiveSession, list[np.ndarray]]:
    """A session with a number of clicks at its errors, or anywhere once there is none; and its answers."""
    dimensions, rng, robot = method.dimensions, np.random.default_rng(0), ErrorCentreRobot()
    image = (100 * truth + rng.normal(0, 8, truth.shape))[None].astype(np.float32)
    session, answers, mask = session_on(method, image), [], np.zeros_like(truth)
    for _ in range(clicks):
        voxel = tuple(int(rng.integers(length)) for length in truth.shape)
        anywhere = Click(tuple(map(float, voxel)), Side.FOREGROUND if truth[voxel] else Side.BACKGROUND)
        prompts = robot.annotate(truth, rng, prediction=mask, spacing_mm=SPACING[dimensions]) or (anywhere,)
        answer = session.add(*prompts)
        mask = answer.mask
        assert answer.probability.shape == truth.shape
        assert np.isfinite(answer.probability).all()
        assert np.isfinite(answer.uncertainty).all()
        answers.append(answer.probability)
    return session, answers


@every_method
@both_dimensions
def test_colour_images_train_and_are_segmented(row, dimensions):
    method = make(row, dimensions, in_channels=3).train()
    image, labels = colours_of(dimensions), truth_of(dimensions).astype(np.uint8)
    samples = [
        method.annotator.make(torch.from_numpy(image), labels, "a", SPACING[dimensions], np.random.default_rng(seed))
        for seed in range(2)
    ]
    total = sum(method.losses(collate(samples)).values())
    total.backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in method.parameters() if p.requires_grad)
    probability = session_on(method, image).add(*prompts_of(method)).probability
    assert probability.shape == IMAGE[dimensions]
    assert np.isfinite(probability).all()


@every_method
@both_dimensions
def test_an_object_of_one_voxel_can_be_clicked_and_corrected(row, dimensions):
    session, answers = clicked(make(row, dimensions), one_voxel(dimensions), 3)
    assert len(answers) == len(session.turns) == 3


@every_method
@both_dimensions
def test_twenty_clicks_on_an_object_at_the_border_are_undone_to_nothing(row, dimensions):
    method = make(row, dimensions)
    truth = cut_by_the_border(dimensions)
    assert all(truth.take(0, axis).any() for axis in range(dimensions))
    session, answers = clicked(method, truth, CLICKS)
    for before in answers[-2::-1]:
        np.testing.assert_array_equal(session.undo().probability, before)
    assert session.undo() is None
    assert not session.turns
    assert not session.objects
    session.redo()
    np.testing.assert_array_equal(session.segmentation().probability, answers[0])
