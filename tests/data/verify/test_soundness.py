"""What verify calls an error, no command takes; what verify warns of, every command takes."""

import ast
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import h5py
import numpy as np
import pytest
from handmade_store import annotated, edit_row, make_case, make_store
from test_verify_checks import BAD_CASES, imaged

from lesslabel.data.findings import Finding
from lesslabel.data.loading.module import SegmentationDataModule
from lesslabel.data.store import Store, annotation_checks
from lesslabel.data.verify import case_checks, soundness
from lesslabel.data.verify.soundness import keep_sound, require_sound
from lesslabel.data.verify.store_check import verify_store
from lesslabel.data.view import Supervision, View
from lesslabel.errors import DataError

UIDS = [f"case{number}" for number in range(4)]


def remove(store: Store) -> None:
    store.case_path("case3").unlink()


def cut_short(store: Store) -> None:
    path = store.case_path("case3")
    path.write_bytes(path.read_bytes()[:-100])


def retype(store: Store) -> None:
    with h5py.File(store.case_path("case3"), "r+") as file:
        labels = file["annotations/dense/labels"][()].astype(np.int32)
        del file["annotations/dense/labels"]
        file.create_dataset("annotations/dense/labels", data=labels, chunks=True)


def copy_over(store: Store) -> None:
    store.case_path("case3").write_bytes(store.case_path("case2").read_bytes())


def change_a_voxel(store: Store) -> None:
    with h5py.File(store.case_path("case3"), "r+") as file:
        file["image"][0, 0, 0, 0] = 5.0


def remove_a_row(store: Store) -> None:
    path = store.path / "cases.csv"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))


BAD_STORES: dict[str, Callable[[Store], None]] = {
    "file removed": remove,
    "file cut short": cut_short,
    "labels as another type": retype,
    "file of another case": copy_over,
    "a voxel changed": change_a_voxel,
    "row removed": remove_a_row,
    "row of another shape": lambda store: edit_row(store, "case3", depth="9"),
    "row of another spacing": lambda store: edit_row(store, "case3", spacing_x_mm="9.0"),
    "row of another patient": lambda store: edit_row(store, "case3", patient="somebody"),
    "row of other annotations": lambda store: edit_row(store, "case3", annotations="dense"),
    "row of another centre": lambda store: edit_row(store, "case3", centre="York"),
}


