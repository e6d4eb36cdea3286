"""Images that lie otherwise than those of the training are named when a run looks at them."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lesslabel.cli import main
from lesslabel.data.sources.phantom import Phantom
from lesslabel.data.store import Store
from lesslabel.data.store.case_file import read_case, write_case
from lesslabel.data.store.fingerprint import hash_records
from lesslabel.data.store.prepare import prepare
from lesslabel.data.store.records import (
    FINGERPRINT,
    TABLE,
    CaseRecord,
    read_fingerprint,
    write_fingerprint,
    write_table,
)


def moved_store(path: Path, factor: float, affine: np.ndarray | None) -> Path:
    """A store of the phantom whose voxels are larger, or lie otherwise."""
    prepare(Phantom(cases=16, size=32, depth=3), path)
    store = Store(path)
    records = []
    for uid in store.records:
        case = read_case(store.case_path(uid))
        sides = tuple(side * factor for side in case.spacing_mm)
        case = replace(case, spacing_mm=sides, affine=np.diag([*sides[::-1], 1.0]) if affine is None else affine)
        records.append(CaseRecord.of(case, write_case(store.case_path(uid), case)))
    write_table(path / TABLE, records)
    write_fingerprint(path / FINGERPRINT, {**read_fingerprint(path / FINGERPRINT), "data_hash": hash_records(records)})
    return path


def test_the_run_records_how_its_images_lie(plain_run: Path) -> None:
    geometry = json.loads((plain_run / "data.json").read_text())["geometry"]
    assert set(geometry) == {"axes", "spacing_mm"}
    assert len(geometry["spacing_mm"]["smallest"]) == 3


def predict(run: Path, store: Path, output: Path, *settings: str) -> int:
    return main(["predict", "--run", str(run), "--data.store", str(store), "--output", str(output), *settings])


def test_predicting_alike_images_says_nothing(
    plain_run: Path, store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert predict(plain_run, store, tmp_path / "out") == 0
    assert "training" not in capsys.readouterr().err


def test_predicting_larger_voxels_is_said(plain_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = moved_store(tmp_path / "other", 3.0, None)
    assert predict(plain_run, other, tmp_path / "out") == 0
    said = capsys.readouterr().err
    assert f"{other}: spacing along y is" in said
    assert f"{other}: spacing along x is" in said
    assert "spacing along z" not in said  # slices are looked at one by one
    assert "mm in training" in said


def test_predicting_another_plane_is_said(plain_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = Path(shutil.copytree(plain_run, tmp_path / "run"))
    data = json.loads((run / "data.json").read_text())
    data["geometry"]["axes"] = ["ASR"]
    (run / "data.json").write_text(json.dumps(data))
    other = moved_store(tmp_path / "other", 1.0, None)
    assert predict(run, other, tmp_path / "out") == 0
    assert "run to SAR (axial slices)" in capsys.readouterr().err


def test_a_run_of_an_older_version_is_silent(
    plain_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Path(shutil.copytree(plain_run, tmp_path / "run"))
    data = json.loads((run / "data.json").read_text())
    data.pop("geometry")
    (run / "data.json").write_text(json.dumps(data))
    other = moved_store(tmp_path / "other", 3.0, None)
    assert predict(run, other, tmp_path / "out") == 0
    assert "training" not in capsys.readouterr().err
