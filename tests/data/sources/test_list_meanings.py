"""Cells and keys of lists that change identity, part or label names, whatever their spelling is."""

import json
from pathlib import Path

import numpy as np
import pytest
import replicas

from lesslabel.data.preparing import prepare
from lesslabel.data.sources.datalist import Datalist
from lesslabel.data.sources.folder import Folder
from lesslabel.errors import DataError


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Four images with label maps of one label."""
    for index in range(4):
        values = np.random.default_rng(index).normal(size=(3, 8, 8)).astype(np.float32)
        replicas.write_nifti(tmp_path / f"i{index}.nii.gz", values, np.eye(4))
        replicas.write_nifti(tmp_path / f"l{index}.nii.gz", (values > 0).astype(np.uint8), np.eye(4))
    return tmp_path


def table(folder: Path, column: str, cells: list[str]) -> Folder:
    rows = [f"i{index}.nii.gz,l{index}.nii.gz,{cell}" for index, cell in enumerate(cells)]
    (folder / "t.csv").write_text("\n".join([f"image,label,{column}", *rows, ""]), encoding="utf-8")
    return Folder(folder / "t.csv", labels="1=a")


def entries(**more: object) -> list[dict[str, object]]:
    return [{"image": f"i{index}.nii.gz", "label": f"l{index}.nii.gz", **more} for index in range(4)]


def datalist(folder: Path, content: object, **options: object) -> Datalist:
    text = content if isinstance(content, str) else json.dumps(content)
    (folder / "list.json").write_text(text, encoding="utf-8")
    return Datalist(folder / "list.json", **({"labels": "1=a"} | options))


class TestPatients:
    @pytest.mark.parametrize(("one", "other"), [("001", "1"), ("1", "1.0"), ("P1", "p1"), ("A 01", "a 01")])
    def test_two_spellings_of_one_are_refused(self, files: Path, one: str, other: str) -> None:
        match = rf"patients '{one}' and '{other}' differ in capitals, zeros in front or '\.0' alone; write one of them"
        with pytest.raises(DataError, match=match):
            table(files, "patient", [one, other, "X", "Y"])
        named = [entry | {"patient": name} for entry, name in zip(entries(), (one, other, "X", "Y"), strict=True)]
        with pytest.raises(DataError, match=match):
            datalist(files, {"training": named})

    def test_one_spelling_is_kept_as_it_is(self, files: Path) -> None:
        source = table(files, "patient", ["001", "001", "010", "10a"])
        assert [case.patient for case in source.list_cases()] == ["001", "001", "010", "10a"]

    @pytest.mark.parametrize("cell", ["nan", "NaN", "NA", "N/A", "None", "null", "<NA>"])
    def test_a_word_for_no_value_is_no_patient(self, files: Path, cell: str) -> None:
        with pytest.raises(DataError, match=rf"row 3: 'patient' is '{cell}', which stands for no value; leave it"):
            table(files, "patient", ["x", cell, "y", "z"])

    @pytest.mark.parametrize(("column", "name"), [("centre", "NA"), ("centre", "None"), ("case", "na")])
    def test_a_word_for_no_value_may_name_a_centre_or_a_case(self, files: Path, column: str, name: str) -> None:
        case = table(files, column, ["x", name, "y", "z"]).list_cases()[1]
        assert name in (case.centre, case.uid)


class TestParts:
    @pytest.mark.parametrize("column", ["usage", "dataset", "phase", "belongs_to"])
    def test_a_column_of_parts_is_no_other_column(self, files: Path, column: str) -> None:
        match = rf"t\.csv, row 1: column '{column}' holds parts \(Test, train\) and is not read; rename it to 'split'"
        with pytest.raises(DataError, match=match):
            table(files, column, ["train", "Test", "train", "train"])

    @pytest.mark.parametrize("column", ["is_test", "isTrain", "is_val"])
    def test_a_column_that_says_a_part_by_its_name(self, files: Path, column: str) -> None:
        with pytest.raises(DataError, match=rf"column '{column}' is not read; rename it to 'split' or remove it"):
            table(files, column, ["0", "1", "0", "0"])

    @pytest.mark.parametrize("cells", [["test", "", "", ""], ["Train", "training", "train", ""]])
    def test_a_column_of_one_part_parts_nothing(self, files: Path, cells: list[str]) -> None:
        assert len(table(files, "stage", cells).list_cases()) == 4

    def test_other_columns_are_ignored_still(self, files: Path) -> None:
        assert len(table(files, "phase", ["arterial", "venous", "arterial", ""]).list_cases()) == 4

    @pytest.mark.parametrize("column", ["clinic", "Hospital", "institution"])
    def test_a_centre_by_another_name(self, files: Path, column: str) -> None:
        with pytest.raises(DataError, match=rf"column '{column}' is not read; rename it to 'centre' or remove it"):
            table(files, column, ["A", "A", "B", "B"])
        with pytest.raises(DataError, match=rf"key '{column}' is not known; rename it to 'centre' or remove it"):
            datalist(files, {"training": entries(**{column: "A"})})

    def test_folds_that_nobody_asked_for_are_said(self, files: Path) -> None:
        listed = {"training": [entry | {"fold": index % 2} for index, entry in enumerate(entries())]}
        said: list[str] = []
        (files / "list.json").write_text(json.dumps(listed), encoding="utf-8")
        prepare("datalist", files / "list.json", files / "a", options={"labels": "1=a"}, warn=said.append)
        assert said == [
            f"warning: {files / 'list.json'}: has folds 0, 1, which are left aside; pass --fold to hold one out"
        ]
        said.clear()
        prepare("datalist", files / "list.json", files / "b", options={"labels": "1=a", "fold": 1}, warn=said.append)
        assert not said

    def test_another_number_of_cases_than_stated_is_said(self, files: Path) -> None:
        source = datalist(files, {"training": entries(), "numTraining": 10})
        assert source.warnings == (
            f"{files / 'list.json'}: 'numTraining' is 10, 'training' lists 4 cases; was everything copied?",
        )


class TestJson:
    """Of every list and description: one reader."""

    def test_a_byte_order_mark_is_skipped(self, files: Path) -> None:
        assert len(datalist(files, "\ufeff" + json.dumps({"training": entries()})).list_cases()) == 4

    def test_a_key_that_is_there_twice_is_refused(self, files: Path) -> None:
        first, second = (json.dumps(entry) for entry in entries()[:2])
        with pytest.raises(DataError, match=r"list\.json: not readable as .* \(key 'training' is there twice"):
            datalist(files, f'{{"training": [{first}], "training": [{second}]}}')
        with pytest.raises(DataError, match=r"\(key 'image' is there twice"):
            datalist(files, '{"training": [{"image": "i0.nii.gz", "label": "l0.nii.gz", "image": "i1.nii.gz"}]}')

    @pytest.mark.parametrize("key", ["labels", "Labels", "LABELS"])
    def test_names_of_labels_and_channels_in_capitals(self, files: Path, key: str) -> None:
        content = {"training": entries(), key: {"0": "background", "1": "tumour"}, "Modality": {"0": "CT"}}
        source = datalist(files, content, labels=None)
        assert (dict(source.labels), list(source.channels)) == ({1: "tumour"}, ["CT"])
