"""The tasks and the training of the general clicker: deterministic, and resumed as if never stopped."""

from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from lesslabel.data.case import IGNORE
from lesslabel.data.sources.phantom import Phantom
from lesslabel.data.store.prepare import prepare
from lesslabel.errors import DataError, RunError
from lesslabel.general.pictures import Picture, read_label_maps, read_pictures
from lesslabel.general.tasks import Task, Tasks
from lesslabel.general.training import WEIGHTS, Schedule, Training, train_general
from lesslabel.general.turns import TaskInTurns, flawed
from lesslabel.methods.interactive.general_clicker import general_encoding

TINY = Schedule(rounds=4, batch_size=2, size=24, last_size=32, warm_up=1)


def picture(seed: int = 0, channels: int = 1) -> Picture:
    rng = np.random.default_rng(seed)
    labels = np.zeros((60, 70), np.uint8)
    labels[10:30, 15:40], labels[35:50, 30:60], labels[:4] = 1, 2, IGNORE
    image = rng.integers(0, 255, (channels, 60, 70), np.uint8)
    return Picture(image, labels, image[:, ::2, ::2], False)


def tasks() -> Tasks:
    return Tasks([[picture(), picture(1, 3)]], [picture().labels % IGNORE])


@pytest.mark.parametrize("kind", range(4), ids=["picture", "superpixel", "label map", "shapes"])
def test_a_task_is_a_function_of_its_generator(kind: int) -> None:
    drawn = Tasks(tasks().sets, tasks().label_maps, tuple(float(kind == each) for each in range(4)))  # type: ignore[arg-type]
    for seed in range(3):
        first, again = (drawn.draw(32, np.random.default_rng(seed)) for _ in range(2))
        torch.testing.assert_close(first.image, again.image, rtol=0, atol=0)
        np.testing.assert_array_equal(first.target, again.target)
        assert first.image.shape == (3, 32, 32)
        assert torch.isfinite(first.image).all()
        assert set(np.unique(first.target)) <= {0, 1, IGNORE}
        assert np.count_nonzero(first.target == 1) >= 12


def test_the_object_moves_with_its_picture() -> None:
    """Where labels are the image, the drawn target is what the drawn image shows, whatever the turn and the mirror."""
    labels = picture().labels
    image = np.where(labels == 1, 255, 0).astype(np.uint8)[None]
    only = np.where(labels == 1, 1, 0).astype(np.uint8)
    from lesslabel.general.tasks import _View

    shown = Picture(image, only, image[:, ::2, ::2], False)
    for seed in range(8):
        view = _View.around(only == 1, np.random.default_rng(seed))
        target, seen = view.labels(only, 48, IGNORE), view.image(shown, 48)[0].numpy()
        known = target != IGNORE
        assert ((seen > 0.5) == (target == 1))[known].mean() > 0.93


def test_turns_correct_the_answer() -> None:
    target = np.zeros((32, 32), np.uint8)
    target[8:24, 8:24] = 1
    encoding = general_encoding(2.5)
    turns = TaskInTurns.begin(Task(torch.rand(3, 32, 32), target), encoding, np.random.default_rng(1))
    assert turns.cues.shape == (encoding.channels, 32, 32)
    before = turns.cues[:2].sum()
    turns.answered(torch.zeros(32, 32), encoding)
    assert turns.cues[:2].sum() > before
    assert turns.cues[encoding.channel("previous")].sum() == 0
    turns.answered(torch.from_numpy(target).float(), encoding)
    np.testing.assert_array_equal(turns.cues[encoding.channel("previous")].numpy(), target)


def test_a_flawed_mask_is_no_empty_one() -> None:
    truth = np.zeros((32, 32), np.bool_)
    truth[10:20, 12:20] = True
    masks = [flawed(truth, np.random.default_rng(seed)) for seed in range(20)]
    assert all(mask.any() for mask in masks)
    assert any((mask != truth).any() for mask in masks)


def test_a_resumed_training_equals_an_uninterrupted_one(tmp_path: Path) -> None:
    Training(tasks(), [], TINY, tmp_path / "whole").run(lambda _: None, 4)
    Training(tasks(), [], TINY, tmp_path / "parts").run(lambda _: None, 4, stop=2)
    Training(tasks(), [], TINY, tmp_path / "parts").run(lambda _: None, 4)
    whole, parts = (safetensors.torch.load_file(tmp_path / name / WEIGHTS) for name in ("whole", "parts"))
    for name, value in whole.items():
        torch.testing.assert_close(value, parts[name], rtol=0, atol=0)
    assert all(value.dtype == torch.float16 for value in whole.values())


def test_a_training_is_made_longer_before_its_last_part_only(tmp_path: Path) -> None:
    Training(tasks(), [], TINY, tmp_path).run(lambda _: None, 1, stop=1)
    longer = Schedule(rounds=5, batch_size=2, size=24, last_size=32, warm_up=1)
    assert Training(tasks(), [], longer, tmp_path).done == 1
    with pytest.raises(RunError, match="was begun with"):
        Training(tasks(), [], Schedule(rounds=4, batch_size=3, size=24, last_size=32, warm_up=1), tmp_path)


def test_the_rate_rises_stays_and_falls() -> None:
    schedule = Schedule(rounds=100, warm_up=10, learning_rate=1.0, last_share=0.3)
    assert [round(schedule.rate_in(index), 2) for index in (0, 9, 50, 70, 85, 99)] == [0.1, 1.0, 1.0, 1.0, 0.5, 0.03]
    assert [schedule.size_in(index) for index in (0, 69, 70)] == [64, 64, 96]


def test_it_trains_from_a_store(tmp_path: Path) -> None:
    store, _ = prepare(Phantom(cases=3, size=48, depth=3), tmp_path / "store")
    pictures = read_pictures(store)
    assert all(each.image.dtype == np.uint8 and each.classes for each in pictures)
    points: list[dict[str, float]] = []
    train_general([store.path], None, tmp_path / "out", Schedule(1, 2, 24), points.append, every=1)
    assert points[0]["round"] == 1
    assert (tmp_path / "out" / WEIGHTS).stat().st_size < 4e6
    with pytest.raises(DataError, match="no label maps"):
        read_label_maps(tmp_path / "out")


def test_other_data_are_another_training(tmp_path: Path) -> None:
    stores = [prepare(Phantom(cases=count, size=48, depth=3), tmp_path / f"store{count}")[0] for count in (2, 3)]
    schedule = Schedule(1, 2, 24)
    train_general([stores[0].path], None, tmp_path / "out", schedule, lambda _: None, every=1)
    before = (tmp_path / "out" / "data.json").read_text()
    with pytest.raises(RunError, match=r"was begun on other data, see data\.json; give the same stores"):
        train_general([stores[1].path], None, tmp_path / "out", schedule, lambda _: None, every=1)
    assert (tmp_path / "out" / "data.json").read_text() == before
    train_general([stores[0].path], None, tmp_path / "out", schedule, lambda _: None, every=1)
