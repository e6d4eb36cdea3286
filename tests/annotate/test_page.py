"""The real page in headless Chromium, driven by a robot."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from browser import Browser, Served, require_browser, served_here
from desks import SHAPE, make_case, make_store, truth
from fresh_models import knife_cut, mmiis

from lesslabel.annotating.desk import Desk
from lesslabel.annotating.models import PageModel
from lesslabel.annotating.task import Task
from lesslabel.data.case import Annotation, Kind
from lesslabel.data.queue import Queue, QueueRow, write_queue
from lesslabel.data.store import Store

pytestmark = pytest.mark.slow
VOXELS = [(3, 5), (36, 29), (20, 1)]
TOP_OF_QUEUE = "document.querySelector('#queue').getBoundingClientRect().top"
HOLD_TURNS = """
const send = window.fetch;
const held = new Promise((letGo) => { window.letGo = letGo; });
window.fetch = (path, init) => (path.endsWith("/turns") ? held.then(() => send(path, init)) : send(path, init));
0;
"""
"""A slow model, for the page: turns reach the server only after `letGo()`."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser(require_browser()) as started:
        yield started


def test_a_case_is_clicked_painted_undone_and_finished(browser: Browser, tmp_path: Path) -> None:
    make_store(tmp_path / "store")
    with Served(tmp_path / "store") as served:
        browser.do("heard")  # what the tests before asked for
        browser.open(served.links["ann"])
        browser.do("press", key="ArrowUp")
        for z in (3, 4):
            browser.do("press", key="c")
            for label, (y, x) in (("1", (12, 10)), ("2", (28, 20))):
                browser.do("press", key=label)
                browser.click((z, y, x))
            browser.turns(2 * (z - 2))
            browser.do("press", key="ArrowUp")
        browser.do("press", key="b")
        browser.drag([(4, 3, 27), (4, 8, 29)])
        browser.turns(5)
        browser.do("press", key="Control+z")
        browser.turns(4)
        browser.finish()
        heard = browser.do("heard")
    assert heard["problems"] == []
    assert heard["origins"] == [served.links["ann"].partition("/?")[0]]  # nothing is loaded from elsewhere
    drawn = Store(tmp_path / "store").read("case0").annotations["drawn"]
    assert np.mean(drawn.labels[3:] == truth()[3:]) > 0.99
    assert drawn.effort is not None
    assert (drawn.effort.clicks, drawn.effort.strokes) == (4, 1)
    assert drawn.effort.active_s > 0


def test_the_page_tells_from_how_many_cases_its_model_learned(browser: Browser, tmp_path: Path) -> None:
    make_store(tmp_path / "store")
    with Served(tmp_path / "store", "--learn", "1") as served:
        browser.open(served.links["ann"])
        assert browser.do("text", selector="#learning") == "general: not taught yet"
        browser.do("press", key="c")
        assert browser.do("count", selector="#queue .on .begun") == 0
        browser.click((3, 12, 10))
        browser.turns(1)
        assert browser.do("count", selector="#queue .on .begun") > 0
        browser.finish()
        ends = time.monotonic() + 300
        while (told := browser.do("text", selector="#learning")) != "general: learned from 1 case":
            assert time.monotonic() < ends, told
            time.sleep(0.5)


AFFINES = (
    np.diag([-1.25, -1.5, 5.0, 1.0]),  # to the left, posterior, superior
    np.array([[0, 0, 5.0, 3], [1.25, 0, 0, -7], [0, -1.5, 0, 11], [0, 0, 0, 1]]),  # sagittal slices
    np.array([[1.2, 0.3, 0.6, 0], [-0.3, 1.4, 0.9, 0], [-0.17, -0.45, 4.87, 9], [0, 0, 0, 1]]),  # oblique
)


