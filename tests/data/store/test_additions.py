"""Annotations are added to all cases or to none, whatever is killed when."""

import fcntl
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from handmade_store import SHAPE, annotated, make_case, make_store

from lesslabel.data.case import IGNORE, Annotation, Kind
from lesslabel.data.store import Store
from lesslabel.data.store.fingerprint import retotal_annotations
from lesslabel.data.verify.store_check import verify_store
from lesslabel.errors import DataError


def drawing(seed: int = 0, **settings: object) -> Annotation:
    """Noise, with something unknown; no stroke can disagree with what is not dense."""
    labels = np.random.default_rng(seed).choice([0, 1, 2, 3, IGNORE], SHAPE).astype(np.uint8)
    return Annotation(labels, Kind.PSEUDO, "rater 1", "2026-01-31T12:00:00+00:00", **settings)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return make_store(tmp_path / "store", [make_case(number) for number in range(3)])


def assert_same_store(store: Store, expected: Store) -> None:
    """Records, hashes and totals are those of a store that was prepared so."""
    for found in (store, Store(store.path)):
        assert found.records == expected.records
        assert found.fingerprint == expected.fingerprint
        assert found.data_hash == expected.data_hash


def test_a_store_after_an_addition_is_one_that_was_prepared_with_it(store: Store, tmp_path: Path) -> None:
    before = store.data_hash
    store.add_annotation("case1", "rater1", drawing(1, covered_slices=(0, 2)))
    store.add_annotations("pseudo/x", ((f"case{number}", drawing(number)) for number in (2, 0)))
    cases = {number: make_case(number) for number in range(3)}
    added = {0: {"pseudo/x": drawing(0)}, 1: {"rater1": drawing(1, covered_slices=(0, 2))}, 2: {"pseudo/x": drawing(2)}}
    expected = [replace(case, annotations={**case.annotations, **added[number]}) for number, case in cases.items()]
    assert_same_store(store, make_store(tmp_path / "expected", expected))
    assert store.data_hash != before
    assert verify_store(store.path) == []
    assert sorted(entry.name for entry in store.path.iterdir()) == [".lock", "cases", "cases.csv", "fingerprint.json"]
    found = store.read("case1").annotations["rater1"]
    np.testing.assert_array_equal(found.labels, drawing(1).labels)
    assert (found.author, found.time, found.covered_slices) == ("rater 1", "2026-01-31T12:00:00+00:00", (0, 2))
    assert store.covered_slices("case1", "rater1") == (0, 2)


def test_nothing_is_overwritten(store: Store, tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"case case0: has an annotation 'dense' already; .* keeps the old one as 'dense@1'"
    ):
        store.add_annotation("case0", "dense", drawing())
    for seed in (1, 2):
        store.add_annotation("case0", "dense", drawing(seed), replace=True)
    old = make_case(0).annotations
    annotations = {**old, "dense@1": old["dense"], "dense@2": drawing(1), "dense": drawing(2)}
    cases = [replace(make_case(0), annotations=annotations), make_case(1), make_case(2)]
    assert_same_store(store, make_store(tmp_path / "expected", cases))
    assert verify_store(store.path) == []