@pytest.fixture
def make(tmp_path: Path) -> Callable[[str], Store]:
    """A store of four cases, with one thing wrong in the last or in the table."""

    def build(name: str) -> Store:
        cases = [make_case(number) for number in range(4)]
        if name in BAD_CASES:
            cases[3] = BAD_CASES[name][0](cases[3])
        store = make_store(tmp_path / name.replace(" ", "_"), cases)
        if name in BAD_STORES:
            BAD_STORES[name](store)
        return Store(store.path)

    return build


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
@pytest.mark.parametrize("name", [*BAD_CASES, *BAD_STORES])
def test_what_verify_calls_an_error_is_refused_and_nothing_else(make: Callable[[str], Store], name: str) -> None:
    store = make(name)
    uids = list(store.records)
    errors = [finding for finding in verify_store(store.path) if finding.severity == "error"]
    if not errors:
        assert require_sound(store, uids) == (tuple(uids), ())
        return
    with pytest.raises(DataError) as caught:
        require_sound(store, uids)
    assert "\n" not in str(caught.value)
    assert any(error.problem in str(caught.value) and error.fix in str(caught.value) for error in errors)
    about_a_case = "fingerprint.json" not in {error.case for error in errors}
    assert ("case3.h5" if about_a_case else "fingerprint.json") in str(caught.value)
    if about_a_case and {error.case for error in errors} == {"case3"}:
        kept, left_out = require_sound(store, uids, skip_damaged=True)
        assert kept == tuple(uids[:3])
        assert [case.uid for case in left_out] == ["case3"]


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_the_table_has_a_row_for_every_error_that_verify_knows(
    make: Callable[[str], Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = set()
    plain = Finding.error.__func__

    def record(cls: type[Finding], case: str, problem: str, cause: str, fix: str) -> Finding:
        made.add((sys._getframe(1).f_code.co_filename, sys._getframe(1).f_lineno))
        return plain(cls, case, problem, cause, fix)

    monkeypatch.setattr(Finding, "error", classmethod(record))
    for name in [*BAD_CASES, *BAD_STORES]:
        store = make(name)
        for uid in store.records:
            with suppress(DataError):
                require_sound(store, [uid])
    for module in (case_checks, annotation_checks, soundness):
        tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "Finding.error":
                lines = range(node.lineno, (node.end_lineno or node.lineno) + 1)
                assert any((module.__file__, line) in made for line in lines), f"{module.__file__}:{node.lineno}"


def test_cases_that_are_left_out_are_told(make: Callable[[str], Store]) -> None:
    told: list[str] = []
    kept, left_out = keep_sound(make("image NaN"), UIDS, skip_damaged=True, tell=told.append)
    assert kept == ("case0", "case1", "case2")
    assert told == [f"left out case3: {left_out[0].reason}"]
    assert "3 voxels that are NaN or infinite" in told[0]
    with pytest.raises(DataError, match=r"case3\.h5: channel 'image' has 1 voxels.*, --skip-damaged leaves them out"):
        keep_sound(make("image infinite"), UIDS, skip_damaged=False, tell=told.append)


def test_no_case_left_is_an_error(make: Callable[[str], Store]) -> None:
    with pytest.raises(DataError, match="no sound case is left; first reason: case3: channel 'image' has 3 voxels"):
        require_sound(make("image NaN"), ["case3"], skip_damaged=True)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("cache_gib", [1.0, 0.0])
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_no_loader_gives_a_network_what_is_not_finite(tmp_path: Path, value: float, cache_gib: float) -> None:
    """Even where nobody asked whether the cases are sound: for training, whole or in parts, and for prediction."""
    cases = [imaged(make_case(number), value, (0, slice(None), 3, 4)) for number in range(6)]
    store = make_store(tmp_path / "store", cases)
    view = View(supervision=[Supervision(annotation="dense")])
    data = SegmentationDataModule(str(store.path), view=view, cache_gib=cache_gib, batch_size=2)
    with pytest.raises(DataError, match=r"case\d\.h5: image has \d voxels that are NaN or infinite.*lesslabel verify"):
        next(iter(data.train_dataloader()))
    with pytest.raises(DataError, match=r"case\d\.h5: image has 4 voxels that are NaN or infinite"):
        next(iter(data.evaluation_loader(("case0",), with_reference=False)))


def test_a_confidence_that_is_not_finite_is_not_trained_with(tmp_path: Path) -> None:
    confidence = np.ones(make_case(0).shape, np.float32)
    confidence[1, 2, 3] = np.nan
    cases = [annotated(make_case(number), "dense", confidence=confidence) for number in range(6)]
    store = make_store(tmp_path / "store", cases)
    view = View(supervision=[Supervision(annotation="dense")])
    data = SegmentationDataModule(str(store.path), view=view, batch_size=2)
    with pytest.raises(DataError, match=r"case case\d: the confidence of annotation 'dense' has 1 voxels that are NaN"):
        next(iter(data.train_dataloader()))


def test_a_range_beyond_single_precision_is_an_error(tmp_path: Path) -> None:
    store = make_store(tmp_path / "store", [imaged(make_case(0), -3e38, (0, 0, 0)), make_case(2)])
    assert "error" not in {finding.severity for finding in verify_store(store.path)}
    store = make_store(
        tmp_path / "wide", [imaged(imaged(make_case(0), -3e38, (0, 0, 0)), 3e38, (0, 1, 1)), make_case(2)]
    )
    (finding,) = [found for found in verify_store(store.path) if found.severity == "error"]
    assert finding.case == "case0"
    assert finding.problem == "channel 'image' reaches from -3e+38 to 3e+38, too far for single precision"
