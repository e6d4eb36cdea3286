"""A name that a later command cannot use is refused before anything is made of it."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from handmade_store import SHAPE, Handmade, make_case, make_store

from lesslabel.data.case import Annotation, Kind
from lesslabel.data.exchange import nnunet
from lesslabel.data.sources.checks import is_name, to_codes
from lesslabel.data.store.names import RESERVED_LABELS
from lesslabel.data.store.prepare import prepare
from lesslabel.errors import DataError
from lesslabel.evaluation import summarise
from lesslabel.evaluation.statistics import MEAN_OVER_LABELS


def source_with(labels: Mapping[int, str]) -> Handmade:
    source = Handmade([make_case(0)])
    source.labels = labels
    return source


@pytest.mark.parametrize("name", [*RESERVED_LABELS, "", " ", "two\nlines", "\x1b[31m"])
def test_a_label_that_no_table_can_show_is_refused_at_once(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="called"):
        prepare(source_with({1: "RV", 2: name, 3: "LV"}), tmp_path / "store")
    assert not (tmp_path / "store").exists()


def test_two_labels_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="two labels are called 'LV'"):
        prepare(source_with({1: "LV", 2: "Myo", 3: "LV"}), tmp_path / "store")


def test_the_reserved_names_are_those_that_commands_refuse() -> None:
    assert set(RESERVED_LABELS) == {MEAN_OVER_LABELS, nnunet.BACKGROUND, nnunet.IGNORED}


@pytest.mark.parametrize("name", ["patient", "uid", "label", "metric", "kidney [left]", "左肾", "NA", "nan", "None"])
def test_any_other_label_is_prepared_and_scored(name: str, tmp_path: Path) -> None:
    store, _ = prepare(source_with({1: name, 2: "Myo", 3: "LV"}), tmp_path / "store")
    assert store.labels[1] == name
    rows = [{"uid": "a", "patient": "p", "label": each, "dice": 0.5} for each in (name, "Myo")]
    assert list(summarise(pd.DataFrame(rows))["label"].unique()) == [name, "Myo", "mean"]


@pytest.mark.parametrize("what", ["uid", "patient", "centre", "modality", "group"])
@pytest.mark.parametrize("name", ["two\nlines", "half\udcff", "\x1b[31m"])
def test_a_case_whose_names_break_a_line_is_refused(what: str, name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"{what} is called"):
        make_store(tmp_path / "store", [replace(make_case(0), **{what: name})])
    assert not (tmp_path / "store").exists()


def test_a_name_that_no_file_can_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="longer than 200 bytes"):
        make_store(tmp_path / "store", [replace(make_case(0), uid="左" * 100)])


@pytest.mark.parametrize("name", ["rater|1", "", "two\nlines"])
def test_an_annotation_that_the_table_cannot_hold_is_refused(name: str, tmp_path: Path) -> None:
    case = make_case(0)
    annotation = Annotation(np.zeros(SHAPE, dtype=np.uint8), Kind.DENSE)
    store = make_store(tmp_path / "store", [case])
    before = (store.path / "cases.csv").read_bytes()
    with pytest.raises(DataError, match="annotation"):
        store.add_annotation(case.uid, name, annotation)
    assert (store.path / "cases.csv").read_bytes() == before
    with pytest.raises(DataError, match="annotation"):
        make_store(tmp_path / "other", [replace(case, annotations={name: annotation})])


def test_names_of_any_script_are_names() -> None:
    assert all(map(is_name, ("👩‍🔬", "می‌خواهم", "kidney\u00a0left", "हिन्दी")))
    assert not any(map(is_name, ("a\nb", "a\x1bb", "a\u202eb")))


@pytest.mark.parametrize("value", [1001, 256, 2035, 0.5, -1])
def test_advice_for_a_value_that_no_label_can_have(value: float) -> None:
    with pytest.raises(DataError, match=r"whole numbers of 1 to 254; give the labels such codes") as raised:
        to_codes(np.array([0, 1, value]), [1], "aseg.nii.gz")
    assert "name the value" not in str(raised.value)


def test_advice_for_a_value_that_a_label_can_have() -> None:
    with pytest.raises(DataError, match="name the value among the labels"):
        to_codes(np.array([0, 1, 17]), [1], "label.nii.gz")
