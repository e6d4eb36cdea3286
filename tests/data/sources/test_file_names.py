"""Names of files as they come from other machines: endings in capitals, accents apart from their letters."""

import json
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import replicas
import SimpleITK
from PIL import Image

from lesslabel.data.formats.reading import read_image
from lesslabel.data.sources.folder import Folder
from lesslabel.data.sources.nnunet import NNUNet
from lesslabel.evaluation.files import evaluate_files

SHAPE = (3, 8, 9)
IMAGE = np.arange(np.prod(SHAPE), dtype=np.float32).reshape(SHAPE)
LABELS = (IMAGE % 3 == 0).astype(np.uint8)


def in_capitals(path: Path) -> Path:
    name, _, ending = path.name.partition(".")
    return path.rename(path.with_name(f"{name}.{ending.upper()}"))


@pytest.mark.parametrize("ending", [".nii", ".nii.gz", ".nrrd", ".mha"])
def test_an_image_is_read_whatever_the_case_of_its_ending(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"scan{ending}"
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(IMAGE), str(path), useCompression=True)
    np.testing.assert_array_equal(read_image(in_capitals(path)).array[0], IMAGE)


@pytest.mark.parametrize("ending", [".png", ".tif", ".jpg"])
def test_a_picture_is_read_whatever_the_case_of_its_ending(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"scan{ending}"
    Image.fromarray(np.full((8, 9), 7, dtype=np.uint8)).save(path)
    assert read_image(in_capitals(path)).array.tolist() == np.full((1, 1, 8, 9), 7.0).tolist()


def test_two_folders_are_scored_whatever_the_case_of_the_endings(tmp_path: Path) -> None:
    for folder in ("predictions", "references"):
        replicas.write_nifti(tmp_path / folder / "case.nii.gz", LABELS)
    in_capitals(tmp_path / "predictions" / "case.nii.gz")
    table = evaluate_files(tmp_path / "predictions", tmp_path / "references", labels={1: "organ"})
    assert table["dice"].tolist()[0] == 1.0


def write_nnunet(raw: Path, **changes) -> Path:
    for case in ("a", "b"):
        replicas.write_nifti(raw / "imagesTr" / f"{case}_0000.nii.gz", IMAGE)
        replicas.write_nifti(raw / "labelsTr" / f"{case}.nii.gz", LABELS)
    content = {"channel_names": {"0": "T2"}, "labels": {"background": 0, "organ": 1}, "file_ending": ".nii.gz"}
    (raw / "dataset.json").write_text(json.dumps(content | changes))
    return raw


def test_nnunet_finds_endings_in_capitals(tmp_path: Path) -> None:
    raw = write_nnunet(tmp_path, numTraining=2)
    in_capitals(raw / "imagesTr" / "b_0000.nii.gz")
    in_capitals(raw / "labelsTr" / "b.nii.gz")
    assert [case.uid for case in NNUNet(raw).list_cases()] == ["a", "b"]


def test_a_data_set_that_was_copied_in_part_is_told(tmp_path: Path) -> None:
    told = NNUNet(write_nnunet(tmp_path, numTraining=3)).warnings
    assert told == (f"{tmp_path / 'dataset.json'}: 'numTraining' is 3, imagesTr holds 2 cases; was everything copied?",)
    assert NNUNet(write_nnunet(tmp_path, numTraining=2)).warnings == ()


def test_cases_in_neither_part_of_a_fold_are_named(tmp_path: Path) -> None:
    raw = write_nnunet(tmp_path)
    replicas.write_nifti(raw / "imagesTr" / "c_0000.nii.gz", IMAGE)
    splits = tmp_path / "splits_final.json"
    splits.write_text(json.dumps([{"train": ["a"], "val": ["b"]}]))
    source = NNUNet(raw, splits=splits)
    assert [case.uid for case in source.list_cases()] == ["a", "b"]
    assert source.warnings == (f"{splits}: 1 of 3 cases are in neither part of the fold and are left out (c)",)


@pytest.mark.parametrize("name", ["Zoë", "Ångström", "हिन्दी", "cas été 2", "Việt"])
def test_accents_apart_from_their_letters_name_the_same_case(tmp_path: Path, name: str) -> None:
    apart = unicodedata.normalize("NFD", name)
    replicas.write_nifti(tmp_path / f"{apart}.nii.gz", IMAGE)
    replicas.write_nifti(tmp_path / "label.nii.gz", LABELS)
    (tmp_path / "table.csv").write_text(f"image,label,patient\n{apart}.nii.gz,label.nii.gz,{apart}\n", encoding="utf-8")
    (case,) = Folder(tmp_path / "table.csv").list_cases()
    assert (case.uid, case.patient) == (unicodedata.normalize("NFC", name),) * 2


def test_accents_apart_from_their_letters_are_scored_against_the_same_name(tmp_path: Path) -> None:
    for folder, form in (("predictions", "NFD"), ("references", "NFC")):
        replicas.write_nifti(tmp_path / folder / f"{unicodedata.normalize(form, 'Zoë')}.nii.gz", LABELS)
    table = evaluate_files(tmp_path / "predictions", tmp_path / "references", labels={1: "organ"})
    assert table["dice"].tolist()[0] == 1.0
