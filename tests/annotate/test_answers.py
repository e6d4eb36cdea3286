"""A model that offers several answers: another one is chosen, and all that follows builds on it."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from desks import SHAPE, Page, make_case, make_desk, truth
from fresh_models import knife_cut
from numpy.typing import NDArray

from lesslabel.annotating.desk import Desk
from lesslabel.annotating.kept_answer import KeptAnswer
from lesslabel.annotating.models import PageModel
from lesslabel.annotating.task import Task
from lesslabel.data.loading.case_loader import Grid
from lesslabel.data.store import Store
from lesslabel.interaction import CutLine, History
from lesslabel.methods import KnifeCut
from lesslabel.methods.interactive.base import Answer
from lesslabel.methods.interactive.turn_input import TurnInput
from lesslabel.networks import UNet

PLANE = {"axis": 0, "index": 2}
DISK = np.zeros(SHAPE, np.bool_)
DISK[2] = truth()[2] == 1


def page_of(store: Store, model: PageModel | None = None) -> Page:
    return Page(Desk(store, Task("drawn"), model or PageModel(knife_cut())))


def line(x: float = 10.0, label: int = 1) -> dict[str, Any]:
    prompt = {"type": "cut-line", "version": 1, "start": [2.0, x], "end": [22.0, x]}
    return {"type": "prompts", "label": label, "plane": PLANE, "prompts": [prompt]}


def choice(value: object, label: int = 1) -> dict[str, Any]:
    return {"type": "edit", "what": "choose", "label": label, "plane": PLANE, "value": value}


def begun(page: Page) -> NDArray[np.uint8]:
    """A disk is there, and a line was drawn across it, which left it as it is."""
    page.open()
    page.paint(DISK, 1)
    assert page.done("turns", turn=line())["other_answers"] == ["global"]
    assert np.array_equal(page.labels == 1, DISK)
    return page.labels.copy()


def is_whole_slice(page: Page) -> bool:
    return bool((page.labels[2] == 1).all()) and not page.labels[[0, 1, 3, 4]].any()


class OfOneAnswer(KnifeCut):
    def answer(self, features: Any, turn_input: TurnInput) -> Answer:
        return replace(super().answer(features, turn_input), alternatives={})


class AtRest:
    """A model that must not be asked."""

    dimensions = 2
    in_channels = 1
    kinds = KnifeCut.kinds

    def prepare_image(self, *_: object) -> None:
        raise AssertionError("the model was asked")


def test_another_answer_is_chosen_and_taken_back(store: Store) -> None:
    page = page_of(store)
    before = begun(page)
    answer = page.done("turns", turn=choice("global"))
    assert is_whole_slice(page)
    assert answer["other_answers"] == ["local"]
    assert answer["turn"] == choice("global")
    page.done("turns", turn=choice("local"))
    assert np.array_equal(page.labels, before)
    page.done("remove", number=4)
    assert is_whole_slice(page)
    page.done("remove", number=3)
    assert np.array_equal(page.labels, before)
    page.done("restore", number=3)
    assert is_whole_slice(page)


def test_the_next_line_builds_on_the_chosen_answer(store: Store) -> None:
    page = page_of(store)
    before = begun(page)
    page.done("turns", turn=line(12.0))
    assert np.array_equal(page.labels, before)
    page.done("remove", number=3)
    chosen = page.done("turns", turn=choice("global"))
    assert page.done("turns", turn=line(12.0))["other_answers"] == ["global"]
    assert is_whole_slice(page), "a local answer keeps what was chosen"
    page.done("remove", number=chosen["number"])
    assert np.array_equal(page.labels, before), "the later line is drawn anew on what now was taken"


def test_a_prompt_whose_answer_was_chosen_says_what_to_take_back_first(store: Store) -> None:
    page = page_of(store)
    begun(page)
    page.done("turns", turn=choice("global"))
    refused = page.post("remove", number=2)
    assert refused.status_code == 422
    error = refused.json()["error"]
    assert error.startswith("turn 3 would mean nothing then (choose: the model has not answered here")
    assert error.endswith("; take it back first")
    assert is_whole_slice(page)


def test_what_is_offered_follows_what_is_taken_back(store: Store) -> None:
    page = page_of(store)
    begun(page)
    page.done("turns", turn=choice("global"))
    cut = {"type": "edit", "what": "threshold", "label": 1, "plane": PLANE, "value": 0.3}
    assert page.done("turns", turn=cut)["other_answers"] == ["local"]
    answer = page.done("remove", number=3)
    assert answer["redrawn"] == [{"number": 4, "other_answers": ["global"]}]
    opened = page_of(store)
    turns = {turn["number"]: turn["other_answers"] for turn in opened.open(page.key)["turns"]}
    assert turns[4] == ["global"]
    answer = opened.done("restore", number=3)
    assert {turn["number"]: turn["other_answers"] for turn in answer["redrawn"]} == {3: ["local"], 4: ["local"]}


@pytest.mark.parametrize("kept_bytes", [None, 0], ids=["answers kept", "answers let go"])
def test_opened_again_the_model_is_not_asked_and_the_choice_stands(
    store: Store, monkeypatch: pytest.MonkeyPatch, kept_bytes: int | None
) -> None:
    if kept_bytes is not None:
        monkeypatch.setattr("lesslabel.annotating.drawing.KEPT_BYTES", kept_bytes)
    page = page_of(store)
    begun(page)
    page.done("turns", turn=choice("global"))
    at_rest = page_of(store, PageModel(AtRest()))  # type: ignore[arg-type]
    content = at_rest.open(page.key)
    assert is_whole_slice(at_rest)
    assert [entry["other_answers"] for entry in content["turns"]] == [[], ["global"], ["local"]]
    again = page_of(store)
    again.open(page.key)
    again.done("turns", turn=line(12.0))
    assert is_whole_slice(again), "the answer that was chosen is known again"
    again.done("remove", number=4)
    last = page_of(store)
    last.open(page.key)
    for value, drawn in ((0.95, False), (0.8, True)):  # the chosen answer says 0.88 everywhere
        last.done("turns", turn={**choice(value), "what": "threshold"})
        assert is_whole_slice(last) == drawn


def test_a_choice_is_no_hindrance_to_another_model(store: Store) -> None:
    page = page_of(store)
    begun(page)
    page.done("turns", turn=choice("global"))
    method = OfOneAnswer(stride=2, width=4, depth=3, normalisation="instance", network=UNet(channels=(4, 8)))
    again = page_of(store, PageModel(method))
    again.open(page.key)
    assert again.done("turns", turn=line(12.0))["other_answers"] == []


def test_what_cannot_be_chosen_is_refused_in_one_line_and_changes_nothing(store: Store) -> None:
    page = page_of(store)
    before = begun(page)

    def refused(turn: dict[str, Any]) -> str:
        answer = page.post("turns", turn=turn)
        assert answer.status_code == 422
        said = str(answer.json()["error"])
        assert "\n" not in said
        return said

    assert refused(choice("other\n")) == "no answer 'other\\n' to choose; this model offers local, global"
    assert "has not answered here since the last stroke" in refused(choice("global", label=2))
    for value in ("", "a" * 65, None, 0.5, True, ["global"]):
        assert "a choice the name of an answer" in refused(choice(value))
    assert "other edits none" in refused({**choice("global"), "what": "largest-component"})
    page.done("turns", turn=choice("global"))
    assert "take it back first" in page.post("remove", number=2).json()["error"], "a choice needs its answer"
    page.done("remove", number=3)
    content = page_of(store).open(page.key)
    assert [entry["stands"] for entry in content["turns"]] == [True, True, False]
    page.open(page.key)
    assert np.array_equal(page.labels, before)
    page.paint(DISK, 0, "eraser")
    assert "has not answered here" in refused(choice("global"))


def test_a_model_of_one_answer_offers_no_other(store: Store) -> None:
    page = Page(make_desk(store))
    page.open()
    assert page.click(2, (12, 10), 1)["other_answers"] == []
    said = page.post("turns", turn=choice("global")).json()["error"]
    assert said == "no answer 'global' to choose; this model offers one answer alone"
    journal = next(iter(store.path.rglob("*.jsonl"))).read_text(encoding="utf-8")
    assert "other_answers" not in journal


def test_a_choice_counts_as_a_click_of_its_own_kind(store: Store) -> None:
    page = page_of(store)
    begun(page)
    page.done("turns", turn=choice("global"))
    page.done("finish", nothing_to_mark=True)
    effort = Store(store.path).read("case0").annotations["drawn"].effort
    assert effort is not None
    assert dict(effort.prompts) == {"brush": 1, "cut-line": 1, "choose": 1}
    assert effort.clicks == 3, "a line counts two"


def test_on_another_grid_the_choice_is_the_same(store: Store) -> None:
    page = page_of(store, PageModel(knife_cut(), grid=Grid((60, 64))))
    page.open()
    page.paint(DISK, 1)
    assert page.done("turns", turn=line())["other_answers"] == ["global"]
    page.done("turns", turn=choice("global"))
    assert is_whole_slice(page)
    page.done("turns", turn=line(12.0))
    assert is_whole_slice(page), "the model's own grid goes on from the chosen answer too"


def test_answers_are_kept_once() -> None:
    image = make_case(0).image[:, 2]
    answer = (
        knife_cut()
        .prepare_image(image, (1.5, 1.25))
        .begin()
        .answer(History(((CutLine((2.0, 10.0), (22.0, 10.0)),),), DISK[2]))
    )
    kept = KeptAnswer.of(answer)
    assert kept.others == ("global",)
    chosen = kept.chosen("global")
    assert chosen.others == ("local",)
    assert chosen.size_bytes == kept.size_bytes == sum(each.size_bytes for each in kept.offered.values())
    np.testing.assert_array_equal(chosen.mask, answer.alternatives["global"].mask)
    np.testing.assert_array_equal(chosen.probability, answer.alternatives["global"].probability)
    np.testing.assert_array_equal(chosen.chosen("local").mask, answer.mask)
