"""Data lists of MONAI: parts, folds, names and faults."""

import json
from pathlib import Path

import numpy as np
import pytest
import replicas

from lesslabel.data.sources.datalist import Datalist
from lesslabel.errors import DataError

IMAGE = np.arange(3 * 5 * 4, dtype=np.int16).reshape(3, 5, 4)
LABELS = (IMAGE % 3).astype(np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a", "b", "c"):
        replicas.write_nifti(tmp_path / "images" / f"{name}.nii.gz", IMAGE)
        replicas.write_nifti(tmp_path / "labels" / f"{name}.nii.gz", LABELS)
        replicas.write_nifti(tmp_path / name / "image.nii.gz", IMAGE)
    return tmp_path


def entry(name: str, **more: object) -> dict[str, object]:
    return {"image": f"images/{name}.nii.gz", "label": f"labels/{name}.nii.gz"} | more


def write(folder: Path, **content: object) -> Path:
    path = folder / "datalist.json"
    path.write_text(json.dumps(content))
    return path


def refuse(path: Path, match: str, **settings) -> None:
    with pytest.raises(DataError, match=match) as caught:
        Datalist(path, **settings)
    assert "\n" not in str(caught.value)


def test_parts_labels_and_channels(folder: Path) -> None:
    path = write(
        folder,
        labels={"0": "background", "1": "RV", "2": "Myo"},
        modality={"0": "MR"},
        training=[entry("a")],
        validation=[entry("b")],
        test=["images/c.nii.gz"],
    )
    source = Datalist(path)
    assert (source.labels, source.channels) == ({1: "RV", 2: "Myo"}, ["MR"])
    assert [(case.uid, case.patient, case.group) for case in source.list_cases()] == [
        ("a", "a", "train"),
        ("b", "b", "validation"),
        ("c", "c", "test"),
    ]
    cases = [source.read(raw) for raw in source.list_cases()]
    np.testing.assert_array_equal(cases[0].annotations["dense"].labels, LABELS)
    assert not cases[2].annotations


def test_paths_are_relative_to_the_list_or_absolute(folder: Path) -> None:
    path = write(folder, training=[entry("b"), entry("a", image=str(folder / "images" / "a.nii.gz"))])
    found = [(case.files["image"], case.files["dense"]) for case in Datalist(path).list_cases()]
    assert found == [(folder / f"images/{name}.nii.gz", folder / f"labels/{name}.nii.gz") for name in ("b", "a")]


def test_a_fold_is_held_out(folder: Path) -> None:
    path = write(folder, training=[entry("a", fold=0), entry("b", fold=1)], testing=[entry("c", fold=0)])
    assert [case.group for case in Datalist(path, fold=1).list_cases()] == ["train", "validation", "test"]


def test_channels_patients_and_a_folder_elsewhere(folder: Path) -> None:
    images = ["images/a.nii.gz", "images/b.nii.gz"]
    (folder / "lists").mkdir()
    path = write(folder / "lists", training=[entry("a", image=images, patient="anna", centre="north", case="one")])
    source = Datalist(path, base=folder, labels="1=RV,2=Myo")
    case = source.read(source.list_cases()[0])
    assert (case.uid, case.patient, case.centre, len(case.image)) == ("one", "anna", "north", 2)


def test_images_of_one_name_are_told_apart_by_their_folders(folder: Path) -> None:
    path = write(folder, training=["a/image.nii.gz", "b/image.nii.gz", "images/c.nii.gz"])
    assert [case.uid for case in Datalist(path, labels="1=RV").list_cases()] == ["a_image", "b_image", "c"]


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ({}, "no case listed; expected lists under training"),
        ({"training": {"a": 1}}, "'training' is no list"),
        ({"training": [3]}, "training 1: neither a path nor an object"),
        ({"training": [{"label": "labels/a.nii.gz"}]}, "training 1: no image"),
        ({"training": [entry("a"), entry("b", label=["x", "y"])]}, "training 2: 'label' is"),
        ({"training": [entry("a", image=None)]}, "training 1: 'image' is None"),
        ({"training": [entry("x")]}, "training 1: .*x.nii.gz: no such file"),
        ({"training": [entry("a"), entry("a")]}, "case 'images_a' is listed 2 times"),
        ({"training": [entry("a", case="../a")]}, "training 1: case name '../a' cannot name a file"),
        ({"training": [entry("a")], "labels": ["RV"]}, "labels must be"),
        ({"training": [entry("a")], "labels": {"400": "RV"}}, "labels must be"),
    ],
)
def test_faults_name_the_entry(folder: Path, content: dict[str, object], match: str) -> None:
    refuse(write(folder, **content), match)


@pytest.mark.parametrize("text", ["{", "[]", "\x00"])
def test_no_list(folder: Path, text: str) -> None:
    (folder / "list.json").write_text(text)
    refuse(folder / "list.json", "list.json: not readable as a data list of MONAI")


