import csv
import json
import math
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from handmade_store import make_case, make_store
from hypothesis import given
from hypothesis import strategies as st

from lesslabel.data.queue import WHOLE_CASE, Queue, QueueRow, read_queue, write_queue
from lesslabel.data.store import Store
from lesslabel.errors import DataError

COLUMNS = ["uid", "slice", "image", "prelabel", "rank", "score", "strategy", "reason", "round", "model_sha256", "seed"]
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
ROWS = st.builds(
    QueueRow,
    uid=TEXT.filter(bool),
    slice=st.integers(0, 50),
    image=TEXT.filter(lambda name: not {"/", "\\"} & set(name) and name not in (".", "..")),
    rank=st.integers(0, 99),
    score=st.floats(allow_nan=False),
    strategy=TEXT,
    reason=TEXT,
    round=st.integers(0, 9),
    model_sha256=TEXT,
    seed=st.integers(0, 2**31),
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Cases of four slices, case0 and case1."""
    return make_store(tmp_path_factory.mktemp("data") / "store", [make_case(0), make_case(1)])


def write_lines(path: Path, *rows: str, header: str = ",".join(COLUMNS)) -> Path:
    """A queue as a person might edit it; each row is what comes before a harmless rest."""
    path.write_text("\n".join([header, *(f"{row},,,1,0.5,STDR,far,0,,0" for row in rows)]) + "\n")
    return path


@given(rows=st.lists(ROWS, max_size=5, unique_by=lambda row: (row.uid, row.slice)))
def test_a_queue_returns_as_it_was_written(rows: list[QueueRow], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("queue") / "queue.csv"
    write_queue(path, Queue(tuple(rows)))
    assert read_queue(path) == Queue(tuple(rows))


def test_the_files_are_plain(tmp_path: Path) -> None:
    scores = np.array([0.5, np.nan, np.inf], dtype=np.float32)
    rows = (
        QueueRow("b", np.int64(3), "b.nii.gz", "", np.int64(1), scores[0], "STDR", "near, very", 2, "ab", 7),
        QueueRow("a", WHOLE_CASE, rank=2, score=scores[1]),
        QueueRow("c", rank=3, score=scores[2]),
    )
    queue = Queue(rows)
    write_queue(tmp_path / "queue.csv", queue)
    with (tmp_path / "queue.csv").open(newline="") as file:
        written = list(csv.reader(file))
    assert written == [
        COLUMNS,
        ["b", "3", "b.nii.gz", "", "1", "0.5", "STDR", "near, very", "2", "ab", "7"],
        ["a", "-1", "", "", "2", "nan", "", "", "0", "", "0"],
        ["c", "-1", "", "", "3", "inf", "", "", "0", "", "0"],
    ]
    content = json.loads((tmp_path / "queue.json").read_text())
    assert {key: content[key] for key in ("format", "sha256", "cases", "units")} == {
        "format": 1,
        "sha256": queue.sha256,
        "cases": 3,
        "units": 3,
    }
    assert content["rows"][0] == dict(
        zip(COLUMNS, ["b", 3, "b.nii.gz", "", 1, 0.5, "STDR", "near, very", 2, "ab", 7], strict=True)
    )
    assert [row["score"] for row in content["rows"]] == [0.5, None, None]
    scores_read = [row.score for row in read_queue(tmp_path / "queue.csv").rows]
    assert math.isnan(scores_read[1])
    assert scores_read[2] == math.inf
    assert [field.name for field in fields(QueueRow)] == [*COLUMNS, "patch"]  # which has a column only if one is queued


def test_units_by_case_and_their_hash() -> None:
    queue = Queue((QueueRow("b", 3), QueueRow("a"), QueueRow("b", 1)))
    assert queue.slices == {"a": None, "b": (1, 3)}
    assert list(queue.slices) == ["a", "b"]
    same = Queue((QueueRow("a", reason="why"), QueueRow("b", 1), QueueRow("b", 3, rank=4)))
    assert same.sha256 == queue.sha256
    others = [queue.rows[:2], (QueueRow("b", 3), QueueRow("a"), QueueRow("b", 2)), (*queue.rows, QueueRow("c"))]
    assert len({queue.sha256, *(Queue(rows).sha256 for rows in others)}) == 4


def test_columns_may_be_added_and_moved(tmp_path: Path, store: Store) -> None:
    header = ",".join([*reversed(COLUMNS), "mask"])
    path = tmp_path / "queue.csv"
    path.write_text(f"\ufeff{header}\n0,,0,far,STDR,0.5,1,,,3,case1,x.nii.gz\n", encoding="utf-8")
    assert read_queue(path, store) == Queue((QueueRow("case1", 3, "", "", 1, 0.5, "STDR", "far"),))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["case0,1", "case9,1"], "line 3: the store has no case 'case9'"),
        (["case0,1", "case1,4"], "line 3: case 'case1' has slices 0 to 3, not 4; count from 0"),
        (["case0,-2"], "line 2: slice -2 of case 'case0'; count from 0, or write -1"),
        (["case0,one"], "line 2: slice is 'one', not a whole number; correct it"),
        (["case0,1.0"], "line 2: slice is '1.0', not a whole number"),
        (["case0,1", "case1,1", "case0,1"], "line 4: case 'case0', slice 1 is queued already; remove the second"),
        (["case0,1", "case0,-1"], "line 3: case 'case0' is queued whole and by slice; keep one"),
        (["case0,-1", "case0,1"], "line 3: case 'case0' is queued whole and by slice; keep one"),
        ([",1"], "line 2: no uid; name a case"),
        (["case0,1,../a.nii.gz,,1,0,,,0,,0\ncase1,1"], "line 2: '../a.nii.gz' is no plain file name; keep the files"),
        (["case0,1,,C:\\a.nii,1,0,,,0,,0\ncase1,1"], "line 2: 'C:\\a.nii' is no plain file name"),
        (["case0,1,a,b,1,far,,,0,,0\ncase1,1"], "line 2: score is 'far', not a number"),
        (["case0,1,,,1,0,,near, far,0,,0\ncase1,1"], "line 2: more cells than columns; quote a cell that holds"),
        (["case0,1,,,1\ncase1,1"], "line 2: cut short after column rank"),
    ],
)
def test_a_faulty_row_is_named_with_its_line(tmp_path: Path, store: Store, rows: list[str], message: str) -> None:
    path = write_lines(tmp_path / "queue.csv", *rows)
    with pytest.raises(DataError) as caught:
        read_queue(path, store)
    assert f"{path}, {message}" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_without_a_store_only_the_rows_are_checked(tmp_path: Path) -> None:
    assert read_queue(write_lines(tmp_path / "queue.csv", "elsewhere,99")).slices == {"elsewhere": (99,)}


def test_missing_columns_and_files_are_named(tmp_path: Path) -> None:
    path = write_lines(
        tmp_path / "queue.csv", header=",".join(name for name in COLUMNS if name not in ("seed", "rank"))
    )
    with pytest.raises(DataError, match=r"queue\.csv, line 1: column rank, seed is missing; expected uid, slice"):
        read_queue(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match=r"queue\.csv: the table cannot be read"):
        read_queue(path)
    with pytest.raises(DataError, match=r"absent\.csv: no such queue"):
        read_queue(tmp_path / "absent.csv")


def test_a_queue_made_in_python_keeps_the_same_rules(tmp_path: Path, store: Store) -> None:
    with pytest.raises(DataError, match="queue, row 2: case 'a' is queued whole and by slice"):
        Queue((QueueRow("a", 1), QueueRow("a")))
    with pytest.raises(DataError, match="queue, row 1: the store has no case 'a'"):
        Queue((QueueRow("a", 1),)).require_known(store.records)
    with pytest.raises(DataError, match=r"queue\.json: a queue is a CSV file; name it queue\.csv"):
        write_queue(tmp_path / "queue.json", Queue(()))
    assert not list(tmp_path.iterdir())
