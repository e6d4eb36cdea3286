"""The Decathlon's layout: with and without ``dataset.json``, channels, bad input."""

import json
from pathlib import Path

import numpy as np
import pytest
import replicas

from lesslabel.data.patient_lists import load_split
from lesslabel.data.sources import MSD
from lesslabel.errors import ConfigError, DataError


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return replicas.msd(tmp_path, cases=2)


@pytest.fixture
def undescribed(tmp_path: Path) -> Path:
    return replicas.msd(tmp_path, cases=2, described=False)


def describe(raw: Path, content: object) -> None:
    (raw / "dataset.json").write_text(content if isinstance(content, str) else json.dumps(content))


def refuse(source: MSD, match: str) -> None:
    with pytest.raises(DataError, match=match) as caught:
        source.read(source.list_cases()[0])
    assert "\n" not in str(caught.value)


def test_the_description_names_labels_and_channels(raw: Path) -> None:
    source = MSD(raw)
    assert source.labels == {1: "Anterior", 2: "Posterior"}
    assert source.channels == ["MRI"]


def test_without_a_description_labels_are_found_or_passed(undescribed: Path) -> None:
    assert MSD(undescribed).labels == {1: "label 1", 2: "label 2"}
    assert MSD(undescribed).channels == ["image"]
    assert MSD(undescribed, labels="1=anterior,2=posterior").labels == {1: "anterior", 2: "posterior"}
    describe(undescribed, {"name": "Hippocampus"})  # silent on both
    assert MSD(undescribed).labels == {1: "label 1", 2: "label 2"}


def test_passed_labels_come_before_the_description(raw: Path) -> None:
    assert MSD(raw, labels="1=head,2=body").labels == {1: "head", 2: "body"}
    with pytest.raises(ConfigError, match="labels"):
        MSD(raw, labels="head")


def test_files_of_a_mac_and_of_the_test_part_are_left_aside(raw: Path) -> None:
    replicas.write_nifti(raw / "imagesTs" / "hippocampus_002.nii.gz", np.ones((6, 64, 56), np.int16))
    assert len(MSD(raw).list_cases()) == 2
    assert all(not case.uid.startswith(".") for case in MSD(raw).list_cases())


def test_an_image_without_a_label_map_is_an_unlabelled_case(raw: Path) -> None:
    sorted((raw / "labelsTr").glob("hippo*"))[0].unlink()
    source = MSD(raw)
    assert [set(source.read(case).annotations) for case in source.list_cases()] == [set(), {"dense"}]


def test_the_fourth_dimension_becomes_channels(tmp_path: Path) -> None:
    image = np.random.default_rng(0).normal(size=(4, 3, 8, 7)).astype(np.float32)
    replicas.write_nifti(tmp_path / "imagesTr" / "a.nii.gz", image)
    replicas.write_nifti(tmp_path / "labelsTr" / "a.nii.gz", np.ones((3, 8, 7), np.uint8))
    assert MSD(tmp_path).channels == ["image 1", "image 2", "image 3", "image 4"]
    names = {str(index): name for index, name in enumerate(("FLAIR", "T1w", "t1gd", "T2w"))}
    describe(tmp_path, {"modality": names, "labels": {"0": "background", "1": "edema"}})
    source = MSD(tmp_path)
    assert source.channels == ["FLAIR", "T1w", "t1gd", "T2w"]
    np.testing.assert_array_equal(source.read(source.list_cases()[0]).image, image)
    describe(tmp_path, {"modality": {"0": "MRI"}})
    refuse(MSD(tmp_path), r"a.nii.gz: 4 channels, the task has 1 \(MRI\)")


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ("{", "dataset.json: not readable as JSON"),
        ('{"labels": {"1": "a", "1": "b"}}', r"dataset.json: not readable as JSON \(key '1' is there twice"),
        ([1], "dataset.json: expected an object with 'labels' and 'modality'"),
        ({"labels": {"background": 0, "a": 1}}, "dataset.json: labels must be"),
        ({"labels": {"1": ["a"]}}, "dataset.json: labels must be"),
        ({"labels": {"300": "a"}}, "dataset.json: labels must be"),
        ({"labels": ["a"]}, "dataset.json: labels must be"),
    ],
)
def test_a_damaged_description_is_named(raw: Path, content: object, match: str) -> None:
    describe(raw, content)
    with pytest.raises(DataError, match=match):
        MSD(raw)


def test_a_label_that_the_description_does_not_name(raw: Path) -> None:
    describe(raw, {"labels": {"0": "background", "1": "Anterior"}})
    refuse(MSD(raw), "nii.gz: label value 2 is not known; expected 0, 1")


def test_no_label_anywhere(undescribed: Path) -> None:
    for path in (undescribed / "labelsTr").glob("hippo*"):
        replicas.write_nifti(path, np.zeros((6, 64, 56), np.uint8))
    with pytest.raises(DataError, match="no label found in labelsTr; pass LABELS"):
        MSD(undescribed)


def test_grids_that_differ(raw: Path) -> None:
    replicas.write_nifti(sorted((raw / "labelsTr").glob("hippo*"))[0], np.zeros((6, 64, 50), np.uint8))
    refuse(MSD(raw), r"shape \(z, y, x\) is \(6, 64, 50\)")


def test_truncated(raw: Path) -> None:
    path = MSD(raw).list_cases()[0].files["image"]
    source = MSD(raw)
    path.write_bytes(path.read_bytes()[:1000])
    refuse(source, "nii.gz: not a readable NIfTI")


def test_a_folder_without_the_layout_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"{tmp_path}: no MSD data; expected imagesTr"):
        MSD(tmp_path)


@pytest.mark.real
def test_real_hippocampi(real_data: Path) -> None:
    source = MSD(real_data / "hippocampus")
    listed = source.list_cases()
    assert len(listed) == 208
    assert source.labels == {1: "label 1", 2: "label 2"}
    split = load_split("hippocampus/random_160_16_32")
    assert {raw.patient for raw in listed} == {patient for members in split.values() for patient in members}
    for raw in listed[::40]:
        case = source.read(raw)
        assert case.spacing_mm == (1.0, 1.0, 1.0)
        assert set(np.unique(case.annotations["dense"].labels)) == {0, 1, 2}
