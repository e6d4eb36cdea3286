"""What `lesslabel verify --fix` puts right, and above all what it leaves alone."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from handmade_store import annotated, edit_row, make_case, make_store

from lesslabel.cli import main
from lesslabel.data.store import Store
from lesslabel.data.store.case_file import content_hash, read_case, write_case
from lesslabel.data.verify.fix import Change, fix_store
from lesslabel.data.verify.report import describe_store, render_cases
from lesslabel.data.verify.store_check import verify_store
from lesslabel.errors import DataError


@pytest.fixture
def store(tmp_path: Path) -> Store:
    confidence = np.full(make_case(0).shape, 0.25, np.float32)
    cases = [annotated(make_case(number), "dense", confidence=confidence) for number in range(3)]
    return make_store(tmp_path / "store", cases)


def retype(path: Path, name: str, dtype: str, value: float | None = None, **options: Any) -> None:
    """Write an array of a case file anew as another program would."""
    with h5py.File(path, "r+") as file:
        values = file[name][()].astype(dtype)
        if value is not None:
            values.flat[0] = value
        del file[name]
        file.create_dataset(name, data=values, **options)


def snapshot(store: Store) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(store.path.rglob("*")) if path.is_file()}


@pytest.mark.parametrize(
    ("array", "dtype", "options", "before"),
    [
        ("image", "f8", {"chunks": True}, "float64"),
        ("annotations/dense/labels", "i8", {"chunks": True, "compression": "gzip"}, "int64"),
        ("annotations/dense/labels", "f4", {"chunks": True}, "float32"),
        ("annotations/scribble/labels", "u1", {}, "uint8 without checksums"),
        ("annotations/dense/confidence", "f2", {"chunks": True}, "float16"),
    ],
)
def test_number_types_are_restored(store: Store, array: str, dtype: str, options: dict[str, Any], before: str) -> None:
    path, original = store.case_path("case1"), store.case_path("case1").read_bytes()
    retype(path, array, dtype, **options)
    (finding,) = verify_store(store.path)
    should = "uint8" if array.endswith("labels") else "float32"
    assert finding.problem == f"case1.h5 keeps '{array}' as {before}, not {should}"
    assert "lesslabel verify --fix" in finding.fix
    assert fix_store(store.path) == [Change("case1", array, before, should)]
    assert path.read_bytes() == original
    assert verify_store(store.path) == []
    assert fix_store(store.path) == []


@pytest.mark.parametrize(
    ("array", "dtype", "value"),
    [
        ("image", "f8", 0.1),  # not a float32
        ("image", "f8", 7.0),  # another value
        ("annotations/dense/labels", "i8", 300),
        ("annotations/dense/labels", "i8", 3),
        ("annotations/dense/labels", "i8", -1),
        ("annotations/dense/labels", "f4", 0.5),
        ("annotations/dense/labels", "f4", np.nan),
    ],
)
def test_values_that_changed_are_not_fixed(store: Store, array: str, dtype: str, value: float) -> None:
    retype(store.case_path("case1"), array, dtype, value, chunks=True)
    before = snapshot(store)
    assert fix_store(store.path) == []
    assert {path: content for path, content in snapshot(store).items() if not path.endswith(".lock")} == before
    assert [finding.case for finding in verify_store(store.path)] == ["case1"]


@pytest.mark.parametrize(
    ("column", "edited", "restored"),
    [
        ("spacing_y_mm", "2", "1.5"),
        ("spacing_x_mm", "1.3", "1.25"),
        ("depth", "5", "4"),
        ("annotations", "dense", "dense|scribble"),
        ("patient", "0", "patient0"),
    ],
)
def test_what_a_spreadsheet_rounded_is_restored(store: Store, column: str, edited: str, restored: str) -> None:
    edit_row(store, "case1", **{column: edited})
    table = (store.path / "cases.csv").read_text()
    changes = fix_store(store.path)
    assert [(change.case, change.what, change.after) for change in changes] == [
        ("case1", f"cases.csv: {column}", restored)
    ]
    assert (store.path / "cases.csv").read_text() != table
    assert verify_store(store.path) == []


def damage_hash(store: Store) -> None:
    edit_row(store, "case1", sha256="0" * 64, spacing_x_mm="1.3")


def damage_file(store: Store) -> None:
    content = bytearray(store.case_path("case1").read_bytes())
    del content[-100:]
    store.case_path("case1").write_bytes(content)


LEFT_ALONE: dict[str, Callable[[Store], object]] = {
    "names that no hash vouches for": lambda store: edit_row(store, "case1", group="test", centre="Lyon"),
    "a row whose hash was edited too": damage_hash,
    "a file that is cut short": damage_file,
    "a file that is missing": lambda store: store.case_path("case1").unlink(),
    "another image": lambda store: write_case(
        store.case_path("case1"), replace(read_case(store.case_path("case1")), image=make_case(5).image)
    ),
    "another case under this name": lambda store: shutil.copy(store.case_path("case0"), store.case_path("case1")),
}


@pytest.mark.parametrize("damage", LEFT_ALONE)
def test_what_nothing_vouches_for_is_left_alone(store: Store, damage: str) -> None:
    LEFT_ALONE[damage](store)
    before = snapshot(store)
    assert fix_store(store.path) == []
    assert {path: content for path, content in snapshot(store).items() if not path.endswith(".lock")} == before
    assert verify_store(store.path)


def test_a_patient_is_restored_only_if_the_whole_table_is_vouched_for(store: Store) -> None:
    edit_row(store, "case1", patient="0", spacing_x_mm="1.3")
    edit_row(store, "case2", sha256="0" * 64)
    assert [change.what for change in fix_store(store.path)] == ["cases.csv: spacing_x_mm"]
    assert Store(store.path).records["case1"].patient == "0"


def test_the_content_is_what_it_was(store: Store) -> None:
    expected = {uid: content_hash(store.read(uid)) for uid in store.records}
    retype(store.case_path("case0"), "image", "f8", chunks=True)
    retype(store.case_path("case2"), "annotations/dense/labels", "i4", chunks=True)
    edit_row(store, "case1", spacing_z_mm="10.5")
    assert len(fix_store(store.path)) == 3
    fixed = Store(store.path)
    assert {uid: content_hash(fixed.read(uid)) for uid in fixed.records} == expected
    assert fixed.data_hash == store.data_hash
    assert {path.name for path in store.path.iterdir()} == {".lock", "cases", "cases.csv", "fingerprint.json"}


def test_no_store_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no prepared store here"):
        fix_store(tmp_path / "empty")
    assert not list((tmp_path / "empty").iterdir())
    with pytest.raises(DataError):
        fix_store(tmp_path / "absent")


def test_the_report_has_a_state_for_every_case(store: Store) -> None:
    edit_row(store, "case1", spacing_x_mm="1.3")
    (store.path / "cases" / "stray.h5").touch()
    findings = verify_store(store.path)
    described = json.loads(json.dumps(describe_store(Store(store.path), findings)))
    assert (described["errors"], described["warnings"]) == (1, 1)
    assert [(case["case"], case["state"]) for case in described["cases"]] == [
        ("case0", "sound"),
        ("case1", "error"),
        ("case2", "sound"),
    ]
    first, second, _ = described["cases"]
    assert (first["shape_voxel"], first["spacing_mm"], first["annotations"]) == (
        [4, 12, 10],
        [10.0, 1.5, 1.25],
        ["dense", "scribble"],
    )
    assert set(second["findings"][0]) == {"case", "problem", "severity", "cause", "fix"}
    assert [finding["case"] for finding in described["findings"]] == ["cases/stray.h5"]
    assert render_cases(Store(store.path), findings).row_count == 3


def test_the_command(store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit_row(store, "case1", spacing_x_mm="1.3")
    report = tmp_path / "report.json"
    command = ["verify", str(store.path), "--json", str(report), "--cases"]
    assert main(command) == 1
    assert "1 errors, 0 warnings" in capsys.readouterr().out
    assert json.loads(report.read_text())["changes"] == []
    assert main([*command, "--fix"]) == 0
    printed = capsys.readouterr().out
    assert "fixed case1, cases.csv: spacing_x_mm: 1.3 is now 1.25" in printed
    assert "0 errors, 0 warnings" in printed
    assert "sound" in printed
    (change,) = json.loads(report.read_text())["changes"]
    assert change == {"case": "case1", "what": "cases.csv: spacing_x_mm", "before": "1.3", "after": "1.25"}
    assert main([*command, "--fix"]) == 0
    assert "nothing that --fix may change" in capsys.readouterr().out
