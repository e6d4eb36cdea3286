"""A long day: a thousand turns, and four annotators at once."""

import threading
import time
import tracemalloc

import numpy as np
import pytest
from desks import SHAPE, Page, make_desk, make_store, seen_all

from lesslabel.annotating.desk import Desk
from lesslabel.annotating.models import open_model
from lesslabel.annotating.task import Task
from lesslabel.data.store import Store

pytestmark = pytest.mark.slow


def act(page: Page, rng: np.random.Generator, number: int) -> None:
    z = int(rng.integers(1, SHAPE[0]))
    if number % 4 == 3:
        standing = page.done("look")["revision"]
        assert standing >= number // 2
    elif number % 4 == 2:
        square = np.zeros(SHAPE, bool)
        y, x = rng.integers(0, 25, 2)
        square[z, y : y + 4, x : x + 4] = True
        page.paint(square, int(rng.integers(0, 3)))
    else:
        label = int(rng.integers(1, 3))
        page.click(z, {1: (12, 10), 2: (28, 20)}[label], label)


GROWTH_BYTES = 3.3e6
"""Of 750 turns: a correct run needs 2.2e6 for its journal; kept answers that nobody lets go of are 4.3e6 more."""


def test_a_thousand_turns_lose_nothing_and_memory_stays(
    store: Store, page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lesslabel.annotating.drawing.KEPT_BYTES", 2**20)  # these images are small
    page.open()
    rng = np.random.default_rng(0)
    tracemalloc.start()
    held = []
    for number in range(1000):
        act(page, rng, number)
        if number % 250 == 249:
            held.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert held[-1] - held[0] < GROWTH_BYTES
    again = Page(make_desk(store), tab="tab1")
    since = time.perf_counter()
    again.open()
    assert time.perf_counter() - since < 10
    assert np.array_equal(again.labels, page.labels)


def test_four_annotators_at_once_lose_no_turn(tmp_path_factory: pytest.TempPathFactory) -> None:
    store = make_store(tmp_path_factory.mktemp("four") / "store")
    desk = Desk(store, Task("drawn", second_reading=True), open_model("training-free", store))
    pages = [Page(desk, token) for token in ("token-of-ann", "token-of-ben", "token-of-cem", "token-of-dan")]
    failures: list[BaseException] = []

    def work(page: Page, seed: int) -> None:
        try:
            page.open()
            rng = np.random.default_rng(seed)
            for number in range(40):
                act(page, rng, number)
            page.done("finish", seen=seen_all())
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(page, seed)) for seed, page in enumerate(pages)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    annotations = Store(store.path).read("case0").annotations
    for page, author in zip(pages, ("ann", "ben", "cem", "dan"), strict=True):
        assert np.array_equal(annotations[f"drawn/{author}"].labels, page.labels)
