"""What a session promises: whatever way it was reached, it is its image and the turns that were not taken back."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from toy_model import ToyModel, ToyObject, squares

from lesslabel import interaction
from lesslabel.errors import DataError
from lesslabel.interaction.model import History, Segmentation
from lesslabel.interaction.prompts import Box, Click, InteriorMarginPoints, Prompt, Scribble, Side
from lesslabel.interaction.session import InteractiveSession, replay
from lesslabel.interaction.session_log import SessionLog, Turn
from lesslabel.interaction.session_start import StartMask
from lesslabel.interaction.session_steps import KEPT_ANSWERS
from lesslabel.interaction.session_views import label_map, most_uncertain_voxel

SPACING = {2: (0.7, 0.8), 3: (2.5, 0.7, 0.8)}
FIRST = Click((3, 3))
SECOND = Click((9, 10))
AWAY = Click((0, 0), Side.BACKGROUND)
MODEL = {"name": "toy", "sha256": "ab" * 32}


def session_on(dimensions: int = 2) -> InteractiveSession:
    return InteractiveSession(ToyModel(dimensions)).set_image(squares(dimensions), SPACING[dimensions])


def bits(seen: Segmentation | None) -> tuple[bytes, ...]:
    assert seen is not None
    return tuple(array.tobytes() for array in (seen.mask, seen.probability, seen.uncertainty))


def state(session: InteractiveSession) -> tuple[Any, ...]:
    seen = {name: bits(session.segmentation(name)) for name in session.objects}
    return session.turns, session.objects, seen, session.labels().tobytes()


def after(*turns: Turn, dimensions: int = 2) -> tuple[Any, ...]:
    """The state of a fresh session given these turns."""
    session = session_on(dimensions)
    for turn in turns:
        session.add(*turn.prompts, object=turn.object)
    return state(session)


# Turns


def test_the_first_turn_begins_and_later_ones_correct() -> None:
    session = session_on()
    alone = session.add(FIRST)
    assert alone.mask.shape == (12, 14)
    assert alone.mask.dtype == np.bool_
    assert alone.mask.all()  # nothing says yet what is outside
    seen = session.add(AWAY)
    assert session.segmentation() is seen
    expected = np.zeros((12, 14), np.bool_)
    expected[2:6, 2:6] = True
    assert (seen.mask[:7, :7] == expected[:7, :7]).all()


def test_a_model_is_given_the_turns_of_its_object_in_order_and_its_own_last_answer() -> None:
    model = ToyModel()
    session = InteractiveSession(model).set_image(squares(), SPACING[2])
    first = session.add(FIRST, AWAY)
    second = session.add(Click((9, 0)), Click((8, 0)))
    session.add(SECOND, object="2")
    session.add(Click((7, 0)))
    session.undo()
    session.add(Click((6, 0)))
    turns = (FIRST, AWAY), (Click((9, 0)), Click((8, 0)))
    assert [given.turns for given in model.histories] == [
        turns[:1],
        turns,
        ((SECOND,),),
        (*turns, (Click((7, 0)),)),
        (*turns, (Click((6, 0)),)),
    ]
    assert [given.previous for given in model.histories] == [None, first, None, second, second]
    assert [given.corrected for given in model.histories] == [False, True, False, True, True]
    assert model.histories[-1].first_click == (3.0, 3.0)
    assert model.histories[-1].prompts == (FIRST, AWAY, Click((9, 0)), Click((8, 0)), Click((6, 0)))


def test_a_turn_of_several_prompts_is_taken_back_as_one() -> None:
    session = session_on()
    session.add(FIRST)
    session.add(AWAY, Click((11, 13), Side.BACKGROUND))
    session.undo()
    assert state(session) == after(Turn("1", (FIRST,)))


def test_each_object_begins_once_and_all_on_the_same_array() -> None:
    session = session_on()
    session.add(FIRST)
    session.add(AWAY)
    session.add(SECOND, AWAY, object="2")
    session.undo()
    session.undo()
    session.undo()
    assert session.objects == ()
    for _ in range(3):
        session.redo()
    session.add(AWAY)
    assert isinstance(session.model, ToyModel)
    assert session.model.begun == 2
    assert [image is session.image.intensities for image, _ in session.model.summaries] == [True]


@pytest.mark.parametrize("dimensions", [2, 3])
def test_a_model_looks_once_at_an_image(dimensions: int) -> None:
    model = ToyModel(dimensions)
    session = InteractiveSession(model).set_image(squares(dimensions), SPACING[dimensions])
    assert len(model.summaries) == 1  # before anybody points at anything
    clicks = [Click((2, 3, 3)[-dimensions:]), Click((0, 0, 0)[-dimensions:], Side.BACKGROUND)]
    session.add(clicks[0])
    session.add(clicks[1])
    session.add(*clicks, object="2")
    for act in ["undo", "undo", "undo", "redo", "redo", "redo"]:
        getattr(session, act)()
    turns = Turn("1", (clicks[0],)), Turn("1", (clicks[1],)), Turn("2", tuple(clicks))
    assert state(session) == after(*turns, dimensions=dimensions)
    session.reset()
    session.add(clicks[0])
    ((image, spacing_mm),) = model.summaries
    assert image is session.image.intensities
    assert spacing_mm == SPACING[dimensions]
    assert state(replay(model, squares(dimensions), SPACING[dimensions], session.log(MODEL))) == state(session)
    session.set_image(squares(dimensions) + 1)
    assert len(model.summaries) == 3


def test_an_image_that_the_model_refuses_to_prepare_changes_nothing() -> None:
    session = InteractiveSession(ToyModel()).set_image(squares(), SPACING[2])
    session.add(FIRST)
    before = state(session)
    with pytest.raises(DataError, match="sees nothing in the dark"):
        session.set_image(squares() * 0)
    assert state(session) == before
    session.add(AWAY)
    assert state(session) == after(Turn("1", (FIRST,)), Turn("1", (AWAY,)))


def test_undo_and_redo_go_over_all_objects_last_turn_first() -> None:
    session = session_on()
    one = session.add(FIRST, AWAY)
    two = session.add(SECOND, object="2")
    corrected = session.add(Click((9, 0), Side.BACKGROUND))
    assert bits(session.undo()) == bits(one)
    assert session.undo() is None
    assert [*session.objects] == ["1"]
    assert session.undo() is None
    assert session.undo() is None  # nothing left
    assert session.turns == ()
    assert bits(session.redo()) == bits(one)
    assert bits(session.redo()) == bits(two)
    assert bits(session.redo()) == bits(corrected)
    assert session.redo() is None
    assert [*session.objects] == ["1", "2"]


def test_a_new_turn_replaces_what_was_taken_back() -> None:
    session = session_on()
    session.add(FIRST)
    session.undo()
    session.add(SECOND)
    assert session.redo() is None
    assert state(session) == after(Turn("1", (SECOND,)))


def test_reset_forgets_turns_but_not_the_image() -> None:
    session = session_on()
    session.add(FIRST)
    session.add(AWAY)
    session.undo()
    session.reset()
    assert session.redo() is None
    assert state(session) == after()
    session.add(SECOND)
    assert state(session) == after(Turn("1", (SECOND,)))


@pytest.mark.parametrize(
    ("prompts", "object_", "cause"),
    [
        ((), "1", "object '1': no prompts"),
        ((Click((12, 3)),), "1", "lies outside the image of shape"),
        ((Click((1, 2, 3)),), "1", "for an image of shape"),
        (((3, 3),), "1", "tuple is no prompt"),
        ((AWAY,), "2", "the toy needs a voxel of the object"),
        ((FIRST,), "", "object: ''; give words"),
        ((FIRST,), "a\nb", "give words on one line"),
        ((FIRST,), "scans/jane", "without slashes"),
        ((FIRST,), 1, "object: 1; give words"),
    ],
)
def test_a_turn_that_fails_changes_nothing(prompts: tuple[Any, ...], object_: Any, cause: str) -> None:
    session = session_on()
    session.add(FIRST)
    session.add(AWAY)
    session.undo()
    before = state(session)
    with pytest.raises(DataError, match=cause) as error:
        session.add(*prompts, object=object_)
    assert "\n" not in str(error.value)
    assert state(session) == before
    session.redo()
    assert state(session) == after(Turn("1", (FIRST,)), Turn("1", (AWAY,)))


def test_a_prompt_that_does_not_fit_never_reaches_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    session = session_on()
    monkeypatch.setattr(ToyObject, "answer", lambda *_: pytest.fail("it did"))
    with pytest.raises(DataError, match="lies outside the image"):
        session.add(Click((12, 3)))


class Fussy(ToyModel):
    """Refuses to segment once told to."""

    refuses = False

    def prepare_image(self, *args: Any) -> Any:
        image = super().prepare_image(*args)

        class FussyObject(ToyObject):
            def answer(this, history: History) -> Segmentation:  # noqa: N805  `self` is the model
                if self.refuses:
                    raise DataError("refused")
                return super().answer(history)

        image.begin = lambda: FussyObject(self, image.image, image.spacing_mm)  # type: ignore[method-assign]
        return image


@pytest.mark.parametrize(
    "act",
    [
        lambda session: session.add(AWAY),
        lambda session: session.add(SECOND, object="2"),
    ],
)
def test_a_model_that_fails_changes_nothing(act: Callable[[InteractiveSession], object]) -> None:
    model = Fussy()
    session = InteractiveSession(model).set_image(squares(), SPACING[2])
    session.add(FIRST)
    session.add(AWAY)
    session.add(Click((9, 0), Side.BACKGROUND))
    session.undo()
    before = state(session)
    model.refuses = True
    with pytest.raises(DataError, match="refused"):
        act(session)
    assert state(session) == before
    model.refuses = False
    assert session.redo() is not None


# Starts


def start() -> NDArray[np.bool_]:
    mask = np.zeros((12, 14), np.bool_)
    mask[7:11, 8:] = True
    return mask


def test_an_object_may_start_from_a_mask() -> None:
    session = session_on()
    began = session.start_from(start().astype(np.uint8), object="2")
    assert session.objects == ("2",)
    np.testing.assert_array_equal(began.mask, start())
    np.testing.assert_array_equal(began.probability, start())
    assert not began.uncertainty.any()
    assert isinstance(session.model, ToyModel)
    assert not session.model.histories  # a start asks the model nothing
    corrected = session.add(AWAY, object="2")
    (history,) = session.model.histories
    np.testing.assert_array_equal(history.start, start())
    assert history.turns == ((AWAY,),)
    assert history.previous is None
    assert history.before is not None
    np.testing.assert_array_equal(history.before.mask, start())
    assert history.corrected
    assert bits(session.undo()) == bits(began)
    assert session.undo() is None
    assert session.objects == ()
    assert bits(session.redo()) == bits(began)
    assert bits(session.redo()) == bits(corrected)


def test_a_start_is_logged_and_replayed(tmp_path: Path) -> None:
    session = session_on()
    session.add(FIRST)
    session.start_from(start(), object="left kidney")
    session.add(AWAY, object="left kidney")
    session.log(MODEL).write(tmp_path / "log.json")
    log = SessionLog.read(tmp_path / "log.json")
    assert log == session.log(MODEL)
    (_, written, _) = json.loads((tmp_path / "log.json").read_text())["turns"]
    assert written["start"] == {"shape": [12, 14], "runs": [7 * 14 + 8, 6, 8, 6, 8, 6, 8, 6, 14]}
    again = replay(ToyModel(), squares(), SPACING[2], log)
    assert state(again) == state(session)
    other = replace(log, turns=(StartMask("1", (2, 2), (1, 3)),))
    with pytest.raises(DataError, match=r"turn 1: object '1': start of shape \(2, 2\), the image has \(12, 14\)"):
        replay(ToyModel(), squares(), SPACING[2], other)


@given(st.data())
def test_a_mask_is_kept_as_its_runs(data: st.DataObject) -> None:
    shape = data.draw(st.sampled_from([(1, 1), (3, 4), (2, 3, 4)]))
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=math.prod(shape), max_size=math.prod(shape)))).reshape(
        shape
    )
    if not mask.any():
        with pytest.raises(DataError, match="the mask is empty"):
            StartMask.of_mask("1", mask)
        return
    kept = StartMask.of_mask("1", mask)
    np.testing.assert_array_equal(kept.mask, mask)
    assert StartMask.from_json(json.loads(json.dumps(kept.to_json()))) == kept


@pytest.mark.parametrize(
    ("mask", "cause"),
    [
        (np.ones((12, 13), np.bool_), r"start of shape \(12, 13\), the image has \(12, 14\)"),
        (np.zeros((12, 14), np.bool_), "the mask is empty"),
        (np.full((12, 14), 2), "start of type int64; pass a bool mask"),
        (np.full((12, 14), 0.5), "start of type float64; pass a bool mask"),
        (np.ones(3, np.bool_), "no image; pass"),
    ],
)
def test_a_start_that_does_not_fit_changes_nothing(mask: NDArray[Any], cause: str) -> None:
    session = session_on()
    session.add(FIRST)
    before = state(session)
    with pytest.raises(DataError, match=cause) as error:
        session.start_from(mask, object="2")
    assert "\n" not in str(error.value)
    assert state(session) == before


def test_an_object_that_was_begun_does_not_start_again() -> None:
    session = session_on()
    session.add(FIRST)
    with pytest.raises(DataError, match="object '1': begun already; undo its turns, or give another name"):
        session.start_from(start())


@pytest.mark.parametrize("begin", [lambda session: session.add(FIRST), lambda session: session.start_from(start())])
def test_old_answers_are_let_go_and_computed_again(begin: Callable[[InteractiveSession], object]) -> None:
    session = session_on()
    begin(session)
    seen = [bits(session.segmentation())]
    clicks = [Click((row, 0), Side.BACKGROUND) for row in range(12)] + [Click((row, 13)) for row in range(12)]
    assert len(clicks) > KEPT_ANSWERS
    seen += [bits(session.add(click)) for click in clicks]
    assert sum(step.answer is not None for step in session._done) == KEPT_ANSWERS
    for expected in reversed(seen[:-1]):
        assert bits(session.undo()) == expected
    for expected in seen[1:]:
        assert bits(session.redo()) == expected


# Any sequence


@st.composite
def some_prompts(draw: st.DrawFn, dimensions: int) -> tuple[Prompt, ...]:
    """Prompts in the image or just outside it."""
    sizes = squares(dimensions).shape
    position = st.tuples(*(st.integers(0, size) for size in sizes))
    positions = st.lists(position, min_size=1, max_size=3).map(tuple)
    side = st.sampled_from(Side)
    prompt = (
        st.builds(Click, position, side)
        | st.builds(InteriorMarginPoints, positions)
        | st.builds(lambda stroke, side: Scribble((stroke,), side), positions, side)
    )
    return tuple(draw(st.lists(prompt, max_size=2)))


@st.composite
def sessions(draw: st.DrawFn) -> tuple[int, list[Any]]:
    """A number of dimensions; then what is done: a turn to add, or the name of something else to do."""
    dimensions = draw(st.sampled_from([2, 3]))
    turn = st.tuples(some_prompts(dimensions), st.sampled_from(["1", "2", "left kidney"]))
    other = st.sampled_from(["undo"] * 3 + ["redo"] * 3 + ["reset"])
    return dimensions, draw(st.lists(turn | other, max_size=12))


@settings(max_examples=40)
@given(sessions())
def test_a_session_is_its_turns_that_were_not_taken_back(done: tuple[int, list[Any]]) -> None:
    dimensions, acts = done
    session = session_on(dimensions)
    kept: list[Turn] = []
    undone: list[Turn] = []
    begun = 0
    for act in acts:
        if act == "undo":
            undone += [kept.pop()] if kept else []
            session.undo()
        elif act == "redo":
            kept += [undone.pop()] if undone else []
            session.redo()
        elif act == "reset":
            kept, undone = [], []
            session.reset()
        else:
            prompts, name = act
            try:
                session.add(*prompts, object=name)
            except DataError:
                pass
            else:
                begun += name not in {turn.object for turn in kept}
                kept, undone = [*kept, Turn(name, prompts)], []
        assert session.turns == tuple(kept)
    assert isinstance(session.model, ToyModel)
    assert session.model.begun >= begun  # and once more where the first prompts were refused
    assert state(session) == after(*kept, dimensions=dimensions)
    again = SessionLog.from_json(json.loads(json.dumps(session.log(MODEL).to_json(), allow_nan=False)))
    assert again == session.log(MODEL)
    assert state(replay(ToyModel(dimensions), squares(dimensions), SPACING[dimensions], again)) == state(session)


# Suggestions and labels


def test_the_suggestion_is_the_first_voxel_of_greatest_uncertainty_not_marked() -> None:
    uncertainty = np.array([[0, 0.5, 0.2], [0.9, 0.9, 0.9]], np.float32)
    assert most_uncertain_voxel(uncertainty, []) == (1, 0)
    assert most_uncertain_voxel(uncertainty, [Click((0.6, 0.4))]) == (1, 1)
    assert most_uncertain_voxel(uncertainty, [Scribble((((1, 0), (1, 2)),))]) == (0, 1)
    assert most_uncertain_voxel(uncertainty, [Box((0, 0), (0, 2))]) == (0, 1)
    assert most_uncertain_voxel(uncertainty, [Scribble((((1, 0), (1, 2)), ((0, 1), (0, 2))))]) is None
    assert most_uncertain_voxel(uncertainty * 0, []) is None
    volume = np.zeros((2, 3, 4), np.float32)
    volume[1, 0, 2] = 1e-6
    assert most_uncertain_voxel(volume, []) == (1, 0, 2)
    window = (slice(1, 2), slice(0, 1), slice(1, 3))
    assert most_uncertain_voxel(volume, [], window) == (1, 0, 2)
    assert most_uncertain_voxel(volume, [], (slice(0, 0),) * 3) is None


def test_suggestions_are_of_one_object_and_never_come_twice() -> None:
    session = session_on()
    session.add(FIRST, AWAY)
    session.add(SECOND, AWAY, object="2")
    suggested = set()
    for _ in range(8):
        voxel = session.next_click_suggestion("2")
        assert voxel is not None
        assert voxel not in suggested
        assert all(type(index) is int for index in voxel)
        suggested.add(voxel)
        session.add(Click(voxel, Side.BACKGROUND), object="2")
    for name in session.objects:
        seen = session.segmentation(name).uncertainty.copy()
        for turn in session.turns:
            for prompt in turn.prompts if turn.object == name else ():
                seen[tuple(prompt.points[0].astype(int))] = 0
        voxel = session.next_click_suggestion(name)
        assert voxel is not None
        assert np.ravel_multi_index(voxel, seen.shape) == seen.argmax()


def test_where_objects_overlap_the_more_probable_wins_and_the_earlier_among_equals() -> None:
    def seen(mask: list[int], probability: list[float]) -> Segmentation:
        values = np.array([probability], np.float32)
        return Segmentation(np.array([mask], np.bool_), values, values)

    one = seen([0, 1, 1, 1, 1, 0], [0.9, 0.6, 0.6, 0.6, 0.0, 0.3])
    two = seen([0, 0, 1, 1, 0, 1], [0.0, 0.9, 0.7, 0.6, 0.9, 0.2])
    labels = label_map([one, two], (1, 6))
    assert labels.dtype == np.uint8
    assert labels.tolist() == [[0, 1, 2, 1, 1, 2]]
    assert label_map([], (1, 6)).tolist() == [[0] * 6]
    assert label_map([one] * 254, (1, 6)).max() == 1
    with pytest.raises(DataError, match="255 objects: a label map holds 254"):
        label_map([one] * 255, (1, 6))


def test_labels_number_the_objects_in_their_order() -> None:
    session = session_on()
    session.add(SECOND, AWAY, object="spleen")
    session.add(FIRST, AWAY, object="liver")
    assert session.objects == ("spleen", "liver")
    assert session.labels()[9, 10] == 1
    assert session.labels()[3, 3] == 2
    assert session.labels()[0, 0] == 0


@pytest.mark.parametrize("ask", [InteractiveSession.segmentation, InteractiveSession.next_click_suggestion])
def test_an_unknown_object_is_refused(ask: Callable[[InteractiveSession, str], object]) -> None:
    session = session_on()
    with pytest.raises(DataError, match="object '1': no such object; objects are none so far"):
        ask(session, "1")
    session.add(FIRST, object="liver")
    with pytest.raises(DataError, match=r"object 'lever': .* objects are 'liver'"):
        ask(session, "lever")


# Images


@pytest.mark.parametrize("dimensions", [2, 3])
def test_the_model_is_given_channels_and_finite_float32(dimensions: int) -> None:
    image = squares(dimensions)
    for given_image in (image, image[None], image.astype(np.float64), np.asfortranarray(image)):
        session = InteractiveSession(ToyModel(dimensions)).set_image(given_image)
        assert session.image.intensities.dtype == np.float32
        assert (session.image.intensities == image[None]).all()
        assert session.image.spacing_mm == (1.0,) * dimensions
        assert session.image.shape == image.shape
    both = np.stack([image, image])
    session = InteractiveSession(ToyModel(dimensions, in_channels=2)).set_image(both, SPACING[dimensions])
    assert session.image.intensities.shape == (2, *image.shape)
    assert session.add(Click((1,) * dimensions)).mask.shape == image.shape


def test_the_session_keeps_its_own_copy_of_the_image() -> None:
    image = squares().astype(np.float32)
    session = InteractiveSession(ToyModel()).set_image(image, SPACING[2])
    image[:] = np.nan
    session.add(FIRST)
    assert state(session) == after(Turn("1", (FIRST,)))


@pytest.mark.parametrize(
    ("image", "spacing_mm", "cause"),
    [
        (np.full((3, 3), np.nan), None, "image: 9 values are NaN"),
        (np.array([[0, np.inf]]), None, "image: 1 values are NaN, infinite"),
        (np.array([[0, 1e39]]), None, "beyond float32"),
        (np.zeros((0, 3)), None, r"image: shape \(0, 3\)"),
        (np.zeros(3), None, r"this model takes \(y, x\) or \(1, y, x\)"),
        (np.zeros((2, 3, 3)), None, r"image: shape \(2, 3, 3\)"),
        (np.zeros((1, 1, 3, 3)), None, r"image: shape \(1, 1, 3, 3\)"),
        (np.zeros((3, 3), np.complex64), None, "image: type complex64"),
        (np.zeros((3, 3), np.bool_), None, "image: type bool"),
        (np.zeros((3, 3)), (1, 1, 1), "spacing_mm: .* pass 2 lengths"),
        (np.zeros((3, 3)), (1, 0), "spacing_mm: .* above 0"),
    ],
)
def test_an_unfit_image_is_refused_and_the_session_stays(image: Any, spacing_mm: Any, cause: str) -> None:
    session = session_on()
    session.add(FIRST)
    before = state(session)
    with pytest.raises(DataError, match=cause) as error:
        session.set_image(image, spacing_mm)
    assert "\n" not in str(error.value)
    assert state(session) == before


def test_an_image_without_the_channels_of_the_model_is_refused() -> None:
    with pytest.raises(DataError, match=r"shape \(5, 12, 14\); this model takes \(2, z, y, x\)"):
        InteractiveSession(ToyModel(3, in_channels=2)).set_image(squares(3))


def test_a_new_image_forgets_the_last_one() -> None:
    session = InteractiveSession(ToyModel()).set_image(squares() + 1)
    session.add(FIRST)
    session.set_image(squares(), SPACING[2])
    assert state(session) == after()


@pytest.mark.parametrize(
    "act", [lambda session: session.add(FIRST), InteractiveSession.labels, lambda session: session.log(MODEL)]
)
def test_without_an_image_nothing_can_be_done(act: Callable[[InteractiveSession], object]) -> None:
    with pytest.raises(DataError, match="the session has no image; call set_image first"):
        act(InteractiveSession(ToyModel()))


# The log


@pytest.fixture
def session() -> InteractiveSession:
    session = session_on()
    session.add(FIRST)
    session.add(Click((1 / 3, 13.4999), Side.BACKGROUND), AWAY)
    session.add(SECOND, object="left kidney")
    session.add(Box((0.1, 0.2), (11, 12.7)), object="left kidney")
    session.undo()
    return session


def test_a_written_log_replays_bit_by_bit(session: InteractiveSession, tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "session.json"
    session.log(MODEL).write(path)
    assert [file.name for file in path.parent.iterdir()] == ["session.json"]
    log = SessionLog.read(path)
    again = replay(ToyModel(), squares().astype(np.float64), list(SPACING[2]), log)
    assert state(again) == state(session)
    assert [turn.seconds for turn in again.turns] == [turn.seconds for turn in session.turns]
    again.log(MODEL).write(tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == path.read_bytes()


def test_the_log_says_just_this(session: InteractiveSession) -> None:
    content = session.log(MODEL).to_json()
    seconds = [turn.pop("seconds") for turn in content["turns"]]
    assert seconds == sorted(seconds)
    assert min(seconds) >= 0
    assert content == {
        "type": "session",
        "version": 2,
        "model": MODEL,
        "image_sha256": session.image.sha256,
        "turns": [
            {"object": "1", "prompts": [FIRST.to_json()]},
            {"object": "1", "prompts": [Click((1 / 3, 13.4999), Side.BACKGROUND).to_json(), AWAY.to_json()]},
            {"object": "left kidney", "prompts": [SECOND.to_json()]},
        ],
    }


def test_the_clock_does_not_count() -> None:
    assert Turn("1", (FIRST,), 1.5) == Turn("1", (FIRST,))
    log = SessionLog(MODEL, session_on().image.sha256, (Turn("1", (FIRST,)),))
    assert state(replay(ToyModel(), squares(), SPACING[2], log)) == after(Turn("1", (FIRST,)))


@pytest.mark.parametrize(
    ("image", "spacing_mm"),
    [
        (squares() + np.eye(12, 14), SPACING[2]),
        (squares(), (0.7, 0.81)),
        (squares().reshape(14, 12), SPACING[2]),
        (squares(), None),
    ],
)
def test_another_image_or_spacing_is_refused(session: InteractiveSession, image: Any, spacing_mm: Any) -> None:
    with pytest.raises(DataError, match="image: not that of the session log"):
        replay(ToyModel(), image, spacing_mm, session.log(MODEL))


def test_a_turn_that_does_not_fit_is_named(session: InteractiveSession) -> None:
    log = session.log(MODEL)
    log = replace(log, turns=(*log.turns, Turn("1", (Click((99, 0)),))))
    with pytest.raises(DataError, match="session log, turn 4: click: position"):
        replay(ToyModel(), squares(), SPACING[2], log)


@pytest.mark.parametrize("value", ["/models/toy.ckpt", "C:\\models", "two\nlines", "", 1, None])
def test_a_model_is_described_in_words_without_paths(session: InteractiveSession, value: Any) -> None:
    for model in ({"name": value}, {value: "toy"}):
        with pytest.raises(DataError, match="give words on one line, without slashes"):
            session.log(model)


def damaged(**changes: Any) -> str:
    turn = {"object": "1", "prompts": [FIRST.to_json()], "seconds": 0.5}
    log = {"type": "session", "version": 1, "model": MODEL, "image_sha256": "0", "turns": [turn]}
    return json.dumps(log | changes)


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("{", "not readable as a session log"),
        (damaged()[:-20], "not readable as a session log"),
        ("[]", "no log of a session"),
        ("{}", "no log of a session"),
        (damaged(type="click"), "no log of a session"),
        (damaged(version=4), "version 4; this program reads versions 1 to 3"),
        (damaged(version=True), "version True"),
        (damaged(patient="Jane"), "give exactly"),
        (damaged(model="toy"), "model: str; give names and values"),
        (damaged(model={"name": "/a"}), "without slashes"),
        (damaged(image_sha256=3), "image_sha256: 3"),
        (damaged(turns={}), "turns: dict; give a list"),
        (damaged(turns=[3]), "turn 1: turn: int; give exactly"),
        (damaged(turns=[{"object": "1"}]), r"turn 1: turn: \['object'\]; give exactly"),
        (damaged(turns=[{"object": "1", "prompts": 3, "seconds": 0}]), "turn 1: prompts: int; give a list"),
        (damaged(turns=[{"object": "1", "prompts": [], "seconds": 0}]), "turn 1: object '1': no prompts"),
        (damaged(turns=[{"object": "1", "prompts": [{"type": "kick"}], "seconds": 0}]), "turn 1: prompt: type 'kick'"),
        (damaged(turns=[{"object": "1", "prompts": [FIRST.to_json()], "seconds": -1}]), "seconds -1"),
        (damaged(turns=[{"object": "1", "prompts": [FIRST.to_json()], "seconds": float("nan")}]), "seconds nan"),
        (damaged(turns=[{"object": "1", "prompts": [FIRST.to_json()], "seconds": "1"}]), "seconds '1'"),
    ],
)
def test_a_damaged_log_is_refused_in_one_line(text: str, cause: str, tmp_path: Path) -> None:
    path = tmp_path / "session.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=cause) as error:
        SessionLog.read(path)
    assert "\n" not in str(error.value)
    assert str(path) in str(error.value)


def test_an_undamaged_log_and_one_without_a_clock_are_read(tmp_path: Path) -> None:
    path = tmp_path / "session.json"
    path.write_text(damaged(), encoding="utf-8")
    assert SessionLog.read(path) == SessionLog(MODEL, "0", (Turn("1", (FIRST,)),))
    path.write_text(damaged(turns=[{"object": "1", "prompts": [FIRST.to_json()], "seconds": None}]), encoding="utf-8")
    assert SessionLog.read(path).turns[0].seconds is None


def test_an_absent_log_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"absent\.json: no such file; expected a session log"):
        SessionLog.read(tmp_path / "absent.json")


def test_a_model_that_still_looks_at_images_works_with_a_warning() -> None:
    class Old:
        dimensions, in_channels, look_at = 2, 1, ToyModel().prepare_image

    with pytest.warns(FutureWarning, match="rename it to prepare_image"):
        session = InteractiveSession(Old()).set_image(squares())  # type: ignore[arg-type]  # the old interface
    assert session.add(Click((3, 3))).mask[3, 3]


def test_the_old_name_of_a_start_mask_works_with_a_warning() -> None:
    with pytest.warns(FutureWarning, match="is now StartMask"):
        assert interaction.Start is StartMask
