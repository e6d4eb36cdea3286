"""A few steps on what was drawn: the same from the same seed, and better on these pictures than before."""

import numpy as np
import pytest
import torch

from lesslabel.data.case import IGNORE, Annotation, Case, Kind
from lesslabel.errors import DataError
from lesslabel.general.fine_tuning import fine_tune
from lesslabel.general.loading import load_general
from lesslabel.general.pictures import Picture, pictures_of
from lesslabel.general.tasks import Tasks
from lesslabel.interaction import Click, InteractiveSession
from lesslabel.methods.interactive.general_clicker import GeneralClicker

MIDDLE = (24, 30)


def rings(seed: int = 0) -> Picture:
    """A bright disk in a dark ring; what is meant is both."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:48, :60]
    radius = np.hypot(y - MIDDLE[0], x - MIDDLE[1])
    image = np.where(radius < 7, 220, np.where(radius < 14, 30, 120)) + rng.normal(0, 6, radius.shape)
    grey = image.clip(0, 255).astype(np.uint8)[None]
    return Picture(grey, (radius < 14).astype(np.uint8), grey[:, ::2, ::2], False)


def clicker() -> GeneralClicker:
    method = load_general().model
    assert isinstance(method, GeneralClicker)
    return method


def dice_of_a_click(method: GeneralClicker) -> float:
    seen = rings(seed=9)
    session = InteractiveSession(method).set_image(np.repeat(seen.image, 3, axis=0).astype(np.float32))
    mask = session.add(Click(MIDDLE)).mask
    truth = seen.labels == 1
    return float(2 * (mask & truth).sum() / (mask.sum() + truth.sum()))


def test_it_learns_what_is_meant() -> None:
    method, before = clicker(), dice_of_a_click(clicker())
    fine_tune(method, [rings(), rings(1)], steps=12, seed=3)
    assert not method.training
    assert dice_of_a_click(method) > before + 0.05


def test_the_same_seed_gives_the_same_weights() -> None:
    method, again = clicker(), clicker()
    for each in (method, again):
        fine_tune(each, [rings()], steps=2, seed=3)
    for name, value in method.state_dict().items():
        torch.testing.assert_close(value, again.state_dict()[name], rtol=0, atol=0)


def test_the_number_of_steps_is_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = []
    step = torch.optim.AdamW.step
    monkeypatch.setattr(torch.optim.AdamW, "step", lambda self: (taken.append(self.param_groups[0]["lr"]), step(self)))
    fine_tune(clicker(), [rings()], steps=4, seed=0)
    assert np.allclose(taken, [3e-4, 2.25e-4, 1.5e-4, 0.75e-4])


def test_without_labels_there_is_nothing_to_learn() -> None:
    empty = Picture(rings().image, np.full((48, 60), IGNORE, np.uint8), rings().half, False)
    with pytest.raises(DataError, match="nothing was drawn"):
        fine_tune(clicker(), [empty], steps=1, seed=0)


def test_tasks_as_drawn_leave_the_intensities() -> None:
    drawn = Tasks([[rings()]], (), (1, 0, 0, 0), as_drawn=True)
    for seed in range(4):
        task = drawn.draw(48, np.random.default_rng(seed))
        assert torch.equal(task.image[0], task.image[2])
        assert 0 <= task.image.min() < task.image.max() <= 1


def test_an_object_that_fills_its_slice_is_refused() -> None:
    whole = Picture(rings().image, np.ones((48, 60), np.uint8), rings().half, False)
    with pytest.raises(DataError, match="fills its slices"):
        fine_tune(clicker(), [whole], steps=1, seed=0)


@pytest.mark.parametrize("shape", [(1, 400), (700, 2)])
def test_long_thin_slices_are_pictures(shape: tuple[int, int]) -> None:
    labels = np.ones((1, *shape), np.uint8)
    labels[..., : shape[1] // 2] = 0
    case = Case("a", "a", np.random.default_rng(0).random((1, 1, *shape), dtype=np.float32), (1.0, 1.0, 1.0), np.eye(4))
    pictures = list(pictures_of(case, Annotation(labels, Kind.DENSE)))
    assert len(pictures) == 1
    for picture in pictures:
        assert min(picture.image.shape[1:]) >= 1
        assert min(picture.half.shape[1:]) >= 1