class TestFoldsAndKeys:
    """What is written otherwise is understood or refused; it never turns everything into training."""

    @pytest.mark.parametrize("write_fold", [int, str, float, lambda fold: f" {fold} "])
    def test_a_fold_is_a_number_however_it_is_written(self, folder: Path, write_fold) -> None:
        entries = [entry(name, fold=write_fold(number)) for number, name in enumerate("abc")]
        cases = Datalist(write(folder, training=entries), fold=1, labels="1=a,2=b").list_cases()
        assert [case.group for case in cases] == ["train", "validation", "train"]

    @pytest.mark.parametrize("fold", [None, "first", True, [0], -1, 0.5])
    def test_an_entry_without_a_fold_is_refused(self, folder: Path, fold: object) -> None:
        path = write(folder, training=[entry("a", fold=0), entry("b", **({} if fold is None else {"fold": fold}))])
        refuse(path, "training 2: 'fold' is .*; give every entry of 'training' a number", fold=0, labels="1=a")

    def test_without_a_fold_to_validate_on_all_of_training_trains(self, folder: Path) -> None:
        path = write(folder, training=[entry("a", fold=0), entry("b", fold="1")])
        assert {case.group for case in Datalist(path, labels="1=a,2=b").list_cases()} == {"train"}

    @pytest.mark.parametrize(
        ("more", "match"),
        [
            ({"split": "test"}, "training 1: 'split' is 'test', and its list is 'train'; move it"),
            ({"split": "holdout"}, "training 1: 'split' is 'holdout', and its list is 'train'"),
            ({"subject_id": 7}, "training 1: key 'subject_id' is not known; rename it to 'patient'"),
            ({"PID": 7}, "training 1: key 'PID' is not known; rename it to 'patient'"),
            ({"spacing": [1, 1, 5]}, "training 1: key 'spacing' is not read, sizes are those of the files"),
            ({"label_path": "labels/a.nii.gz"}, "'label_path' names no rater; rename it to 'label'"),
        ],
    )
    def test_a_key_that_would_change_the_meaning_is_refused(self, folder: Path, more: dict, match: str) -> None:
        refuse(write(folder, training=[entry("a", **more)]), match, labels="1=a,2=b")

    def test_keys_that_say_something_else_are_left_aside(self, folder: Path) -> None:
        fields = entry("a", age=50, stage="II", phase="venous", site="lung", split="training", patient=1, subject_id=7)
        (case,) = Datalist(write(folder, training=[fields]), labels="1=a,2=b").list_cases()
        assert (case.group, case.patient) == ("train", "1")

    def test_a_fold_that_no_entry_has_is_refused(self, folder: Path) -> None:
        path = write(folder, training=[entry("a", fold=0), entry("b", fold="1")])
        refuse(path, r"no entry of 'training' has fold 7; there are 0, 1; correct --fold", fold=7, labels="1=a")

    @pytest.mark.parametrize("key", ["training", "Training", "TRAINING", " training "])
    def test_parts_in_capitals(self, folder: Path, key: str) -> None:
        source = Datalist(write(folder, **{key: [entry("a")], "Testing": [entry("b")]}), labels="1=a,2=b")
        assert [case.group for case in source.list_cases()] == ["train", "test"]

    @pytest.mark.parametrize("key", ["train", "val", "unlabelled"])
    def test_cases_under_a_key_that_is_no_part_are_refused(self, folder: Path, key: str) -> None:
        path = write(folder, training=[entry("a")], **{key: [entry("b")]})
        refuse(path, f"'{key}' lists cases and is no part; name it one of training", labels="1=a,2=b")

    def test_two_keys_of_one_part_are_refused(self, folder: Path) -> None:
        refuse(write(folder, training=[entry("a")], Training=[entry("b")]), "'training' and 'Training' are one part")

    def test_keys_of_an_entry(self, folder: Path) -> None:
        fields = {"Image": "images/a.nii.gz", "LABEL": "labels/a.nii.gz", "id": 7, "class": "x"}
        (case,) = Datalist(write(folder, training=[fields]), labels="1=a,2=b").list_cases()
        assert set(case.files) == {"image", "dense"}

    @pytest.mark.parametrize(
        ("more", "match"),
        [
            ({"mask": "labels/a.nii.gz"}, "key 'mask' names a file and is not read; call it image or label"),
            ({"Label": "labels/b.nii.gz"}, "'Label' is there twice"),
            ({"lable": 1}, "key 'lable' is not known; rename it to 'label'"),
        ],
    )
    def test_keys_that_change_a_meaning_are_refused(self, folder: Path, more: dict[str, object], match: str) -> None:
        refuse(write(folder, training=[entry("a", **more)]), match, labels="1=a")
