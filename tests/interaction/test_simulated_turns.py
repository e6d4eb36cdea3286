"""The loop of a click protocol, with a model that believes every word and nothing else."""

from collections.abc import Sequence

import numpy as np
import pytest
from annotated_masks import block
from numpy.typing import NDArray

from lesslabel.errors import DataError
from lesslabel.interaction import (
    ROBOTS,
    Box,
    CentreEdgePoints,
    Click,
    CutLine,
    ExtremePoints,
    InteriorMarginPoints,
    Polygon,
    Prompt,
    Scribble,
    Side,
    rasterise,
)
from lesslabel.interaction import protocol as module
from lesslabel.interaction.model import History, Segmentation
from lesslabel.interaction.robots.scene import Scene
from lesslabel.interaction.session import InteractiveSession
from lesslabel.interaction.simulated_turns import SimulatedTurn, count_clicks, simulate_turns

ROBOT = ROBOTS["error-centre"]()


class Believer:
    """Segments what was marked as object, and always some voxels more."""

    dimensions, in_channels = 2, 1

    def __init__(self, always: NDArray[np.bool_] | None = None) -> None:
        self.always = always
        self.histories: list[History] = []

    def prepare_image(self, image: NDArray[np.float32], spacing_mm: Sequence[float]) -> "Believer":  # noqa: ARG002  the interface
        self.shape = image.shape[1:]
        return self

    def begin(self) -> "Believer":
        return self

    def answer(self, history: History) -> Segmentation:
        self.histories.append(history)
        return self.believed(history.prompts)

    def believed(self, prompts: Sequence[Prompt]) -> Segmentation:
        mask = rasterise(prompts, self.shape).foreground
        mask = mask if self.always is None else mask | self.always
        return Segmentation.of_mask(mask)


def dots(*voxels: tuple[int, int]) -> NDArray[np.bool_]:
    mask = np.zeros((7, 9), np.bool_)
    mask[tuple(np.array(voxels).T)] = True
    return mask


FIVE = dots((0, 0), (0, 8), (3, 4), (6, 0), (6, 8))
IMAGE = np.zeros((1, 7, 9), np.float32)
TWO_POINTS = (InteriorMarginPoints(((0, 0), (3, 4))),)


def on_image(model: Believer) -> InteractiveSession:
    return InteractiveSession(model).set_image(IMAGE, (1.0, 1.0))


def play(model: Believer, truth: NDArray[np.bool_], **options: object) -> list[SimulatedTurn]:
    arguments = {"first": TWO_POINTS, "robot": ROBOT, "rng": np.random.default_rng(0)} | options
    return list(simulate_turns(on_image(model), truth, **arguments))  # type: ignore[arg-type]


def test_every_missed_dot_takes_a_click_and_then_nothing_is_left_to_say() -> None:
    model = Believer()
    turns = play(model, FIVE)
    assert [turn.clicks for turn in turns] == [2, 3, 4, 5]
    assert [int(turn.mask.sum()) for turn in turns] == [2, 3, 4, 5]
    assert (turns[-1].mask == FIVE).all()
    assert turns[0].prompts == TWO_POINTS
    # in raster order among equals, and every call is given all turns so far
    assert [turn.prompts for turn in turns[1:]] == [(Click(at),) for at in ((0, 8), (6, 0), (6, 8))]
    assert [len(given.turns) for given in model.histories] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("limits", "clicks"),
    [({"cap": 4}, [2, 3, 4]), ({"cap": 2}, [2]), ({"cap": 1}, [2]), ({"turns": 1}, [2]), ({"turns": 3}, [2, 3, 4])],
)
def test_it_ends_with_the_clicks_or_the_turns(limits: dict[str, int], clicks: list[int]) -> None:
    assert [turn.clicks for turn in play(Believer(), FIVE, **limits)] == clicks


def test_what_a_model_does_not_unlearn_is_said_once() -> None:
    turns = play(Believer(always=dots((1, 1), (1, 2))), FIVE, cap=20)
    assert turns[-1].clicks == 7  # the five dots, and the two that it always adds
    assert turns[1].prompts == (Click((1, 1), Side.BACKGROUND),)  # the largest error is what it always adds


def test_what_nobody_knows_is_not_corrected() -> None:
    always = block((7, 9), (5, 6), (3, 6))
    turns = play(Believer(always=always), FIVE, known=~always)
    assert [turn.clicks for turn in turns] == [2, 3, 4, 5]
    assert turns[-1].mask[5, 4]  # what the model says is handed on as it is


def test_the_first_prompts_may_come_from_a_robot() -> None:
    truth = block((7, 9), (1, 5), (2, 7))
    turns = play(Believer(), truth, first=ROBOTS["interior-margin-points"](), turns=1)
    (prompt,) = turns[0].prompts
    assert isinstance(prompt, InteriorMarginPoints)
    assert turns[0].clicks == len(prompt.positions)


