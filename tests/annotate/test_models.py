"""The models behind the page: on whichever grid they were trained, they speak of the case's own voxels."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from desks import SHAPE, Page, make_case, seen_all, truth
from torch import Tensor

from lesslabel.annotating.assistant import Assistant, Conversation
from lesslabel.annotating.desk import Desk
from lesslabel.annotating.models import PageModel, _classes, open_model
from lesslabel.annotating.task import Task
from lesslabel.annotating.turns import Plane
from lesslabel.annotating.wire import Runs
from lesslabel.data.loading.case_loader import Grid
from lesslabel.data.sources.phantom import Phantom
from lesslabel.data.store import Store
from lesslabel.data.store.prepare import prepare
from lesslabel.errors import ConfigError
from lesslabel.general.corrected_network import CorrectedNetwork
from lesslabel.interaction import Box, Click, History, Polygon, Scribble, Side
from lesslabel.interaction.training_free import TrainingFree
from lesslabel.methods import Supervised
from lesslabel.networks import UNet


def answered(*turns: tuple[object, ...], grid: Grid = Grid(), plane: Plane = Plane(0, 2)) -> np.ndarray:
    model = PageModel(TrainingFree(), grid=grid)
    case = make_case(0)
    image = model.image_of(case)[(slice(None), *plane.cut)]
    spacing = tuple(side for axis, side in enumerate(case.spacing_mm) if axis != plane.axis)
    begun = model.prepare_image(image, spacing, plane).begin()
    answer = None
    for count in range(1, len(turns) + 1):
        answer = begun.answer(History(turns[:count], None, answer))  # type: ignore[arg-type]
    assert answer is not None
    return answer.mask


def dice(first: np.ndarray, second: np.ndarray) -> float:
    return float(2 * (first & second).sum() / (first.sum() + second.sum()))


@pytest.mark.parametrize(
    "prompt",
    [
        Click((12, 10)),
        Scribble((((9, 10), (15, 10)),)),
        Box((5, 3), (19, 17)),
        Polygon(((4, 2), (4, 18), (20, 18), (20, 2))),
    ],
    ids=lambda prompt: prompt.name,
)
def test_without_training_one_prompt_finds_a_disk(prompt: object) -> None:
    assert dice(answered((prompt,)), truth()[2] == 1) > 0.95


def test_without_training_a_background_click_counts() -> None:
    mask = answered((Click((12, 10)),), (Click((9, 8), Side.BACKGROUND),))
    assert not mask[9, 8]
    assert mask[12, 10]


@pytest.mark.parametrize("grid", [Grid((60, 64)), Grid(spacing_mm=(5.0, 0.8, 0.8)), Grid((30, 24))])
def test_a_model_on_another_grid_finds_the_same(grid: Grid) -> None:
    assert dice(answered((Click((12, 10)),), grid=grid), truth()[2] == 1) > 0.85
    assert answered((Click((2, 10)),), grid=grid, plane=Plane(1, 12))[1:, 8:12].all()


def test_a_run_answers_in_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "runs"))
    from clicking import fit_grey_value

    store, _ = prepare(Phantom(cases=16, size=32, depth=3), tmp_path / "store")
    run = fit_grey_value(tmp_path / "store", tmp_path / "run")
    model = open_model(str(run), store)
    assert model.first == "interior-margin-points"
    assert set(model.described) == {"name", "run", "weights"}
    page = Page(Desk(store, Task("drawn"), model))
    page.open()
    points = {"type": "interior-margin-points", "version": 1, "positions": [[14, 14], [16, 18]]}
    turn = {"type": "prompts", "label": 1, "plane": {"axis": 0, "index": 0}, "prompts": [points]}
    page.done("turns", turn=turn)
    assert page.labels[0, 14, 14] == 1


class Painted(Supervised):
    """Knows the disks by their grey values 1 and 2."""

    def probabilities(self, image: Tensor) -> Tensor:
        grey = image[:, :1]
        return 0.1 + 0.7 * torch.cat([grey < 0.5, (grey - 1).abs() < 0.5, (grey - 2).abs() < 0.5], 1).float()


def test_the_label_that_is_drawn_says_which_class_is_meant() -> None:
    method = Painted(3, network=UNet(channels=(2, 4), encoder_dropout=(0.0, 0.0))).eval()
    for classes, found in (({}, 1), ({1: 2, 2: 1}, 2), ({2: 1}, 1)):
        model = PageModel(CorrectedNetwork(method), classes=classes)
        case = make_case(0)
        grey = np.round((case.image - 20) / 70).astype(np.float32)
        conversation = Conversation.of_drawn(Runs.of_voxels(np.zeros(0, np.int64)), 1)
        answer = Assistant(model, replace(case, image=grey)).answer(Plane(0, 2), conversation, (Click((12, 10)),))
        assert answer.mask[truth()[2] == found].mean() > 0.9


def test_labels_find_their_classes_by_name(store: Store) -> None:
    assert _classes([("right", "a part of it"), ("other", "left")], store) == {1: 2, 2: 1}
    assert _classes([("liver",)], store) == {}


def test_what_is_no_interactive_model_is_refused(store: Store) -> None:
    with pytest.raises(ConfigError, match="no such run"):
        open_model("nowhere", store)
    with pytest.raises(ConfigError, match="draw with training-free"):
        open_model("graph-cut", store)


def test_several_channels(tmp_path: Path) -> None:
    from desks import Disks

    class TwoChannels(Disks):
        channels = ("first", "second")

    case = make_case(0)
    two = replace(case, image=np.concatenate([case.image, case.image * 0 + 1]))
    store = prepare(TwoChannels([two]), tmp_path / "store")[0]
    page = Page(Desk(store, Task("drawn"), open_model("training-free", store)))
    assert page.open()["channels"] == 2
    page.click(2, (12, 10), 1)
    assert dice(page.labels[2] == 1, truth()[2] == 1) > 0.9
    page.done("finish", seen=seen_all())
    assert page.labels.shape == SHAPE
