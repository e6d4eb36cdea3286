"""A value of a label map that its layout does not declare is refused by every source; 255 is no exception."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import nibabel as nib
import numpy as np
import pytest
import SimpleITK
from numpy.typing import NDArray
from PIL import Image
from test_sources_contract import MAKERS

from lesslabel.data.case import IGNORE
from lesslabel.data.sources import Datalist, Folder, NNUNet, Source
from lesslabel.errors import DataError

Change = Callable[[NDArray[Any]], NDArray[Any]]

IN_PICTURES = ("chaos_ct", "chaos_t1dual", "chaos_t2spir", "hc18")
"""Layouts whose label maps are pictures in which 255 is declared: an organ, or the line around the object."""
OF_OWN_MEANING = ("la_nrrd", "medscribble", *IN_PICTURES, "phantom")
"""Layouts in which 255 is the object, or that have no files."""


def to_mask(values: NDArray[Any]) -> NDArray[Any]:
    """0 and 255, as many programs save masks."""
    return np.where(values > 0, 255, 0).astype(np.uint8)


def with_one(value: int) -> Change:
    """The same with one voxel of another value."""

    def change(values: NDArray[Any]) -> NDArray[Any]:
        changed = values.astype(np.int16) if values.dtype == np.int8 else values.copy()
        changed.flat[0] = value
        return changed

    return change


def rewrite(path: Path, change: Change) -> None:
    """Change the values of a label file in its own format."""
    if path.name.endswith((".nii", ".nii.gz")):
        stored = nib.load(path)
        changed = change(np.asanyarray(stored.dataobj))
        nib.Nifti1Image(changed, stored.affine).to_filename(path)
    elif path.suffix == ".h5":
        with h5py.File(path, "r+") as file:
            changed = change(file["label"][()])
            del file["label"]
            file["label"] = changed
    elif path.suffix == ".png":
        Image.fromarray(change(np.asarray(Image.open(path)))).save(path)
    else:
        stored = SimpleITK.ReadImage(str(path))
        changed = SimpleITK.GetImageFromArray(change(SimpleITK.GetArrayFromImage(stored)))
        changed.CopyInformation(stored)
        SimpleITK.WriteImage(changed, str(path))


def annotate(source: Source, change: Change) -> Path:
    """Change the first dense label map of a source; returns its file."""
    for raw in source.list_cases():
        dense = [path for role, path in raw.files.items() if role not in ("scribble",) and "image" not in role]
        path = dense[0] if dense else raw.files["image"]
        if dense or path.suffix == ".h5":
            rewrite(path, change)
            return path
    raise AssertionError("no dense label map")


def read_all(source: Source) -> None:
    for raw in source.list_cases():
        source.read(raw)


def refuse(source: Source, path: Path, match: str) -> None:
    with pytest.raises(DataError, match=match) as caught:
        read_all(source)
    assert path.name in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", [name for name in MAKERS if name not in OF_OWN_MEANING])
def test_a_mask_of_0_and_255_is_refused(name: str, tmp_path: Path) -> None:
    source = MAKERS[name](tmp_path)
    path = annotate(source, to_mask)
    refuse(source, path, "255.*save (it|a mask of 0 and 255) as 0 and 1")


@pytest.mark.parametrize("name", [name for name in MAKERS if name not in (*OF_OWN_MEANING, "npc", "folder")])
def test_one_voxel_of_255_is_refused_where_no_voxel_may_be_unknown(name: str, tmp_path: Path) -> None:
    source = MAKERS[name](tmp_path)
    path = annotate(source, with_one(255))
    refuse(source, path, "label value 255 is not known; expected 0, 1.*every voxel is known here")


@pytest.mark.parametrize("name", [name for name in MAKERS if name not in ("phantom", "medscribble", "hc18")])
def test_one_voxel_of_a_value_without_a_name_is_refused(name: str, tmp_path: Path) -> None:
    source = MAKERS[name](tmp_path)
    path = annotate(source, with_one(99))
    refuse(source, path, "label value 99 is not known; expected 0|grey value 99 is no organ")


def write_volume(path: Path, values: NDArray[Any]) -> None:
    path.parent.mkdir(exist_ok=True)
    nib.Nifti1Image(values.T, np.eye(4)).to_filename(path)


@pytest.fixture
def _image(tmp_path: Path) -> None:
    image = np.random.default_rng(0).normal(size=(4, 8, 9)).astype(np.float32)
    write_volume(tmp_path / "imagesTr" / "c_0000.nii.gz", image)


def table(tmp_path: Path, label: str, **settings: Any) -> Folder:
    (tmp_path / "table.csv").write_text(f"image,label\nimagesTr/c_0000.nii.gz,{label}\n")
    return Folder(tmp_path / "table.csv", **settings)


def datalist(tmp_path: Path, label: str, **settings: Any) -> Datalist:
    (tmp_path / "list.json").write_text(f'{{"training": [{{"image": "imagesTr/c_0000.nii.gz", "label": "{label}"}}]}}')
    return Datalist(tmp_path / "list.json", **settings)


def nnunet(tmp_path: Path, labels: str) -> NNUNet:
    (tmp_path / "dataset.json").write_text(
        f'{{"channel_names": {{"0": "CT"}}, "labels": {labels}, "file_ending": ".nii.gz"}}'
    )
    return NNUNet(tmp_path)


def object_of(shape: tuple[int, int, int] = (4, 8, 9)) -> NDArray[np.uint8]:
    labels = np.zeros(shape, np.uint8)
    labels[1:3, 2:5, 3:6] = 1
    return labels


@pytest.mark.usefixtures("_image")
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
def test_nnunet_knows_unknown_voxels_only_where_dataset_json_has_ignore(
    tmp_path: Path, dtype: type[np.generic]
) -> None:
    label = tmp_path / "labelsTr" / "c.nii.gz"
    write_volume(label, (255 * object_of().astype(np.int16)).astype(dtype))
    refuse(nnunet(tmp_path, '{"background": 0, "tumour": 1}'), label, "label value 255 is not known; expected 0, 1;")
    source = nnunet(tmp_path, '{"background": 0, "tumour": 1, "ignore": 2}')
    refuse(source, label, "label value 255 is not known; expected 0, 1 and 2 = unknown;")
    write_volume(label, object_of() * 2)
    assert source.read(source.list_cases()[0]).annotations["scribble"].labels.max() == IGNORE


@pytest.mark.usefixtures("_image")
@pytest.mark.parametrize("labels", [None, "1=a", "1=a,2=b"])
def test_a_table_refuses_a_mask_and_takes_unknown_voxels_beside_labels(tmp_path: Path, labels: str | None) -> None:
    label, other = tmp_path / "mask.nii.gz", tmp_path / "other.nii.gz"
    write_volume(other, object_of())
    write_volume(label, 255 * object_of())
    if labels is not None:
        refuse(table(tmp_path, label.name, labels=labels), label, "known nowhere but in the background")
    mixed = object_of()
    mixed[0, 0] = 255
    write_volume(label, mixed)
    source = table(tmp_path, label.name, labels=labels)
    assert set(np.unique(source.read(source.list_cases()[0]).annotations["dense"].labels)) == {0, 1, IGNORE}


@pytest.mark.usefixtures("_image")
def test_a_table_takes_slices_in_which_there_is_nothing_beside_slices_that_nobody_annotated(tmp_path: Path) -> None:
    labels = np.zeros_like(object_of())
    labels[2:] = 255
    write_volume(tmp_path / "label.nii.gz", labels)
    source = table(tmp_path, "label.nii.gz", labels="1=a")
    np.testing.assert_array_equal(source.read(source.list_cases()[0]).annotations["dense"].labels, labels)


@pytest.mark.usefixtures("_image")
def test_a_datalist_knows_unknown_voxels_only_if_they_are_declared(tmp_path: Path) -> None:
    mixed = object_of()
    mixed[0, 0] = 255
    write_volume(tmp_path / "label.nii.gz", mixed)
    source = datalist(tmp_path, "label.nii.gz", labels="1=a")
    refuse(source, tmp_path / "label.nii.gz", "label value 255 is not known; expected 0, 1;")
    with pytest.raises(DataError, match=r"label\.nii\.gz: label value 255 is not within 1 to 254"):
        datalist(tmp_path, "label.nii.gz")
    declared = datalist(tmp_path, "label.nii.gz", labels="1=a", unknown=255)
    np.testing.assert_array_equal(declared.read(declared.list_cases()[0]).annotations["dense"].labels, mixed)


@pytest.mark.parametrize("make", [table, datalist])
@pytest.mark.parametrize("whole", [False, True])
def test_a_picture_of_0_and_255_is_a_mask_of_the_one_label(
    tmp_path: Path, make: Callable[..., Source], whole: bool
) -> None:
    mask = np.full((8, 9), 255, np.uint8) if whole else object_of()[1] * np.uint8(255)
    (tmp_path / "imagesTr").mkdir()
    write_volume(tmp_path / "imagesTr" / "c_0000.nii.gz", np.zeros((1, 8, 9), np.float32))
    nib.Nifti1Image(np.arange(72.0).reshape(9, 8, 1), np.eye(4)).to_filename(tmp_path / "imagesTr" / "c_0000.nii.gz")
    Image.fromarray(mask).save(tmp_path / "mask.png")
    source = make(tmp_path, "mask.png", labels="1=a")
    np.testing.assert_array_equal(source.read(source.list_cases()[0]).annotations["dense"].labels[0], mask // 255)
    refuse(make(tmp_path, "mask.png", labels="1=a,2=b"), tmp_path / "mask.png", "255")
