"""The two layouts of LA: axes, lists, the published crop and normalisation, bad input."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import replicas
import SimpleITK

from lesslabel.data.case import IGNORE
from lesslabel.data.formats.nrrd import read_nrrd
from lesslabel.data.patient_lists import load_split
from lesslabel.data.sources import LA
from lesslabel.data.sources.la import SPACING_MM, crop_around
from lesslabel.errors import ConfigError, DataError

TRAIN = load_split("la/published_80_20")["train"]
SPACING_OF_REPLICA = "10,3.25,3"


@pytest.fixture
def h5(tmp_path: Path) -> Path:
    return replicas.la_h5(tmp_path, cases=3)


@pytest.fixture
def nrrd(tmp_path: Path) -> Path:
    return replicas.la_nrrd(tmp_path, cases=2)


def volume(h5: Path) -> Path:
    return sorted(h5.rglob("mri_norm2.h5"))[0]


def refuse(source: LA, match: str) -> None:
    with pytest.raises(DataError, match=match) as caught:
        source.read(source.list_cases()[0])
    assert "\n" not in str(caught.value)


def test_x_y_z_becomes_z_y_x(h5: Path) -> None:
    """A voxel that is marked at (x, y, z) = (40, 7, 2) must be found at [2, 7, 40]."""
    path = volume(h5)
    with h5py.File(path, "r+") as file:
        assert file["image"].shape == (56, 64, 6)
        file["image"][40, 7, 2] = 1000.0
        file["label"][...] = 0
        file["label"][41, 8, 3] = 1
    case = LA(h5).read(LA(h5).list_cases()[0])
    assert case.shape == (6, 64, 56)
    assert np.argwhere(case.image[0] == 1000.0).tolist() == [[2, 7, 40]]
    assert np.argwhere(case.annotations["dense"].labels == 1).tolist() == [[3, 8, 41]]


def test_the_spacing_is_that_of_the_challenge_unless_passed(h5: Path) -> None:
    assert LA(h5).read(LA(h5).list_cases()[0]).spacing_mm == SPACING_MM == (0.625, 0.625, 0.625)
    source = LA(h5, spacing_mm=SPACING_OF_REPLICA)
    assert source.read(source.list_cases()[0]).spacing_mm == replicas.SPACING_MM


@pytest.mark.parametrize("text", ["1,1", "1,1,0", "1,1,x", "", "1,1,-1", "1,1,inf"])
def test_a_spacing_that_is_none_is_refused(h5: Path, text: str) -> None:
    with pytest.raises(ConfigError, match="give three positive numbers in mm, z,y,x"):
        LA(h5, spacing_mm=text)


def test_without_lists_cases_come_by_name_and_have_no_group(h5: Path) -> None:
    cases = LA(h5).list_cases()
    assert [case.uid for case in cases] == sorted(case.uid for case in cases)
    assert {case.group for case in cases} == {""}


@pytest.mark.parametrize("name", ["train.list", "la_train.list"])
def test_a_list_in_raw_or_beside_it_gives_order_and_group(h5: Path, name: str) -> None:
    (h5 / name).write_text(f"{TRAIN[1]}\n{TRAIN[0]}\n{TRAIN[7]}\n")
    for raw in (h5, h5 / "2018LA_Seg_Training Set"):
        cases = LA(raw).list_cases()
        assert [case.uid for case in cases[:2]] == [TRAIN[1], TRAIN[0]]
        assert [case.group for case in cases] == ["train", "train", ""]


def test_lists_may_be_passed(h5: Path, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(TRAIN[1])
    (tmp_path / "b.txt").write_text(TRAIN[0])
    cases = LA(h5, train_list=tmp_path / "a.txt", test_list=tmp_path / "b.txt").list_cases()
    assert [(case.uid, case.group) for case in cases[:2]] == [(TRAIN[1], "train"), (TRAIN[0], "test")]
    with pytest.raises(DataError, match=f"case {TRAIN[1]} is in the training and in the test list"):
        LA(h5, train_list=tmp_path / "a.txt", test_list=tmp_path / "a.txt")
    with pytest.raises(DataError, match=r"absent\.txt: not a readable list of IDs"):
        LA(h5, train_list=tmp_path / "absent.txt")


def test_truncated(h5: Path) -> None:
    volume(h5).write_bytes(volume(h5).read_bytes()[:5000])
    refuse(LA(h5), "mri_norm2.h5: not a readable h5 file .* copy it again")


@pytest.mark.parametrize("key", ["image", "label"])
def test_without_a_part(h5: Path, key: str) -> None:
    with h5py.File(volume(h5), "r+") as file:
        del file[key]
    refuse(LA(h5), f"mri_norm2.h5: holds no dataset '{key}'; expected image and label of shape")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda label: label[:-1], r"'label' is \(55, 64, 6\), the image \(56, 64, 6\)"),
        (lambda label: 2 * label, "mri_norm2.h5: label value 2 is not known; expected 0, 1"),
    ],
)
def test_labels_that_do_not_fit(h5: Path, change, match: str) -> None:
    with h5py.File(volume(h5), "r+") as file:
        label = change(file["label"][()])
        del file["label"]
        file["label"] = label
    refuse(LA(h5), match)


def test_nrrd_is_normalised_over_the_whole_image(nrrd: Path) -> None:
    case = LA(nrrd).read(LA(nrrd).list_cases()[0])
    assert case.image.mean() == pytest.approx(0.0, abs=1e-5)
    assert case.image.std() == pytest.approx(1.0, abs=1e-5)
    assert set(np.unique(case.annotations["dense"].labels)) == {0, 1}
    np.testing.assert_allclose(case.affine, replicas.OBLIQUE_AFFINE, atol=1e-4)
    assert case.spacing_mm == pytest.approx(replicas.SPACING_MM)


def test_the_crop_has_room_for_a_patch_and_a_margin_and_moves_the_origin(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 500, (6, 240, 200)).astype(np.int16)
    label = np.zeros(image.shape, np.uint8)
    label[2:5, 80:121, 90:111] = 255
    replicas.write_nrrd(tmp_path / "A" / "lgemri.nrrd", image)
    replicas.write_nrrd(tmp_path / "A" / "laendo.nrrd", label)
    case = LA(tmp_path).read(LA(tmp_path).list_cases()[0])
    y, x = crop_around(label == 255, "A")
    # first − margin − half of what the patch of 112 needs beyond the atrium; margins are 10 to 19
    assert 80 - 19 - 36 <= y.start <= 80 - 10 - 36
    assert 120 + 10 + 36 <= y.stop <= 120 + 19 + 36
    assert 90 - 19 - 46 <= x.start <= 90 - 10 - 46
    assert 110 + 10 + 46 <= x.stop <= 110 + 19 + 46
    normalised = (image - image.mean()) / image.std()
    np.testing.assert_allclose(case.image[0], normalised[:, y, x], atol=1e-5)
    np.testing.assert_array_equal(case.annotations["dense"].labels, label[:, y, x] == 255)
    expected = replicas.OBLIQUE_AFFINE @ [x.start, y.start, 0, 1]
    np.testing.assert_allclose(case.affine[:, 3], expected, atol=1e-3)
    assert crop_around(label == 255, "A") == (y, x)
    assert crop_around(label == 255, "B") != (y, x)


def test_without_a_label_the_image_is_whole(nrrd: Path) -> None:
    next(nrrd.rglob("laendo.nrrd")).unlink()
    cases = [LA(nrrd).read(raw) for raw in LA(nrrd).list_cases()]
    assert sorted(len(case.annotations) for case in cases) == [0, 1]
    assert {case.shape for case in cases} == {(6, 64, 56)}


def test_of_a_folder_with_both_layouts_the_h5_file_is_read(h5: Path) -> None:
    replicas.write_nrrd(volume(h5).with_name("lgemri.nrrd"), np.ones((6, 64, 56), np.int16))
    cases = LA(h5).list_cases()
    assert len(cases) == 3
    assert all(case.files["image"].name == "mri_norm2.h5" for case in cases)


def test_damaged_nrrd(nrrd: Path) -> None:
    path = sorted(nrrd.rglob("lgemri.nrrd"))[0]
    path.write_bytes(path.read_bytes()[:1000])
    refuse(LA(nrrd), "lgemri.nrrd: not a readable NRRD file .*; copy it again")


@pytest.mark.parametrize(
    ("label", "match"),
    [
        (np.full((6, 64, 56), 7, np.uint8), "laendo.nrrd: label value 7 is not known; expected 0 and 255"),
        (np.zeros((6, 64, 56), np.uint8), "laendo.nrrd: no voxel is 255, the cavity"),
        (np.full((6, 64, 50), 255, np.uint8), r"laendo.nrrd: shape \(z, y, x\) is \(6, 64, 50\)"),
    ],
)
def test_nrrd_labels_that_do_not_fit(nrrd: Path, label: np.ndarray, match: str) -> None:
    replicas.write_nrrd(sorted(nrrd.rglob("laendo.nrrd"))[0], label)
    refuse(LA(nrrd), match)


def test_a_constant_image_is_refused(nrrd: Path) -> None:
    replicas.write_nrrd(sorted(nrrd.rglob("lgemri.nrrd"))[0], np.ones((6, 64, 56), np.int16))
    refuse(LA(nrrd), "lgemri.nrrd: the image is constant")


def test_a_nrrd_of_colours_is_refused(tmp_path: Path) -> None:
    image = SimpleITK.GetImageFromArray(np.zeros((4, 5, 6, 3), np.uint8), isVector=True)
    SimpleITK.WriteImage(image, tmp_path / "colours.nrrd")
    with pytest.raises(DataError, match="3 dimensions and 3 channels; expected 3 dimensions and one channel"):
        read_nrrd(tmp_path / "colours.nrrd")


@pytest.mark.real
def test_real_volumes(real_data: Path) -> None:
    source = LA(real_data / "la")
    listed = source.list_cases()
    assert [(raw.uid, raw.group) for raw in listed] == [(uid, "train") for uid in TRAIN[:2]]
    for raw in listed:
        case = source.read(raw)
        assert case.shape[0] == 88
        labels = case.annotations["dense"].labels
        assert set(np.unique(labels)) == {0, 1}
        assert IGNORE not in labels
        # the published crop leaves a margin of at least ten voxels in y and x
        inside = labels.any(axis=0)
        assert not inside[:10].any()
        assert not inside[:, :10].any()
