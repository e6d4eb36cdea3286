"""The one reader of CSV files: what it gives, and what it says of damaged ones."""

import math

import pandas as pd
import pytest

from lesslabel.csv_table import CsvRow, read_csv, read_rows
from lesslabel.errors import DataError, RunError


@pytest.fixture
def path(tmp_path):
    return tmp_path / "table.csv"


def test_cells_are_text_with_their_lines(path):
    path.write_text('\ufeffuid,note\n007,"a, b\nc"\n\n8\n', encoding="utf-8")
    table = read_rows(path)
    assert table.columns == ("uid", "note")
    assert table.rows == (CsvRow(3, {"uid": "007", "note": "a, b\nc"}), CsvRow(5, {"uid": "8"}))


def test_a_frame_has_text_and_numbers(path):
    path.write_text("uid,dice,label\n007,0.1,NA\n008,,LV\n", encoding="utf-8")
    frame = read_csv(path, ("uid",), ("dice", "hd95"))
    assert frame["uid"].tolist() == ["007", "008"]
    assert frame["label"].tolist() == ["NA", "LV"]
    assert frame["dice"][0] == 0.1
    assert math.isnan(frame["dice"][1])


@pytest.mark.parametrize("text", ["uid,dice\n", "uid,dice"])
def test_a_table_without_rows_keeps_its_types(text, path):
    path.write_text(text, encoding="utf-8")
    frame = read_csv(path, numbers=("dice",))
    assert frame.empty
    assert frame["dice"].dtype == float
    assert not pd.api.types.is_numeric_dtype(frame["uid"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "table.csv: the table cannot be read (no line in it); restore it"),
        (b"uid\n\xff", "table.csv: the table cannot be read ('utf-8' codec"),
        (b'uid,dice\n"a,1', "table.csv: the table cannot be read (unexpected end of data); restore it"),
        (b"uid,label\n", "table.csv, line 1: column dice is missing; expected uid, dice"),
        (b"uid,dice\na,1\nb,1,2\n", "table.csv, line 3: more cells than columns; quote a cell that holds a comma"),
        (b"uid,dice\na,1\nb,good\n", "table.csv, line 3, column dice: 'good' is no number; correct it"),
        (None, "table.csv: no such file; make it with the columns uid, dice"),
    ],
    ids=["empty", "encoding", "open quote", "no column", "long line", "no number", "absent"],
)
def test_what_is_damaged_is_named_with_its_place(content, message, path):
    if content is not None:
        path.write_bytes(content)
    for error in (DataError, RunError):
        with pytest.raises(error) as caught:
            read_csv(path, () if content == b"" else ("uid", "dice"), ("dice",), error=error)
        assert message in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_line_that_is_cut_short_is_an_error_only_where_all_cells_are_needed(path):
    path.write_text("uid,dice\na\n", encoding="utf-8")
    assert math.isnan(read_csv(path, numbers=("dice",))["dice"][0])
    with pytest.raises(DataError, match=r"table\.csv, line 2: cut short after column uid; copy it again"):
        read_rows(path, whole=True, fix="copy it again")
