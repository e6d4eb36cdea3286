"""Scoring NIfTI files: pairing, geometry, units."""

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from scipy.spatial.transform import Rotation

from lesslabel.cli import main
from lesslabel.data.formats.nifti import write_label_map
from lesslabel.errors import ConfigError, DataError
from lesslabel.evaluation import evaluate_files, segmentation_metrics

SPACING_ZYX = (4.0, 1.5, 0.5)


def save(path, labels, affine=None):
    """Write a (z, y, x) label map as NIfTI (x, y, z)."""
    path.parent.mkdir(exist_ok=True)
    affine = np.diag([*SPACING_ZYX[::-1], 1.0]) if affine is None else affine
    nib.save(nib.Nifti1Image(labels.T, affine), path)
    return path


@pytest.fixture
def folders(tmp_path, blobs):
    """Two folders with the cases a and b, one of them compressed on one side only."""
    for seed, case in enumerate("ab"):
        save(tmp_path / "ref" / f"{case}.nii.gz", blobs(seed, (5, 9, 12)))
        save(tmp_path / "pred" / f"{case}.nii{'.gz' if case == 'a' else ''}", blobs(seed + 10, (5, 9, 12)))
    return tmp_path / "pred", tmp_path / "ref"


def test_two_folders_in_mm_and_in_voxels(folders, blobs):
    frame = evaluate_files(*folders)
    assert list(frame.columns[:2]) == ["case", "label"]
    assert list(frame["case"]) == ["a"] * 3 + ["b"] * 3
    of_b = frame[frame["case"] == "b"].drop(columns="case").reset_index(drop=True)
    pred, ref = blobs(11, (5, 9, 12)), blobs(1, (5, 9, 12))
    pd.testing.assert_frame_equal(of_b, segmentation_metrics(pred, ref, spacing=SPACING_ZYX))
    in_voxels = evaluate_files(folders[0] / "b.nii", folders[1] / "b.nii.gz", unit="voxel").drop(columns="case")
    pd.testing.assert_frame_equal(in_voxels, segmentation_metrics(pred, ref))


def test_options_reach_the_metrics(folders, blobs):
    options = {"labels": {2: "second", 9: "none"}, "hd95": "max-of-directed", "empty": "inf", "nsd_tolerance": 2.5}
    frame = evaluate_files(folders[0] / "a.nii.gz", folders[1] / "a.nii.gz", **options)
    pred, ref = blobs(10, (5, 9, 12)), blobs(0, (5, 9, 12))
    expected = segmentation_metrics(pred, ref, spacing=SPACING_ZYX, **options)
    pd.testing.assert_frame_equal(frame.drop(columns="case"), expected)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_file_of_one_slice_is_scored_in_2d(tmp_path, blobs, axis):
    pred, ref = blobs(0, (12, 14)), blobs(1, (12, 14))
    files = [save(tmp_path / name, np.expand_dims(labels, axis)) for name, labels in (("p.nii", pred), ("r.nii", ref))]
    expected = segmentation_metrics(pred, ref, spacing=np.delete(SPACING_ZYX, axis))
    pd.testing.assert_frame_equal(evaluate_files(*files).drop(columns="case"), expected)


def test_whole_numbers_kept_as_float_are_labels(tmp_path, blobs):
    labels = blobs(0, (5, 9, 12))
    pred, ref = save(tmp_path / "p.nii", labels.astype(np.float32)), save(tmp_path / "r.nii", labels)
    assert (evaluate_files(pred, ref)["dice"] == 1).all()


def test_a_missing_and_an_extra_prediction_are_named(folders, blobs):
    pred, ref = folders
    (pred / "a.nii.gz").rename(pred / "c.nii.gz")
    with pytest.raises(DataError, match=r"no prediction in .*pred for a; no reference in .*ref for c"):
        evaluate_files(pred, ref)
    save(ref / "c.nii", blobs(0, (5, 9, 12)))
    (ref / "a.nii.gz").unlink()
    (ref / "b.nii.gz").unlink()
    with pytest.raises(DataError, match=r"^no reference in .*ref for b;"):
        evaluate_files(pred, ref)


def test_another_shape_names_both_files(tmp_path):
    pred = save(tmp_path / "p.nii", np.zeros((5, 9, 12), np.uint8))
    ref = save(tmp_path / "r.nii", np.zeros((5, 9, 11), np.uint8))
    with pytest.raises(DataError, match=r"p\.nii: shape .*\(5, 9, 12\).*r\.nii is \(5, 9, 11\)"):
        evaluate_files(pred, ref)


@pytest.mark.parametrize(("shift_mm", "fits"), [(0.14, True), (0.16, False)])
def test_the_grids_must_agree_to_a_tenth_of_a_voxel(tmp_path, blobs, shift_mm, fits):
    affine = np.diag([0.5, 1.5, 4.0, 1.0])
    moved = affine.copy()
    moved[1, 3] += shift_mm
    pred, ref = save(tmp_path / "p.nii", blobs(0, (5, 9, 12)), moved), save(tmp_path / "r.nii", blobs(0, (5, 9, 12)))
    if fits:
        assert len(evaluate_files(pred, ref)) == 3
    else:
        with pytest.raises(DataError, match=r"p\.nii: affine differs from that of r\.nii by 0\.107 voxels; resample"):
            evaluate_files(pred, ref)


