"""What the model's answers cost between two turns: memory of the part alone, and no second look at what was known."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from desks import Page, make_case, make_desk

from lesslabel.annotating import assistant as module
from lesslabel.annotating.assistant import Assistant
from lesslabel.annotating.drawing import Drawing
from lesslabel.annotating.kept_answer import KeptAnswer
from lesslabel.annotating.models import PageModel
from lesslabel.annotating.on_grid import ResampledSegmentation
from lesslabel.annotating.turns import Prompted
from lesslabel.data.loading.intensity import Intensity
from lesslabel.data.store import Store
from lesslabel.interaction.model import History, Segmentation
from lesslabel.interaction.prompts import Click, InteriorMarginPoints, Side
from lesslabel.methods import MIDeepSeg
from lesslabel.methods.interactive.prepared import PreparedObject
from lesslabel.networks import UNet

SHAPE = (9, 8, 7)


def somewhere(shape: tuple[int, ...], generator: np.random.Generator, *, empty: bool) -> Segmentation:
    probability, uncertainty = np.zeros((2, *shape), np.float32)
    if not empty:
        part = tuple(slice(1, side - 2) for side in shape)
        probability[part], uncertainty[part] = generator.random((2, *probability[part].shape))
    return Segmentation(probability > 0.5, probability, uncertainty, uncertainty * 2)


@pytest.mark.parametrize("shape", [(8, 7), SHAPE], ids=["2D", "3D"])
@pytest.mark.parametrize("empty", [False, True])
@pytest.mark.parametrize("on_grid", [False, True])
def test_an_answer_is_whole_again(shape: tuple[int, ...], empty: bool, on_grid: bool) -> None:
    generator = np.random.default_rng(0)
    answer = somewhere(shape, generator, empty=empty)
    if on_grid:
        inner = somewhere(tuple(2 * side for side in shape), generator, empty=False)
        answer = ResampledSegmentation(answer.mask, answer.probability, answer.uncertainty, answer.memory, inner=inner)
    kept = KeptAnswer.of(answer)
    whole = kept.whole()
    for name in ("mask", "probability", "uncertainty", "memory"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(answer, name))
        assert getattr(whole, name).dtype == getattr(answer, name).dtype
    if isinstance(answer, ResampledSegmentation):
        assert isinstance(whole, ResampledSegmentation)
        assert whole.inner is not None
        np.testing.assert_array_equal(whole.inner.probability, inner.probability)
    else:
        assert kept.size_bytes == (0 if empty else 13 * np.prod([side - 3 for side in shape]))


def clicked(number: int) -> Prompted:
    return Prompted(1, (Click((3.0, 12.0, 10.0 + number), Side.FOREGROUND),), None)


POINTED = Prompted(1, (InteriorMarginPoints(((2.0, 9.0, 7.0), (3.0, 15.0, 13.0))),), None)


@pytest.fixture
def model() -> PageModel:
    network = UNet(dimensions=3, channels=(2, 4), encoder_dropout=(0.0, 0.0), normalisation="instance")
    return PageModel(MIDeepSeg(size_voxel=(4, 8, 8), margin_voxel=2, network=network))


def counted(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> list[Any]:
    """The calls of a function from now on."""
    calls: list[Any] = []
    before: Callable[..., Any] = getattr(owner, name)

    def call(*given: Any, **named: Any) -> Any:
        calls.append(given)
        return before(*given, **named)

    monkeypatch.setattr(owner, name, call)
    return calls


def test_every_turn_asks_the_model_once_and_its_crop_is_seen_once(
    model: PageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = make_case(0)
    answers = counted(monkeypatch, PreparedObject, "answer")
    features = counted(monkeypatch, MIDeepSeg, "object_features")
    drawing = Drawing(np.zeros(case.shape, np.uint8), 0, Assistant(model, case))
    for number, turn in enumerate([POINTED, clicked(0), clicked(1), clicked(0)]):
        drawing.apply(number + 1, turn)
    assert len(answers) == 4
    assert len(features) == 1, "all clicks lie in the first crop"
    said = drawing._said[1, None]
    assert said.kept is not None
    assert 0 < said.size_bytes < 9 * np.prod(case.shape) / 3, "the crop alone"


def test_an_object_that_begins_elsewhere_is_another(model: PageModel) -> None:
    case = make_case(0)
    assistant = Assistant(model, case)
    drawing = Drawing(np.zeros(case.shape, np.uint8), 0, assistant)
    drawing.apply(1, clicked(0))
    first = assistant._begun[None, 1][1]
    drawing.apply(2, clicked(1))
    assert assistant._begun[None, 1][1] is first
    drawing.remove(2)
    drawing.labels[:] = 0  # painted, so that the model starts from it
    drawing.labels[2, 5:9, 5:9] = 1
    drawing.apply(3, clicked(1))
    assert assistant._begun[None, 1][1] is not first


def test_answers_are_those_of_an_object_begun_anew(model: PageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    case = make_case(0)
    turns = [POINTED, clicked(1), Prompted(1, (Click((3.0, 30.0, 25.0), Side.BACKGROUND),), None), clicked(3)]

    def drawn() -> np.ndarray:
        drawing = Drawing(np.zeros(case.shape, np.uint8), 0, Assistant(model, case))
        for number, turn in enumerate(turns):
            drawing.apply(number + 1, turn)
        drawing.remove(2)
        drawing.apply(5, clicked(2))
        return drawing.labels.copy()

    kept = drawn()
    monkeypatch.setattr(module, "KEPT_OBJECTS", 0)
    np.testing.assert_array_equal(kept, drawn())
    monkeypatch.setattr("lesslabel.annotating.drawing.KEPT_BYTES", 0)
    np.testing.assert_array_equal(kept, drawn())


def test_the_window_of_an_answer_holds_all_that_it_says(model: PageModel) -> None:
    case = make_case(0)
    seen = model.prepare_image(model.image_of(case), case.spacing_mm, None).begin()
    answer = seen.answer(History((POINTED.prompts,)))
    assert answer.window is not None
    assert answer.window[1] != slice(0, case.shape[1])
    outside = np.ones(case.shape, np.bool_)
    outside[answer.window] = False
    for values in (answer.mask, answer.probability, answer.uncertainty):
        assert not values[outside].any()


def test_the_bytes_of_a_drawing_hold_its_answers_and_the_image_of_the_model(model: PageModel) -> None:
    case = make_case(0)
    normalised = replace(model, intensity=Intensity())
    drawing = Drawing(np.zeros(case.shape, np.uint8), 0, Assistant(normalised, case))
    assert drawing.nbytes == drawing.labels.nbytes
    for number, turn in enumerate([POINTED, clicked(0), clicked(1)]):
        drawing.apply(number + 1, turn)
    answers = [drawing._said[1, None], *(taken.said_before for taken in drawing.taken[1:])]
    kept = sum(said.size_bytes for said in answers if said is not None)
    assert len(answers) == 3
    assert drawing.nbytes >= drawing.labels.nbytes + kept + case.image.nbytes
    bare = Drawing(np.zeros(case.shape, np.uint8), 0, Assistant(model, case))
    bare.apply(1, POINTED)
    assert bare.nbytes < bare.labels.nbytes + kept, "the image is that of the case"


def test_the_bound_of_the_open_cases_counts_their_answers(store: Store) -> None:
    desk = make_desk(store)
    page = Page(desk)
    page.open()
    before = desk._open.nbytes
    page.click(2, (12, 10), 1)
    assert desk._open.nbytes > before + 40 * 32 * 4, "probability and uncertainty are held"
