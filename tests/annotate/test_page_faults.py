"""The real page where something goes wrong: a dead server, two tabs, a hasty hand, a damaged case."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.request import Request, urlopen

import numpy as np
import pytest
from browser import Browser, Served, require_browser
from desks import SHAPE, Disks, make_case, make_store, truth
from PIL import Image

from lesslabel.data.case import Annotation, Kind
from lesslabel.data.exchange.queue_images import file_stem
from lesslabel.data.store import Store
from lesslabel.data.store.prepare import prepare

pytestmark = pytest.mark.slow
PRESS = "document.dispatchEvent(new KeyboardEvent('keydown', {key: 'f', %s})); 0;"
COUNT_IMAGES = "performance.getEntriesByType('resource').filter(({name}) => name.endsWith('/image')).length"
TAB = "sessionStorage.getItem('tab')"
STALE_NEXT = """
const send = window.fetch;
let stale = new Response('{"key": "%s"}');
window.fetch = (path, init) => {
  const answer = path.startsWith("/api/next") ? stale : null;
  if (answer) stale = null;
  return answer ? Promise.resolve(answer) : send(path, init);
};
0;
"""
"""Somebody else took the case between the answer and the opening."""
FULL_DISK = """
const send = window.fetch;
let full = new Response('{"error": "journal: cannot be written (No space left on device)"}', {status: 507});
window.fetch = (path, init) => {
  const answer = path.endsWith("/turns") ? full : null;
  if (answer) full = null;
  return answer ? Promise.resolve(answer) : send(path, init);
};
0;
"""
"""A disk that refuses the next turn."""
RECORD = """
const send = window.fetch;
window.recorded = [];
window.fetch = (path, init) => {
  window.recorded.push([path, init?.body ?? ""]);
  return send(path, init);
};
0;
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser(require_browser()) as started:
        yield started


def test_turns_that_wait_are_sent_when_the_tab_is_loaded_again(browser: Browser, tmp_path: Path) -> None:
    store = make_store(tmp_path / "store", [make_case(0)])
    with Served(store.path, "--model", "none") as served:
        browser.open(served.links["ann"])
        browser.drag([(2, 12, 6), (2, 12, 20)])
        browser.turns(1)
    port = served.links["ann"].partition("/?")[0].rpartition(":")[2]
    for y in (20, 24, 28):
        browser.drag([(2, y, 6), (2, y, 20)])
    browser.do("press", key="Control+z")
    browser.until_said("no connection to the server; 4 turns are not saved yet, trying again …")
    browser.turns(1)
    browser.do("heard")
    with Served(store.path, "--model", "none", "--port", port) as served:
        browser.do("state", **{"is": "lost"})  # the link is another one
        assert "4 turns wait in this tab" in browser.do("text", selector="#status")
        browser.open(served.links["ann"])
        browser.turns(3)
        assert browser.do("heard")["asked"] == ["beforeunload"]
        browser.open(served.links["ann"])
        browser.turns(3)
        assert browser.do("heard")["asked"] == []
        assert browser.do("count", selector="#turns li") == 4
        browser.finish()
    labels = Store(store.path).read("case0").annotations["drawn"].labels
    assert list(labels[2, [12, 20, 24, 28], 10]) == [1, 1, 1, 0]


def test_a_full_disk_costs_no_turn(browser: Browser, tmp_path: Path) -> None:
    store = make_store(tmp_path / "store", [make_case(0)])
    with Served(store.path, "--model", "none") as served:
        browser.open(served.links["ann"])
        browser.do("evaluate", script=FULL_DISK)
        browser.drag([(2, 12, 6), (2, 12, 20)])
        browser.do("state", **{"is": "lost"})
        said = browser.do("text", selector="#status")
        assert "No space left on device" in said
        assert "1 turn waits in this tab" in said
        browser.open(served.links["ann"])
        browser.turns(1)
        browser.finish()
    assert Store(store.path).read("case0").annotations["drawn"].labels[2, 12, 10] == 1


