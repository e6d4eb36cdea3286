"""A case from the queue to the store, over HTTP as the page does it."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from desks import CENTRES, SHAPE, Page, click_turn, make_case, make_desk, make_store, seen_all, truth

from lesslabel.annotating.desk import Desk
from lesslabel.annotating.levels import LARGEST_BYTES, levels_to_json
from lesslabel.annotating.serving import _what_now
from lesslabel.annotating.wire import Runs
from lesslabel.data.case import IGNORE, Annotation, Kind
from lesslabel.data.formats.nifti import write_label_map
from lesslabel.data.queue import Queue, QueueRow, write_queue
from lesslabel.data.store import Store
from lesslabel.interaction import Click, History
from lesslabel.interaction.training_free import TrainingFree


def test_clicks_and_brush_become_an_annotation_of_the_store(store: Store, page: Page) -> None:
    page.open()
    for z in range(1, 5):
        page.click(z, (12, 10), 1)
        page.click(z, (28, 20), 2)
    assert np.mean(page.labels == truth()) > 0.99
    hole = np.zeros(SHAPE, bool)
    hole[2, 10:13, 8:11] = True
    page.paint(hole, 0, "eraser")
    answer = page.done("finish", seen=seen_all())
    assert answer == {"annotation": "drawn"}
    drawn = Store(store.path).read("case0").annotations["drawn"]
    assert np.array_equal(drawn.labels, page.labels)
    assert (drawn.kind, drawn.author, drawn.covered_slices) == (Kind.DENSE, "ann", None)
    assert drawn.effort is not None
    assert (drawn.effort.clicks, drawn.effort.strokes, drawn.effort.slices) == (8, 1, 5)
    assert drawn.effort.prompts == (("click", 8), ("eraser", 1))
    assert drawn.effort.active_s == pytest.approx(10 * 1.5)
    states = [item["state"] for item in page.client.get("/api/desk").json()["items"]]
    assert states == ["finished", "new", "new"]


def test_a_scribble_leaves_the_rest_unknown(store: Store) -> None:
    page = Page(make_desk(store, kind=Kind.SCRIBBLE))
    page.open()
    stroke = np.zeros(SHAPE, bool)
    stroke[2, 12, 8:13] = True
    page.paint(stroke, 1, "scribble")
    page.paint(np.roll(stroke, 15, axis=1), 0, "scribble")
    page.done("finish")
    drawn = Store(store.path).read("case0").annotations["drawn"]
    assert drawn.kind is Kind.SCRIBBLE
    assert (drawn.labels != IGNORE).sum() == 10
    assert drawn.covered_slices == (2,)


def test_what_nobody_looked_at_is_unknown_and_what_was_seen_is_background(store: Store, page: Page) -> None:
    page.open()
    page.click(2, (12, 10), 1)
    page.done("finish", seen=[[0, 1], [0, 2], [1, 30]])
    drawn = Store(store.path).read("case0").annotations["drawn"]
    assert (drawn.labels[1] == 0).all()
    assert set(np.unique(drawn.labels[2])) == {0, 1}
    assert (drawn.labels[4, 30] == 0).all()  # seen from the front
    assert (drawn.labels[4, :30] == IGNORE).all()
    assert drawn.covered_slices is None


def test_the_empty_case_needs_a_word(page: Page) -> None:
    page.open()
    answer = page.post("finish", seen=seen_all())
    assert answer.status_code == 428
    assert "nothing to mark" in answer.json()["error"]
    page.done("finish", nothing_to_mark=True)


def test_any_turn_can_be_taken_back_and_given_again(page: Page) -> None:
    page.open()
    page.click(2, (12, 10), 1)
    square = np.zeros(SHAPE, bool)
    square[2, 30:34, 2:6] = True
    page.paint(square, 1)
    alone = page.labels.copy()
    page.click(2, (28, 20), 2)
    both = page.labels.copy()
    page.done("remove", number=3)
    assert np.array_equal(page.labels, alone)
    page.done("restore", number=3)
    assert np.array_equal(page.labels, both)
    page.done("remove", number=1)
    assert (page.labels == 1).sum() == 16
    page.done("restore", number=1)
    assert np.array_equal(page.labels, both)
    assert page.post("remove", number=9).status_code == 422


def test_opened_again_it_is_as_it_was_left(store: Store, page: Page) -> None:
    page.open()
    page.click(2, (12, 10), 1)
    page.click(2, (28, 20), 2)
    page.done("remove", number=1)
    left = page.labels.copy()
    again = Page(make_desk(store), tab="tab1")  # another server, as after kill -9
    content = again.open()
    assert np.array_equal(again.labels, left)
    assert [turn["stands"] for turn in content["turns"]] == [False, True]
    again.click(2, (24, 20), 2, "background")
    page_labels = again.labels.copy()
    once_more = Page(make_desk(store), tab="tab1")
    once_more.open()
    assert np.array_equal(once_more.labels, page_labels)


def test_what_is_sent_again_is_done_once(page: Page) -> None:
    page.open()
    body = page.body(turn=click_turn(2, (12, 10), 1))
    url = f"/api/cases/{page.key}/turns"
    first = page.client.post(url, json=body).json()
    second = page.client.post(url, json=body).json()
    assert second["again"] is True
    assert second["revision"] == first["revision"] == 1


def test_the_image_is_the_one_that_nibabel_reads(store: Store, page: Page) -> None:
    page.open()
    content = page.client.get(f"/api/cases/{page.key}/image").content
    image = nib.Nifti1Image.from_bytes(content)
    case = store.read("case0")
    assert np.array_equal(np.asarray(image.dataobj).T, case.image[0])
    assert np.allclose(image.affine, case.affine)
    assert image.get_data_dtype() == np.int16


def test_two_authors_share_a_queue_and_nobody_overwrites_anybody(store: Store, desk: Desk) -> None:
    ann, ben = Page(desk), Page(desk, "token-of-ben", "tab2")
    ann.open()
    ben.open()
    assert ann.key != ben.key
    ben.key, own = ann.key, ben.key
    answer = ben.post("open")
    assert answer.status_code == 409
    assert "'ann' has this case open" in answer.json()["error"]
    ann.click(2, (12, 10), 1)
    ann.done("finish", seen=seen_all())
    ben.open(own)
    ben.click(2, (12, 10), 1)
    ben.done("finish", seen=seen_all())
    third = ben.client.get("/api/next").json()["key"]
    assert third not in (ann.key, own)
    ben.open(ann.key)  # to look at it
    ben.click(2, (12, 10), 1)
    answer = ben.post("finish", seen=seen_all())
    assert answer.status_code == 409
    assert Store(store.path).read("case0").annotations["drawn"].author == "ann"


def test_the_second_tab_is_told_and_may_take_over(desk: Desk) -> None:
    first, second = Page(desk), Page(desk, tab="tab2")
    first.open()
    second.key = first.key
    answer = second.post("open")
    assert (answer.status_code, answer.json()["kind"]) == (409, "other tab")
    second.open(first.key, take_over=True)
    assert first.post("look").status_code == 409


def test_a_lease_expires(store: Store) -> None:
    desk = make_desk(store, lease_s=0.0)
    ann, ben = Page(desk), Page(desk, "token-of-ben")
    ann.open()
    ben.open()
    assert ann.key == ben.key


def test_what_was_looked_at_last_is_kept_when_a_case_is_given_back(desk: Desk) -> None:
    page, ben = Page(desk), Page(desk, "token-of-ben", "tab2")
    before = page.open()["active_s"]
    body = page.body(seen=[[0, 3]], active_s=7.0)
    for _ in range(2):  # the answer was lost on its way
        assert page.client.post(f"/api/cases/{page.key}/close", json=body).status_code == 200
    ben.open(page.key)
    assert page.post("close", seen=[[0, 4]]).status_code == 200, "who has lost the case has nothing to give back"
    assert ben.client.get("/api/desk").json()["items"][0]["leased_by"] == ""
    ben.done("close")
    content = page.open(page.key)
    assert (content["seen"], content["active_s"]) == ([[0, 3]], before + 7.0)


def test_a_second_reading_is_a_second_annotation(store: Store) -> None:
    desk = make_desk(store, second_reading=True)
    for page in (Page(desk), Page(desk, "token-of-ben")):
        page.open()
        page.click(2, (12, 10), 1)
        page.done("finish", seen=seen_all())
    assert set(Store(store.path).read("case0").annotations) == {"dense", "drawn/ann", "drawn/ben"}


def test_finished_again_the_old_one_is_kept(store: Store, page: Page) -> None:
    page.open()
    page.click(2, (12, 10), 1)
    page.done("finish", seen=seen_all())
    page.open(page.key)
    page.click(2, (28, 20), 2)
    page.done("finish", seen=seen_all())
    assert {"drawn", "drawn@1"} <= set(Store(store.path).read("case0").annotations)


def test_a_finish_that_is_sent_again_makes_no_second_annotation(store: Store) -> None:
    desk = make_desk(store)
    page, ben = Page(desk), Page(desk, token="token-of-ben", tab="tab2")
    page.open()
    page.click(2, (12, 10), 1)
    body = page.body(seen=seen_all())
    url = f"/api/cases/{page.key}/finish"
    answers = [page.client.post(url, json=body).json() for _ in range(2)]
    assert answers == [{"annotation": "drawn"}] * 2
    assert ben.client.get("/api/desk").json()["items"][0]["leased_by"] == "", "it was given back"
    assert "drawn@1" not in Store(store.path).read("case0").annotations


def test_a_case_that_was_skipped_for_one_slice_comes_back_for_another(store: Store, tmp_path: Path) -> None:
    first = Page(make_desk(store, queue=queue_of(tmp_path, "first.csv", 2, 3)))
    first.open()
    first.done("skip", reason="not readable")
    states = {
        slices: state_in(Page(make_desk(store, queue=queue_of(tmp_path, "next.csv", *slices))))
        for slices in ((2,), (3, 2), (3, 4))
    }
    assert states == {(2,): "skipped", (3, 2): "skipped", (3, 4): "begun"}
    whole = {item["uid"]: item["state"] for item in make_desk(store).overview("ann")["items"]}
    assert whole["case2"] == "begun"


def test_what_was_finished_or_skipped_before_stays_so_after_another_slice_is_skipped(
    store: Store, tmp_path: Path
) -> None:
    finish_slice(Page(make_desk(store, queue=queue_of(tmp_path, "first.csv", 2))), 2)
    for z in (3, 4):
        page = Page(make_desk(store, queue=queue_of(tmp_path, f"skip{z}.csv", z)))
        page.open()
        page.done("skip", reason="not readable")
    states = {
        slices: state_in(Page(make_desk(store, queue=queue_of(tmp_path, "next.csv", *slices))))
        for slices in ((2,), (3,), (3, 4), (2, 3), (1, 3))
    }
    assert states == {(2,): "finished", (3,): "skipped", (3, 4): "skipped", (2, 3): "skipped", (1, 3): "begun"}


def test_a_skip_that_is_sent_again_is_done_once(store: Store, page: Page) -> None:
    page.open()
    body = page.body(reason="motion artefacts")
    for _ in range(2):
        assert page.client.post(f"/api/cases/{page.key}/skip", json=body).status_code == 200
    journal = next(path for path in store.path.rglob("*.jsonl")).read_text()
    assert journal.count('"event": "skip"') + journal.count('"event":"skip"') == 1


def test_a_skipped_case_is_not_asked_for_again(page: Page) -> None:
    first = page.open()["key"]
    page.done("skip", reason="motion artefacts")
    assert page.client.get("/api/next").json()["key"] != first
    assert page.client.get("/api/desk").json()["items"][0]["state"] == "skipped"


def test_cases_that_the_page_could_not_open_are_left_out(page: Page) -> None:
    keys = []
    while key := page.client.get("/api/next", params={"without": keys}).json()["key"]:
        keys.append(key)
    assert keys == [item["key"] for item in page.client.get("/api/desk").json()["items"]]


def test_slices_between_marked_ones_are_filled(page: Page) -> None:
    page.open()
    page.click(1, (12, 10), 1)
    page.click(4, (12, 10), 1)
    page.done("turns", turn=edit("fill-between", plane={"axis": 0, "index": 1}))
    assert np.mean((page.labels == 1) == (truth() == 1)) > 0.995
    page.done("remove", number=1)
    assert not (page.labels[:4] == 1).any()


def test_a_painted_turn_is_shown_with_its_slice(store: Store, page: Page) -> None:
    page.open()
    one, front, several = (np.zeros(SHAPE, bool) for _ in range(3))
    one[2, 5:8, 5:8] = front[1:3, 7, 5:8] = several[1:3, 5:8, 5:8] = True
    shown = [page.paint(mask, 1)["turn"] for mask in (one, front, several)]
    assert [turn["plane"] for turn in shown] == [{"axis": 0, "index": 2}, {"axis": 1, "index": 7}, None]
    assert set(shown[0]) == {"type", "tool", "value", "plane"}  # no list of voxels
    again = Page(make_desk(store), tab="tab1").open(page.key)
    assert [entry["turn"] for entry in again["turns"]] == shown


def test_the_largest_part_is_kept(store: Store, page: Page) -> None:
    page.open()
    page.click(2, (12, 10), 1)
    before = page.labels.copy()
    crumbs = np.zeros(SHAPE, bool)
    crumbs[0, 0, :3] = crumbs[4, 39, 31] = True
    page.paint(crumbs, 1)
    page.done("turns", turn=edit("largest-component"))
    assert np.array_equal(page.labels, before)
    again = Page(make_desk(store), tab="tab1")
    again.open(page.key)
    again.done("remove", number=3)
    assert again.labels[4, 39, 31] == 1
    again.done("restore", number=3)
    assert np.array_equal(again.labels, before)


def test_the_largest_part_of_one_slice_is_kept(store: Store, page: Page) -> None:
    page.open()
    page.click(2, (12, 10), 1)
    page.click(3, (12, 10), 1)
    before = page.labels.copy()
    crumbs = np.zeros(SHAPE, bool)
    crumbs[2, 0, :3] = crumbs[0, 39, 31] = True
    page.paint(crumbs, 1)
    page.done("turns", turn=edit("largest-component", plane={"axis": 0, "index": 2}))
    assert np.array_equal(page.labels[1:], before[1:])
    assert page.labels[0, 39, 31] == 1
    kept = page.labels.copy()
    again = Page(make_desk(store), tab="tab1")
    again.open(page.key)
    assert np.array_equal(again.labels, kept)
    again.done("remove", number=4)
    again.done("restore", number=4)
    assert np.array_equal(again.labels, kept)


def test_a_threshold_changes_the_last_answer_and_the_model_goes_on(store: Store, page: Page) -> None:
    page.open()
    answer = page.click(2, (12, 10), 1)
    assert truth()[2][tuple(answer["suggested"][1:])] != 0 or answer["suggested"][0] == 2
    plane = {"axis": 0, "index": 2}
    page.done("turns", turn=edit("threshold", plane=plane, value=0.999))
    strict = (page.labels == 1).sum()
    page.done("turns", turn=edit("threshold", plane=plane, value=0.001))
    assert strict < (page.labels == 1).sum()
    left = page.labels.copy()
    again = Page(make_desk(store), tab="tab1")
    again.open()
    assert np.array_equal(again.labels, left)
    again.done("turns", turn=edit("threshold", plane=plane, value=0.999))
    assert (again.labels == 1).sum() == strict
    assert page.post("turns", turn=edit("threshold", label=2, plane=plane, value=0.5)).status_code == 422


def test_the_queue_gives_order_reason_slices_and_a_start(store: Store, tmp_path: Path) -> None:
    case = store.read("case2")
    write_label_map(tmp_path / "start.nii.gz", truth(), case.spacing_mm, case.affine)
    rows = (
        QueueRow("case0", slice=3, rank=5, reason="late"),
        QueueRow("case2", slice=4, rank=0, reason="first of all", prelabel="start.nii.gz"),
        QueueRow("case2", slice=0, rank=2, reason="first of all", prelabel="start.nii.gz"),
    )
    write_queue(tmp_path / "queue.csv", Queue(rows))
    page = Page(make_desk(store, queue=tmp_path / "queue.csv"))
    assert [item["uid"] for item in page.client.get("/api/desk").json()["items"]] == ["case2", "case0"]
    content = page.open()
    assert (content["slices"], content["reason"]) == ([4, 0], "first of all")
    assert np.array_equal(page.labels, truth())
    page.click(4, (14, 8), 1, "background")
    assert page.labels[4, 14, 8] == 0
    assert page.post("finish", seen=seen_all()).status_code == 428  # slice 0 has no label
    page.done("finish", nothing_to_mark=True, seen=seen_all())
    drawn = Store(store.path).read("case2").annotations["drawn"]
    assert drawn.covered_slices == (0, 4)
    assert (drawn.labels[1:4] == IGNORE).all()
    assert np.array_equal(drawn.labels[4], page.labels[4])
    assert drawn.effort is not None
    before, after = truth()[4] == 1, page.labels[4] == 1  # the other label is as it was
    dice = 2 * (before & after).sum() / (before.sum() + after.sum())
    assert drawn.effort.prelabel_dice == pytest.approx((1 + dice) / 2, abs=1e-4)


def test_the_reason_of_every_slice_is_told(store: Store, tmp_path: Path) -> None:
    rows = (
        QueueRow("case2", slice=4, rank=0, reason="far from all others"),
        QueueRow("case2", slice=2, rank=1, reason="uncertain"),
        QueueRow("case2", slice=3, rank=2),
        QueueRow("case0", slice=-1, rank=3, reason="first of its patient"),
    )
    write_queue(tmp_path / "queue.csv", Queue(rows))
    page = Page(make_desk(store, queue=tmp_path / "queue.csv"))
    told = [(item["reason"], item["reasons"]) for item in page.client.get("/api/desk").json()["items"]]
    slices = {"4": "far from all others", "2": "uncertain"}
    assert told == [("far from all others", slices), ("first of its patient", {})]
    assert page.open()["reasons"] == slices


def prelabelled(store: Store, folder: Path) -> Page:
    """A page whose only case begins with a label map."""
    case = store.read("case2")
    write_label_map(folder / "start.nii.gz", truth(), case.spacing_mm, case.affine)
    write_queue(folder / "start.csv", Queue((QueueRow("case2", slice=-1, rank=0, prelabel="start.nii.gz"),)))
    return Page(make_desk(store, queue=folder / "start.csv"))


def test_a_prelabel_that_nobody_looked_at_is_not_the_authors(store: Store, tmp_path: Path) -> None:
    page = prelabelled(store, tmp_path)
    page.open()
    assert "looked at" in page.post("finish", seen=[]).json()["error"]
    page.done("finish", seen=[[0, 2]])
    drawn = Store(store.path).read("case2").annotations["drawn"]
    assert np.array_equal(drawn.labels[2], truth()[2])
    assert drawn.covered_slices == (2,)
    assert (np.delete(drawn.labels, 2, axis=0) == IGNORE).all()


def test_a_slice_that_was_asked_for_and_not_looked_at_is_named(store: Store, tmp_path: Path) -> None:
    page = Page(make_desk(store, queue=queue_of(tmp_path, "two.csv", 2, 4)))
    page.open()
    page.click(2, CENTRES[1], 1)
    answer = page.post("finish", seen=[[0, 2]])
    assert answer.status_code == 428
    assert answer.json() == {
        "error": "slice 4 was not looked at; go there first, or it stays unknown",
        "kind": "unseen",
    }
    answer = page.post("finish", seen=[[0, 4]])
    assert answer.json()["error"] == "slice 4 has no label; draw it, or say that there is nothing to mark"


def test_a_slice_that_was_drawn_on_counts_as_seen(store: Store, tmp_path: Path) -> None:
    page = prelabelled(store, tmp_path)
    page.open()
    page.click(3, (14, 8), 1, "background")
    square = np.zeros(SHAPE, bool)
    square[4, 0:3, 0:3] = True
    page.paint(square, 1)
    page.click(1, (12, 10), 1)
    page.done("remove", number=3)  # nothing of it stands
    page.done("finish", seen=[])
    drawn = Store(store.path).read("case2").annotations["drawn"]
    assert drawn.covered_slices == (3, 4)
    assert np.array_equal(drawn.labels[3:], page.labels[3:])


def test_a_later_queue_asks_for_more_slices_of_a_finished_case(store: Store, tmp_path: Path) -> None:
    def page_of(name: str, *slices: int) -> Page:
        write_queue(tmp_path / name, Queue(tuple(QueueRow("case2", slice=z, rank=z) for z in slices)))
        return Page(make_desk(store, queue=tmp_path / name))

    def state(page: Page) -> str:
        return str(page.client.get("/api/desk").json()["items"][0]["state"])

    first = page_of("first.csv", 2)
    first.open()
    first.click(2, (12, 10), 1)
    first.done("finish", seen=seen_all())
    assert state(first) == "finished"
    assert state(page_of("same.csv", 2)) == "finished"
    drawn = Store(store.path).read("case2").annotations["drawn"].labels
    second = page_of("second.csv", 4)  # not that of the first round again
    assert state(second) == "begun"
    second.open()
    second.click(4, (28, 20), 2)
    second.done("finish", seen=seen_all())
    assert state(second) == "finished"
    both = Store(store.path).read("case2").annotations["drawn"]
    assert both.covered_slices == (2, 4)
    assert np.array_equal(both.labels[2], drawn[2])
    assert (both.labels[4] == 2).any()


def queue_of(folder: Path, name: str, *slices: int) -> Path:
    write_queue(folder / name, Queue(tuple(QueueRow("case2", slice=z, rank=z) for z in slices)))
    return folder / name


def state_in(page: Page) -> str:
    return str(page.client.get("/api/desk").json()["items"][0]["state"])


def finish_slice(page: Page, z: int) -> None:
    page.open()
    page.click(z, CENTRES[1], 1)
    page.done("finish", seen=seen_all())


def test_a_case_that_is_skipped_in_a_later_round_does_not_come_back(store: Store, tmp_path: Path) -> None:
    finish_slice(Page(make_desk(store, queue=queue_of(tmp_path, "first.csv", 2))), 2)
    second = Page(make_desk(store, queue=queue_of(tmp_path, "second.csv", 4)))
    second.open()
    second.done("skip", reason="not readable")
    assert state_in(second) == "skipped"
    assert second.client.get("/api/next").json()["key"] is None


def test_slices_that_were_added_elsewhere_are_not_known_to_the_page(store: Store, tmp_path: Path) -> None:
    finish_slice(Page(make_desk(store, queue=queue_of(tmp_path, "first.csv", 2))), 2)
    revised = truth()
    revised[[0, 1, 3]] = IGNORE
    elsewhere = Annotation(revised, Kind.DENSE, covered_slices=(2, 4))
    store.add_annotation("case2", "drawn", elsewhere, replace=True)
    second = Page(make_desk(store, queue=queue_of(tmp_path, "second.csv", 3)))
    assert state_in(second) == "begun"
    finish_slice(second, 3)
    drawn = Store(store.path).read("case2").annotations["drawn"]
    assert drawn.covered_slices == (2, 3)
    assert (drawn.labels[4] == IGNORE).all()


def test_a_whole_case_is_asked_for_after_its_slices(store: Store, tmp_path: Path) -> None:
    finish_slice(Page(make_desk(store, queue=queue_of(tmp_path, "first.csv", 2))), 2)
    states = {item["uid"]: item["state"] for item in make_desk(store).overview("ann")["items"]}
    assert states["case2"] == "begun"


def test_a_case_that_someone_else_finished_is_not_offered_again(store: Store) -> None:
    desk = make_desk(store, lease_s=0.0)
    ann, ben = Page(desk), Page(desk, token="token-of-ben", tab="tab2")
    ann.open()
    ann.click(2, CENTRES[1], 1)
    ben.open(ann.key)
    ben.click(2, CENTRES[1], 1)
    ben.done("finish", seen=seen_all())
    assert ann.client.get("/api/next").json()["key"] != ann.key


def test_a_damaged_journal_does_not_stop_the_desk(store: Store) -> None:
    page = Page(make_desk(store))
    page.open()
    page.click(2, (12, 10), 1)
    journal = next(path for path in store.path.rglob("*.jsonl"))
    journal.write_text("no line of a journal\n" + journal.read_text())
    desk = make_desk(store)
    assert {item["key"]: item["state"] for item in desk.overview("ann")["items"]}[page.key] == "begun"
    assert desk.next_key("ann") is not None


def test_a_damaged_case_does_not_stop_the_desk(store: Store, tmp_path: Path) -> None:
    finish_slice(Page(make_desk(store, queue=queue_of(tmp_path, "first.csv", 2))), 2)
    journal = next(path for path in store.path.rglob("*.jsonl"))
    journal.write_text(journal.read_text().replace(', "slices": [2]', "").replace('"slices":[2],', ""))  # of before
    store.case_path("case2").write_bytes(b"damaged")
    assert state_in(Page(make_desk(store, queue=queue_of(tmp_path, "second.csv", 4)))) == "begun"


def test_a_case_that_was_annotated_elsewhere_is_finished_for_any_queue(store: Store, tmp_path: Path) -> None:
    store.add_annotation("case2", "drawn", store.read("case2").annotations["dense"])
    write_queue(tmp_path / "queue.csv", Queue((QueueRow("case2", slice=4, rank=0),)))
    assert make_desk(store, queue=tmp_path / "queue.csv").overview("ann")["items"][0]["state"] == "finished"


def test_the_end_tells_what_is_in_the_store_and_the_next_command(store: Store) -> None:
    page = Page(make_desk(store))
    desk = make_desk(store)
    assert _what_now(desk, ["ann"]) == [
        f"0 of 3 cases are finished as 'drawn' in {store.path}",
        "next: the same command again; what was begun is kept",
    ]
    page.open()
    page.click(2, (12, 10), 1)
    page.done("finish", seen=seen_all())
    assert _what_now(desk, ["ann", "ben"]) == [
        f"1 of 3 cases are finished as 'drawn' in {store.path}",
        f"next: lesslabel verify {store.path} --propose FILE.yaml --annotation drawn",
    ]


def outline(mask: np.ndarray, label: int = 1, z: int = 2) -> dict[str, object]:
    runs = Runs.of_voxels(np.flatnonzero(mask)).encode()
    return {"type": "outline", "label": label, "plane": {"axis": 0, "index": z}, "runs": runs}


def test_an_outline_is_what_the_label_is_on_its_slice_and_nothing_else(store: Store, page: Page) -> None:
    page.open()
    page.click(2, (12, 10), 1)
    page.click(2, (28, 20), 2)
    page.click(3, (12, 10), 1)
    before = page.labels.copy()
    moved = np.zeros(SHAPE, bool)
    moved[2, 12:30, 10:20] = True  # over a part of the other label
    page.done("turns", turn=outline(moved))
    assert np.array_equal(page.labels[3], before[3])
    assert np.array_equal(page.labels == 2, before == 2)
    assert np.array_equal(page.labels[2] == 1, moved[2] & (before[2] != 2))
    again = Page(make_desk(store), tab="tab1")
    content = again.open(page.key)
    assert np.array_equal(again.labels, page.labels)
    assert content["turns"][-1]["turn"] == {"type": "outline", "label": 1, "plane": {"axis": 0, "index": 2}}
    page.done("remove", number=4)
    assert np.array_equal(page.labels, before)
    assert "other slices" in page.post("turns", turn=outline(moved, z=3)).json()["error"]


def test_uncertainty_comes_for_the_slice_on_screen(store: Store, page: Page) -> None:
    page.open()
    url, where = f"/api/cases/{page.key}/uncertainty", {"label": 1, "axis": 0, "index": 2}
    assert page.client.get(url, params=where).json() == {"uncertainty": None}
    page.click(2, (12, 10), 1)
    answer = page.client.get(url, params=where)
    levels = answer.json()["uncertainty"]
    assert (levels["block"], levels["shape"], len(levels["levels"])) == (1, [40, 32], 3)
    case = store.read("case0")
    seen = TrainingFree().prepare_image(case.image[:, 2], case.spacing_mm[1:]).answer(History(((Click((12, 10)),),)))
    most = np.flatnonzero(seen.uncertainty >= 0.75 * seen.uncertainty.max())
    assert np.array_equal(Runs.decode(levels["levels"][2], 40 * 32).voxels, most)
    assert len(answer.content) < 30_000
    assert page.client.get(url, params=where | {"label": 2}).json() == {"uncertainty": None}
    assert page.client.get(url, params=where | {"index": 99}).status_code == 422
    again = Page(make_desk(store), tab="tab1")  # the answer is not in the journal: the model is asked again
    again.open(page.key)
    assert again.client.get(url, params=where).json()["uncertainty"] == levels


def test_a_model_is_not_shown_voxels_that_are_no_numbers(tmp_path: Path) -> None:
    case = make_case(0)
    case.image[0, 2, 3, 4] = np.nan
    page = Page(make_desk(make_store(tmp_path / "store", [case])))
    page.open()
    click = {"type": "click", "version": 1, "position": [12, 10], "side": "foreground"}
    turn = {"type": "prompts", "label": 1, "plane": {"axis": 0, "index": 2}, "prompts": [click]}
    answer = page.post("turns", turn=turn)
    assert (answer.status_code, answer.json()["error"].partition(",")[0]) == (
        422,
        "the image has 1 voxels that are NaN or infinite",
    )
    mask = np.zeros(SHAPE, np.bool_)
    mask[2, 3:5, 3:5] = True
    page.paint(mask, 1)  # a person may still draw


def test_levels_of_noise_stay_small() -> None:
    noise = np.random.default_rng(0).random((512, 512)).astype(np.float32)
    levels = levels_to_json(noise)
    assert sum(map(len, levels["levels"])) <= LARGEST_BYTES
    assert levels["block"] > 1
    one = np.zeros((7, 5), np.float32)
    one[6, 4], one[0, 0] = 1.0, 0.3
    assert [Runs.decode(runs, 35).voxels.tolist() for runs in levels_to_json(one)["levels"]] == [[0], [], [34]]
    assert levels_to_json(one * 0)["levels"] == ["", "", ""]


def edit(what: str, label: int = 1, plane: object = None, value: float | None = None) -> dict[str, object]:
    return {"type": "edit", "what": what, "label": label, "plane": plane, "value": value}
