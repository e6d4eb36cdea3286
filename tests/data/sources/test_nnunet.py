"""nnU-Net's raw layout, versions 1 and 2."""

import json
from pathlib import Path

import numpy as np
import pytest
import replicas
import SimpleITK
from itk_images import to_itk

from lesslabel.data.case import IGNORE, Kind
from lesslabel.data.sources.nnunet import NNUNet
from lesslabel.errors import ConfigError, DataError

IMAGE = np.arange(3 * 5 * 4, dtype=np.int16).reshape(3, 5, 4)
LABELS = (IMAGE % 3).astype(np.uint8)


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Two cases to train on and one to test on, of two channels."""
    for part, name in (("Tr", "case_b"), ("Tr", "case_a"), ("Ts", "case_c")):
        for channel in (0, 1):
            path = tmp_path / f"images{part}" / f"{name}_{channel:04d}.nii.gz"
            replicas.write_nifti(path, IMAGE + np.int16(100 * channel))
        if part == "Tr":
            replicas.write_nifti(tmp_path / "labelsTr" / f"{name}.nii.gz", LABELS)
    return describe(tmp_path)


def describe(raw: Path, **changes: object) -> Path:
    description = {
        "channel_names": {"0": "T2", "1": "ADC"},
        "labels": {"background": 0, "PZ": 1, "TZ": 2},
        "numTraining": 2,
        "file_ending": ".nii.gz",
    }
    content = {key: value for key, value in (description | changes).items() if value is not None}
    (raw / "dataset.json").write_text(json.dumps(content))
    return raw


def refuse(raw: Path, match: str, **settings) -> None:
    with pytest.raises(DataError, match=match) as caught:
        NNUNet(raw, **settings)
    assert "\n" not in str(caught.value)


def test_version_2(raw: Path) -> None:
    source = NNUNet(raw)
    assert [(case.uid, case.group) for case in source.list_cases()] == [
        ("case_a", "train"),
        ("case_b", "train"),
        ("case_c", "test"),
    ]
    assert source.labels == {1: "PZ", 2: "TZ"}
    assert source.channels == ["T2", "ADC"]
    case = source.read(source.list_cases()[0])
    np.testing.assert_array_equal(case.image, np.stack([IMAGE, IMAGE + 100]))
    np.testing.assert_array_equal(case.annotations["dense"].labels, LABELS)
    assert not source.read(source.list_cases()[2]).annotations


def test_version_1(raw: Path) -> None:
    v1 = {"modality": {"0": "T2", "1": "ADC"}, "labels": {"0": "background", "1": "PZ", "2": "TZ"}}
    source = NNUNet(describe(raw, channel_names=None, file_ending=None, training=[], test=[], **v1))
    assert (source.labels, source.channels) == ({1: "PZ", 2: "TZ"}, ["T2", "ADC"])
    assert len(source.list_cases()) == 3


def test_labels_of_the_test_images_are_read_if_there(raw: Path) -> None:
    replicas.write_nifti(raw / "labelsTs" / "case_c.nii.gz", LABELS)
    source = NNUNet(raw)
    assert set(source.read(source.list_cases()[2]).annotations) == {"dense"}


def test_regions_name_codes_where_they_can(raw: Path) -> None:
    labels = {"background": 0, "whole": [1, 2, 3], "core": [2, 3], "enhancing": [3]}
    source = NNUNet(describe(raw, labels=labels, regions_class_order=[1, 2, 3]))
    assert source.labels == {1: "label 1", 2: "label 2", 3: "enhancing"}


def test_what_is_to_be_ignored_is_unknown(raw: Path) -> None:
    replicas.write_nifti(raw / "labelsTr" / "case_b.nii.gz", np.where(LABELS == 2, 0, LABELS).astype(np.uint8))
    source = NNUNet(describe(raw, labels={"background": 0, "PZ": 1, "ignore": 2}))
    assert source.labels == {1: "PZ"}
    first, second = (source.read(raw_case).annotations for raw_case in source.list_cases()[:2])
    assert first["scribble"].kind == Kind.SCRIBBLE
    np.testing.assert_array_equal(first["scribble"].labels, np.array([0, 1, IGNORE])[LABELS])
    assert set(second) == {"dense"}


def test_other_formats(raw: Path) -> None:
    for path in raw.rglob("*.nii.gz"):
        array = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(path))
        SimpleITK.WriteImage(to_itk(array), path.with_name(path.name.replace(".nii.gz", ".mha")))
        path.unlink()
    source = NNUNet(describe(raw, file_ending=".mha"))
    np.testing.assert_array_equal(source.read(source.list_cases()[1]).image[0], IMAGE)


def test_files_that_are_named_one_by_one(raw: Path) -> None:
    images = [f"imagesTs/case_c_{channel:04d}.nii.gz" for channel in (1, 0)]
    source = NNUNet(describe(raw, dataset={"one": {"images": images, "label": "labelsTr/case_a.nii.gz"}}))
    (listed,) = source.list_cases()
    assert source.read(listed).image[:, 0, 0, 0].tolist() == [100.0, 0.0]


def test_the_folds_of_its_preprocessing(raw: Path, tmp_path: Path) -> None:
    path = tmp_path / "splits_final.json"
    path.write_text(json.dumps([{"train": ["case_a"], "val": ["case_b"]}, {"train": ["case_b"], "val": ["case_a"]}]))
    assert [case.group for case in NNUNet(raw, splits=path).list_cases()] == ["train", "validation", "test"]
    assert [case.group for case in NNUNet(raw, splits=path, fold=1).list_cases()] == ["validation", "train", "test"]
    refuse(raw, "no fold 2", splits=path, fold=2)
    path.write_text(json.dumps([{"train": ["case_x"], "val": []}]))
    refuse(raw, "fold 0 has case 'case_x'", splits=path)


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ({"train": ["case_a"], "val": []}, "fold 0 lists no case under 'val'"),
        ({"train": ["case_a"], "validation": ["case_b"]}, "fold 0 lists no case under 'val'"),
        ({"Train": ["case_a"], "val": ["case_b"]}, "fold 0 lists no case under 'train'"),
        ({"train": ["case_a"], "val": ["case_b"], "test": ["case_c"]}, "fold 0 has 'test', which is not read"),
        ({"train": ["case_a", "case_b"], "val": ["case_b"]}, "fold 0 has case 'case_b' in 'train' and in 'val'"),
    ],
)
def test_a_fold_of_which_nothing_matches_is_refused(raw: Path, tmp_path: Path, content: object, match: str) -> None:
    path = tmp_path / "splits_final.json"
    path.write_text(json.dumps([content]))
    refuse(raw, match, splits=path)


def test_a_fold_without_splits_is_refused(raw: Path) -> None:
    with pytest.raises(ConfigError, match="fold is 1 without splits"):
        NNUNet(raw, fold=1)


class TestFaults:
    def test_a_channel_is_missing(self, raw: Path) -> None:
        (raw / "imagesTr" / "case_a_0000.nii.gz").unlink()
        refuse(raw, "imagesTr: no case_a_0001.nii.gz|imagesTr: no case_a_0000.nii.gz")

    def test_the_last_channel_is_missing(self, raw: Path) -> None:
        (raw / "imagesTr" / "case_a_0001.nii.gz").unlink()
        source = NNUNet(raw)
        with pytest.raises(DataError, match=r"case case_a has 1 channels, not 2 \(T2, ADC\)"):
            source.read(source.list_cases()[0])

    def test_names(self, raw: Path) -> None:
        replicas.write_nifti(raw / "labelsTr" / "case_x.nii.gz", LABELS)
        refuse(raw, "case_x.nii.gz: no image case_x_0000.nii.gz in imagesTr")
        replicas.write_nifti(raw / "imagesTr" / "case_x.nii.gz", IMAGE)
        refuse(raw, "case_x.nii.gz: not named <case>_0000.nii.gz")

    @pytest.mark.parametrize(
        ("changes", "match"),
        [
            ({"labels": None}, "no 'labels'"),
            ({"labels": {"PZ": 300}}, "label 'PZ' is 300; expected a code of 0 to 254"),
            ({"labels": {"PZ": "1"}}, "label 'PZ' is '1'"),
            ({"labels": {"PZ": True}}, "label 'PZ' is True"),
            ({"channel_names": ["T2"]}, "no 'channel_names'"),
            ({"channel_names": {"0": "T2", "2": "ADC"}}, "no 'channel_names'"),
            ({"file_ending": ".exe"}, "file_ending '.exe' is not read"),
            ({"file_ending": ".nrrd"}, "no nnU-Net data; expected imagesTr/<case>_0000.nrrd"),
            ({"dataset": ["a"]}, "'dataset' must be"),
            ({"dataset": {"a": {"images": "b"}}}, "case 'a' of 'dataset' has no list 'images'"),
            ({"dataset": {"a": {"images": ["b.nii.gz"]}}}, "case 'a': .*b.nii.gz: no such file"),
        ],
    )
    def test_the_description(self, raw: Path, changes: dict[str, object], match: str) -> None:
        refuse(describe(raw, **changes), match)

    @pytest.mark.parametrize("text", ["{", "[]", "3"])
    def test_no_description(self, raw: Path, text: str) -> None:
        (raw / "dataset.json").write_text(text)
        refuse(raw, "dataset.json: not readable as dataset.json of nnU-Net")
        (raw / "dataset.json").unlink()
        refuse(raw, "dataset.json: no such file")