def test_axes_rounded_to_four_decimals_and_made_orthonormal_again_are_one_grid(tmp_path, blobs):
    """As scanners and anonymisers round direction cosines, and as ITK mends them on writing."""
    exact = Rotation.from_rotvec([0.2, -0.1, 0.15]).as_matrix()
    rounded, orthonormal = np.eye(4), np.eye(4)
    rounded[:3, :3] = np.round(exact, 4) * [0.7, 0.7, 3.0]
    left, _, right = np.linalg.svd(np.round(exact, 4))
    orthonormal[:3, :3] = (left @ right) * [0.7, 0.7, 3.0]
    labels = blobs(0, (40, 128, 128))
    ref, pred = save(tmp_path / "r.nii", labels, rounded), save(tmp_path / "p.nii", labels, orthonormal)
    assert (evaluate_files(pred, ref)["dice"] == 1).all()


def test_a_mirrored_prediction_is_refused(tmp_path, blobs):
    mirrored = np.diag([-0.5, 1.5, 4.0, 1.0])
    pred, ref = save(tmp_path / "p.nii", blobs(0, (5, 9, 12)), mirrored), save(tmp_path / "r.nii", blobs(0, (5, 9, 12)))
    with pytest.raises(DataError, match="correct its header"):
        evaluate_files(pred, ref)


def test_paths_and_options_that_do_not_fit(folders, tmp_path, blobs):
    pred, ref = folders
    with pytest.raises(DataError, match=r"nowhere: no such file or folder; pass PRED"):
        evaluate_files(tmp_path / "nowhere", ref)
    with pytest.raises(DataError, match="one is a file, the other a folder"):
        evaluate_files(pred / "a.nii.gz", ref)
    with pytest.raises(ConfigError, match="unit: 'cm'"):
        evaluate_files(pred, ref, unit="cm")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"empty: holds no \.nii"):
        evaluate_files(pred, tmp_path / "empty")
    save(ref / "a.nii", blobs(0, (5, 9, 12)))
    with pytest.raises(DataError, match=r"is the same case; keep one of them"):
        evaluate_files(pred, ref)


@pytest.mark.parametrize("extra", [0, 1])
def test_a_reference_that_is_known_nowhere_but_in_the_background_is_refused(tmp_path, extra):
    labels = np.zeros((5, 9, 12), np.uint8)
    labels[1:3, 2:5, 3:6] = 1
    pred = labels.copy()
    pred[0, 0, :extra] = 1
    ref = save(tmp_path / "r.nii", labels * np.uint8(255))
    with pytest.raises(DataError, match=r"r\.nii: known nowhere but in the background \(values 0 and 255;.* 0 and 1"):
        evaluate_files(save(tmp_path / "p.nii", pred), ref)
    all_unknown = save(tmp_path / "unknown.nii", np.full_like(labels, 255))
    with pytest.raises(DataError, match=r"unknown\.nii: known nowhere"):
        evaluate_files(save(tmp_path / "p.nii", pred), all_unknown)


def test_what_is_no_label_map_names_the_file(tmp_path, blobs):
    ref = save(tmp_path / "r.nii", blobs(0, (5, 9, 12)))
    with pytest.raises(DataError, match=r"p\.nii against .*r\.nii: pred holds 255"):
        evaluate_files(save(tmp_path / "p.nii", np.full((5, 9, 12), 255, np.uint8)), ref)
    (tmp_path / "damaged.nii").write_bytes(ref.read_bytes()[:400])
    with pytest.raises(DataError, match=r"damaged\.nii"):
        evaluate_files(tmp_path / "damaged.nii", ref)


def test_files_without_any_label_are_no_empty_table(tmp_path):
    for name in ("a", "b"):
        write_label_map(tmp_path / f"{name}.nii.gz", np.zeros((3, 4, 5), np.uint8), (1.0, 1.0, 1.0))
    with pytest.raises(DataError, match=r"a\.nii\.gz and .*b\.nii\.gz: no label in any file, so there is nothing to"):
        evaluate_files(tmp_path / "a.nii.gz", tmp_path / "b.nii.gz")
    assert evaluate_files(tmp_path / "a.nii.gz", tmp_path / "b.nii.gz", labels=[1])["label"].tolist() == [1]


@pytest.mark.parametrize("code", [128, 255])
def test_other_codes_in_prediction_and_reference_are_said(tmp_path, capsys, code):
    """A mask of 0 and 128 against labels of 0 and 1: every score is 0, and nothing is wrong with the segmentation."""
    labels = np.zeros((3, 4, 5), np.uint8)
    labels[1, 1:3, 1:3] = 1
    write_label_map(tmp_path / "a.nii.gz", labels, (1.0, 1.0, 1.0))
    write_label_map(tmp_path / "b.nii.gz", labels * code, (1.0, 1.0, 1.0))
    assert main(["evaluate", str(tmp_path / "a.nii.gz"), str(tmp_path / "b.nii.gz")]) == (1 if code == 255 else 0)
    said = capsys.readouterr().err
    expected = "known nowhere but in the background" if code == 255 else "have the same label; are the codes the"
    assert expected in said
