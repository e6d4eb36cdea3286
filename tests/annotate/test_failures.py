"""What fails half-way leaves the case as it was, and says so in one line."""

from typing import Any

import numpy as np
import pytest
from desks import CENTRES, SHAPE, Page, make_desk, seen_all

from lesslabel.annotating.assistant import Assistant
from lesslabel.annotating.desk import Desk
from lesslabel.data.store import Store


def out_of_memory(*_: Any, **__: Any) -> None:
    raise RuntimeError("CUDA out of memory. Tried to allocate 2 GiB\nGPU 0 has a total capacity")


def three_turns(page: Page) -> Page:
    page.open()
    square = np.zeros(SHAPE, bool)
    square[2, 30:34, 2:6] = True
    page.paint(square, 1)
    page.click(2, CENTRES[1], 1)
    page.click(2, CENTRES[2], 2)
    return page


def test_a_model_that_fails_while_a_turn_is_taken_back_loses_none(store: Store, page: Page) -> None:
    three_turns(page)
    before = page.labels.copy()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Assistant, "answer", out_of_memory)
        answer = page.post("remove", number=1)
    assert (answer.status_code, "\n" in answer.json()["error"]) == (500, False)
    assert "CUDA out of memory" in answer.json()["error"]
    content = page.open(page.key)
    assert [turn["stands"] for turn in content["turns"]] == [True] * 3
    assert np.array_equal(page.labels, before)
    page.done("finish", seen=seen_all())
    assert np.array_equal(Store(store.path).read("case0").annotations["drawn"].labels, before)


def test_a_case_on_which_something_failed_is_made_again_from_its_journal(desk: Desk, page: Page) -> None:
    three_turns(page)
    before = page.labels.copy()

    def fail() -> None:
        with desk.at_work("ann", "tab1", page.key) as session:
            session.drawing.labels[:] = 2
            raise MemoryError

    with pytest.raises(MemoryError):
        fail()
    page.open(page.key)
    assert np.array_equal(page.labels, before)


def test_a_drawing_that_fails_half_way_stands_as_it_was(store: Store) -> None:
    desk = make_desk(store)
    page = three_turns(Page(desk))
    with desk.at_work("ann", "tab1", page.key) as session, pytest.MonkeyPatch.context() as patch:
        patch.setattr(Assistant, "answer", out_of_memory)
        with pytest.raises(RuntimeError, match="CUDA"):
            session.drawing.remove(1)
        assert [session.drawing.stands(number) for number in (1, 2, 3)] == [True] * 3
        assert np.array_equal(session.drawing.labels, page.labels)
