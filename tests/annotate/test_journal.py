"""Nothing is lost: what was answered is on the disk, and gives the same label map again."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from desks import Page, make_desk

from lesslabel.annotating.assistant import Assistant
from lesslabel.annotating.desk import Desk
from lesslabel.annotating.drawing import Drawing
from lesslabel.annotating.journal import Journal
from lesslabel.annotating.models import open_model
from lesslabel.annotating.turns import turn_from_json
from lesslabel.data.store import Store
from lesslabel.errors import DataError


def journal_of(store: Store, page: Page) -> Path:
    return store.path / "annotating" / "drawn" / f"{page.key}.ann.jsonl"


def drawn(page: Page) -> Page:
    page.open()
    page.click(2, (12, 10), 1)
    page.click(2, (10, 8), 1)
    square = np.zeros(page.labels.shape, bool)
    square[2, 8:12, 2:6] = True
    page.paint(square, 1)
    page.click(2, (28, 20), 2)
    page.click(2, (9, 3), 1, "background")
    page.done("remove", number=2)
    return page


def test_the_journal_gives_the_same_mask_when_the_model_is_asked_again(store: Store, page: Page) -> None:
    drawn(page)
    case = store.read("case0")
    drawing = Drawing(np.zeros(case.shape, np.uint8), 0, Assistant(open_model("training-free", store), case))
    for event in Journal(journal_of(store, page)).events:
        if event["event"] == "turn":
            drawing.apply(event["number"], turn_from_json(event["turn"], case.shape, (0, 1, 2)))
        elif event["event"] == "remove":
            drawing.remove(event["number"])
    assert np.array_equal(drawing.labels, page.labels)


def test_a_line_that_was_cut_short_was_never_answered(store: Store, page: Page) -> None:
    drawn(page)
    path = journal_of(store, page)
    whole = path.read_bytes()
    with path.open("ab") as file:
        file.write(b'{"event":"turn","number":6,"tu')
    again = Page(make_desk(store), tab="tab1")
    again.open()
    assert np.array_equal(again.labels, page.labels)
    again.click(2, (28, 20), 2)
    assert path.read_bytes().startswith(whole + b'{"event":"turn"')
    once_more = Page(make_desk(store), tab="tab1")
    once_more.open()
    assert np.array_equal(once_more.labels, again.labels)


def test_another_server_went_on_with_the_case(store: Store, page: Page) -> None:
    drawn(page)
    other = Page(make_desk(store), tab="tab1")
    other.open()
    other.click(2, (12, 10), 1)
    page.click(2, (28, 20), 2)
    assert len(Journal(journal_of(store, page)).events) == len({*map(str, Journal(journal_of(store, page)).events)})
    assert page.open(page.key)["turns"][-1]["number"] == 7


def test_a_full_disk_takes_the_turn_back(desk: Desk, page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    page.open()
    page.click(2, (12, 10), 1)
    before = page.labels.copy()

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    answer = page.post("turns", turn={"type": "paint", "tool": "brush", "value": 1, "runs": "AAU="})
    assert answer.status_code == 507  # which is not the page's mistake: it keeps the turn
    assert "No space left" in answer.json()["error"]
    assert page.post("remove", number=1).status_code == 507
    monkeypatch.undo()
    page.open(page.key)
    assert np.array_equal(page.labels, before)
    assert page.click(2, (28, 20), 2)["number"] == 2
    again = Page(make_desk(desk.store), tab="tab1")
    again.open()
    assert np.array_equal(again.labels, page.labels)


def test_a_damaged_line_is_named(store: Store, page: Page) -> None:
    drawn(page)
    path = journal_of(store, page)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([lines[0], b"{broken\n", *lines[2:]]))
    with pytest.raises(DataError, match="line 2"):
        Journal(path)


def test_a_journal_of_another_image_is_refused(store: Store, page: Page) -> None:
    drawn(page)
    path = journal_of(store, page)
    first, *rest = path.read_text().splitlines(keepends=True)
    path.write_text(json.dumps({**json.loads(first), "image_sha256": "0" * 64}) + "\n" + "".join(rest))
    answer = Page(make_desk(store), tab="tab1")
    answer.key = page.key
    assert "another image" in answer.post("open").json()["error"]


def test_the_journal_names_no_patient_and_no_path(store: Store, page: Page) -> None:
    text = journal_of(store, drawn(page)).read_text()
    assert "patient" not in text
    assert str(store.path) not in text


def test_what_the_page_is_told_is_the_whole_difference(page: Page) -> None:
    drawn(page)
    rng = np.random.default_rng(0)
    standing = [True, False, True, True, True]
    for _ in range(20):
        number = int(rng.integers(0, 5))
        page.done("remove" if standing[number] else "restore", number=number + 1)
        standing[number] = not standing[number]
        told = page.labels.copy()
        page.open(page.key)
        assert np.array_equal(page.labels, told)