def test_a_voxel_drawn_in_the_page_is_that_voxel(browser: Browser, tmp_path: Path) -> None:
    cases = [replace(make_case(number), affine=affine) for number, affine in enumerate(AFFINES)]
    flat = make_case(3)
    picture = Annotation(truth()[2:3], Kind.DENSE)
    cases.append(replace(flat, image=flat.image[:, 2:3], affine=None, annotations={"dense": picture}))
    make_store(tmp_path / "store", cases)
    with Served(tmp_path / "store", "--kind", "scribble") as served:
        browser.open(served.links["ann"])
        for case in cases:
            middle = case.shape[0] // 2
            browser.show_slices_across(0)
            for count, (y, x) in enumerate(VOXELS, start=1):
                browser.click((middle, y, x))
                browser.turns(count)
            browser.finish()
        browser.do("state", **{"is": "done"})
    for case in cases:
        labels = Store(tmp_path / "store").read(case.uid).annotations["drawn"].labels
        wanted = sorted((case.shape[0] // 2, *place) for place in VOXELS)
        assert sorted(map(tuple, np.argwhere(labels == 1).tolist())) == wanted, case.uid


def test_scribbles_of_several_planes_are_kept_after_kill(browser: Browser, tmp_path: Path) -> None:
    make_store(tmp_path / "store", [make_case(0)])
    with Served(tmp_path / "store", "--kind", "scribble") as served:
        browser.open(served.links["ann"])
        browser.do("push", selector="#layouts button[data-layout=all]")
        browser.drag([(2, 12, 8), (2, 12, 13)], axis=0)
        browser.drag([(1, 20, 10), (3, 20, 10)], axis=1)
        browser.turns(2)
        served.process.kill()
    with Served(tmp_path / "store", "--kind", "scribble") as served:
        browser.open(served.links["ann"])
        browser.turns(2)
        browser.finish()
        browser.do("state", **{"is": "done"})
    drawn = Store(tmp_path / "store").read("case0").annotations["drawn"]
    assert drawn.kind is Kind.SCRIBBLE
    assert (drawn.labels[2, 12, 8:14] == 1).all()
    assert (drawn.labels[1:4, SHAPE[1] // 2, 10] == 1).all()


def test_an_outline_is_moved_where_the_model_is_uncertain(browser: Browser, tmp_path: Path) -> None:
    store = make_store(tmp_path / "store", [make_case(0)])
    with Served(tmp_path / "store", "--model", "training-free") as served:
        browser.open(served.links["ann"])
        browser.do("heard")  # of a server that was killed before
        browser.do("press", key="ArrowUp")
        browser.do("press", key="u")
        browser.do("until", selector="#status:not(:empty)", count=1)  # the model has not answered yet
        browser.click((3, 12, 10))
        browser.turns(1)
        browser.do("until", selector="body[data-uncertain=shown]", count=1)
        browser.do("until", selector="#status:empty", count=1)
        browser.do("press", key="v")
        browser.click((3, 12, 10))
        vertices = int(browser.do("evaluate", script="document.body.dataset.vertices"))
        assert 4 <= vertices <= 24  # of a disk of 113 voxels
        browser.drag([(3, 12, 16.5), (3, 12, 19), (3, 12, 22.5)])
        browser.do("press", key="Enter")
        browser.turns(2)
        browser.do("press", key="v")
        browser.click((3, 12, 10))
        browser.do("press", key="Enter")  # nothing was moved
        browser.turns(3)
        browser.finish()
        assert browser.do("heard")["problems"] == []
    before = np.count_nonzero(truth()[3] == 1)
    drawn = Store(store.path).read("case0").annotations["drawn"]
    label = drawn.labels[3] == 1
    assert label[12, 4:22].all()
    assert before + 5 <= np.count_nonzero(label) < before + 60  # a spike of the one vertex
    assert drawn.effort is not None
    assert dict(drawn.effort.prompts) == {"click": 1, "outline": 2}


def test_of_asked_slices_the_largest_part_is_kept_on_the_one_on_screen(browser: Browser, tmp_path: Path) -> None:
    store = make_store(tmp_path / "store", [make_case(0)])
    rows = [QueueRow("case0", slice=z, rank=z, reason="asked") for z in (2, 3)]
    write_queue(tmp_path / "queue.csv", Queue(tuple(rows)))
    with Served(store.path, "--queue", str(tmp_path / "queue.csv"), "--model", "none") as served:
        browser.open(served.links["ann"])
        assert browser.do("text", selector="#slice") == "slice 2 of 0–4"
        browser.drag([(2, 12, 6), (2, 12, 20)])
        browser.drag([(2, 32, 20), (2, 32, 22)])
        browser.do("press", key="n")
        assert browser.do("text", selector="#slice") == "slice 3 of 0–4"
        browser.drag([(3, 32, 20), (3, 32, 22)])
        browser.do("press", key="n")
        browser.do("press", key="l")
        browser.turns(4)
        assert browser.turn_names() == [
            "1  brush: left, slice 2",
            "2  brush: left, slice 2",
            "3  brush: left, slice 3",
            "4  keep the largest part: left, slice 2",
        ]
        browser.do("press", key="?")
        assert "keep the largest part of the slice on screen" in browser.do("text", selector="#keys")
        browser.do("push", selector="#help button[value=close]")
        browser.finish()
    labels = Store(store.path).read("case0").annotations["drawn"].labels
    assert labels[2, 12, 10] == labels[3, 32, 21] == 1
    assert labels[2, 32, 21] == 0


def test_turns_and_tools_tell_what_they_are(browser: Browser, tmp_path: Path) -> None:
    store = make_store(tmp_path / "store", [make_case(0)])
    with Served(store.path, "--model", "training-free") as served:
        browser.open(served.links["ann"])
        top = browser.do("evaluate", script=TOP_OF_QUEUE)
        browser.do("press", key="ArrowUp")
        browser.click((3, 12, 10))
        browser.turns(1)
        browser.click((3, 12, 30), "right")
        browser.turns(2)
        browser.do("press", key="d")
        browser.drag([(3, 12, 6), (3, 12, 14)])
        browser.turns(3)
        browser.do("press", key="l")
        browser.turns(4)
        names = [
            "1  click: left, slice 3",
            "2  background click: left, slice 3",
            "3  stroke: left, slice 3",
            "4  keep the largest part: left, all slices",
        ]
        assert browser.turn_names() == names
        assert browser.do("evaluate", script=TOP_OF_QUEUE) == top
        browser.do("press", key="?")
        assert "keep the largest part of all slices" in browser.do("text", selector="#keys")
        browser.open(served.links["ann"])
        assert browser.turn_names() == names
        for tool, use in (("brush", "by hand"), ("polygon-fill", "by hand"), ("prompt-scribble", "the model answers")):
            assert browser.do("count", selector=f"#tools button[data-tool={tool}][title*='{use}']") == 1


AROUND = [(3, *place) for place in ((4, 3), (4, 18), (20, 18), (20, 3), (8, 3))]


def test_the_object_is_drawn_around_and_repaired_on_its_edge(browser: Browser, tmp_path: Path) -> None:
    store = make_store(tmp_path / "store", [make_case(0)])
    with served_here(Desk(store, Task("drawn"), PageModel(mmiis()))) as link:
        browser.open(link)
        browser.do("heard")  # of a server that was killed before
        assert browser.do("count", selector="#tools button[data-tool=cut-line]") == 0
        browser.do("press", key="ArrowUp")
        browser.do("press", key="a")
        browser.drag(AROUND)
        browser.turns(1)
        browser.do("press", key="y")
        browser.drag([(3, 6, 8), (3, 6, 10), (3, 7, 13)])
        browser.turns(2)
        browser.do("press", key="x")
        browser.click((3, 18, 10))
        browser.turns(3)
        assert browser.turn_names() == [
            "1  lasso: left, slice 3",
            "2  edge stroke: left, slice 3",
            "3  edge click: left, slice 3",
        ]
        browser.do("press", key="?")
        assert "tool: lasso" in browser.do("text", selector="#keys")
        browser.do("push", selector="#help button[value=close]")
        assert browser.do("heard")["problems"] == []


def test_another_answer_is_chosen_in_the_page(browser: Browser, tmp_path: Path) -> None:
    store = make_store(tmp_path / "store", [make_case(0)])
    other = "#turns li:first-child button[data-answer=global][title='all like it']"
    with served_here(Desk(store, Task("drawn"), PageModel(knife_cut()))) as link:
        browser.open(link)
        browser.do("heard")  # of a server that was killed before
        browser.do("press", key="ArrowUp")
        browser.do("press", key="b")
        browser.drag([(3, 12, 6), (3, 12, 14)])
        browser.turns(1)
        browser.do("press", key="k")
        browser.drag([(3, 6, 10), (3, 18, 10)])
        browser.turns(2)
        browser.do("push", selector=other)
        browser.turns(3)
        browser.do("press", key="t")
        browser.turns(4)
        browser.do("press", key="Control+z")
        browser.turns(3)
        browser.open(link)
        names = ["1  brush: left, slice 3", "2  cut line: left, slice 3", "3  answer global: left, slice 3"]
        assert browser.turn_names()[:3] == names
        assert browser.do("count", selector="#turns button[data-answer]") == 1
        browser.finish()
        assert browser.do("heard")["problems"] == []
    assert (Store(store.path).read("case0").annotations["drawn"].labels[3] == 1).all()


def test_the_end_is_told_and_a_dead_server_is_noticed(browser: Browser, tmp_path: Path) -> None:
    store = make_store(tmp_path / "store", [make_case(0)])
    with Served(store.path, "--model", "none") as served:
        browser.open(served.links["ann"])
        browser.drag([(2, 12, 6), (2, 12, 20)])
        browser.turns(1)
        browser.do("press", key="Control+z")
        browser.turns(0)
        browser.do("press", key="f")
        browser.do("until", selector="#ask[open]", count=1)
        assert browser.do("text", selector="#status") == ""
        browser.do("push", selector="#ask button[value=no]")
        browser.do("state", **{"is": "ready"})
        assert browser.do("text", selector="#status") == ""
        browser.finish()
        browser.do("state", **{"is": "done"})
        assert browser.do("text", selector="#progress") == "1 of 1 finished"
        told = browser.do("text", selector="#status")
        assert "in the store as annotation drawn." in told
        assert "Ctrl-C in the terminal ends the server" in told
        time.sleep(1.2)  # the clock is shown once a second
        stopped = browser.do("text", selector="#clock")
        for place in range(12):
            browser.do("drag", line=[[300 + place, 300], [320 + place, 300]])
            time.sleep(0.2)
        assert browser.do("text", selector="#clock") == stopped
    browser.until_said("no connection to the server; trying again …")


def test_the_page_says_that_the_model_works(browser: Browser, tmp_path: Path) -> None:
    store = make_store(tmp_path / "store", [make_case(0)])
    with Served(store.path, "--model", "training-free") as served:
        browser.open(served.links["ann"])
        browser.do("evaluate", script=HOLD_TURNS)
        browser.do("press", key="ArrowUp")
        browser.click((3, 12, 10))
        browser.until_said("the model is working …")
        browser.do("evaluate", script="letGo(); 0")
        browser.turns(1)
        browser.until_said("")
