import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from handmade_store import make_case, make_store

from lesslabel.data.case import Annotation, Kind
from lesslabel.data.store import CaseRecord, Store
from lesslabel.data.store.fingerprint import hash_records, measure_case
from lesslabel.data.store.records import read_table, write_table
from lesslabel.errors import DataError


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return make_store(tmp_path / "store", [make_case(number) for number in range(4)])


def test_store_reads_what_was_prepared(store: Store) -> None:
    opened = Store(str(store.path))
    assert opened.source == "handmade"
    assert opened.labels == {1: "RV", 2: "Myo", 3: "LV"}
    assert opened.channels == ("image",)
    assert list(opened.records) == ["case0", "case1", "case2", "case3"]
    np.testing.assert_array_equal(opened.read("case2").image, make_case(2).image)


def test_record_describes_the_case(store: Store) -> None:
    record = store.records["case3"]
    assert (record.patient, record.centre, record.group, record.modality) == ("patient1", "Leeds", "train", "cine-MR")
    assert (record.channels, record.depth, record.height, record.width) == (1, 4, 12, 10)
    assert record.spacing_mm == (10.0, 1.5, 1.25)
    assert record.annotation_names == ("dense", "scribble")


def test_table_is_plain_csv(store: Store) -> None:
    with (store.path / "cases.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["uid"] for row in rows] == ["case0", "case1", "case2", "case3"]
    assert (rows[0]["spacing_y_mm"], rows[0]["annotations"]) == ("1.5", "dense|scribble")


def test_table_keeps_awkward_text(tmp_path: Path) -> None:
    case = replace(make_case(0), uid='a, "b"; ü', centre="two\nlines", annotations={})
    record = CaseRecord.of(case, "0" * 64)
    write_table(tmp_path / "cases.csv", [record])
    assert read_table(tmp_path / "cases.csv") == [record]
    assert record.annotation_names == ()


def test_a_uid_never_leads_out_of_the_store(tmp_path: Path) -> None:
    uids = ("../../up", "/root", "a%2Fb", "a/b", "..")
    cases = [replace(make_case(number), uid=uid) for number, uid in enumerate(uids)]
    store = make_store(tmp_path / "store", cases)
    assert len(list((store.path / "cases").iterdir())) == len(uids)
    assert {path.name for path in tmp_path.iterdir()} == {"store"}
    for case in cases:
        np.testing.assert_array_equal(store.read(case.uid).image, case.image)


def test_an_unknown_case_is_named(store: Store) -> None:
    with pytest.raises(DataError, match=r"cases\.csv: no case 'case9'"):
        store.read("case9")


def test_a_folder_without_a_store_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no prepared store here; make one with `lesslabel prepare"):
        Store(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not readable as the fingerprint"),
        ("[1]", "format None, this version reads 1"),
        ('{"format": 2}', "format 2, this version reads 1"),
        ('{"format": 1}', "source, labels, channels, data_hash missing or damaged"),
    ],
)
def test_a_damaged_fingerprint_is_named(store: Store, content: str, message: str) -> None:
    (store.path / "fingerprint.json").write_text(content)
    with pytest.raises(DataError, match=message):
        Store(store.path)


@pytest.mark.parametrize(("key", "value"), [("labels", {"one": "RV"}), ("labels", [1]), ("channels", "image")])
def test_a_fingerprint_with_a_wrong_field_is_named(store: Store, key: str, value: object) -> None:
    path = store.path / "fingerprint.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), key: value}))
    with pytest.raises(DataError, match=rf"fingerprint\.json: {key} missing or damaged"):
        Store(store.path)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda lines: [lines[0].replace("sha256", "sha"), *lines[1:]], "line 2 .*sha256"),
        (lambda lines: [*lines[:2], lines[2].replace(",12,", ",twelve,"), *lines[3:]], "line 3 .*twelve"),
        (lambda lines: [*lines[:4], lines[4].rpartition(",")[0]], "line 5: cut short"),
        (lambda lines: [*lines, lines[1]], "line 6 names case 'case0' again"),
        (lambda lines: [*lines, "\xff"], "cannot be read"),
        (lambda lines: [*lines, '"' + 200_000 * "a"], "cannot be read"),
    ],
    ids=["column", "number", "cut short", "twice", "encoding", "endless field"],
)
def test_a_damaged_table_is_named(store: Store, damage, message: str) -> None:
    path = store.path / "cases.csv"
    path.write_text("\n".join(damage(path.read_text().splitlines())), encoding="latin-1")
    with pytest.raises(DataError, match=message) as caught:
        read_table(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_absent_table_is_named(store: Store) -> None:
    (store.path / "cases.csv").unlink()
    with pytest.raises(DataError, match=r"cases\.csv: the table of cases cannot be read"):
        _ = store.records


def test_data_hash_depends_on_content_not_on_order(store: Store) -> None:
    records = list(store.records.values())
    assert hash_records(records[::-1]) == store.data_hash
    assert hash_records(records[1:]) != store.data_hash
    assert hash_records([replace(records[0], patient="other"), *records[1:]]) != store.data_hash


def test_case_numbers_equal_those_by_hand() -> None:
    image = np.stack([np.arange(24.0), np.full(24, 3.0)]).reshape(2, 2, 3, 4).astype(np.float32)
    labels = np.repeat(np.array([0, 1, 255], dtype=np.uint8), [10, 6, 8]).reshape(2, 3, 4)
    case = replace(make_case(0), image=image, annotations={"rater1": Annotation(labels, Kind.DENSE)})
    numbers = measure_case(case)
    assert numbers.mean == [11.5, 3.0]
    # variance of 0 … n - 1 is (n² - 1) / 12
    assert numbers.standard_deviation == pytest.approx([np.sqrt(575 / 12), 0.0], rel=1e-12)
    np.testing.assert_allclose(numbers.quantiles, [[0.115, 11.5, 22.885], [3.0, 3.0, 3.0]], rtol=1e-6)
    assert numbers.voxels == {"rater1": {0: 10, 1: 6, 255: 8}}


def test_fingerprint_sums_up_the_store(tmp_path: Path) -> None:
    cases = [replace(make_case(number), spacing_mm=(5.0 + number, 1.0, 1.0)) for number in range(3)]
    fingerprint = make_store(tmp_path / "store", cases).fingerprint
    assert (fingerprint["cases"], fingerprint["patients"], fingerprint["centres"]) == (3, 2, ["Leeds"])
    assert fingerprint["spacing_mm"] == {"smallest": [5, 1, 1], "median": [6, 1, 1], "largest": [7, 1, 1]}
    assert fingerprint["shape_voxel"]["median"] == [4, 12, 10]
    # blocks of 3 slices of 3 × 6, 3 × 6 and 2 × 6 voxels in 480
    assert fingerprint["annotations"]["dense"] == {"cases": 3, "voxels": {"0": 1008, "1": 162, "2": 162, "3": 108}}
    assert fingerprint["annotations"]["scribble"]["voxels"]["unknown"] == 3 * (480 - 24)
    assert fingerprint["intensity"]["image"]["mean"] == pytest.approx(
        np.mean([case.image.mean(dtype=np.float64) for case in cases]), abs=1e-6
    )


def test_the_old_name_of_reading_a_subvolume_works_with_a_warning(store: Store) -> None:
    uid, corner = next(iter(store.records)), (slice(0, 1), slice(0, 2), slice(0, 2))
    with pytest.warns(FutureWarning, match="is now read_subvolume"):
        assert store.read_box(uid, corner, []).shape == (1, 2, 2)
