"""Annotations beside a store, and the store as a view sees it with them."""

import json
import pickle
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from handmade_store import SHAPE, make_case, make_store

from lesslabel.data.case import IGNORE, Annotation, Kind
from lesslabel.data.store import Store
from lesslabel.data.store.annotation_folder import (
    Provenance,
    open_annotations,
    read_annotation,
    read_provenance,
    write_annotation,
)
from lesslabel.data.store.case_file import write_annotation_file
from lesslabel.data.store.overlaid_store import OverlaidStore
from lesslabel.errors import DataError

MADE = Provenance("pseudo/stage1", "stage 2", "ab12", "cd34", {"confidence": 0.9}, "2026-01-31T12:00:00+00:00")


def pseudo(seed: int = 0, **settings: object) -> Annotation:
    generator = np.random.default_rng(seed)
    labels = generator.choice([0, 1, 2, 3, IGNORE], SHAPE).astype(np.uint8)
    return Annotation(labels, Kind.PSEUDO, "stage 1", confidence=generator.random(SHAPE, np.float32), **settings)


def assert_equal(first: Annotation, second: Annotation) -> None:
    np.testing.assert_array_equal(first.labels, second.labels)
    np.testing.assert_array_equal(first.confidence, second.confidence)
    for key in ("kind", "author", "time", "covered_labels", "covered_slices"):
        assert getattr(first, key) == getattr(second, key)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return make_store(tmp_path / "store", [make_case(number) for number in range(3)])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Pseudo-labels of case0, and of the first two slices of case2."""
    path = tmp_path / "run" / "annotations"
    write_annotation(path, "case2", pseudo(2, covered_slices=(0, 1)), MADE)
    write_annotation(path, "case0", pseudo(0), MADE)
    return path


def test_annotations_return_as_written(folder: Path) -> None:
    assert_equal(read_annotation(folder, "case0"), pseudo(0))
    assert_equal(read_annotation(folder, "case2"), pseudo(2, covered_slices=(0, 1)))
    assert read_provenance(folder) == MADE
    assert list(open_annotations(folder).headers) == ["case0", "case2"]


def test_the_files_are_laid_out_as_documented(folder: Path) -> None:
    write_annotation(folder, "a/b%", pseudo(), MADE)
    assert sorted(path.name for path in folder.iterdir()) == ["a%2Fb%25.h5", "case0.h5", "case2.h5", "provenance.json"]
    with h5py.File(folder / "a%2Fb%25.h5") as file:
        assert file.attrs["uid"] == b"a/b%"
        assert list(file["annotations"]) == ["pseudo%2Fstage1"]
        assert set(file["annotations/pseudo%2Fstage1"]) == {"labels", "confidence"}
    assert "a/b%" in open_annotations(folder).headers
    assert json.loads((folder / "provenance.json").read_text()) == {
        "format": 1,
        "annotation": "pseudo/stage1",
        "stage": "stage 2",
        "model_sha256": "ab12",
        "queue_sha256": "cd34",
        "thresholds": {"confidence": 0.9},
        "time": "2026-01-31T12:00:00+00:00",
    }


def test_the_hash_is_that_of_the_content(folder: Path, tmp_path: Path) -> None:
    first = open_annotations(folder).sha256
    again, later = tmp_path / "again", replace(MADE, time="2026-02-01", model_sha256="other")
    write_annotation(again, "case0", replace(pseudo(0), time="later", author="somebody"), later)
    assert open_annotations(again).sha256 != first
    write_annotation(again, "case2", pseudo(2, covered_slices=np.array([0, 1])), later)
    assert open_annotations(again).sha256 == first
    write_annotation(again, "case2", pseudo(2), later)
    assert open_annotations(again).sha256 != first


def test_one_folder_is_made_in_one_way(folder: Path) -> None:
    write_annotation(folder, "case1", pseudo(1), replace(MADE, time="later"))
    assert read_provenance(folder) == MADE
    for other in (replace(MADE, model_sha256="00"), replace(MADE, annotation="pseudo/x"), replace(MADE, thresholds={})):
        with pytest.raises(DataError, match=r"holds 'pseudo/stage1' made in another way; choose another folder"):
            write_annotation(folder, "case1", pseudo(1), other)


def test_damage_is_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"case1\.h5: not a readable annotation .*; write it again"):
        read_annotation(folder, "case1")
    with h5py.File(folder / "case0.h5", "r+") as file:
        file["annotations/pseudo%2Fstage1/labels"][0, 0, 0] = 7
    with pytest.raises(DataError, match=r"case0\.h5: changed after it was written"):
        read_annotation(folder, "case0")
    (folder / "case0.h5").rename(folder / "case1.h5")
    with pytest.raises(DataError, match=r"case1\.h5: holds 'pseudo/stage1' of case 'case0'; it was renamed"):
        open_annotations(folder)
    (folder / "case1.h5").write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"case1\.h5: not a readable annotation"):
        open_annotations(folder)
    with pytest.raises(DataError, match=r"provenance\.json: no such file; expected the provenance of an annotation"):
        open_annotations(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 2}, "format 2, this version reads 1"),
        ({"stages": ""}, "stages missing or not known"),
        ({"stage": None}, "stage missing or not known"),
    ],
)
def test_a_damaged_provenance_is_named(folder: Path, change: dict[str, object], message: str) -> None:
    path = folder / "provenance.json"
    content = json.loads(path.read_text()) | change
    path.write_text(json.dumps({key: value for key, value in content.items() if value is not None}))
    with pytest.raises(DataError, match=message):
        open_annotations(folder)


# Laid over a store ------------------------------------------------------------------------------------------------


def test_a_case_has_both_and_the_store_stays_as_it_is(store: Store, folder: Path) -> None:
    files = {path: path.read_bytes() for path in store.path.rglob("*") if path.is_file()}
    laid = pickle.loads(pickle.dumps(OverlaidStore(store.path, [folder])))
    assert laid.records["case0"].annotation_names == ("dense", "pseudo/stage1", "scribble")
    assert laid.records["case1"] == store.records["case1"]
    assert laid.data_hash == store.data_hash
    case = laid.read("case0")
    assert_equal(case.annotations["pseudo/stage1"], pseudo(0))
    np.testing.assert_array_equal(case.annotations["dense"].labels, make_case(0).annotations["dense"].labels)
    assert set(laid.read("case1").annotations) == {"dense", "scribble"}
    assert laid.covered_slices("case2", "pseudo/stage1") == (0, 1)
    assert laid.covered_slices("case0", "pseudo/stage1") is None
    assert laid.covered_slices("case0", "dense") is None
    assert {path: path.read_bytes() for path in store.path.rglob("*") if path.is_file()} == files


def test_two_folders_of_one_name_may_share_the_cases_out(store: Store, folder: Path, tmp_path: Path) -> None:
    write_annotation(tmp_path / "other", "case1", pseudo(1), MADE)
    laid = OverlaidStore(store.path, [str(folder), tmp_path / "other"])
    assert all("pseudo/stage1" in record.annotation_names for record in laid.records.values())
    assert_equal(laid.read("case1").annotations["pseudo/stage1"], pseudo(1))


def test_what_does_not_fit_the_store_is_refused(store: Store, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="case 'case0' has an annotation 'pseudo/stage1' already; give the folder's"):
        _ = OverlaidStore(store.path, [folder, folder]).records
    write_annotation(tmp_path / "dense", "case1", pseudo(), replace(MADE, annotation="dense"))
    with pytest.raises(DataError, match="case 'case1' has an annotation 'dense' already"):
        _ = OverlaidStore(store.path, [tmp_path / "dense"]).records
    write_annotation(tmp_path / "strange", "case7", pseudo(), MADE)
    with pytest.raises(DataError, match="annotates case 'case7', which the store does not have; use its own store"):
        _ = OverlaidStore(store.path, [tmp_path / "strange"]).records
    small = Annotation(np.zeros((4, 12, 9), np.uint8), Kind.PSEUDO)
    write_annotation(tmp_path / "small", "case1", small, MADE)
    with pytest.raises(DataError, match=r"of case 'case1' has shape \(4, 12, 9\), the case \(4, 12, 10\)"):
        _ = OverlaidStore(store.path, [tmp_path / "small"]).records


def test_a_value_that_the_store_does_not_declare_is_refused(store: Store, tmp_path: Path) -> None:
    labels = pseudo().labels
    labels[1, 2, 3] = 7
    write_annotation(tmp_path / "other", "case1", replace(pseudo(), labels=labels), MADE)
    overlaid = OverlaidStore(store.path, [tmp_path / "other"])
    message = "other: 'pseudo/stage1' of case 'case1' has label value 7; the store knows 1, 2, 3; write it again"
    with pytest.raises(DataError, match=message):
        overlaid.read("case1")
    with pytest.raises(DataError, match=message):
        overlaid.read_subvolume("case1", (slice(0, 1), slice(0, 2), slice(0, 2)), [MADE.annotation])


def test_a_folder_that_changes_in_use_is_noticed(store: Store, folder: Path) -> None:
    laid = OverlaidStore(store.path, [folder])
    write_annotation_file(folder / "case0.h5", "case0", "pseudo/stage1", pseudo(9))
    with pytest.raises(DataError, match=r"case0\.h5: changed while it was in use; start again"):
        laid.read("case0")
