from dataclasses import replace
from pathlib import Path

import pytest
from handmade_store import Handmade, make_case

from lesslabel.data.sources.base import RawCase
from lesslabel.data.sources.phantom import Phantom
from lesslabel.data.store.prepare import Skipped, prepare
from lesslabel.errors import DataError

CASES = [make_case(number) for number in range(4)]


def test_same_content_with_any_number_of_workers(tmp_path: Path) -> None:
    source = Phantom(cases=4, size=32, depth=2)
    stores = [prepare(source, tmp_path / name, workers=workers)[0] for name, workers in (("a", 0), ("b", 0), ("c", 2))]
    contents = [
        {path.relative_to(store.path): path.read_bytes() for path in store.path.rglob("*.*")} for store in stores
    ]
    assert len(contents[0]) == 4 + 2
    assert contents[0] == contents[1] == contents[2]
    assert stores[0].data_hash == stores[2].data_hash


def test_an_existing_folder_is_kept(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    with pytest.raises(DataError, match="exists already; choose another folder"):
        prepare(Handmade(CASES), tmp_path / "store")
    assert list((tmp_path / "store").iterdir()) == []


@pytest.mark.parametrize("workers", [0, 2])
def test_a_damaged_case_stops_and_leaves_nothing(tmp_path: Path, workers: int) -> None:
    source = Handmade(CASES, damaged=["case2"])
    with pytest.raises(DataError, match=r"case2\.nii\.gz: cut short; copy it again \(or pass --skip-damaged"):
        prepare(source, tmp_path / "store", workers=workers)
    assert list(tmp_path.iterdir()) == []


def test_damaged_cases_are_left_out_when_asked(tmp_path: Path) -> None:
    source = Handmade(CASES, damaged=["case0", "case2"])
    store, skipped = prepare(source, tmp_path / "store", skip_damaged=True)
    assert skipped == [Skipped(uid, f"{uid}.nii.gz: cut short; copy it again") for uid in ("case0", "case2")]
    assert list(store.records) == ["case1", "case3"]
    assert store.fingerprint["cases"] == 2
    assert store.data_hash == prepare(Handmade([CASES[1], CASES[3]]), tmp_path / "two")[0].data_hash


def test_a_store_without_cases_is_refused(tmp_path: Path) -> None:
    source = Handmade(CASES[:1], damaged=["case0"])
    with pytest.raises(DataError, match=r"no case could be prepared; first reason: case0\.nii\.gz"):
        prepare(source, tmp_path / "store", skip_damaged=True)
    with pytest.raises(DataError, match="the source lists no case"):
        prepare(Handmade([]), tmp_path / "store")
    assert list(tmp_path.iterdir()) == []


class ListedTwice(Handmade):
    def list_cases(self) -> list[RawCase]:
        return [*super().list_cases(), *super().list_cases()]


class Renaming(Handmade):
    def read(self, raw: RawCase) -> object:
        return replace(super().read(raw), uid="case0")


class Unreadable(Handmade):
    def read(self, raw: RawCase) -> object:
        raise PermissionError(13, "Permission denied", f"{raw.uid}.nii.gz")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (ListedTwice(CASES), "case 'case0' is listed twice"),
        (Renaming(CASES), "lists case 'case1' and reads it as 'case0'"),
        (Unreadable(CASES), r"case 'case0': \[Errno 13\] Permission denied: 'case0.nii.gz'"),
    ],
    ids=["listed twice", "renamed", "no right to read"],
)
def test_a_source_that_contradicts_itself_is_named(tmp_path: Path, source: Handmade, message: str) -> None:
    with pytest.raises(DataError, match=message):
        prepare(source, tmp_path / "store")
    assert list(tmp_path.iterdir()) == []


def test_progress_counts_every_case(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    source = Handmade(CASES, damaged=["case1"])
    prepare(source, tmp_path / "store", skip_damaged=True, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_an_interruption_leaves_nothing(tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        if done == total // 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(Handmade(CASES), tmp_path / "store", workers=2, progress=interrupt)
    assert list(tmp_path.iterdir()) == []
