"""Learning between two cases: off unless asked for, in one process, its weights for the next case alone."""

import json
import logging
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from desks import CENTRES, SHAPE, Page, seen_all, truth

from lesslabel.annotating.assistant import Assistant
from lesslabel.annotating.desk import Desk
from lesslabel.annotating.drawing import Drawing
from lesslabel.annotating.journal import Journal
from lesslabel.annotating.learned_weights import NEWEST, LearnedWeights
from lesslabel.annotating.learner import NICENESS, Learner
from lesslabel.annotating.learning import learn
from lesslabel.annotating.models import open_model
from lesslabel.annotating.served_models import ServedModels
from lesslabel.annotating.task import Task, work_folder
from lesslabel.annotating.turns import turn_from_json
from lesslabel.data.case import Kind
from lesslabel.data.store import Store
from lesslabel.errors import ConfigError, DataError, RunError
from lesslabel.files import hash_file
from lesslabel.general.loading import WEIGHTS, load_general
from lesslabel.processes import python_command

PACKAGE = hash_file(WEIGHTS)


def desk_of(store: Store, **task: Any) -> Desk:
    return Desk(store, Task("drawn", **task), open_model("general", store))


def learner_of(desk: Desk) -> Learner:
    assert desk._learner is not None
    return desk._learner


def weights_of(store: Store) -> LearnedWeights:
    return LearnedWeights(work_folder(store.path, "drawn"))


def taught(store: Store, factor: float = 1.02) -> str:
    """Other weights, as if they had been learned."""
    state = load_general().model.state_dict()  # type: ignore[attr-defined]
    return weights_of(store).keep({name: value * factor for name, value in state.items()}, {"from": PACKAGE})


def models_in(store: Store, page: Page) -> list[Mapping[str, str]]:
    events = Journal(work_folder(store.path, "drawn") / f"{page.key}.ann.jsonl").events
    return [event["model"] for event in events if "model" in event]


def work_off(page: Page) -> None:
    """A robot's case: a click in each disk, what is missing or too much is painted."""
    for label, centre in CENTRES.items():
        page.click(2, centre, label)
    for value in (0, 1, 2):
        wrong = (truth() == value) & (page.labels != value)
        if wrong.any():
            page.paint(wrong, value)
    page.done("finish", seen=seen_all())


def asked_again(store: Store, page: Page) -> np.ndarray:
    """The label map of a journal, by the model that it names."""
    case, events = store.read("case0"), Journal(work_folder(store.path, "drawn") / f"{page.key}.ann.jsonl").events
    models = ServedModels(open_model("general", store), store, work_folder(store.path, "drawn"))
    models.take_up()
    model = models.model_for(events)
    assert model is not None
    drawing = Drawing(np.zeros(SHAPE, np.uint8), 0, Assistant(model, case))
    for event in events:
        if event["event"] == "turn":
            drawing.apply(event["number"], turn_from_json(event["turn"], SHAPE, (0, 1, 2)))
    return drawing.labels


@pytest.mark.slow
def test_the_second_case_is_answered_by_what_was_learned_of_the_first(store: Store) -> None:
    desk = desk_of(store, learn=2)
    page = Page(desk)
    page.open()
    assert desk.overview("ann")["learning"] == {"at_work": False, "cases": 0}
    work_off(page)
    assert desk.overview("ann")["learning"] == {"at_work": True, "cases": 0}
    assert models_in(store, page) == [{"name": "general", "weights": PACKAGE}]
    assert learner_of(desk).wait(600)
    assert desk.overview("ann")["learning"] == {"at_work": False, "cases": 1}
    newest = weights_of(store).newest()
    assert newest is not None
    assert newest != PACKAGE
    page.open()
    page.click(2, CENTRES[1], 1)
    assert models_in(store, page) == [{"name": "general", "weights": newest}]
    note = json.loads((work_folder(store.path, "drawn") / "weights" / NEWEST).read_text())
    assert note == {"sha256": newest, "from": PACKAGE, "steps": 2, "cases": 1}
    work_off(page)
    assert learner_of(desk).wait(600)
    assert weights_of(store).newest() not in (newest, PACKAGE)
    desk.end()