def open_elsewhere(link: str, key: str) -> None:
    """Open a case in another browser."""
    server, _, token = link.partition("/?token=")
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    body = json.dumps({"tab": "elsewhere", "id": "once"}).encode()
    with urlopen(Request(f"{server}/api/cases/{key}/open", body, headers)) as answer:
        assert answer.status == 200


def test_two_tabs_and_two_authors_do_not_draw_on_one_case(browser: Browser, tmp_path: Path) -> None:
    store = make_store(tmp_path / "store")
    with Served(store.path, "--model", "none", authors=("ann", "ben")) as served:
        browser.open(served.links["ann"])
        open_elsewhere(served.links["ben"], file_stem("case1"))
        browser.do("evaluate", script=STALE_NEXT % file_stem("case1"))
        browser.drag([(2, 12, 6), (2, 12, 20)])
        browser.turns(1)
        browser.finish()
        assert browser.do("evaluate", script="document.body.dataset.case") == file_stem("case2")
        tab = browser.do("evaluate", script=TAB)
        browser.do("goto", url=served.links["ann"], tab="second")
        browser.do("until", selector="#ask[open]", count=1, tab="second")
        browser.do("push", selector="#ask-yes", tab="second")
        browser.do("state", **{"is": "ready"}, tab="second")
        browser.drag([(2, 12, 6), (2, 12, 20)])
        browser.do("state", **{"is": "lost"})
        said = "this case is open in another tab; go on there, or take it over here; 1 turn waits in this tab"
        assert browser.do("text", selector="#status") == said
        # as a browser does that duplicates a tab
        browser.do("evaluate", script=f"sessionStorage.setItem('tab', '{tab}'); 0", tab="second")
        browser.do("goto", url=served.links["ann"], tab="second")
        browser.do("state", **{"is": "ready"}, tab="second")
        assert browser.do("evaluate", script=TAB, tab="second") != tab
        browser.do("goto", url=served.links["ben"], tab="third")
        browser.do("push", selector="#queue li:first-child", tab="second")
        stranger = "this tab belongs to ann, but this browser is signed in as ben; open the link again"
        browser.until_said(stranger, tab="second")
        browser.do("state", **{"is": "lost"}, tab="second")
        for each in ("second", "third"):
            browser.do("close", tab=each)
        browser.do("evaluate", script="sessionStorage.clear(); 0")


def test_a_hasty_hand_finishes_once_and_a_damaged_case_is_left_out(browser: Browser, tmp_path: Path) -> None:
    store = make_store(tmp_path / "store")
    store.case_path("case0").write_bytes(b"damaged")
    with Served(store.path, "--model", "none") as served:
        assert browser.open(served.links["ann"]) == file_stem("case1")
        said = browser.do("text", selector="#status")
        assert said.startswith("case0 cannot be opened: ")
        assert browser.do("count", selector="#queue li .name.failed") == 1
        browser.drag([(2, 12, 6), (2, 12, 20)])
        browser.turns(1)
        browser.do("evaluate", script=PRESS % "altKey: true" + PRESS % "repeat: true")
        assert browser.do("evaluate", script="document.body.dataset.state") == "ready"
        browser.do("evaluate", script=PRESS % "" + PRESS % "" + PRESS % "repeat: true")
        browser.do("until", selector="body[data-finished='1'][data-state=ready]", count=1)
        assert browser.do("evaluate", script="document.body.dataset.case") == file_stem("case2")
        browser.do("evaluate", script=PRESS % "repeat: true")
        assert browser.do("count", selector="#ask[open]") == 0
        browser.do("push", selector="#queue li:first-child")
        browser.do("state", **{"is": "ready"})
        browser.drag([(2, 12, 6), (2, 12, 20)])
        browser.turns(1)
        browser.finish()
        browser.do("state", **{"is": "done"})
        assert browser.do("text", selector="#status").startswith("1 case cannot be opened: ")
    assert [Store(store.path).records[f"case{number}"].annotation_names[1:] for number in (1, 2)] == [("drawn",)] * 2