def test_the_same_random_numbers_give_the_same_turns() -> None:
    first, robot = ROBOTS["interior-margin-points"](), ROBOTS["error-centre"](jitter_voxel=1.0)
    truth = block((7, 9), (1, 5), (2, 7))

    def prompts(seed: int) -> list[tuple[Prompt, ...]]:
        turns = play(Believer(), truth, first=first, robot=robot, rng=np.random.default_rng(seed))
        return [turn.prompts for turn in turns]

    assert prompts(1) == prompts(1)
    assert prompts(1) != prompts(2)


def test_seconds_are_those_of_the_model_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(module.time, "perf_counter", lambda: clock[0])

    class Slow(Believer):
        def prepare_image(self, image, spacing_mm):  # type: ignore[no-untyped-def]
            clock[0] += 2.0
            return super().prepare_image(image, spacing_mm)

        def answer(self, history):  # type: ignore[no-untyped-def]
            clock[0] += 3.0
            return super().answer(history)

    class Thoughtful(ROBOTS["error-centre"]):  # type: ignore[misc]
        def respond(self, scene: Scene, rng: np.random.Generator) -> tuple[Click, ...]:
            clock[0] += 100.0
            return super().respond(scene, rng)

    turns = []
    for turn in simulate_turns(on_image(Slow()), FIVE, TWO_POINTS, Thoughtful(), np.random.default_rng(0), turns=3):
        clock[0] += 1000.0  # what is done between two turns does not count either
        turns.append(turn)
    assert [turn.seconds for turn in turns] == [5.0, 3.0, 3.0]


def test_every_object_of_an_image_pays_for_its_one_preparation(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(module.time, "perf_counter", lambda: clock[0])

    class Looking(Believer):
        looks = 0

        def prepare_image(self, image: NDArray[np.float32], spacing_mm: Sequence[float]) -> Believer:
            clock[0] += 7.0
            self.looks += 1
            return super().prepare_image(image, spacing_mm)

    model = Looking()
    session = on_image(model)
    for name in ("1", "2"):
        turns = simulate_turns(session, FIVE, TWO_POINTS, ROBOT, np.random.default_rng(0), object=name, turns=3)
        assert [turn.seconds for turn in turns] == [7.0, 0.0, 0.0]
    assert model.looks == 1


def test_an_object_that_starts_from_a_mask_is_corrected_from_its_first_turn_on() -> None:
    session = on_image(Believer())
    session.start_from(dots((0, 0), (0, 8), (2, 2)))
    turns = list(simulate_turns(session, FIVE, ROBOT, ROBOT, np.random.default_rng(0), turns=2))
    assert turns[0].prompts == (Click((3, 4)),)  # of the errors of one voxel the first that is missed
    assert turns[0].clicks == 1


@pytest.mark.parametrize(
    ("prompt", "clicks"),
    [
        (Click((1, 1)), 1),
        (InteriorMarginPoints(((1, 1), (2, 2), (3, 3), (4, 4), (5, 5))), 5),
        (CentreEdgePoints(((3, 3),), ((0, 3), (6, 3), (3, 0), (3, 6))), 5),
        (ExtremePoints(((0, 3), (6, 3), (3, 0), (3, 6))), 4),
        (Box((1, 1), (4, 4)), 2),
        (Polygon(((0, 0), (0, 5), (5, 5))), 3),
        (Scribble((((0, 0), (0, 8)), ((2, 2),))), 1),
        (CutLine((0, 0), (5, 5)), 2),
    ],
)
def test_a_click_is_a_point_or_what_is_drawn_in_one_go(prompt: Prompt, clicks: int) -> None:
    assert count_clicks([prompt]) == clicks
    assert count_clicks([prompt, prompt, Click((0, 0))]) == 2 * clicks + 1


def test_without_first_prompts_there_is_no_protocol() -> None:
    with pytest.raises(DataError, match="no first prompts"):
        play(Believer(), FIVE, first=())
    with pytest.raises(DataError, match="no first prompts"):
        play(Believer(), np.zeros_like(FIVE), first=ROBOTS["interior-margin-points"]())


def test_a_model_that_hears_nothing_is_not_told_the_same_twice() -> None:
    class Deaf(Believer):
        def answer(self, history: History) -> Segmentation:
            return self.believed(history.turns[0])

    truth = np.zeros((7, 9), np.bool_)
    truth[1:6, 1:8] = True
    turns = play(Deaf(dots((0, 8))), truth, cap=20)
    told = [turn.prompts[0].points[0].tolist() for turn in turns[1:]]
    assert len(told) == 18
    assert len(set(map(tuple, told))) == 18
