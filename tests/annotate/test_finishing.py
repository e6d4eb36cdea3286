"""A case enters the store once, whatever fails when, and the queue tells what is there."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from desks import CENTRES, SHAPE, Page, make_desk, seen_all

from lesslabel.annotating import finishing
from lesslabel.annotating.desk import Desk
from lesslabel.annotating.journal import Journal
from lesslabel.data.store import Store
from lesslabel.errors import DataError


@contextmanager
def failing_after_the_store() -> Iterator[None]:
    """A disk that is full, or a kill, right after the store took the annotation."""
    append = Journal.append

    def refuse(journal: Journal, event: dict[str, Any]) -> None:
        if event["event"] == "finish":
            raise DataError(f"{journal.path.name}: cannot be written (No space left on device); free space")
        append(journal, event)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Journal, "append", refuse)
        yield


@contextmanager
def failing_store() -> Iterator[None]:
    """A store that takes nothing."""

    def refuse(*_: Any, **__: Any) -> None:
        raise DataError("store: cannot be written (No space left on device); check the free space and rights")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(finishing, "add_to_store", refuse)
        yield


def drawn(page: Page, label: int = 1) -> Page:
    page.open(page.key or None)
    page.click(2, CENTRES[label], label)
    return page


def states(store: Store, author: str = "ann") -> list[str]:
    return [item["state"] for item in make_desk(store).overview(author)["items"]]


def names(store: Store) -> set[str]:
    return {name for name in Store(store.path).read("case0").annotations if name.startswith("drawn")}


def test_a_failure_after_the_store_took_it_is_made_good_by_the_same_message(store: Store, page: Page) -> None:
    drawn(page)
    body, url = page.body(seen=seen_all()), f"/api/cases/{page.key}/finish"
    with failing_after_the_store():
        assert "No space" in page.client.post(url, json=body).json()["error"]
    assert page.client.post(url, json=body).json() == {"annotation": "drawn"}
    assert names(store) == {"drawn"}
    effort = Store(store.path).read("case0").annotations["drawn"].effort
    assert effort is not None
    assert make_desk(store).overview("ann")["median_s"] == effort.active_s, "the seconds are counted once"


def test_a_kill_after_the_store_took_it_leaves_a_finished_case_that_can_be_revised(store: Store, page: Page) -> None:
    drawn(page)
    with failing_after_the_store():
        assert page.post("finish", seen=seen_all()).status_code == 422
    assert states(store) == ["finished", "new", "new"]
    again = Page(make_desk(store))
    again.key = page.key
    drawn(again, 2).done("finish", seen=seen_all())
    assert names(store) == {"drawn", "drawn@1"}
    assert np.array_equal(Store(store.path).read("case0").annotations["drawn"].labels, again.labels)
    assert states(store) == ["finished", "new", "new"]


def test_what_was_drawn_after_such_a_kill_is_not_finished(store: Store, page: Page) -> None:
    drawn(page)
    with failing_after_the_store():
        assert page.post("finish", seen=seen_all()).status_code == 422
    page.click(3, CENTRES[2], 2)
    assert states(store) == ["begun", "new", "new"]


def test_a_store_that_refused_takes_it_the_next_time(store: Store, page: Page) -> None:
    drawn(page)
    with failing_store():
        assert "No space" in page.post("finish", seen=seen_all()).json()["error"]
    assert states(store) == ["begun", "new", "new"]
    page.done("finish", seen=seen_all())
    assert names(store) == {"drawn"}


def test_after_a_store_that_refused_another_author_is_not_overwritten(store: Store) -> None:
    desk = make_desk(store, lease_s=0.0)
    ann, ben = drawn(Page(desk)), Page(desk, "token-of-ben", "tab2")
    with failing_store():
        assert ann.post("finish", seen=seen_all()).status_code == 422
    ben.key = ann.key
    drawn(ben).done("finish", seen=seen_all())
    answer = ann.post("finish", seen=seen_all())
    assert (answer.status_code, "not replaced" in answer.json()["error"]) == (409, True)
    assert Store(store.path).read("case0").annotations["drawn"].author == "ben"


def test_what_is_no_longer_in_the_store_is_asked_for_again(store: Store, page: Page, tmp_path: Path) -> None:
    drawn(page)
    shutil.copytree(store.path, tmp_path / "backup", ignore=shutil.ignore_patterns("annotating"))
    page.done("finish", seen=seen_all())
    shutil.copytree(tmp_path / "backup", store.path, dirs_exist_ok=True)
    assert states(store) == ["begun", "new", "new"]
    again = Page(make_desk(store))
    again.open()
    assert again.key == page.key
    again.done("finish", seen=seen_all())
    assert names(store) == {"drawn"}
    assert states(store) == ["finished", "new", "new"]


def test_who_starts_together_is_sent_apart(store: Store) -> None:
    desk = make_desk(store, lease_s=0.0)  # nobody holds anything any more
    ann, ben = drawn(Page(desk)), Page(desk, "token-of-ben", "tab2")
    order = []
    for _ in range(3):
        ben.open()
        order.append(ben.key)
        ben.click(2, CENTRES[1], 1)
        ben.done("finish", seen=seen_all())
    assert order.index(ann.key) == 2
    assert ben.client.get("/api/next").json()["key"] is None


def test_a_journal_is_read_once_for_each_change(desk: Desk, page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn(page)
    read: list[str] = []
    make = Journal.__init__

    def counted(journal: Journal, path: Path) -> None:
        read.append(path.name)
        make(journal, path)

    monkeypatch.setattr(Journal, "__init__", counted)
    page.client.get("/api/desk")
    assert len(read) == 1
    page.client.get("/api/next")
    page.client.get("/api/desk")
    assert len(read) == 1
    square = np.zeros(SHAPE, bool)
    square[1, 2, 3] = True
    page.paint(square, 1)
    assert desk.overview("ann")["items"][0]["state"] == "begun"
    assert len(read) == 2