def test_a_mistake_keeps_the_view_and_a_key_has_one_action(browser: Browser, tmp_path: Path) -> None:
    store = make_store(tmp_path / "store")
    threshold = "const slider = document.querySelector('#threshold'); slider.dispatchEvent(new Event('change')); 0"
    with Served(store.path, "--model", "training-free") as served:
        browser.open(served.links["ann"])
        browser.do("press", key="ArrowUp")
        browser.do("press", key="b")
        browser.drag([(3, 12, 6), (3, 12, 20)])
        browser.turns(1)
        browser.do("press", key="Control+z")
        browser.turns(0)
        browser.do("evaluate", script=threshold)
        browser.do("until", selector="#status.bad:not(:empty)", count=1)
        assert browser.do("evaluate", script=COUNT_IMAGES) == 1
        assert browser.do("text", selector="#slice") == "slice 3 of 0–4"
        browser.do("press", key="Control+y")
        browser.turns(1)
        browser.do("press", key="?")
        brush = "#keys tr:nth-child(1) button"
        browser.do("push", selector=brush)
        browser.do("press", key="f")
        assert 'f is taken by "finish and next"' in browser.do("text", selector="#help p")
        browser.do("press", key="Escape")
        browser.do("push", selector=brush)
        browser.do("press", key="q")
        browser.do("push", selector="#help button[value=close]")
        assert browser.do("text", selector="#tools button:first-child kbd") == "q"
        browser.do("evaluate", script="localStorage.clear(); 0")
        browser.do("evaluate", script=RECORD)
        browser.do("press", key="ArrowUp")
        browser.drag([(4, 12, 6), (4, 12, 20)])
        browser.do("push", selector="#queue li:last-child")
        browser.do("until", selector=f"body[data-case={file_stem('case2')}][data-state=ready]", count=1)
        recorded = browser.do("evaluate", script="window.recorded.map(([path]) => path.split('/').pop())")
        assert [what for what in recorded if what in ("turns", "close")] == ["turns", "close"]


ORANGE, BLUE = (240, 120, 0), (0, 60, 200)


def test_a_picture_is_shown_in_its_colours(browser: Browser, tmp_path: Path) -> None:
    colours = np.empty((3, 1, *SHAPE[1:]), np.float32)
    colours[..., :16] = np.reshape(ORANGE, (3, 1, 1, 1))
    colours[..., 16:] = np.reshape(BLUE, (3, 1, 1, 1))
    dense = {"dense": Annotation(truth()[2:3], Kind.DENSE)}
    source = Disks([replace(make_case(0), image=colours, affine=None, annotations=dense)])
    source.channels = ("red", "green", "blue")
    store = prepare(source, tmp_path / "store")[0]

    def shown() -> list[tuple[int, ...]]:
        browser.do("screenshot", path=str(tmp_path / "page.png"))
        picture = Image.open(tmp_path / "page.png").convert("RGB")
        places = [browser.place((0, 20, x)) for x in (4, 28)]
        return [picture.getpixel((round(left), round(top))) for left, top in places]

    with Served(store.path, "--model", "none") as served:
        browser.open(served.links["ann"])
        assert np.allclose(shown(), [ORANGE, BLUE], atol=3)
        first, last = browser.place((0, 0, 0)), browser.place((0, 39, 31))
        assert first[0] < last[0]
        assert first[1] < last[1]
        browser.do("choose", selector="#channels", name="blue")
        assert np.allclose(shown(), [[0] * 3, [200] * 3], atol=3)
        browser.do("choose", selector="#channels", name="colour")
        browser.do("press", key="w")
        browser.drag([(0, 10, 4), (0, 30, 4)])
        darker = shown()
        assert all(sum(one) < sum(other) for one, other in zip(darker, (ORANGE, BLUE), strict=True))