def test_nothing_is_started_unless_asked_for(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("subprocess.Popen", lambda *_, **__: pytest.fail("a process was started"))
    taught(store)
    desk = desk_of(store)
    page = Page(desk)
    page.open()
    work_off(page)
    page.open()
    page.click(2, CENTRES[1], 1)
    assert models_in(store, page) == [{"name": "general", "weights": PACKAGE}]
    assert threading.active_count() < 10


def test_a_begun_case_keeps_its_weights_and_its_journal_gives_the_same_mask(store: Store) -> None:
    desk = desk_of(store, learn=1)
    page = Page(desk)
    page.open()
    page.click(2, CENTRES[1], 1)
    newest = taught(store)
    desk._models.take_up()
    page.click(2, (9, 8), 1, "background")
    again = Page(desk_of(store, learn=1))  # after a restart
    again.open(page.key)
    again.click(2, CENTRES[2], 2)
    assert models_in(store, again) == [{"name": "general", "weights": PACKAGE}]
    np.testing.assert_array_equal(asked_again(store, again), again.labels)
    other = Page(desk_of(store, learn=1), tab="tab2")
    other.open(next(key for key in desk._items if key != page.key))
    other.click(2, CENTRES[1], 1)
    assert models_in(store, other) == [{"name": "general", "weights": newest}]


def test_learned_weights_answer_the_replay_also_without_learning(store: Store) -> None:
    newest = taught(store, 1.3)
    page = Page(desk_of(store, learn=1))
    page.open()
    page.click(2, CENTRES[1], 1)
    taught(store, 0.7)
    again = Page(desk_of(store))
    again.open(page.key)
    again.click(2, (9, 8), 1, "background")
    assert models_in(store, again) == [{"name": "general", "weights": newest}]
    np.testing.assert_array_equal(asked_again(store, again), again.labels)


def test_a_journal_says_when_other_weights_go_on(store: Store) -> None:
    page = Page(desk_of(store, learn=1))
    page.open()
    page.click(2, CENTRES[1], 1)
    path = work_folder(store.path, "drawn") / f"{page.key}.ann.jsonl"
    path.write_text(path.read_text().replace(PACKAGE, "0" * 64))
    again = Page(desk_of(store, learn=1))
    again.open(page.key)
    assert [model["weights"] for model in models_in(store, again)] == ["0" * 64], "looking changes nothing"
    again.click(2, CENTRES[2], 2)
    again.click(2, CENTRES[2], 2)
    assert [model["weights"] for model in models_in(store, again)] == ["0" * 64, PACKAGE]


def test_damaged_weights_leave_the_old_ones(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    newest = taught(store)
    path = weights_of(store).path_of(newest)
    assert path is not None
    path.write_bytes(path.read_bytes()[:-1])
    with caplog.at_level(logging.WARNING):
        desk = desk_of(store, learn=1)
    assert re.fullmatch(r"learning: .*changed since it was written; remove it; the page goes on .*", caplog.messages[0])
    page = Page(desk)
    page.open()
    page.click(2, CENTRES[1], 1)
    assert models_in(store, page) == [{"name": "general", "weights": PACKAGE}]


@pytest.mark.parametrize("content", ["{", "[]", '{"sha256": "../../secret"}', '{"sha256": 3}'])
def test_a_forged_note_names_no_file(store: Store, content: str) -> None:
    taught(store)
    note = work_folder(store.path, "drawn") / "weights" / NEWEST
    note.write_text(content)
    with pytest.raises(DataError, match=NEWEST):
        weights_of(store).newest()
    for digest in ("../../secret", "", None, PACKAGE):
        assert weights_of(store).path_of(digest) is None


def test_a_link_is_no_weights(store: Store) -> None:
    path = work_folder(store.path, "drawn") / "weights" / f"{PACKAGE}.safetensors"
    path.parent.mkdir(parents=True)
    path.symlink_to(WEIGHTS)
    assert weights_of(store).path_of(PACKAGE) is None


def test_weights_appear_whole_or_not_at_all(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    first = taught(store)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(DataError, match="No space left"):
        taught(store, 1.1)
    monkeypatch.undo()
    assert weights_of(store).newest() == first
    assert weights_of(store).cases() == 0, "the note says nothing of them"
    assert [path.name for path in (work_folder(store.path, "drawn") / "weights").glob("*.safetensors")] == [
        f"{first}.safetensors"
    ]
    with pytest.raises(RunError, match="not finite"):
        taught(store, float("nan"))


def test_it_learns_in_this_process_too_and_refuses_unknown_weights(store: Store) -> None:
    assert learn(store.path, "drawn", PACKAGE, 1) is None, "nothing is drawn yet"
    with pytest.raises(RunError, match="no weights with sha256"):
        learn(store.path, "dense", "0" * 64, 1)
    digest = learn(store.path, "dense", PACKAGE, 1)
    assert digest == learn(store.path, "dense", PACKAGE, 1), "the same from the same"
    assert LearnedWeights(work_folder(store.path, "dense")).newest() == digest


@pytest.mark.slow
def test_the_process_says_in_one_line_why_it_failed(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    served = [str(store.path), "drawn", "0" * 64, "1"]
    learner = Learner(lambda: [*python_command("lesslabel.annotating.learning_process"), *served], lambda: None)
    with caplog.at_level(logging.WARNING):
        learner.start()
        assert learner.wait(600)
    assert caplog.messages == [
        f"learning: failed (no weights with sha256 {'0' * 64}; start the page again); "
        "the page goes on with the weights it has"
    ]


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import sys; sys.exit('a reason\\nthe last line')", "the last line"),
        ("import os; os.kill(os.getpid(), 9)", "exit status -9"),
    ],
)
def test_a_failure_is_one_line(code: str, said: str, caplog: pytest.LogCaptureFixture) -> None:
    learner = Learner(lambda: [sys.executable, "-c", code], lambda: pytest.fail("it failed"))
    with caplog.at_level(logging.WARNING):
        learner.start()
        assert learner.wait(60)
    assert caplog.messages == [f"learning: failed ({said}); the page goes on with the weights it has"]
    caplog.clear()
    missing = Learner(lambda: ["/nowhere/python"], lambda: None)
    missing.start()
    assert missing.wait(60)
    assert "No such file" in caplog.messages[0]


def test_one_process_at_a_time_and_once_more_if_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = tmp_path / "record"
    code = (
        "import os, time; file = open(os.environ['RECORD'], 'a'); file.write(f'begin {os.nice(0)}\\n'); file.flush(); "
        "time.sleep(0.5); file.write('end\\n')"
    )
    monkeypatch.setenv("RECORD", str(record))
    times: list[float] = []
    learner = Learner(lambda: [sys.executable, "-c", code], lambda: times.append(time.monotonic()))
    for _ in range(5):
        learner.start()
        time.sleep(0.02)
    assert learner.wait(60)
    assert record.read_text().split("\n") == [*[f"begin {os.nice(0) + NICENESS}", "end"] * 2, ""]
    assert len(times) == 2


@pytest.mark.slow
def test_it_ends_with_the_page_and_with_a_killed_server(tmp_path: Path) -> None:
    sleeping = Learner(lambda: [sys.executable, "-c", "import time; time.sleep(600)"], lambda: pytest.fail("ended"))
    sleeping.start()
    time.sleep(0.3)
    sleeping.end()
    assert sleeping.wait(10)
    pid = tmp_path / "pid"
    server = f"""
import sys, time
from pathlib import Path
from lesslabel.annotating.learner import Learner
code = ("import os, time; from lesslabel.processes import end_with_input; end_with_input();"
        "open({str(pid)!r} + '.part', 'w').write(str(os.getpid())); os.rename({str(pid)!r} + '.part', {str(pid)!r});"
        "time.sleep(600)")
Learner(lambda: [sys.executable, "-c", code], lambda: None).start()
time.sleep(600)
"""
    process = subprocess.Popen([sys.executable, "-c", server])
    until = time.monotonic() + 200
    while not pid.exists() and time.monotonic() < until:
        time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    learner = int(pid.read_text())
    assert time.monotonic() < until
    until = time.monotonic() + 20
    while Path(f"/proc/{learner}").exists() and time.monotonic() < until:
        status = Path(f"/proc/{learner}/stat")
        if status.exists() and status.read_text().split()[2] == "Z":
            break
        time.sleep(0.1)
    assert time.monotonic() < until


def test_what_cannot_learn_is_refused_in_one_line(store: Store) -> None:
    with pytest.raises(ConfigError, match="--learn: training-free cannot learn"):
        Desk(store, Task("drawn", learn=5), open_model("training-free", store))
    with pytest.raises(ConfigError, match="--learn: none cannot learn"):
        Desk(store, Task("drawn", Kind.SCRIBBLE, learn=5), None)
    with pytest.raises(ConfigError, match="leave --second-reading out"):
        Task("drawn", second_reading=True, learn=5)
    with pytest.raises(ConfigError, match="--learn -1"):
        Task("drawn", learn=-1)
    with pytest.raises(ConfigError, match="printable name"):
        Task("..")


def test_a_case_that_was_only_looked_at_is_opened_with_the_newest_weights(store: Store) -> None:
    desk = desk_of(store, learn=1)
    page = Page(desk)
    page.open()
    newest = taught(store)
    desk._models.take_up()
    page.open(page.key)
    page.click(2, CENTRES[1], 1)
    assert models_in(store, page)[-1] == {"name": "general", "weights": newest}


def test_what_was_asked_for_while_a_run_failed_is_done() -> None:
    done: list[int] = []
    asked: list[int] = []

    def command() -> list[str]:
        asked.append(1)
        if len(asked) > 1:
            return [sys.executable, "-c", "pass"]
        learner.start()  # another case is finished while this run begins, and fails
        return ["/nowhere/python"]

    learner = Learner(command, lambda: done.append(1))
    learner.start()
    assert learner.wait(60)
    assert done == [1]


def test_weights_that_cannot_be_read_or_locked_are_one_line(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = taught(store)

    def refused(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("lesslabel.annotating.learned_weights.hash_file", refused)
    with pytest.raises(RunError, match="cannot be read"):
        weights_of(store).path_of(digest)
    monkeypatch.setattr(Path, "mkdir", refused)
    with pytest.raises(DataError, match="cannot be written"), weights_of(store).locked():
        pass


def test_a_journal_with_damaged_weights_is_answered_by_the_newest(store: Store) -> None:
    page = Page(desk_of(store, learn=1))
    page.open()
    page.click(2, CENTRES[1], 1)
    path = work_folder(store.path, "drawn") / f"{page.key}.ann.jsonl"
    path.write_text(path.read_text().replace(f'"{PACKAGE}"', '["x"]'))
    again = Page(desk_of(store, learn=1))
    again.open(page.key)
    again.click(2, CENTRES[2], 2)
    assert models_in(store, again)[-1] == {"name": "general", "weights": PACKAGE}