def test_a_change_is_on_the_disk_before_it_counts(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    on_disk: set[int] = set()
    sync, replace_file = os.fsync, os.replace
    places = {store.path, store.path / "cases"}

    def synced(descriptor: int) -> None:
        on_disk.add(os.fstat(descriptor).st_ino)
        sync(descriptor)

    def replaced(source: Path, target: Path) -> None:
        if target.parent in places:
            parts = [source, *source.rglob("*")]
            assert {part.stat().st_ino for part in parts} <= on_disk, f"{source} may be empty after a power cut"
        replace_file(source, target)
        on_disk.difference_update(place.stat().st_ino for place in places)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", replaced)
    store.add_annotations("rater1", [("case1", drawing(1)), ("case2", drawing(2))])
    assert {place.stat().st_ino for place in places} <= on_disk, "the names may be lost after a power cut"


def test_totals_follow_one_case() -> None:
    totals = {"dense": {"cases": 1, "voxels": {"0": 470, "2": 10}}, "other": {"cases": 2, "voxels": {"unknown": 3}}}
    before = replace(make_case(0), annotations={"dense": Annotation(np.zeros(SHAPE, np.uint8), Kind.DENSE)})
    before.annotations["dense"].labels[0, 0] = 2
    after = annotated(before, "dense", labels=np.full(SHAPE, IGNORE, np.uint8))
    assert retotal_annotations(totals, before, after) == {
        "dense": {"cases": 1, "voxels": {"unknown": 480}},
        "other": totals["other"],
    }
    assert retotal_annotations(totals, before, replace(before, annotations={})) == {"other": totals["other"]}


@pytest.mark.parametrize(
    ("annotation", "message"),
    [
        (replace(drawing(), labels=np.full(SHAPE, 9, np.uint8)), "'new' has label 9, the store knows 1, 2, 3"),
        (replace(drawing(), labels=np.full(SHAPE, IGNORE, np.uint8)), "every voxel of 'new' is unknown"),
        (replace(drawing(), labels=np.zeros(SHAPE)), "annotation 'new' is float64; label maps are uint8"),
        (replace(drawing(), labels=np.zeros((4, 12, 9), np.uint8)), r"annotation 'new' has shape \(4, 12, 9\)"),
        (drawing(covered_slices=(3, 4)), "'new' covers slices 4, the image has 0 to 3"),
        (drawing(confidence=np.full(SHAPE, 2.0, np.float32)), "confidence of 'new' is not within"),
    ],
)
def test_what_does_not_fit_leaves_the_store_as_it_was(store: Store, annotation: Annotation, message: str) -> None:
    before = Store(store.path)
    with pytest.raises(DataError, match=message):
        store.add_annotations("new", [("case0", drawing()), ("case1", annotation)])
    assert_same_store(store, before)
    assert verify_store(store.path) == []


def test_strange_cases_and_names_are_refused(store: Store) -> None:
    with pytest.raises(DataError, match="no case 'case9'"):
        store.add_annotation("case9", "new", drawing())
    with pytest.raises(DataError, match="two annotations 'new' for case 'case0'"):
        store.add_annotations("new", [("case0", drawing()), ("case0", drawing(1))])
    with pytest.raises(DataError, match=r"cannot be named 'a\|b'"):
        store.add_annotation("case0", "a|b", drawing())
    assert verify_store(store.path) == []


def test_a_damaged_case_gets_no_new_hash(store: Store) -> None:
    shutil.copy(store.case_path("case1"), store.case_path("case0"))
    with pytest.raises(DataError, match=r"case0\.h5: differs from the table of cases; run `lesslabel verify"):
        store.add_annotation("case0", "new", drawing())


# Killed, and two at once ------------------------------------------------------------------------------------------


def run_apart(work: Callable[[], object]) -> int | None:
    """Run something in a process of its own; its exit code."""
    process = get_context("fork").Process(target=work)
    process.start()
    process.join()
    return process.exitcode


def add_and_be_killed(path: Path, moment: int, monkeypatch: pytest.MonkeyPatch) -> int | None:
    """Add to two cases and die just before the n-th file is moved or the last folder removed; 9 if it came to that."""

    def work() -> None:
        moves = 0
        replace_file, remove_tree = Path.replace, shutil.rmtree

        def count() -> None:
            nonlocal moves
            moves += 1
            if moves > moment:
                os._exit(9)

        def counted_replace(self: Path, target: Path) -> Path:
            count()
            return replace_file(self, target)

        def counted_rmtree(path: Path) -> None:
            count()
            remove_tree(path)

        store = Store(path)
        monkeypatch.setattr(Path, "replace", counted_replace)
        monkeypatch.setattr(shutil, "rmtree", counted_rmtree)
        store.add_annotations("new", [("case0", drawing(0)), ("case2", drawing(2))])

    return run_apart(work)


def test_killed_at_any_moment_the_store_is_old_or_new(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = tmp_path / "new"
    shutil.copytree(store.path, made)
    Store(made).add_annotations("new", [("case0", drawing(0)), ("case2", drawing(2))])
    hashes = {"old": store.data_hash, "new": Store(made).data_hash}
    found = []
    for moment in range(20):
        path = tmp_path / f"killed{moment}"
        shutil.copytree(store.path, path)
        exit_code = add_and_be_killed(path, moment, monkeypatch)
        opened = Store(path)
        state = next(name for name, value in hashes.items() if value == opened.data_hash)
        found.append(state)
        assert_same_store(opened, Store(made) if state == "new" else store)
        findings = verify_store(path)
        assert [(finding.case, finding.severity) for finding in findings] in ([], [(".update.part", "warning")])
        if state == "old":
            opened.add_annotations("new", [("case0", drawing(0)), ("case2", drawing(2))])
        assert_same_store(opened, Store(made))
        assert verify_store(path) == []
        if exit_code == 0:
            break
    assert exit_code == 0
    # two cases, table, fingerprint and the decision are written aside; then four files are moved and a folder removed
    assert found == ["old"] * 5 + ["new"] * 6


def test_a_second_writer_is_refused_and_lifts_no_lock(store: Store) -> None:
    with (store.path / ".lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        for _ in range(2):
            with pytest.raises(DataError, match="another process is adding annotations; wait for its end"):
                store.add_annotation("case0", "new", drawing())
    store.add_annotation("case0", "new", drawing())


def test_writers_at_the_same_time_lose_nothing(store: Store) -> None:
    def add(name: str) -> None:
        while True:
            try:
                return Store(store.path).add_annotation("case0", name, drawing())
            except DataError as error:
                assert "another process" in str(error)  # noqa: PT017  until it is our turn

    processes = [get_context("fork").Process(target=add, args=(f"rater{number}",)) for number in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert Store(store.path).records["case0"].annotation_names == ("dense", "rater0", "rater1", "rater2", "scribble")
    assert verify_store(store.path) == []


def test_a_store_that_cannot_be_written_is_named(store: Store) -> None:
    (store.path / ".lock").mkdir()
    with pytest.raises(DataError, match=r"cannot be written .*; an addition needs write access"):
        store.add_annotation("case0", "new", drawing())
